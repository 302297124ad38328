//! What a gateway is started with.

use std::time::Duration;

use crate::gateway::keys::KeyRing;
use crate::gateway::recorder::Recorder;
use crate::gateway::tls::ServerTls;

/// How a gateway serves.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// The standing cap on an answer, output tokens.
    pub output_cap_tokens: u64,
    /// How long a request may wait for balance before its answer begins.
    pub hold_max: Duration,
    /// Where answers that stream are reserved in parts; `None` reserves all that they may take.
    pub metered: Option<MeteredTerms>,
    /// How often a request is sent again that has cost nothing, before its client is told.
    pub retries_max: u32,
    /// The keys that callers are asked for; `None` asks for none.
    pub keys: Option<KeyRing>,
    /// What clients are spoken TLS to with; `None` speaks HTTP to them.
    pub tls: Option<ServerTls>,
    /// Where exchanges with the upstream are recorded; `None` records none.
    pub recorder: Option<Recorder>,
    /// What bounds everything else.
    pub limits: GatewayLimits,
}

/// How a reservation grows while its answer streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeteredTerms {
    /// What is reserved at first, and added each time, output tokens.
    pub output_tokens: u64,
    /// No model writes faster, tokens per second. One that does passes its reservation by the
    /// difference, which is the only way past a limit.
    pub peak_tokens_per_second: u64,
}

impl Default for MeteredTerms {
    fn default() -> Self {
        Self { output_tokens: 8_000, peak_tokens_per_second: 400 }
    }
}

/// An answer is not capped below this by default: a hundredth of what agents write in one request
/// is longer, and what is cut short is asked for again.
const OUTPUT_CAP_TOKENS: u64 = 32_000;
/// The client was seen to wait 240 s for the first byte of an answer, and to send its request again
/// after 361 s.
const HOLD_MAX: Duration = Duration::from_mins(4);

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            output_cap_tokens: OUTPUT_CAP_TOKENS,
            hold_max: HOLD_MAX,
            metered: None,
            retries_max: 0,
            keys: None,
            tls: None,
            recorder: None,
            limits: GatewayLimits::default(),
        }
    }
}

/// Bounds of a gateway, each with a name.
#[derive(Clone, Copy, Debug)]
pub struct GatewayLimits {
    /// The longest body of a request, bytes; the API takes no longer one.
    pub body_bytes: usize,
    /// The headers of a request, bytes.
    pub header_bytes: usize,
    /// Connections of clients at once.
    pub connections: usize,
    /// From a connection to the end of its TLS handshake.
    pub handshake_within: Duration,
    /// From the first byte of a request, or the end of the one before, to the end of its headers.
    pub headers_within: Duration,
    /// From the end of a request's headers to the end of its body.
    pub body_within: Duration,
    /// From sending a request to the headers of its answer.
    pub answer_within: Duration,
    /// Silence within an answer.
    pub silence: Duration,
    /// A whole answer.
    pub answer_in_all: Duration,
    /// How long an answer is read on whose client has gone, to learn what it took.
    pub drain: Duration,
    /// How long requests may go on once the gateway is told to end.
    pub grace: Duration,
    /// An answer that does not stream is read for its usage up to so many bytes.
    pub whole_answer_bytes: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            body_bytes: 32 << 20,
            header_bytes: 64 << 10,
            connections: 8_192,
            handshake_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(30),
            body_within: minutes(2),
            answer_within: minutes(15),
            silence: minutes(6),
            answer_in_all: minutes(120),
            drain: minutes(10),
            grace: Duration::from_secs(30),
            whole_answer_bytes: 32 << 20,
        }
    }
}
