//! A plan job with its texts parsed: what every trial and every costing reads.
//! Owns the lookup of a stage's model; draws nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::effort::Effort;
use crate::plan::job::PlanJob;
use crate::plan::stage::StageIdentity;
use crate::plan::synth::Synthesizer;
use crate::pricing::{Mode, Model, Price, PriceTable};
use crate::role::Role;
use crate::usage::{AgentTraits, StageKind, UsageModel};

/// A parsed plan job.
pub struct Setup {
    /// As it came.
    pub job: PlanJob,
    /// Prices and models.
    pub table: PriceTable,
    /// The usage model.
    pub usage: UsageModel,
    /// Makes results.
    pub synthesizer: Synthesizer,
    /// What earlier trials say of roles and sizes.
    pub guess: Guess,
    /// The session's model.
    pub session: Model,
}

/// What trials take for granted about roles and sizes, from the trials before them.
#[derive(Clone, Debug)]
pub struct Guess {
    /// By stage key.
    pub roles: BTreeMap<u64, Role>,
    /// Agents per run.
    pub run_agents: u32,
}

impl Default for Guess {
    fn default() -> Self {
        Self { roles: BTreeMap::new(), run_agents: 8 }
    }
}

/// What a stage's agents have in common, as far as token use and time go.
#[derive(Clone, Debug)]
pub struct StageTraits {
    /// Its part.
    pub role: Role,
    /// Its kind of work.
    pub kind: StageKind,
    /// The model's facts that matter.
    pub model: ModelFacts,
    /// The effort it runs at.
    pub effort: Option<Effort>,
    /// Whether each agent has a working tree of its own, and so a prefix of its own.
    pub worktree: bool,
    /// Agents with the same value share a cache prefix.
    pub prefix_group: u64,
}

/// Facts of a model that token use depends on.
#[derive(Clone, Copy, Debug)]
pub struct ModelFacts {
    /// How it counts.
    pub tokenizer: crate::tokens::Tokenizer,
    /// Its window.
    pub context_tokens: u64,
    /// Its output limit per request.
    pub max_output_tokens: u64,
    /// The shortest prefix it caches.
    pub min_cache_tokens: u64,
}

impl ModelFacts {
    /// The facts of `model`.
    pub fn of(model: &Model) -> Self {
        Self {
            tokenizer: model.tokenizer,
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            min_cache_tokens: model.min_cache_tokens.unwrap_or(1_024),
        }
    }
}

impl StageTraits {
    /// The traits of one agent of the stage.
    pub fn agent(&self, prompt_tokens_o200k: u64, run_agents: u32) -> AgentTraits {
        AgentTraits {
            role: self.role,
            kind: self.kind,
            tokenizer: self.model.tokenizer,
            context_tokens: self.model.context_tokens,
            max_output_tokens: self.model.max_output_tokens,
            min_cache_tokens: self.model.min_cache_tokens,
            effort: self.effort,
            prompt_tokens_o200k,
            run_agents,
            worktree: self.worktree,
        }
    }
}

impl Setup {
    /// The model a stage asks for, as the client would resolve it; the session's where it asks
    /// for none. An unknown name is an error with its reason.
    pub fn written_model(&self, requested: Option<&str>) -> Result<&Model, String> {
        match requested {
            None | Some("inherit" | "default" | "") => Ok(&self.session),
            Some(name) => self
                .table
                .resolve(name, &self.job.provider, self.job.on)
                .map_err(|unknown| unknown.to_string()),
        }
    }

    /// The effort agents of a stage run at on `model`: the stage's own, else the session's, else
    /// the model's default; `None` where the model has none.
    pub fn effort_on(&self, model: &Model, asked: Option<&str>) -> Option<Effort> {
        let wanted = asked
            .and_then(Effort::from_name)
            .or(self.job.session_effort)
            .or(model.default_effort)?;
        model.efforts.iter().copied().filter(|effort| *effort <= wanted).max()
    }

    /// The price of `model` on the plan's day.
    pub fn price(&self, model: &Model) -> Result<Price, String> {
        model.price(self.job.on, Mode::default()).map_err(|unpriced| unpriced.to_string())
    }

    /// The traits of a stage as written; `prompt` is its first.
    pub fn stage_traits(&self, identity: &StageIdentity, prompt: &str) -> StageTraits {
        let model = self.written_model(identity.model.as_deref()).unwrap_or(&self.session);
        let effort = self.effort_on(model, identity.effort.as_deref());
        StageTraits {
            role: self.guess.roles.get(&identity.key.0).copied().unwrap_or(Role::Single),
            kind: self.usage.kind_of(&identity.skeleton, &identity.phase, prompt),
            model: ModelFacts::of(model),
            effort,
            worktree: identity.worktree,
            prefix_group: prefix_group(identity, model.id.0.as_str(), effort),
        }
    }
}

/// Agents share a cache prefix where model, effort, agent type and output schema agree; a working
/// tree of its own breaks it (the caller's business).
pub fn prefix_group(identity: &StageIdentity, model: &str, effort: Option<Effort>) -> u64 {
    use crate::seed::{key_of, key_of_parts};
    let text = |part: &Option<Arc<str>>| part.as_deref().map_or(0, key_of);
    key_of_parts(&[
        key_of(model),
        effort.map_or(0, |effort| key_of(effort.name())),
        text(&identity.agent_type),
        text(&identity.schema),
    ])
}
