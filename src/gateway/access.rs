//! What happened to a request, as data: for the log, the counters and whoever watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::budget::Denial;
use crate::gateway::caller::Caller;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::Routed;
use crate::id::AttemptId;
use crate::money::Picodollars;
use crate::tokens::TokenUsage;

/// How a request to `/v1/messages` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Answered to the end.
    Complete,
    /// The client went away; the answer was read to its end all the same.
    Drained,
    /// The client went away, and what the answer took is unknown.
    ClientGone,
    /// The client went away while the request waited for balance.
    LeftQueue,
    /// The upstream refused it, at no cost.
    UpstreamRefused,
    /// The upstream could not be reached.
    Unreachable,
    /// The connection to the upstream broke, or the answer ended too soon.
    UpstreamBroke,
    /// The answer broke off with an error.
    ErrorInStream,
    /// The upstream took too long.
    TimedOut,
    /// The answer could not be understood or priced.
    Unmetered,
    /// The budget ended while the answer came, and it was cut off.
    Cut,
    /// No budget will ever pay for it.
    Exhausted,
    /// Too many waited, or it waited too long.
    Busy,
    /// It has no price or no bound.
    Unpriced,
    /// The ledger cannot be used.
    NoLedger,
    /// It makes no sense.
    BadRequest,
    /// A rule of the policy denies it.
    Denied,
    /// The gateway was ended before its answer was.
    GatewayEnded,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 18] = [
        Self::Complete,
        Self::Drained,
        Self::ClientGone,
        Self::LeftQueue,
        Self::UpstreamRefused,
        Self::Unreachable,
        Self::UpstreamBroke,
        Self::ErrorInStream,
        Self::TimedOut,
        Self::Unmetered,
        Self::Cut,
        Self::Exhausted,
        Self::Busy,
        Self::Unpriced,
        Self::NoLedger,
        Self::BadRequest,
        Self::Denied,
        Self::GatewayEnded,
    ];

    /// As it stands in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Drained => "drained",
            Self::ClientGone => "client_gone",
            Self::LeftQueue => "left_queue",
            Self::UpstreamRefused => "upstream_refused",
            Self::Unreachable => "unreachable",
            Self::UpstreamBroke => "upstream_broke",
            Self::ErrorInStream => "error_in_stream",
            Self::TimedOut => "timed_out",
            Self::Unmetered => "unmetered",
            Self::Cut => "cut",
            Self::Exhausted => "exhausted",
            Self::Busy => "busy",
            Self::Unpriced => "unpriced",
            Self::NoLedger => "no_ledger",
            Self::BadRequest => "bad_request",
            Self::Denied => "denied",
            Self::GatewayEnded => "gateway_ended",
        }
    }

    /// Whether it was refused before it was sent.
    pub const fn is_refused(self) -> bool {
        matches!(
            self,
            Self::Exhausted
                | Self::Busy
                | Self::Unpriced
                | Self::NoLedger
                | Self::BadRequest
                | Self::Denied
        )
    }

    /// Whether it was refused, and nothing but more budget, or a price, helps.
    pub const fn is_for_good(self) -> bool {
        matches!(self, Self::Exhausted | Self::Unpriced | Self::Cut)
    }

    /// Whether something else than a budget or its client kept it from an answer.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::UpstreamRefused
                | Self::Unreachable
                | Self::UpstreamBroke
                | Self::ErrorInStream
                | Self::TimedOut
                | Self::Busy
                | Self::NoLedger
                | Self::BadRequest
                | Self::Denied
        )
    }
}

/// One request that is over.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who sent it.
    pub caller: Arc<Caller>,
    /// The model it asked for, as it named it.
    pub model: String,
    /// The id of the message that answered it, where it began to.
    pub message: Option<String>,
    /// The model that its answer names, where that is known.
    pub answered_by: Option<String>,
    /// What it is called in the ledger, where it was admitted.
    pub attempt: Option<AttemptId>,
    /// How it ended.
    pub fate: Fate,
    /// The status that the client got.
    pub status: u16,
    /// What it took; `None` where that is unknown or it was not sent.
    pub usage: Option<TokenUsage>,
    /// What was reserved for it when it was admitted.
    pub reserved: Option<Picodollars>,
    /// What it was charged.
    pub charged: Option<Picodollars>,
    /// The `max_tokens` it asked for, and was sent with.
    pub output_cap_tokens: (u64, u64),
    /// It ended because it reached a `max_tokens` that the gateway had lowered.
    pub cut_by_cap: bool,
    /// From its arrival to when it was admitted.
    pub waited: Duration,
    /// From its arrival to its end.
    pub took: Duration,
    /// What became of its model, where a rule of the policy matched.
    pub routed: Option<Arc<Routed>>,
    /// Why it was refused, or what was odd about it.
    pub note: Option<String>,
    /// The budget that refused it, with its numbers.
    pub denial: Option<Box<Denial>>,
}

impl Access {
    pub(crate) fn empty(caller: Arc<Caller>, model: String, fate: Fate) -> Self {
        Self {
            caller,
            model,
            message: None,
            answered_by: None,
            attempt: None,
            fate,
            status: 0,
            usage: None,
            reserved: None,
            charged: None,
            output_cap_tokens: (0, 0),
            cut_by_cap: false,
            waited: Duration::ZERO,
            took: Duration::ZERO,
            routed: None,
            note: None,
            denial: None,
        }
    }

    /// A request that was refused before it was sent.
    pub(crate) fn refused(
        caller: Arc<Caller>,
        model: String,
        fate: Fate,
        refusal: &Refusal,
        arrived: Instant,
    ) -> Self {
        Self {
            status: refusal.status.as_u16(),
            waited: arrived.elapsed(),
            took: arrived.elapsed(),
            note: Some(refusal.message.clone()),
            ..Self::empty(caller, model, fate)
        }
    }
}
