//! Everything here that has a limit, with its name.

use std::time::Duration;

/// The largest body of a request, bytes.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// How long a body may take to arrive.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_mins(1);
/// How long the head of a request may take, the wait for it on a kept connection included.
pub(super) const HEAD_TIME_MAX: Duration = Duration::from_mins(2);
/// Connections served at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// How long a stalled answer, or one without headers, stays silent at most, seconds.
pub const SILENCE_SECONDS_MAX: u64 = 900;
/// How long open answers may go on once the server is told to stop, seconds.
pub const STOP_SECONDS_MAX: u64 = 2;
/// Prompt prefixes remembered at once. What does not fit is written again.
pub const CACHE_ENTRIES_MAX: usize = 100_000;
/// Contents whose requests are counted, so that a retry can meet another fate. Contents beyond
/// are all taken for first ones.
pub const COUNTED_CONTENTS_MAX: usize = 1_000_000;
/// Blocks before a mark that are looked at for a remembered prefix, as the API documents it.
pub(super) const LOOK_BACK_BLOCKS: usize = 20;
/// Names of models whose price is kept at hand.
pub(super) const KNOWN_NAMES_MAX: usize = 1_000;
/// Directives of one conversation that are read.
pub(super) const DIRECTIVES_MAX: usize = 64;
/// How deep an invented result may nest.
pub(super) const SCHEMA_DEPTH_MAX: usize = 24;
/// Values of one invented result.
pub(super) const SCHEMA_VALUES_MAX: usize = 2_000;
/// Characters of an invented text, and items of an invented list, whatever the schema demands.
pub(super) const SCHEMA_LENGTH_MAX: usize = 4_096;
/// Bytes of events that are put on the wire together where nothing is paced.
pub(super) const BATCH_BYTES: usize = 8 << 10;
