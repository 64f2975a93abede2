//! The four lists: what this caller could be allowed, already written.

use std::sync::Arc;

use tollgate_mcp::error::{INVALID_PARAMS, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::method::Method;
use tollgate_mcp::translate::{Answer, CacheHint, ResultType};

use crate::call::{Arrival, Caller, Client, Ending, Endpoint};
use crate::catalog::{List, ListKey, Snapshot, digest_of};
use crate::conversation::Here;
use crate::record::{Close, Outcome, Reply};
use crate::resolve::Scope;
use crate::seal::Purpose;
use crate::servers::Listing;

use super::{Gate, refused_with};

impl Gate {
    pub(super) async fn list(&self, arrival: Arrival) -> Reply {
        let (mut entry, here) = self.begin_in(&arrival);
        let here = match here {
            Ok(here) => here,
            Err(error) => return entry.close(refused_with(&error), Ending::Error(error)).await,
        };
        let snapshot = self
            .catalog
            .snapshot(&arrival.client, &arrival.caller.principal, arrival.endpoint.server())
            .await;
        self.catalog.revalidate(&snapshot);
        match self.page(&arrival, &snapshot, &here) {
            Ok(answer) => {
                let facts = entry.facts_mut();
                facts.bytes_out = u64::try_from(answer.object.text().len()).ok();
                if let Endpoint::Server(alias) = &arrival.endpoint {
                    facts.server = Some(Arc::clone(alias));
                }
                entry.close(Close::of(Outcome::Ok), Ending::Answer(answer)).await
            }
            Err(error) => entry.close(refused_with(&error), Ending::Error(error)).await,
        }
    }

    fn page(&self, arrival: &Arrival, snapshot: &Arc<Snapshot>, here: &Here) -> Result<Answer, RpcError> {
        let listing = listing(arrival.method)?;
        if let Endpoint::Server(alias) = &arrival.endpoint
            && !has(snapshot, alias, listing)
        {
            return Err(RpcError::new(
                METHOD_NOT_FOUND,
                format!("`{alias}` has no {}", arrival.method.as_str()),
            ));
        }
        let list = self
            .written(&arrival.caller, &arrival.client, &arrival.endpoint, snapshot, listing, Some(here))
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "no such endpoint"))?;
        let start = match arrival.params.find("cursor") {
            None => 0,
            Some(_) => self
                .open_cursor(arrival, &list)
                .ok_or_else(|| RpcError::new(INVALID_PARAMS, "invalid cursor"))?,
        };
        let object = list.page(start).ok_or_else(|| RpcError::new(INVALID_PARAMS, "invalid cursor"))?.clone();
        let single = match &arrival.endpoint {
            Endpoint::Server(alias) => Some(&**alias),
            Endpoint::Whole | Endpoint::View(_) => None,
        };
        let ttl_ms = snapshot.ttl_ms(single, self.clock.instant());
        Ok(Answer { object, kind: ResultType::Complete, cache: Some(CacheHint { ttl_ms, public: false }) })
    }

    /// The written list for a caller at an endpoint; callers who see the same share it.
    pub(super) fn written(
        &self,
        caller: &Arc<Caller>,
        client: &Client,
        endpoint: &Endpoint,
        snapshot: &Arc<Snapshot>,
        listing: Listing,
        here: Option<&Here>,
    ) -> Option<Arc<List>> {
        let config = self.config.load();
        let scope = Scope::of(&config, endpoint, caller)?;
        let visible = self.decider.visible(caller, snapshot, listing);
        let narrowed = here.filter(|here| here.is_narrowed());
        let (places, digest) = match endpoint {
            Endpoint::Whole if narrowed.is_none() => (Arc::clone(&visible.places), visible.digest),
            Endpoint::Whole | Endpoint::View(_) | Endpoint::Server(_) => {
                let items = snapshot.items(listing);
                let shown = |place: &&usize| {
                    items.get(**place).is_some_and(|i| {
                        scope.shows(&i.server, &i.label) && narrowed.is_none_or(|here| here.allows(&i.label))
                    })
                };
                let places: Arc<[usize]> = visible.places.iter().filter(shown).copied().collect();
                let digest = digest_of(&places);
                (places, digest)
            }
        };
        let key =
            ListKey { listing, server: scope.single().cloned(), revision: client.revision, visible: digest };
        let write = |key: &ListKey| {
            List::write(snapshot, key, &places, &|place, digest| self.seal_cursor(place, digest))
        };
        Some(snapshot.list(key, write))
    }

    /// Cursors say a place in one written list. They hold nothing secret; the seal keeps them from being made up.
    fn seal_cursor(&self, place: usize, digest: [u8; 16]) -> String {
        let mut plain = place.to_le_bytes().to_vec();
        plain.extend_from_slice(&digest);
        self.sealer.seal(Purpose::Cursor, "", &plain, self.clock.now_ms() + CURSOR_TTL_MS)
    }

    fn open_cursor(&self, arrival: &Arrival, list: &List) -> Option<usize> {
        let token = arrival.params.string("cursor")?;
        let plain = self.sealer.open(Purpose::Cursor, "", &token, self.clock.now_ms()).ok()?;
        let (place, digest) = plain.split_first_chunk::<8>()?;
        (digest == list.digest).then(|| usize::from_le_bytes(*place))
    }
}

const CURSOR_TTL_MS: u64 = 24 * 3600 * 1000;

/// Which list a method reads.
pub(super) fn listing(method: Method) -> Result<Listing, RpcError> {
    match method {
        Method::ToolsList => Ok(Listing::Tools),
        Method::PromptsList => Ok(Listing::Prompts),
        Method::ResourcesList => Ok(Listing::Resources),
        Method::ResourcesTemplatesList => Ok(Listing::Templates),
        Method::Discover
        | Method::ToolsCall
        | Method::PromptsGet
        | Method::ResourcesRead
        | Method::Complete
        | Method::Listen
        | Method::TasksGet
        | Method::TasksUpdate
        | Method::TasksCancel
        | Method::Initialize
        | Method::Ping
        | Method::SetLevel
        | Method::Subscribe
        | Method::Unsubscribe
        | Method::TasksResult
        | Method::TasksList => Err(RpcError::new(METHOD_NOT_FOUND, "not a list")),
    }
}

/// Whether a server declares the capability behind a list; one that was not heard of yet is given the benefit.
fn has(snapshot: &Snapshot, alias: &str, listing: Listing) -> bool {
    let capability = match listing {
        Listing::Tools => "tools",
        Listing::Prompts => "prompts",
        Listing::Resources | Listing::Templates => "resources",
    };
    snapshot
        .introductions()
        .find(|(server, _)| ***server == *alias)
        .is_none_or(|(_, introduction)| introduction.capabilities.find(capability).is_some())
}
