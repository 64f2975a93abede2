//! What a session still has to say: its streams, each with a log of events for resumption, and what waits for a stream to be opened.
//! A message goes on exactly one stream; a stream's log is bounded in events and bytes, its session's too, and all sessions' together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::Notify;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use crate::receive::http::Sessions;

mod stream;
#[cfg(test)]
mod tests;

use stream::{Event, Pause, Reader, State, Stream};

/// How many events may wait for a connected reader before their maker is slowed down.
const UNREAD_MAX: u64 = 64;

/// How many streams a session may have open by GET; the oldest gives way.
const LISTENING_MAX: usize = 4;

/// A session's outgoing messages.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Somebody read, left, or the session ended.
    room: Notify,
    limits: Sessions,
    /// Whether its client knows streams that start with an empty event.
    primed: bool,
    all_bytes: Arc<AtomicUsize>,
}

/// How soon a client should come back for a stream that it lost.
const RETRY_MS: u64 = 1_000;

/// A call's stream, before it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) number: u64,
    /// Whether it starts with an empty event that carries an id: older clients fail on empty data.
    pub(super) primed: bool,
}

/// A reader's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stream: u64,
    reader: u64,
}

impl Outbox {
    pub(super) fn new(limits: Sessions, primed: bool, all_bytes: Arc<AtomicUsize>) -> Self {
        Self { state: Mutex::default(), room: Notify::new(), limits, primed, all_bytes }
    }

    /// A new call's stream; `newest` = its request is not of an older revision than the session. It exists once something is sent on it.
    pub(super) fn ticket(&self, newest: bool) -> Ticket {
        let mut state = self.lock();
        state.next_stream += 1;
        Ticket { number: state.next_stream, primed: self.primed && newest }
    }

    /// Makes a call's stream exist, if it does not yet.
    pub(super) fn open(&self, ticket: Ticket, now_ms: u64) {
        let mut state = self.lock();
        self.stream(&mut state, ticket, false, now_ms);
    }

