//! What carries out agents, as the executor sees it.
//!
//! A pull interface: the executor starts agents and answers their wishes, the backend reports what
//! happened and when. A simulator jumps its virtual clock to the next event; a backend over HTTP
//! waits on a channel. Nothing leaves before [`AgentBackend::decide`] said so.

use serde::{Deserialize, Serialize};

use crate::effort::Effort;
use crate::id::{CallId, ModelId, StageKey};
use crate::ports::script::{AgentCall, Outcome};
use crate::pricing::CacheTtl;
use crate::role::Role;
use crate::tokens::TokenUsage;

/// Carries out agents.
pub trait AgentBackend {
    /// Begins an agent. Its first event is a [`AgentEvent::RequestWanted`] or its end.
    fn start(&mut self, job: AgentJob);

    /// Answers a [`AgentEvent::RequestWanted`], now or later; the agent waits for it.
    /// A refused agent ends: its next event is [`AgentEvent::Ended`].
    fn decide(&mut self, request: RequestId, decision: Decision);

    /// Ends an agent at once. Its requests are forgotten and it reports nothing more.
    fn abandon(&mut self, agent: CallId);

    /// The next event, waiting for it until `until_milliseconds` at most. Never goes back in time.
    /// A backend that waits in real time returns a [`AgentEvent::Wake`] now and then, so that a
    /// wish to stop is heard.
    fn next(&mut self, until_milliseconds: Option<u64>) -> BackendEvent;

    /// Whether agents are simulated and nothing is paid.
    fn simulated(&self) -> bool;
}

/// What an agent is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentJob {
    /// The call.
    pub call: AgentCall,
    /// Its stage.
    pub stage: StageKey,
    /// Its part in the workflow.
    pub role: Role,
    /// The model it runs on.
    pub model: ModelId,
    /// The effort it runs at.
    pub effort: Option<Effort>,
    /// Agents with equal groups share a cached prompt prefix.
    pub prefix_group: u64,
    /// Whether an agent of the group has written the prefix already.
    pub prefix_written: bool,
}

/// One model request of one agent; unique within a run. A retry is a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendEvent {
    /// Since the run began.
    pub at_milliseconds: u64,
    /// What.
    pub event: AgentEvent,
}

/// What a backend reports.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// An agent wants to send a request.
    RequestWanted(RequestWanted),
    /// The answer begins; its prompt has been metered (`output` is 0). Not every backend knows.
    MessageStart {
        /// Which.
        request: RequestId,
        /// The true prompt by class.
        prompt: TokenUsage,
    },
    /// A request ended and its usage is known.
    RequestDone {
        /// Which.
        request: RequestId,
        /// All it is billed for.
        usage: TokenUsage,
        /// Why the answer ended.
        stop: StopReason,
    },
    /// A request ended and what it cost is unknown: it is charged at its full reservation.
    RequestLost {
        /// Which.
        request: RequestId,
    },
    /// A request never left: it costs nothing.
    RequestUnsent {
        /// Which.
        request: RequestId,
    },
    /// An agent ended; all its requests have ended before.
    Ended {
        /// Which.
        agent: CallId,
        /// How.
        end: AgentEnd,
    },
    /// `until_milliseconds` was reached.
    Wake,
    /// Nothing will happen before the next `start` or `decide`, and no `until` was given.
    Idle,
}

/// What an agent wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestWanted {
    /// The id it will be known by.
    pub request: RequestId,
    /// Whose.
    pub agent: CallId,
    /// No prompt that it can send has more tokens.
    pub prompt_tokens_max: u64,
    /// The `max_tokens` it would send on its own.
    pub asked_output_tokens: u64,
    /// Thinking budget within the output, 0 where there is none.
    pub thinking_tokens: u64,
    /// The cache it may write to.
    pub cache_write: CacheTtl,
}

/// Whether a request may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// With this `max_tokens`.
    Proceed {
        /// At most what was asked.
        output_cap_tokens: u64,
    },
    /// Never; the agent ends.
    Refuse {
        /// For the agent's transcript.
        reason: String,
    },
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was complete, or called a tool.
    Complete,
    /// It reached `max_tokens`.
    MaxTokens,
}

/// How an agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEnd {
    /// With what the script is to be told.
    Finished(Outcome),
    /// A terminal error; the script is told `null`.
    Failed(String),
    /// A request was refused by the executor.
    Refused,
    /// A budget that the executor does not hold refused a request; why, in words.
    Denied(String),
}
