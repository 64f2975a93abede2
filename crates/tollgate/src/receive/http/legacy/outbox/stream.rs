//! A session's streams as they are kept: events, readers, and what waits for one.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use bytes::Bytes;
use tollgate_mcp::rope::Rope;

/// How many messages may wait for a stream that nobody has opened; then the oldest go.
const WAITING_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) next_stream: u64,
    pub(super) next_reader: u64,
    pub(super) streams: BTreeMap<u64, Stream>,
    pub(super) waiting: VecDeque<Bytes>,
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) ended: bool,
    /// When the last stream that was opened by GET lost its reader.
    pub(super) unheard_since_ms: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// Opened by GET: it carries what belongs to no request.
    pub(super) listening: bool,
    pub(super) events: VecDeque<Event>,
    /// The id of the next event.
    pub(super) next: u64,
    pub(super) reader: Option<Reader>,
    pub(super) done: bool,
    pub(super) pause: Option<Pause>,
    /// Since when nobody reads it.
    pub(super) unread_since_ms: u64,
}

/// Where a stream's reader is let go for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// The event that it comes back for.
    pub(super) before: u64,
    pub(super) retry_ms: u64,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) text: Rope,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) id: u64,
    /// The event it gets next.
    pub(super) next: u64,
    /// It was told to come back.
    pub(super) paused: bool,
    pub(super) waker: Option<Waker>,
}

impl Stream {
    pub(super) fn new(listening: bool, now_ms: u64) -> Self {
        Self {
            listening,
            events: VecDeque::new(),
            next: 0,
            reader: None,
            done: false,
            pause: None,
            unread_since_ms: now_ms,
        }
    }

    /// How many events its connected reader has not read.
    pub(super) fn behind(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| self.next.saturating_sub(reader.next))
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.reader.as_mut().and_then(|reader| reader.waker.take()) {
            waker.wake();
        }
    }

    /// Whether its oldest event may go: nobody who is connected still waits for it.
    pub(super) fn spare(&self) -> bool {
        let Some(oldest) = self.events.front() else { return false };
        self.reader.as_ref().is_none_or(|reader| reader.next > oldest.id)
    }
}

impl State {
    /// Keeps a message until somebody listens. The same news twice is one.
    pub(super) fn wait(&mut self, message: Bytes) {
        if self.waiting.contains(&message) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
    }
}
