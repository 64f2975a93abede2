/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`, empty = message.
    pub event: String,
    /// `id:`.
    pub id: Option<String>,
    /// `retry:` in milliseconds.
    pub retry: Option<u64>,
    /// `data:`, lines joined by LF.
    pub data: String,
}

/// Cuts a byte stream into events (WHATWG HTML, "Server-sent events"); without a size limit, since the peer is under test.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    after_cr: bool,
    lines: std::collections::VecDeque<String>,
    event: Event,
    touched: bool,
}

impl Reader {
    /// Takes a chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        for byte in chunk {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.buffer);
                    self.lines.push_back(String::from_utf8_lossy(&line).into_owned());
                }
                other => self.buffer.push(*other),
            }
        }
    }

    /// The next complete event; comments alone make none.
    pub fn next_event(&mut self) -> Option<Event> {
        while let Some(line) = self.lines.pop_front() {
            if line.is_empty() {
                if std::mem::take(&mut self.touched) {
                    let mut event = std::mem::take(&mut self.event);
                    if event.data.ends_with('\n') {
                        event.data.pop();
                    }
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.event),
                "id" => self.event.id = Some(value.to_owned()),
                "retry" => self.event.retry = value.parse().ok(),
                "data" => {
                    self.event.data.push_str(value);
                    self.event.data.push('\n');
                }
                _ => continue,
            }
            self.touched = true;
        }
        None
    }
}
