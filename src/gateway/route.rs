//! Which model a request is sent to. Whoever starts a gateway may bring a router: it knows policies.

use jiff::civil::Date;

use crate::effort::Effort;
use crate::gateway::caller::Caller;
use crate::gateway::request::MessagesRequest;
use crate::id::ModelId;

/// A request that asks for its route.
pub struct Asked<'a> {
    /// Who sends it.
    pub caller: &'a Caller,
    /// What it asks for.
    pub request: &'a MessagesRequest,
    /// The day, UTC.
    pub on: Date,
    /// A bound of its prompt on a model, from one that was counted there before, tokens.
    pub counted: &'a dyn Fn(&ModelId) -> Option<u64>,
}

/// Decides on routes.
pub trait ModelRouter: Send + Sync {
    /// What becomes of a request. It has to be quick: nothing else is served meanwhile. A route may
    /// not be dearer than what was asked for, and the model has to hold the prompt.
    fn route(&self, asked: &Asked<'_>) -> Advice;
}

/// What a router says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It goes as it was asked.
    AsAsked,
    /// A rule would have it go elsewhere, and it cannot.
    Keep {
        /// The rule.
        rule: String,
        /// Why it cannot, in words.
        why: String,
    },
    /// It goes elsewhere.
    Send(ModelRoute),
    /// A rule denies it.
    Deny {
        /// The rule.
        rule: String,
        /// Its reason, in words.
        why: String,
    },
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRoute {
    /// The model, canonically; `None` for the one that was asked for.
    pub model: Option<ModelId>,
    /// The effort to ask for; `None` asks for none.
    pub effort: Option<Effort>,
    /// No answer is longer, tokens; `None` for no cap but the gateway's.
    pub output_cap_tokens: Option<u64>,
    /// The rule that decided.
    pub rule: String,
}

/// What became of a request's model on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// It was sent with another model, effort or cap.
    Sent {
        /// The model that the client asked for, as it named it.
        asked: String,
        /// The model that it was sent to.
        model: String,
        /// The efforts that were asked for and sent, where they differ.
        effort: Option<(Option<Effort>, Option<Effort>)>,
        /// The cap of the rule, tokens.
        output_cap_tokens: Option<u64>,
        /// The rule.
        rule: String,
    },
    /// A rule would have it go elsewhere, and it could not.
    Kept {
        /// The rule.
        rule: String,
        /// Why it could not, in words.
        why: String,
    },
}

impl Routed {
    /// The model that the client asked for, where another was sent.
    pub(crate) fn asked_model(&self) -> Option<&str> {
        match self {
            Self::Sent { asked, .. } => Some(asked),
            Self::Kept { .. } => None,
        }
    }

    /// The model that it was sent to, where that is another than was asked for.
    pub fn sent_model(&self) -> Option<&str> {
        match self {
            Self::Sent { asked, model, .. } if asked != model => Some(model),
            _ => None,
        }
    }

    /// The cap of the rule, tokens.
    pub(crate) const fn output_cap_tokens(&self) -> Option<u64> {
        match self {
            Self::Sent { output_cap_tokens, .. } => *output_cap_tokens,
            Self::Kept { .. } => None,
        }
    }
}
