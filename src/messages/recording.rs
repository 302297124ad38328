//! Recordings: what passed between a gateway and the API, one exchange per line of JSON.
//!
//! Owns the shape of a line, which headers stand in it, and how much. Keys never do: headers are
//! taken by a list of those that may be kept, and a line with any other is refused. Prompts and
//! answers do, so whoever has a recording has them.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::messages::octets::Octets;

/// The version of the shape.
pub const RECORDING_VERSION: u32 = 1;
/// So much of an answer is recorded, bytes; of a longer one, the rest is left out.
pub const RECORDED_ANSWER_BYTES_MAX: usize = 16 << 20;
/// An answer is recorded in so many pieces at most; of one in more, the rest is left out.
pub const RECORDED_PIECES_MAX: usize = 1 << 18;
/// The largest recording that is read, bytes.
pub const RECORDING_BYTES_MAX: u64 = 512 << 20;

/// The only endpoint that is recorded.
const ENDPOINT: (&str, &str) = ("POST", "/v1/messages");
/// Headers of a request that are kept, and how names begin that are.
const REQUEST_HEADERS: [&str; 3] = ["content-type", "accept", "user-agent"];
const REQUEST_PREFIXES: [&str; 3] = ["anthropic-", "x-claude-code-", "x-stainless-"];
/// Whatever a name begins with, none that has one of these in it is kept.
const SECRET_WORDS: [&str; 7] =
    ["auth", "cookie", "credential", "key", "password", "secret", "token"];
/// Headers of an answer that are kept, and how names begin that are.
const ANSWER_HEADERS: [&str; 4] = ["content-type", "request-id", "retry-after", "x-should-retry"];
const ANSWER_PREFIX: &str = "anthropic-";
/// So much is shown of why a line cannot be read, characters.
const REASON_CHARACTERS_MAX: usize = 200;

/// One exchange: a line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedExchange {
    /// [`RECORDING_VERSION`].
    pub version: u32,
    /// `POST`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Headers of the request, as far as they are kept; names in lower case.
    pub request_headers: Vec<(String, String)>,
    /// The body as the upstream got it.
    pub request_body: Octets,
    /// What came back; absent where nothing did.
    pub answer: Option<RecordedAnswer>,
    /// How it ended.
    pub ending: RecordedEnding,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedAnswer {
    /// From sending the request to the headers of its answer, milliseconds.
    pub after_milliseconds: u64,
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers, as far as they are kept; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, or as much of it as was recorded.
    pub body: Octets,
    /// How that was cut, in order.
    pub pieces: Vec<RecordedPiece>,
    /// Whether the body went on beyond what was recorded.
    pub truncated: bool,
}

/// A piece of an answer as it came: `[milliseconds, bytes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct RecordedPiece {
    /// When, milliseconds since the headers.
    pub milliseconds: u64,
    /// How long it is, bytes.
    pub bytes: u64,
}

impl From<(u64, u64)> for RecordedPiece {
    fn from((milliseconds, bytes): (u64, u64)) -> Self {
        Self { milliseconds, bytes }
    }
}

