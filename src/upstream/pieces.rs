//! An answer cut into the pieces that it is sent in.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::answer::{BYTES_PER_TOKEN, Content};

/// Bytes of one piece: 16 tokens.
const PIECE_BYTES: usize = 64;

/// Filler; nothing in it needs an escape in JSON, and it is ASCII.
const PROSE: &str = "The governor turns with the shaft, and as the load falls away its two balls \
rise and draw the valve towards its seat, so that the engine never learns how fast it could have \
run. When the belt takes hold again they sink, steam follows, and the wheel keeps its number. \
Nobody at the looms has to look up. What was asked for is done here in words that nobody thought, \
long enough to be counted and plain enough to be read, and they say no more than that. ";

/// An answer, in order.
#[derive(Clone, Debug)]
pub(super) enum Pieces {
    /// Events with filler: where it begins, and its bytes in all.
    Prose { start: usize, bytes: usize },
    /// Events with a text.
    Text { text: String, cuts: Vec<Range<usize>> },
    /// Events with the input of a tool.
    Input { json: String, cuts: Vec<Range<usize>> },
    /// A body that is no stream of events.
    Raw(Bytes),
}

impl Pieces {
    /// The events of an answer with so many tokens.
    pub(super) fn of(content: &Content, output: u64) -> Self {
        match content {
            Content::Prose(key) => {
                let start = prose_start(*key);
                let bytes = usize::try_from(output.saturating_mul(BYTES_PER_TOKEN));
                Self::Prose { start, bytes: bytes.unwrap_or(usize::MAX) }
            }
            Content::Text(text) => Self::Text { text: text.clone(), cuts: cuts(text) },
            Content::Call { input, .. } => Self::Input { json: input.clone(), cuts: cuts(input) },
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Prose { bytes, .. } => bytes.div_ceil(PIECE_BYTES),
            Self::Text { cuts, .. } | Self::Input { cuts, .. } => cuts.len(),
            Self::Raw(bytes) => bytes.len().div_ceil(PIECE_BYTES),
        }
    }

    /// Writes the piece at `index`.
    pub(super) fn write(&self, index: usize, out: &mut BytesMut) {
        let begin = index.saturating_mul(PIECE_BYTES);
        match self {
            Self::Prose { start, bytes } => {
                out.put_slice(TEXT_DELTA.as_bytes());
                out.put_u8(b'"');
                write_prose(start + begin, PIECE_BYTES.min(bytes.saturating_sub(begin)), out);
                out.put_u8(b'"');
                out.put_slice(END.as_bytes());
            }
            Self::Text { text, cuts } => write_event(TEXT_DELTA, text, cuts.get(index), out),
            Self::Input { json, cuts } => write_event(INPUT_DELTA, json, cuts.get(index), out),
            Self::Raw(bytes) => {
                let end = bytes.len().min(begin.saturating_add(PIECE_BYTES));
                out.put_slice(bytes.get(begin..end).unwrap_or(&[]));
            }
        }
    }
}

const TEXT_DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":";
const INPUT_DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":";
const END: &str = "}}\n\n";

fn write_event(begin: &str, text: &str, cut: Option<&Range<usize>>, out: &mut BytesMut) {
    let part = cut.and_then(|cut| text.get(cut.clone())).unwrap_or("");
    out.put_slice(begin.as_bytes());
    out.put_slice(serde_json::Value::from(part).to_string().as_bytes());
    out.put_slice(END.as_bytes());
}

/// Where characters of a text may be cut apart, about [`PIECE_BYTES`] from each other.
fn cuts(text: &str) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = text.ceil_char_boundary(start.saturating_add(PIECE_BYTES));
        cuts.push(start..end);
        start = end;
    }
    cuts
}

fn prose_start(key: u64) -> usize {
    usize::try_from(key % PROSE.len() as u64).unwrap_or(0)
}

/// `bytes` of filler from `start` on, as often around as it takes.
fn write_prose(start: usize, bytes: usize, out: &mut BytesMut) {
    let (mut at, mut left) = (start % PROSE.len(), bytes);
    while left > 0 {
        let part = PROSE.as_bytes().get(at..PROSE.len().min(at + left)).unwrap_or(&[]);
        out.put_slice(part);
        left -= part.len();
        at = 0;
    }
}

/// The whole filler of an answer.
pub(super) fn prose(key: u64, output: u64, out: &mut BytesMut) {
    let bytes = usize::try_from(output.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(0);
    out.reserve(bytes);
    write_prose(prose_start(key), bytes, out);
}
