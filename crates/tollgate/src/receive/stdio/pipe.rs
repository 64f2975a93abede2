//! One agent's messages: which era each is of, and on with it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_REQUEST, RpcError};
use tollgate_mcp::message::{self, Id, Message, Notification, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;

use super::writer::Lines;
use super::{Settings, modern};
use crate::call::{Caller, Canceller, Credential, Handle, Peer};
use crate::receive::edge::{self, Around, Memo, Meta};
use crate::receive::legacy::call::Call;
use crate::receive::legacy::{self, Core, Flights, listen};

/// One agent's pipe.
pub(super) struct Pipe<H> {
    handle: Arc<H>,
    credential: Credential,
    peer: Peer,
    settings: Settings,
    pub(super) lines: Lines,
    /// The modern requests in flight; the legacy ones are the session's.
    flights: Arc<Flights>,
    memo: Memo,
    session: Option<Arc<Core>>,
    pub(super) tasks: JoinSet<()>,
    /// Fires when the input has ended: listening ends, everything else finishes.
    stop: Canceller,
}

impl<H> Drop for Pipe<H> {
    fn drop(&mut self) {
        self.flights.cancel_all();
        if let Some(session) = &self.session {
            session.end();
        }
    }
}

impl<H: Handle> Pipe<H> {
    pub(super) fn new(
        handle: Arc<H>,
        credential: Credential,
        peer: Peer,
        settings: Settings,
        lines: Lines,
    ) -> Self {
        Self {
            handle,
            credential,
            peer,
            settings,
            lines,
            flights: Arc::default(),
            memo: Memo::default(),
            session: None,
            tasks: JoinSet::new(),
            stop: Canceller::new(),
        }
    }

    pub(super) async fn line(&mut self, line: Bytes) {
        if message::is_batch(&line) {
            return self.batch(&line).await;
        }
        match message::read(&line, self.settings.depth) {
            Ok(Message::Request(request)) => self.request(request, line.len()).await,
            Ok(Message::Notification(notification)) => self.notified(&notification),
            Ok(Message::Response(response)) => {
                if let Some(session) = &self.session {
                    session.answered(response);
                }
            }
            Err(broken) => {
                self.handle.count("malformed");
                self.lines.send(message::write_error(broken.id.as_ref(), &broken.error)).await;
            }
        }
    }

    /// Which era one request is of: its `_meta` says so; without, it is the session's.
    async fn request(&mut self, request: Request, bytes: usize) {
        let id = request.id.clone();
        // Every request is authenticated: a key may have been revoked.
        let Ok(caller) = self.handle.admit(&self.credential, &self.peer, &self.settings.endpoint) else {
            return self.error(&id, &RpcError::new(INTERNAL_ERROR, "not admitted any more")).await;
        };
        let meta = Meta::of(&request.params);
        let discovers = request.method == Method::Discover.as_str();
        if meta.is_modern() || discovers || (self.session.is_none() && meta.names_version()) {
            return self.modern(request, &meta, caller, bytes).await;
        }
        if request.method == Method::Initialize.as_str() {
            return self.initialize(&request, &caller, bytes).await;
        }
        match self.session.as_ref().map(Arc::clone) {
            Some(session) => self.legacy(&session, caller, request, bytes).await,
            None if request.method == Method::Ping.as_str() => {
                self.handle.count("ping");
                self.lines.send(message::write_result(&id, Bytes::from_static(b"{}").into())).await;
            }
            None => {
                let error = RpcError::new(
                    INVALID_REQUEST,
                    "send `initialize` first, or a request of 2026-07-28 with its `_meta`",
                );
                self.error(&id, &error).await;
            }
        }
    }

    async fn modern(&mut self, request: Request, meta: &Meta, caller: Arc<Caller>, bytes: usize) {
        let id = request.id.clone();
        let Some(flight) = self.flights.start(&id, self.settings.in_flight) else {
            return self.crowded(&id).await;
        };
        let around = Around {
            caller,
            endpoint: self.settings.endpoint.clone(),
            headers: None,
            param_headers: None,
            bytes_in: u64::try_from(bytes).unwrap_or(u64::MAX),
        };
        match edge::arrival(request, meta, around, &self.memo) {
            Ok(arrival) => {
                let (handle, lines, stop) =
                    (Arc::clone(&self.handle), self.lines.clone(), self.stop.cancel());
                self.tasks.spawn(modern::answer(handle, arrival, id, flight, lines, stop));
            }
            Err(error) => {
                self.handle.count("refused");
                self.error(&id, &error).await;
            }
        }
    }

    async fn initialize(&mut self, request: &Request, caller: &Arc<Caller>, bytes: usize) {
        let endpoint = self.settings.endpoint.clone();
        let made = async {
            let core = legacy::initialize::core(request, endpoint, self.settings.patience)?;
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            let result = legacy::initialize::result(&self.handle, &core, caller, bytes).await?;
            Ok((core, result))
        };
        match made.await {
            Ok((core, result)) => {
                if let Some(old) = self.session.replace(core) {
                    old.end();
                }
                self.lines.send(message::write_result(&request.id, result)).await;
            }
            Err(error) => self.error(&request.id, &error).await,
        }
    }

    async fn legacy(&mut self, session: &Arc<Core>, caller: Arc<Caller>, request: Request, bytes: usize) {
        match self.call(session, caller, request, bytes) {
            Ok(call) => {
                let lines = self.lines.clone();
                self.tasks.spawn(async move {
                    if let Some(response) = call.run().await {
                        lines.send(response).await;
                    }
                });
            }
            Err(id) => self.crowded(&id).await,
        }
    }

    /// A legacy call, or the id of one that there is no room for.
    fn call(
        &self,
        session: &Arc<Core>,
        caller: Arc<Caller>,
        request: Request,
        bytes: usize,
    ) -> Result<Call<H, Lines>, Id> {
        if request.method == Method::Subscribe.as_str() {
            listen::start(&self.handle, session, &caller, self.lines.clone());
        }
        let Some(flight) = session.flights.start(&request.id, self.settings.in_flight) else {
            return Err(request.id);
        };
        Ok(Call {
            handle: Arc::clone(&self.handle),
            core: Arc::clone(session),
            caller,
            out: self.lines.clone(),
            bytes_in: u64::try_from(bytes).unwrap_or(u64::MAX),
            request,
            flight,
        })
    }

    fn notified(&self, notification: &Notification) {
        if notification.method == "notifications/cancelled"
            && let Some(id) = notification.params.get("requestId").and_then(Id::parse)
        {
            self.flights.cancel(&id);
        }
        let Some(session) = &self.session else { return };
        if session.notified(notification)
            && let Ok(caller) = self.handle.admit(&self.credential, &self.peer, &self.settings.endpoint)
        {
            listen::lists(session, true);
            listen::start(&self.handle, session, &caller, self.lines.clone());
        }
    }

    async fn batch(&mut self, line: &Bytes) {
        let session = self.session.as_ref().filter(|core| core.client.revision == Revision::V2025_03_26);
        let Some(session) = session.map(Arc::clone) else {
            self.handle.count("batch");
            let error = RpcError::new(INVALID_REQUEST, "batches are of 2025-03-26 sessions only");
            return self.lines.send(message::write_error(None, &error)).await;
        };
        let messages = match legacy::batch::read(line, self.settings.depth) {
            Ok(messages) => messages,
            Err(error) => return self.lines.send(message::write_error(None, &error)).await,
        };
        let Ok(caller) = self.handle.admit(&self.credential, &self.peer, &self.settings.endpoint) else {
            let error = RpcError::new(INTERNAL_ERROR, "not admitted any more");
            return self.lines.send(message::write_error(None, &error)).await;
        };
        let mut calls = Vec::new();
        for message in messages {
            match message {
                Message::Notification(notification) => self.notified(&notification),
                Message::Response(response) => session.answered(response),
                Message::Request(request) => {
                    match self.call(&session, Arc::clone(&caller), request, line.len()) {
                        Ok(call) => calls.push(call),
                        Err(id) => self.crowded(&id).await,
                    }
                }
            }
        }
        let lines = self.lines.clone();
        self.tasks.spawn(async move {
            let mut responses: Vec<Rope> = Vec::with_capacity(calls.len());
            for call in calls {
                responses.extend(call.run().await);
            }
            if !responses.is_empty() {
                lines.send(legacy::batch::array(responses)).await;
            }
        });
    }

    async fn crowded(&self, id: &Id) {
        self.error(id, &RpcError::new(INTERNAL_ERROR, "too many requests are in flight")).await;
    }

    async fn error(&self, id: &Id, error: &RpcError) {
        self.lines.send(message::write_error(Some(id), error)).await;
    }

    /// The input has ended: listening ends, nobody answers questions any more, the rest finishes.
    pub(super) async fn settle(&mut self) {
        self.stop.fire();
        if let Some(session) = &self.session {
            session.deserted();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}
