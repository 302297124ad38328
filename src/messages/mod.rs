//! The shapes of the Messages API, as far as money depends on them. Owns what stands on the wire and
//! how it is read; knows no prices and no connections.

mod error;
mod event;
mod usage;

pub use error::{ErrorKind, error_body};
pub use event::{EventKind, EventReader, SseEvent};
pub use usage::{Metered, WireUsage};
