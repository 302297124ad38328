//! Reads what an answer took while it passes.

use serde::Deserialize;

use crate::messages::{EventKind, EventReader, SseEvent, WireUsage};

/// What is known of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The counts so far; final once [`Self::ended`].
    pub usage: WireUsage,
    /// Its id.
    pub message: Option<String>,
    /// The model that it names.
    pub model: Option<String>,
    /// Why it stopped.
    pub stop_reason: Option<String>,
    /// The prompt has been counted.
    pub begun: bool,
    /// The last counts are in.
    pub counted: bool,
    /// The answer is complete.
    pub ended: bool,
    /// It broke off with an error of this type.
    pub error: Option<String>,
    /// It could not be understood, in words.
    pub broken: Option<String>,
    /// Bytes of content that were seen, as they stand on the wire.
    pub content_bytes: u64,
}

impl Reading {
    /// Whether what it took is known for good.
    pub const fn is_final(&self) -> bool {
        self.counted && self.broken.is_none()
    }
}

/// Reads a stream of events, however it is cut into chunks.
#[derive(Debug, Default)]
pub struct StreamMeter {
    reader: EventReader,
    reading: Reading,
}

impl StreamMeter {
    /// Reads the next chunk.
    pub fn read(&mut self, chunk: &[u8]) {
        let reading = &mut self.reading;
        if reading.broken.is_some() {
            return;
        }
        if let Err(error) = self.reader.read(chunk, |event| reading.take(&event)) {
            reading.broken = Some(error.to_string());
        }
    }

    /// What is known so far.
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }
}

#[derive(Deserialize)]
struct Start {
    message: Whole,
}

#[derive(Deserialize)]
struct Whole {
    id: Option<String>,
    model: Option<String>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    delta: Stop,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Default, Deserialize)]
struct Stop {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    error: Failure,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: String,
}

impl Reading {
    fn take(&mut self, event: &SseEvent<'_>) {
        match event.kind {
            EventKind::MessageStart => self.parsed(event, |reading, start: Start| {
                reading.message = start.message.id;
                reading.model = start.message.model;
                if let Some(usage) = start.message.usage {
                    reading.begun = usage.input_tokens.is_some();
                    reading.usage.take(usage);
                }
            }),
            EventKind::MessageDelta => self.parsed(event, |reading, delta: Delta| {
                if delta.delta.stop_reason.is_some() {
                    reading.stop_reason = delta.delta.stop_reason;
                }
                if let Some(usage) = delta.usage {
                    // Only the last delta says why the answer stopped.
                    reading.counted =
                        reading.stop_reason.is_some() && usage.output_tokens.is_some();
                    reading.usage.take(usage);
                }
            }),
            EventKind::MessageStop => self.ended = true,
            EventKind::Error => self.parsed(event, |reading, failed: Failed| {
                reading.error = Some(failed.error.kind);
            }),
            EventKind::ContentBlockDelta => {
                let bytes = u64::try_from(event.data_bytes).unwrap_or(u64::MAX);
                self.content_bytes = self.content_bytes.saturating_add(bytes);
            }
            EventKind::Ping | EventKind::Other => {}
        }
    }

    fn parsed<T: serde::de::DeserializeOwned>(
        &mut self,
        event: &SseEvent<'_>,
        take: impl FnOnce(&mut Self, T),
    ) {
        match serde_json::from_slice(event.data) {
            Ok(value) => take(self, value),
            Err(error) => self.broken = Some(format!("an event cannot be read: {error}")),
        }
    }
}

/// Reads an answer that comes as a whole.
#[derive(Debug)]
pub(crate) struct WholeMeter {
    bytes: Vec<u8>,
    bytes_max: usize,
    reading: Reading,
}

/// Reads an answer of either kind.
#[derive(Debug)]
pub(crate) enum Meter {
    Stream(StreamMeter),
    Whole(WholeMeter),
}

impl Meter {
    pub(crate) fn new(streams: bool, bytes_max: usize) -> Self {
        if streams {
            return Self::Stream(StreamMeter::default());
        }
        Self::Whole(WholeMeter { bytes: Vec::new(), bytes_max, reading: Reading::default() })
    }

    pub(crate) fn read(&mut self, chunk: &[u8]) {
        match self {
            Self::Stream(meter) => meter.read(chunk),
            Self::Whole(meter) => meter.read(chunk),
        }
    }

    /// The answer's body ended as it should.
    pub(crate) fn end(&mut self) {
        if let Self::Whole(meter) = self {
            meter.end();
        }
    }

    pub(crate) const fn reading(&self) -> &Reading {
        match self {
            Self::Stream(meter) => meter.reading(),
            Self::Whole(meter) => &meter.reading,
        }
    }
}

impl WholeMeter {
    fn read(&mut self, chunk: &[u8]) {
        if self.bytes.len().saturating_add(chunk.len()) > self.bytes_max {
            self.reading.broken = Some(format!("it is longer than {} bytes", self.bytes_max));
            self.bytes = Vec::new();
        } else if self.reading.broken.is_none() {
            self.bytes.extend_from_slice(chunk);
        }
    }

    fn end(&mut self) {
        if self.reading.broken.is_some() || self.reading.ended {
            return;
        }
        match serde_json::from_slice::<Whole>(&self.bytes) {
            Ok(Whole { id, model, stop_reason, usage: Some(usage) }) => {
                let counted = usage.output_tokens.is_some();
                self.reading = Reading {
                    usage,
                    message: id,
                    model,
                    stop_reason,
                    begun: true,
                    counted,
                    ended: true,
                    ..Reading::default()
                };
            }
            Ok(_) => self.reading.broken = Some("it has no usage".to_owned()),
            Err(error) => self.reading.broken = Some(format!("it cannot be read: {error}")),
        }
        self.bytes = Vec::new();
    }
}
