//! One channel to a server, shared by its calls: a pipe to a process, or an event stream and its POSTs. Who waits for what.
//! *Never* lets one slow call hold up another, and never trusts a line to be a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::error::{INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::line;
use tollgate_mcp::message::{self, Message, Notification, Request};
use tollgate_mcp::object::{elements, quote};
use tollgate_mcp::rope::Rope;

use super::super::Failure;
use super::super::bulletin::Bulletin;
use super::super::exchange::number;
use super::super::registry::{Attached, Inbound, Place, Registry};
use super::super::sse::Posts;

/// The longest line.
const LINE_MAX: usize = 16 * 1024 * 1024;

/// How many messages may wait to be written.
const QUEUE: usize = 256;

/// How much is written at once.
const BATCH: usize = 64 * 1024;

/// How long a question waits for a call that it can be attached to.
const HOLD: Duration = Duration::from_secs(10);

/// Whose questions a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// A modern server: it sends no requests.
    Never,
    /// A legacy server, as far as it was declared.
    Declared,
}

/// Where messages leave.
#[derive(Debug)]
enum Out {
    Pipe(mpsc::Sender<Rope>),
    Posts(Posts),
}

/// One channel.
#[derive(Debug)]
pub(in crate::servers) struct Link {
    alias: Arc<str>,
    pub(in crate::servers) calls: Registry,
    out: Out,
    ids: AtomicU64,
    stop: Notify,
    capabilities: Capabilities,
    bulletin: Arc<Bulletin>,
    asking: std::sync::OnceLock<Asking>,
}

