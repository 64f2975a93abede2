//! A server's lists, page by page, within limits: refused over them, never cut.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::error::METHOD_NOT_FOUND;
use tollgate_mcp::object::{Object, elements, quote};
use tollgate_mcp::translate::ResultType;

use super::exchange::Event;
use super::server::Server;
use super::{Failure, Listing, Outbound};
use crate::call::Client;

/// The most pages.
const PAGES_MAX: usize = 100;

/// The most tools, prompts and templates.
const ITEMS_MAX: usize = 1_000;

/// The most resources.
const RESOURCES_MAX: usize = 10_000;

/// The most bytes of all items.
const BYTES_MAX: usize = 16 * 1024 * 1024;

const fn items_max(listing: Listing) -> usize {
    match listing {
        Listing::Tools | Listing::Prompts | Listing::Templates => ITEMS_MAX,
        Listing::Resources => RESOURCES_MAX,
    }
}

/// What has been listed so far.
#[derive(Default)]
struct Listed {
    items: Vec<Bytes>,
    bytes: usize,
    ttl_ms: Option<u64>,
    seen: HashSet<String>,
}

/// All pages of one list.
pub(super) async fn all(
    server: &Arc<Server>,
    listing: Listing,
    client: &Arc<Client>,
    principal: &Arc<str>,
) -> Result<(Vec<Bytes>, Option<u64>), Failure> {
    if !server.introduction().await?.has(listing.capability()) {
        return Ok((Vec::new(), None));
    }
    let refused =
        |why: String| Failure::Unavailable { server: Arc::clone(&server.config.alias), why, sent: true };
    let mut listed = Listed::default();
    let mut cursor: Option<String> = None;
    for _page in 0..PAGES_MAX {
        let (object, ttl_ms) = match page(server, listing, cursor.as_deref(), client, principal).await? {
            Page::Items(object, ttl_ms) => (object, ttl_ms),
            Page::Missing => return Ok((Vec::new(), None)),
            Page::Odd => {
                return Err(refused(format!("`{}` did not answer with a list", listing.method().as_str())));
            }
        };
        listed.take(&object, ttl_ms, listing).map_err(refused)?;
        if listed.bytes > BYTES_MAX {
            return Err(Failure::TooLarge { server: Arc::clone(&server.config.alias), limit: BYTES_MAX });
        }
        // An empty string is a cursor, too.
        let Some(next) = object.string("nextCursor") else { return Ok((listed.items, listed.ttl_ms)) };
        if !listed.seen.insert(next.clone().into_owned()) {
            return Err(refused(format!(
                "`{}` came to a cursor for the second time",
                listing.method().as_str()
            )));
        }
        cursor = Some(next.into_owned());
    }
    Err(refused(format!("`{}` has more than {PAGES_MAX} pages", listing.method().as_str())))
}

impl Listed {
    fn take(&mut self, object: &Object, ttl_ms: Option<u64>, listing: Listing) -> Result<(), String> {
        let method = listing.method().as_str();
        let array = object
            .get(listing.member())
            .ok_or_else(|| format!("`{method}` answered without `{}`", listing.member()))?;
        let items = elements(&array)
            .map_err(|_| format!("`{method}` answered with `{}` that is no array", listing.member()))?;
        if self.items.len() + items.len() > items_max(listing) {
            return Err(format!("`{method}` has more than {} items", items_max(listing)));
        }
        self.bytes += array.len();
        self.items.extend(items);
        self.ttl_ms = match (self.ttl_ms, ttl_ms) {
            (Some(least), Some(ttl)) => Some(least.min(ttl)),
            (None, ttl) | (ttl, None) => ttl,
        };
        Ok(())
    }
}

enum Page {
    /// Its result and its `ttlMs`.
    Items(Object, Option<u64>),
    /// The server has no such list.
    Missing,
    /// The answer is none.
    Odd,
}

async fn page(
    server: &Arc<Server>,
    listing: Listing,
    cursor: Option<&str>,
    client: &Arc<Client>,
    principal: &Arc<str>,
) -> Result<Page, Failure> {
    let params = cursor.map(|cursor| format!(r#"{{"cursor":{}}}"#, quote(cursor)));
    let params =
        params.and_then(|params| Object::scan(Bytes::from(params)).ok()).unwrap_or_else(Object::empty);
    let mut exchange = server
        .send(Outbound {
            method: listing.method(),
            params,
            client: Arc::clone(client),
            principal: Arc::clone(principal),
            progress: false,
            log_level: None,
            marks: Arc::from([]),
        })
        .await?;
    loop {
        match exchange.next().await {
            Event::Done(Ok(answer)) => {
                return Ok(match answer.kind {
                    ResultType::Complete => {
                        Page::Items(answer.object, answer.cache.map(|cache| cache.ttl_ms))
                    }
                    ResultType::InputRequired | ResultType::Task => Page::Odd,
                });
            }
            Event::Done(Err(error)) if error.code == METHOD_NOT_FOUND => return Ok(Page::Missing),
            Event::Done(Err(error)) => {
                return Err(Failure::Unavailable {
                    server: Arc::clone(&server.config.alias),
                    why: format!("it refused `{}` with {}", listing.method().as_str(), error.code),
                    sent: true,
                });
            }
            Event::Failed(failure) => return Err(failure),
            // Nothing of this was asked for; a list can't be asked anything.
            Event::Progress(_) | Event::Log(_) | Event::Asked(_) | Event::Withdrew | Event::Paused(_) => {}
        }
    }
}
