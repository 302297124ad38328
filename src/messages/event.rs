//! Server-sent events, however they are cut into chunks.
//!
//! Only what a bill depends on is kept: the data of some kinds of events. Everything else is counted
//! and forgotten, so a stream of any length takes little memory.

/// An event's data is kept up to here; a longer one makes no sense and its stream is not understood.
pub(super) const DATA_BYTES_MAX: usize = 1 << 20;
/// An `event:` line longer than this names nothing that we know.
const NAME_BYTES_MAX: usize = 64;

/// What an event is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `message_start`.
    MessageStart,
    /// `message_delta`.
    MessageDelta,
    /// `message_stop`.
    MessageStop,
    /// `content_block_delta`.
    ContentBlockDelta,
    /// `ping`.
    Ping,
    /// `error`.
    Error,
    /// Anything else, such as the events of content blocks.
    Other,
}

impl EventKind {
    /// The kind called `name`.
    pub fn named(name: &[u8]) -> Self {
        match name {
            b"message_start" => Self::MessageStart,
            b"message_delta" => Self::MessageDelta,
            b"message_stop" => Self::MessageStop,
            b"content_block_delta" => Self::ContentBlockDelta,
            b"ping" => Self::Ping,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }

    const fn keeps_data(self) -> bool {
        matches!(self, Self::MessageStart | Self::MessageDelta | Self::Error)
    }
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Its kind.
    pub kind: EventKind,
    /// Its data where that is kept: for starts, deltas and errors of a message.
    pub data: &'a [u8],
    /// How long its data was, bytes.
    pub data_bytes: usize,
}

/// A stream that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {DATA_BYTES_MAX} bytes")]
pub struct TooLong;

/// Reads events from chunks.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Line,
    /// Bytes of an `event:` line, or the beginning of any other.
    head: Vec<u8>,
    kind: Option<EventKind>,
    data: Vec<u8>,
    data_bytes: usize,
    has_data: bool,
    /// The last byte was a carriage return: a newline after it belongs to it.
    after_return: bool,
    /// Nothing was read yet: a byte order mark may stand here.
    started: bool,
}

/// What the line that is being read is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Not known yet; its beginning is in `head`.
    #[default]
    Unknown,
    /// `event:`, whose value gathers in `head`.
    Name,
    /// `data:`; whether a space after the colon is still to be left out.
    Data { skip_space: bool },
    /// A comment, or a field that means nothing here.
    Ignored,
}

impl EventReader {
    /// Reads the next chunk, calling `each` for every event that it completes.
    ///
    /// # Errors
    /// An event is longer than any that makes sense.
    pub fn read(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(SseEvent<'_>),
    ) -> Result<(), TooLong> {
        while let Some(first) = chunk.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                chunk = chunk.get(1..).map_or(&[], |rest| rest);
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', chunk);
            let (line, rest) = chunk.split_at(end.map_or(chunk.len(), |end| end));
            self.part(line)?;
            if end.is_none() {
                return Ok(());
            }
            self.after_return = rest.first() == Some(&b'\r');
            chunk = rest.get(1..).map_or(&[], |rest| rest);
            self.end_line(&mut each);
        }
        Ok(())
    }

    /// A part of a line, without its end.
    fn part(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if part.is_empty() {
            return Ok(());
        }
        match &mut self.line {
            Line::Ignored => Ok(()),
            Line::Name => {
                self.head.extend(part.iter().take(NAME_BYTES_MAX.saturating_sub(self.head.len())));
                Ok(())
            }
            Line::Data { skip_space } => {
                let space = std::mem::take(skip_space) && part.first() == Some(&b' ');
                self.keep(part.get(usize::from(space)..).map_or(&[], |data| data))
            }
            Line::Unknown => self.beginning(part),
        }
    }

    /// The beginning of a line, until its field is known.
    fn beginning(&mut self, part: &[u8]) -> Result<(), TooLong> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        for (position, byte) in part.iter().enumerate() {
            self.head.push(*byte);
            if !self.started && self.head == MARK {
                self.head.clear();
                self.started = true;
                continue;
            }
            self.line = match self.head.as_slice() {
                b"event:" => Line::Name,
                b"data:" => Line::Data { skip_space: true },
                head if [&b"event:"[..], b"data:", MARK].iter().any(|of| of.starts_with(head)) => {
                    continue;
                }
                _ => Line::Ignored,
            };
            self.head.clear();
            self.started = true;
            return self.part(part.get(position + 1..).map_or(&[], |rest| rest));
        }
        Ok(())
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), TooLong> {
        self.has_data = true;
        self.data_bytes = self.data_bytes.saturating_add(data.len());
        // An event that has no name yet may turn out to be one of those that count.
        if self.kind.is_none_or(EventKind::keeps_data) {
            if self.data.len() + data.len() > DATA_BYTES_MAX {
                return Err(TooLong);
            }
            self.data.extend_from_slice(data);
        }
        Ok(())
    }

    fn end_line(&mut self, each: &mut impl FnMut(SseEvent<'_>)) {
        self.started = true;
        let line = std::mem::take(&mut self.line);
        match line {
            Line::Name => {
                let name = self.head.strip_prefix(b" ").map_or(&*self.head, |name| name);
                self.kind = Some(EventKind::named(name));
            }
            Line::Unknown if self.head.is_empty() => self.end_event(each),
            // A line of data without any is data all the same; a field without a colon is not one
            // that counts.
            Line::Data { .. } => self.has_data = true,
            Line::Unknown | Line::Ignored => {}
        }
        self.head.clear();
    }

    fn end_event(&mut self, each: &mut impl FnMut(SseEvent<'_>)) {
        if std::mem::take(&mut self.has_data) {
            let kind = self.kind.unwrap_or_else(|| kind_in(&self.data));
            let data: &[u8] = if kind.keeps_data() { &self.data } else { &[] };
            each(SseEvent { kind, data, data_bytes: self.data_bytes });
        }
        self.kind = None;
        self.data.clear();
        self.data_bytes = 0;
    }
}

/// The kind of an event without a name: its data says it too.
fn kind_in(data: &[u8]) -> EventKind {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let typed = serde_json::from_slice::<Typed<'_>>(data);
    typed.map_or(EventKind::Other, |typed| EventKind::named(typed.kind.as_bytes()))
}
