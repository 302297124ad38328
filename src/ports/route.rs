//! Which stage a live call belongs to.

use std::sync::Arc;

use crate::effort::Effort;
use crate::id::{ModelId, StageKey};
use crate::ports::price::RequestPrice;
use crate::ports::script::AgentCall;

/// Knows stages and model names; the plan's own rules, so that a live call finds its planned route.
pub trait CallStages {
    /// The stage of `call`.
    fn stage(&self, call: &AgentCall) -> StageKey;

    /// What the stages have in common that differ from that of `call` only in effort or working tree.
    fn work(&self, call: &AgentCall) -> StageKey {
        self.stage(call)
    }

    /// What a call of an unplanned stage runs on: what it asks for, else the session's model.
    /// An unknown name is an error, and the call is refused.
    fn as_written(&self, call: &AgentCall) -> Result<WrittenRoute, String>;
}

/// What a call runs on without a plan.
#[derive(Clone, Debug)]
pub struct WrittenRoute {
    /// A name people can type for its stage.
    pub stage_name: String,
    /// The model.
    pub model: ModelId,
    /// The price of the name it asks for, which can be dearer than the model's own; `None` where it
    /// has none.
    pub price: Option<Arc<dyn RequestPrice>>,
    /// The effort, where the model has one.
    pub effort: Option<Effort>,
}