impl From<RecordedPiece> for (u64, u64) {
    fn from(piece: RecordedPiece) -> Self {
        (piece.milliseconds, piece.bytes)
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedEnding {
    /// The answer came to the end of its body, whatever that says.
    Complete,
    /// The connection to the upstream broke.
    BrokeOff,
    /// The upstream fell silent, or never answered, until nobody waited any more.
    FellSilent,
    /// The client, or the gateway itself, went away, and nobody read on.
    ClientGone,
    /// The gateway cut it off, since its budget had no more.
    Cut,
}

/// Whether a header of a request stands in recordings; its name in lower case.
pub fn keeps_request_header(name: &str) -> bool {
    let listed = REQUEST_HEADERS.contains(&name)
        || REQUEST_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    listed && !SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a header of an answer stands in recordings; its name in lower case.
pub fn keeps_answer_header(name: &str) -> bool {
    ANSWER_HEADERS.contains(&name) || name.starts_with(ANSWER_PREFIX)
}

/// Why a line is no exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadExchange {
    /// It is not JSON, or JSON of another shape.
    #[error("this is no recorded exchange: {0}")]
    Shape(String),
    /// Another program wrote it.
    #[error("this is version {0} of the format, and only version {RECORDING_VERSION} can be read")]
    Version(u64),
    /// It is of another endpoint.
    #[error("`{0}` is not recorded: only POST /v1/messages is")]
    Endpoint(String),
    /// A header that recordings do not have.
    #[error("the header `{0}` has no place in a recording")]
    Header(String),
    /// No answer has this status.
    #[error("{0} is no status of an answer")]
    Status(u16),
    /// It contradicts itself.
    #[error("the pieces have {pieces} bytes together, and the body has {body}")]
    Pieces {
        /// Of all pieces, bytes.
        pieces: u64,
        /// Of the body, bytes.
        body: u64,
    },
    /// It is said to be complete, and there is nothing.
    #[error("it is complete, but has no answer")]
    NoAnswer,
}

/// A line of a recording that is no exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadRecording {
    /// Which, from 1.
    pub line: usize,
    /// Why.
    pub why: BadExchange,
}

/// Reads a recording. Empty lines are no exchanges.
///
/// # Errors
/// The first line that is no exchange.
pub fn read_recording(text: &str) -> Result<Vec<RecordedExchange>, BadRecording> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(line, text)| RecordedExchange::read(text).map_err(|why| BadRecording { line, why }))
        .collect()
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl RecordedExchange {
    /// Reads a line.
    ///
    /// # Errors
    /// It is none, or of another version.
    pub fn read(line: &str) -> Result<Self, BadExchange> {
        let Versioned { version } = serde_json::from_str(line).map_err(|error| shape(&error))?;
        if version != u64::from(RECORDING_VERSION) {
            return Err(BadExchange::Version(version));
        }
        let exchange: Self = serde_json::from_str(line).map_err(|error| shape(&error))?;
        exchange.check()?;
        Ok(exchange)
    }

    /// The line, with its end.
    ///
    /// # Errors
    /// None that is known; JSON can hold all of it.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    fn check(&self) -> Result<(), BadExchange> {
        let path = self.path.split('?').next();
        if self.method != ENDPOINT.0 || path != Some(ENDPOINT.1) {
            return Err(BadExchange::Endpoint(shortened(&format!(
                "{} {}",
                self.method, self.path
            ))));
        }
        check_headers(&self.request_headers, keeps_request_header)?;
        match &self.answer {
            Some(answer) => answer.check(),
            None if self.ending == RecordedEnding::Complete => Err(BadExchange::NoAnswer),
            None => Ok(()),
        }
    }
}

impl RecordedAnswer {
    fn check(&self) -> Result<(), BadExchange> {
        if !(200..600).contains(&self.status) {
            return Err(BadExchange::Status(self.status));
        }
        check_headers(&self.headers, keeps_answer_header)?;
        let pieces = self.pieces.iter().fold(0_u64, |sum, piece| sum.saturating_add(piece.bytes));
        let body = self.body.0.len() as u64;
        if pieces == body { Ok(()) } else { Err(BadExchange::Pieces { pieces, body }) }
    }
}

fn check_headers(headers: &[(String, String)], keeps: fn(&str) -> bool) -> Result<(), BadExchange> {
    let fits = |(name, value): &&(String, String)| {
        keeps(name)
            && HeaderName::from_lowercase(name.as_bytes()).is_ok()
            && HeaderValue::from_str(value).is_ok()
    };
    match headers.iter().find(|header| !fits(header)) {
        Some((name, _)) => Err(BadExchange::Header(shortened(name))),
        None => Ok(()),
    }
}

/// What the parser says, by the column: a line of a recording is one line to it too.
fn shape(error: &serde_json::Error) -> BadExchange {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    BadExchange::Shape(format!("{} (column {})", shortened(what), error.column()))
}

fn shortened(text: &str) -> String {
    text.chars().take(REASON_CHARACTERS_MAX).collect()
}
