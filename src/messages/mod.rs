//! The shapes of the Messages API, as far as money depends on them. Owns what stands on the wire and
//! how it is read; knows no prices and no connections.

mod error;
mod event;
mod octets;
mod plan_window;
mod recording;
mod usage;

pub use error::{ErrorKind, UNREACHABLE, error_body};
pub use event::{EventKind, EventReader, SseEvent};
pub use octets::Octets;
pub use plan_window::{WindowReading, milli_percent, plan_windows};
pub use recording::{
    BadExchange, BadRecording, RECORDED_ANSWER_BYTES_MAX, RECORDED_PIECES_MAX, RECORDING_BYTES_MAX,
    RECORDING_VERSION, RecordedAnswer, RecordedEnding, RecordedExchange, RecordedPiece,
    keeps_answer_header, keeps_request_header, read_recording,
};
pub use usage::{Metered, Whose, WireUsage};