impl Link {
    /// A link, and what its writer takes from. `private` = all its calls are one principal's.
    pub(super) fn new(
        alias: &Arc<str>,
        bulletin: &Arc<Bulletin>,
        capabilities: Capabilities,
        private: bool,
    ) -> (Arc<Self>, mpsc::Receiver<Rope>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Self::over(Out::Pipe(queue), alias, bulletin, capabilities, private), waiting)
    }

    /// A link that posts its messages.
    pub(super) fn posting(
        posts: Posts,
        alias: &Arc<str>,
        bulletin: &Arc<Bulletin>,
        capabilities: Capabilities,
        private: bool,
    ) -> Arc<Self> {
        Self::over(Out::Posts(posts), alias, bulletin, capabilities, private)
    }

    fn over(
        out: Out,
        alias: &Arc<str>,
        bulletin: &Arc<Bulletin>,
        capabilities: Capabilities,
        private: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            alias: Arc::clone(alias),
            calls: Registry::new(private),
            out,
            ids: AtomicU64::new(1),
            stop: Notify::new(),
            capabilities,
            bulletin: Arc::clone(bulletin),
            asking: std::sync::OnceLock::new(),
        })
    }

    /// Says which era it is, once that is known.
    pub(super) fn settle(&self, asking: Asking) {
        // Only the first word counts.
        self.asking.set(asking).ok();
    }

    pub(in crate::servers) fn mint(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a call and sends its request.
    pub(super) async fn open(
        self: &Arc<Self>,
        id: u64,
        request: Rope,
        place: Place,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Call, Failure> {
        let from = self.calls.enter(id, place)?;
        let call = Call { link: Arc::clone(self), from, id, cancels: true, over: false, turn };
        let written = match &self.out {
            Out::Pipe(_) => self.write(request).await,
            Out::Posts(posts) => {
                posts.request(self, id, request);
                Ok(())
            }
        };
        match written {
            Ok(()) => Ok(call),
            Err(why) => Err(self.unavailable(why, false)),
        }
    }

    /// Queues one message, or posts it. Waits while it is not taken.
    pub(in crate::servers) async fn write(&self, message: Rope) -> Result<(), String> {
        match &self.out {
            Out::Pipe(queue) => {
                queue.send(line::encode(message)).await.map_err(|_| "its process is gone".to_owned())
            }
            Out::Posts(posts) => posts.tell(message).await,
        }
    }

    /// Sends a reply that nobody waits for, unless too many of them wait to be taken.
    fn reply(self: &Arc<Self>, reply: Rope) {
        let Some(room) = self.calls.room() else {
            tracing::debug!(server = %self.alias, "a reply is dropped: it does not take those before");
            return;
        };
        self.write_now(reply, Some(room));
    }

    /// Queues one message, or has it wait for its place; used where nobody can wait. `room` is kept until it is taken.
    fn write_now(self: &Arc<Self>, message: Rope, room: Option<OwnedSemaphorePermit>) {
        let runtime = tokio::runtime::Handle::try_current();
        match &self.out {
            Out::Pipe(queue) => {
                if let Err(mpsc::error::TrySendError::Full(message)) = queue.try_send(line::encode(message))
                    && let Ok(runtime) = runtime
                {
                    let queue = queue.clone();
                    runtime.spawn(async move {
                        drop(queue.send(message).await);
                        drop(room);
                    });
                }
            }
            Out::Posts(posts) => {
                if let Ok(runtime) = runtime {
                    let posts = posts.clone();
                    runtime.spawn(async move {
                        drop(posts.tell(message).await);
                        drop(room);
                    });
                }
            }
        }
    }

    /// Closes the process's input, or the stream.
    pub(in crate::servers) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until it is to end.
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// A message was too large to read: if one call is in flight, it was its answer.
    pub(in crate::servers) fn overflow(&self, limit: usize) {
        self.calls.overflow(Failure::TooLarge { server: Arc::clone(&self.alias), limit });
    }

    pub(super) fn unavailable(&self, why: impl Into<String>, sent: bool) -> Failure {
        Failure::Unavailable { server: Arc::clone(&self.alias), why: why.into(), sent }
    }

    /// Writes what is queued, as much as there is at once, until told to stop; then the input is closed.
    pub(super) async fn write_all(
        &self,
        mut waiting: mpsc::Receiver<Rope>,
        mut input: impl AsyncWrite + Unpin,
    ) {
        let mut batch = BytesMut::with_capacity(4096);
        loop {
            let first = tokio::select! {
                biased;
                () = self.stop.notified() => return,
                first = waiting.recv() => first,
            };
            let mut next = first;
            while let Some(message) = next.take() {
                for piece in message.pieces() {
                    batch.extend_from_slice(piece);
                }
                if batch.len() < BATCH {
                    next = waiting.try_recv().ok();
                }
            }
            if batch.is_empty() {
                return;
            }
            let written = tokio::select! {
                written = input.write_all(&batch) => written,
                () = self.stop.notified() => return,
            };
            if written.is_err() {
                // The reader sees the end, too, and says why.
                return;
            }
            batch.clear();
            if batch.capacity() > 4 * BATCH {
                batch = BytesMut::with_capacity(4096);
            }
        }
    }

    /// Reads until the process closes its output.
    pub(super) async fn read_all(self: &Arc<Self>, mut output: impl AsyncRead + Unpin) {
        let mut decoder = line::Decoder::new(LINE_MAX);
        let mut chunk = vec![0_u8; BATCH];
        loop {
            let read = match output.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            decoder.feed(chunk.get(..read).unwrap_or_default());
            loop {
                match decoder.next() {
                    Ok(Some(text)) => self.take(&text),
                    Ok(None) => break,
                    Err(line::TooLong { limit }) => {
                        tracing::warn!(server = %self.alias, limit, "a line that is too long is skipped");
                        self.overflow(limit);
                    }
                }
            }
        }
    }

    /// Takes one message, or a batch.
    pub(in crate::servers) fn take(self: &Arc<Self>, text: &Bytes) {
        if message::is_batch(text) {
            for text in elements(text).unwrap_or_default() {
                self.take_one(&text);
            }
        } else {
            self.take_one(text);
        }
    }

    fn take_one(self: &Arc<Self>, text: &Bytes) {
        match message::read_server(text) {
            Ok(Message::Response(response)) => {
                // Late answers to what was cancelled are common and harmless.
                if !self.calls.answer(response) {
                    tracing::debug!(server = %self.alias, "an answer that nobody waits for is dropped");
                }
            }
            Ok(Message::Notification(notification)) => self.notified(notification),
            Ok(Message::Request(request)) => self.asked(request),
            Err(_) => {
                let start = String::from_utf8_lossy(text.get(..text.len().min(80)).unwrap_or_default());
                tracing::warn!(server = %self.alias, line = %start.escape_debug(), "a line on stdout that is no message is ignored");
            }
        }
    }

    fn notified(&self, notification: Notification) {
        match notification.method.as_str() {
            "notifications/progress" => self.bulletin.progress(&self.calls, notification),
            "notifications/message" => self.calls.log(notification),
            "notifications/subscriptions/acknowledged" => {
                let meta = notification.params.object("_meta");
                let id = meta.as_ref().and_then(|meta| meta.slice("io.modelcontextprotocol/subscriptionId"));
                if let Some(id) = id.and_then(number) {
                    drop(self.calls.notify(id, notification));
                }
            }
            // A modern server ends a subscription so; a legacy one takes a question back.
            "notifications/cancelled" => {
                match (self.asking.get(), notification.params.slice("requestId").and_then(number)) {
                    (Some(Asking::Never), Some(id)) => drop(self.calls.notify(id, notification)),
                    (Some(Asking::Never), None) => {}
                    (Some(Asking::Declared) | None, _) => self.calls.withdraw(&notification),
                }
            }
            _ => {
                self.bulletin.take(&notification);
            }
        }
    }

    /// A request names no call here: attached to the only one it can be for, or refused.
    fn asked(self: &Arc<Self>, request: Request) {
        if request.method == "ping" {
            self.reply(message::write_result(&request.id, Rope::from(Bytes::from_static(b"{}"))));
            return;
        }
        if self.asking.get() == Some(&Asking::Never) {
            tracing::warn!(server = %self.alias, "a request from a modern server is ignored");
            return;
        }
        if !self.capabilities.allows(&request.method, &request.params) {
            self.refuse(&request, METHOD_NOT_FOUND, "not declared by the client");
            return;
        }
        match self.calls.ask(request.clone()) {
            Attached::Delivered => {}
            Attached::Held => {
                let link = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(HOLD).await;
                    if link.calls.expire(&request) {
                        link.refuse(&request, INTERNAL_ERROR, "no request in flight can carry this");
                    }
                });
            }
            Attached::Refused => self.refuse(&request, INTERNAL_ERROR, "no request in flight can carry this"),
        }
    }

    fn refuse(self: &Arc<Self>, request: &Request, code: i64, why: &str) {
        self.reply(message::write_error(Some(&request.id), &RpcError::new(code, why)));
    }
}