    /// Sends on one call's stream. Waits while its connected reader is far behind.
    pub(super) async fn send(&self, ticket: Ticket, message: Rope, now_ms: u64) {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                let behind = self.stream(&mut state, ticket, false, now_ms).behind();
                if behind < UNREAD_MAX {
                    self.append(&mut state, ticket.number, Some(message));
                    return;
                }
            }
            room.await;
        }
    }

    /// Sends what belongs to no request: on the stream opened last by GET that somebody reads, else it waits for one.
    pub(super) async fn tell(&self, message: Rope) {
        let message = message.into_bytes();
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                let heard = state
                    .streams
                    .iter()
                    .rev()
                    .find(|(_, stream)| stream.listening && stream.reader.is_some())
                    .map(|(number, stream)| (*number, stream.behind()));
                let Some((number, behind)) = heard else {
                    state.wait(message);
                    return;
                };
                if behind < UNREAD_MAX {
                    self.append(&mut state, number, Some(message.into()));
                    return;
                }
            }
            room.await;
        }
    }

    /// Lets the reader of a call's stream go after what it has so far: it comes back in `retry_ms` for what comes meanwhile.
    pub(super) fn pause(&self, ticket: Ticket, retry_ms: u64, now_ms: u64) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        let stream = self.stream(&mut state, ticket, false, now_ms);
        stream.pause = Some(Pause { before: stream.next, retry_ms });
        stream.wake();
    }

    /// Ends a call's stream with its response, if it has one.
    pub(super) fn finish(&self, ticket: Ticket, response: Option<Rope>, now_ms: u64) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        self.stream(&mut state, ticket, false, now_ms);
        if let Some(response) = response {
            self.append(&mut state, ticket.number, Some(response));
        }
        if let Some(stream) = state.streams.get_mut(&ticket.number) {
            stream.done = true;
            stream.wake();
        }
    }

    /// Opens a stream by GET, with all that waits for one.
    pub(super) fn listen(&self, now_ms: u64) -> Option<Place> {
        let mut state = self.lock();
        if state.ended {
            return None;
        }
        let listening = |state: &State| -> Vec<u64> {
            state.streams.iter().filter(|(_, s)| s.listening && s.reader.is_some()).map(|(n, _)| *n).collect()
        };
        let open = listening(&state);
        for number in open.iter().take((open.len() + 1).saturating_sub(LISTENING_MAX)) {
            if let Some(stream) = state.streams.get_mut(number) {
                stream.done = true;
                stream.wake();
            }
        }
        state.next_stream += 1;
        let number = state.next_stream;
        self.stream(&mut state, Ticket { number, primed: self.primed }, true, now_ms);
        Some(self.attach(&mut state, number, 0))
    }

    /// Attaches a reader to a call's new stream, from its first event on.
    pub(super) fn read(&self, number: u64) -> Place {
        self.attach(&mut self.lock(), number, 0)
    }

    /// Attaches a reader to the stream that `last` (`{stream}-{event}`) is of, from the event after it on; an older reader loses its place.
    /// `None` = no such stream, or no such event yet.
    pub(super) fn resume(&self, last: &str) -> Option<Place> {
        let (stream, event) = last.split_once('-')?;
        let (number, after): (u64, u64) = (stream.parse().ok()?, event.parse().ok()?);
        let mut state = self.lock();
        let known = state.streams.get(&number).is_some_and(|stream| after < stream.next);
        if state.ended || !known {
            return None;
        }
        if let Some(stream) = state.streams.get_mut(&number) {
            // Whoever is back already need not be sent away.
            stream.pause = None;
        }
        Some(self.attach(&mut state, number, after + 1))
    }

    fn attach(&self, state: &mut State, number: u64, next: u64) -> Place {
        state.next_reader += 1;
        let reader = state.next_reader;
        let mut waiting = VecDeque::new();
        if let Some(stream) = state.streams.get_mut(&number) {
            stream.wake();
            stream.reader = Some(Reader { id: reader, next, paused: false, waker: None });
            if stream.listening {
                stream.done = false;
                waiting = std::mem::take(&mut state.waiting);
            }
        }
        for message in waiting {
            self.append(state, number, Some(message.into()));
        }
        self.room.notify_waiters();
        Place { stream: number, reader }
    }

    /// The reader's next event; `None` = the stream has ended, or somebody else reads it now.
    pub(super) fn poll(&self, place: Place, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        let mut state = self.lock();
        let Some(stream) = state.streams.get_mut(&place.stream) else { return Poll::Ready(None) };
        let Some(reader) = stream.reader.as_mut().filter(|reader| reader.id == place.reader) else {
            return Poll::Ready(None);
        };
        if reader.paused {
            return Poll::Ready(None);
        }
        // With the answer there already, there is nothing to come back for.
        if let Some(pause) = stream.pause.take_if(|pause| pause.before <= reader.next && !stream.done) {
            reader.paused = true;
            return Poll::Ready(Some(Bytes::from(format!("retry: {}\n\n", pause.retry_ms)).into()));
        }
        let at = stream.events.partition_point(|event| event.id < reader.next);
        if let Some(event) = stream.events.get(at) {
            reader.next = event.id + 1;
            let text = event.text.clone();
            drop(state);
            self.room.notify_waiters();
            return Poll::Ready(Some(text));
        }
        if stream.done {
            return Poll::Ready(None);
        }
        reader.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The reader is gone. Its stream can be resumed for a while.
    pub(super) fn leave(&self, place: Place, now_ms: u64) {
        let mut state = self.lock();
        let mut unheard = false;
        if let Some(stream) = state.streams.get_mut(&place.stream)
            && stream.reader.as_ref().is_some_and(|reader| reader.id == place.reader)
        {
            stream.reader = None;
            stream.unread_since_ms = now_ms;
            unheard = stream.listening;
        }
        if unheard {
            state.unheard_since_ms = now_ms;
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Since when nobody has read a stream opened by GET; `None` = somebody does.
    pub(super) fn unheard_since_ms(&self) -> Option<u64> {
        let state = self.lock();
        let heard = state.streams.values().any(|stream| stream.listening && stream.reader.is_some());
        (!heard).then_some(state.unheard_since_ms)
    }

    /// Whether anybody reads anything.
    pub(super) fn is_read(&self) -> bool {
        self.lock().streams.values().any(|stream| stream.reader.is_some())
    }

    /// Forgets streams that nobody has read since `before_ms`, unless a call still runs on them.
    pub(super) fn forget(&self, before_ms: u64) {
        let mut state = self.lock();
        let (mut events, mut bytes) = (0, 0);
        state.streams.retain(|_, stream| {
            let over = stream.done || stream.listening;
            let keep = stream.reader.is_some() || !over || stream.unread_since_ms >= before_ms;
            if !keep {
                events += stream.events.len();
                bytes += stream.events.iter().map(|event| event.bytes).sum::<usize>();
            }
            keep
        });
        self.freed(&mut state, events, bytes);
    }

    /// Ends the streams opened by GET.
    pub(super) fn end_listening(&self) {
        for stream in self.lock().streams.values_mut().filter(|stream| stream.listening) {
            stream.done = true;
            stream.wake();
        }
    }

    /// Ends everything.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        for stream in state.streams.values_mut() {
            stream.done = true;
            stream.wake();
        }
        state.waiting.clear();
        drop(state);
        self.room.notify_waiters();
    }

    fn stream<'a>(
        &self,
        state: &'a mut State,
        ticket: Ticket,
        listening: bool,
        now_ms: u64,
    ) -> &'a mut Stream {
        let Ticket { number, primed } = ticket;
        let mut new = false;
        state.streams.entry(number).or_insert_with(|| {
            new = true;
            Stream::new(listening, now_ms)
        });
        if new && primed {
            self.append(state, number, None);
        }
        state.streams.entry(number).or_insert_with(|| Stream::new(listening, now_ms))
    }

    /// Appends a message, or the empty priming event, and lets the oldest events go that are over a limit.
    fn append(&self, state: &mut State, number: u64, message: Option<Rope>) {
        let Some(stream) = state.streams.get_mut(&number) else { return };
        let name = format!("{number}-{}", stream.next);
        let text = match message {
            Some(message) => sse::encode(Some(&name), message),
            None => Bytes::from(format!("id: {name}\nretry: {RETRY_MS}\ndata:\n\n")).into(),
        };
        let bytes = text.len();
        stream.events.push_back(Event { id: stream.next, text, bytes });
        stream.next += 1;
        stream.wake();
        state.events += 1;
        state.bytes += bytes;
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shrink(state);
    }

    fn shrink(&self, state: &mut State) {
        while state.events > self.limits.events
            || state.bytes > self.limits.events_bytes
            || self.all_bytes.load(Ordering::Relaxed) > self.limits.events_bytes_all
        {
            let Some(stream) = state.streams.values_mut().find(|stream| stream.spare()) else { return };
            let Some(event) = stream.events.pop_front() else { return };
            self.freed(state, 1, event.bytes);
        }
    }

    fn freed(&self, state: &mut State, events: usize, bytes: usize) {
        state.events = state.events.saturating_sub(events);
        state.bytes = state.bytes.saturating_sub(bytes);
        self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
