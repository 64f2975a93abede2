//! Lists, written once for all callers who see the same.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Revision;
use tollgate_mcp::translate::{TaskSupport, list_item};

use crate::servers::Listing;

use super::item::Item;
use super::snapshot::Snapshot;

/// The most items on one page.
pub(super) const PAGE: usize = 1_000;

/// What a written list depends on, beside its snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListKey {
    /// Which list.
    pub listing: Listing,
    /// One server's own endpoint: names untouched.
    pub server: Option<Arc<str>>,
    /// The agent's revision.
    pub revision: Revision,
    /// Which items, as a digest of their places.
    pub visible: [u8; 16],
}

/// A written list: its pages as result objects without stamps.
#[derive(Debug)]
pub struct List {
    pages: Vec<Object>,
    /// Of the whole list: a view changed only if this did.
    pub digest: [u8; 16],
}

impl List {
    /// Writes the items at `places` of a list. `cursor` makes the cursor that leads to an item's place in it.
    pub fn write(
        snapshot: &Snapshot,
        key: &ListKey,
        places: &[usize],
        cursor: &dyn Fn(usize, [u8; 16]) -> String,
    ) -> Self {
        let all = snapshot.items(key.listing);
        let texts: Vec<Bytes> = places
            .iter()
            .filter_map(|place| all.get(*place))
            .map(|item| write_item(snapshot, item, key))
            .collect();
        let mut hash = Sha256::new();
        for text in &texts {
            hash.update(text);
            hash.update([0]);
        }
        let digest = first16(&hash.finalize());
        let mut pages = Vec::new();
        for (n, chunk) in texts.chunks(PAGE).enumerate() {
            let next = (n + 1) * PAGE;
            let next = (next < texts.len()).then(|| cursor(next, digest));
            pages.push(page(key.listing, chunk, next.as_deref(), snapshot.degraded()));
        }
        if pages.is_empty() {
            pages.push(page(key.listing, &[], None, snapshot.degraded()));
        }
        Self { pages, digest }
    }

    /// The page that starts at this place.
    pub fn page(&self, start: usize) -> Option<&Object> {
        start.is_multiple_of(PAGE).then(|| self.pages.get(start / PAGE))?
    }
}

fn write_item(snapshot: &Snapshot, item: &Arc<Item>, key: &ListKey) -> Bytes {
    let shown = item.shown(key.server.is_none()).into_bytes();
    let tasks = match (key.revision, key.listing) {
        (Revision::V2025_11_25, Listing::Tools) => snapshot.task_support(item),
        (
            Revision::V2024_11_05
            | Revision::V2025_03_26
            | Revision::V2025_06_18
            | Revision::V2025_11_25
            | Revision::V2026_07_28,
            _,
        ) => TaskSupport::Forbidden,
    };
    list_item(&shown, key.listing.method(), key.revision, tasks).into_bytes()
}

fn page(listing: Listing, texts: &[Bytes], next: Option<&str>, degraded: &[Arc<str>]) -> Object {
    let size: usize = texts.iter().map(|t| t.len() + 1).sum();
    let mut text = Vec::with_capacity(size + 64);
    text.extend_from_slice(b"{\"");
    text.extend_from_slice(listing.member().as_bytes());
    text.extend_from_slice(b"\":[");
    for (n, item) in texts.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        text.extend_from_slice(item);
    }
    text.push(b']');
    if let Some(next) = next {
        text.extend_from_slice(b",\"nextCursor\":");
        text.extend_from_slice(quote(next).as_bytes());
    }
    if !degraded.is_empty() {
        text.extend_from_slice(b",\"_meta\":{\"dev.tollgate/degraded\":[");
        for (n, alias) in degraded.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            text.extend_from_slice(quote(alias).as_bytes());
        }
        text.extend_from_slice(b"]}");
    }
    text.push(b'}');
    Object::scan(Bytes::from(text)).unwrap_or_else(|_| Object::empty())
}

/// The digest of a set of places.
pub fn digest_of(places: &[usize]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for place in places {
        hash.update(place.to_le_bytes());
    }
    first16(&hash.finalize())
}

fn first16(bytes: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    first
}