/// One request on a link.
#[derive(Debug)]
pub(in crate::servers) struct Call {
    link: Arc<Link>,
    from: mpsc::Receiver<Inbound>,
    id: u64,
    cancels: bool,
    over: bool,
    turn: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// The next message. Cancel-safe.
    pub(in crate::servers) async fn message(&mut self) -> Result<Message, Failure> {
        if let Some(inbound) = self.from.recv().await {
            self.over |= inbound.is_err();
            return *inbound;
        }
        self.over = true;
        Err(self.link.unavailable("its process is gone", true))
    }

    pub(in crate::servers) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(in crate::servers) fn finish(&mut self) {
        self.over = true;
        self.turn = None;
    }

    pub(in crate::servers) fn give_turn(&mut self) {
        self.turn = None;
    }

    /// Never tells the process that nobody waits: for what it may not know, and for `initialize`.
    pub(super) fn uncancellable(mut self) -> Self {
        self.cancels = false;
        self
    }

    /// What is said of the earlier call `id` comes here too.
    pub(in crate::servers) fn hears_for(&self, id: u64) {
        self.link.calls.succeed(id, self.id);
    }

    /// Takes the call out and tells the process.
    pub(in crate::servers) fn cancel(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.link.calls.leave(self.id);
        if self.cancels {
            let params = format!(r#"{{"requestId":{},"reason":{}}}"#, self.id, quote("cancelled"));
            let params = Rope::from(Bytes::from(params));
            self.link.write_now(message::write_notification("notifications/cancelled", params), None);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_the_replies_to_a_server_that_never_reads_only_a_few_wait() {
        let (link, mut waiting) = Link::new(&Arc::from("fake"), &Bulletin::new(), Capabilities::none(), true);
        let ping = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        for _ in 0..1_000 {
            link.take(&ping);
        }
        let mut next =
            async || tokio::time::timeout(Duration::from_millis(200), waiting.recv()).await.ok().flatten();
        let mut replies = 0;
        while next().await.is_some() {
            replies += 1;
        }
        assert_eq!(replies, QUEUE + 32);
        link.take(&ping);
        assert!(next().await.is_some(), "it reads again");
    }
}
