//! A plan job with its texts parsed: what every trial and every costing reads.
//! Owns the lookup of a stage's model; draws nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::amount::{Amount, AmountError};
use crate::effort::Effort;
use crate::id::ModelId;
use crate::plan::PlanError;
use crate::plan::assume::{AssumptionTexts, Assumptions};
use crate::plan::job::PlanJob;
use crate::plan::stage::StageIdentity;
use crate::plan::synth::{Synthesizer, SynthesizerInput};
use crate::plan::widths::{Cap, ProseCap};
use crate::policy::{BudgetScope, Policy, SESSION, Unpriced};
use crate::ports::script::ScriptArgs;
use crate::pricing::{Mode, Model, Price, PriceTable};
use crate::role::Role;
use crate::usage::{AgentTraits, Pins, StageKind, UsageModel};
use crate::workflow::{TextMark, WorkflowFacts};

/// A parsed plan job.
pub struct Setup {
    /// As it came.
    pub job: Arc<PlanJob>,
    /// Prices and models.
    pub table: Arc<PriceTable>,
    /// The usage model.
    pub usage: Arc<UsageModel>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// What the user pinned.
    pub assumptions: Arc<Assumptions>,
    /// Makes results.
    pub synthesizer: Synthesizer,
    /// What earlier trials say of roles and sizes.
    pub guess: Guess,
    /// What stages run on, by key, where that is not as written. `None` until that is known: then
    /// agents take the time, and spend of the turn's budget, what they would as written and with
    /// nothing pinned.
    pub runs_on: Option<Arc<BTreeMap<u64, RunsOn>>>,
    /// The session's model.
    pub session: Model,
    /// Labels as the script writes them, with `*` for what varies, by line of their call.
    pub label_templates: Arc<BTreeMap<u32, String>>,
    caps: Arc<[ProseCap]>,
}

/// What a stage runs on, as far as token use and time go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsOn {
    /// The model.
    pub model: ModelId,
    /// Its facts, with the cap that a rule sets.
    pub facts: ModelFacts,
    /// The effort.
    pub effort: Option<Effort>,
}

/// What trials take for granted about roles and sizes, from the trials before them.
#[derive(Clone, Debug)]
pub struct Guess {
    /// By [`StageIdentity::work`].
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// How it counts.
    pub tokenizer: crate::tokens::Tokenizer,
    /// Its window.
    pub context_tokens: u64,
    /// The output limit of one request: the model's, or a lower cap that a rule sets.
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
    /// Parses a job's texts. `facts` are what is known of the script without running it.
    pub fn new(job: PlanJob, facts: &WorkflowFacts) -> Result<Self, PlanError> {
        let table = PriceTable::parse(&job.price_files).map_err(|error| bad("prices", &error))?;
        let usage =
            UsageModel::parse(&job.usage_text).map_err(|error| bad("usage model", &error))?;
        let policy = Policy::parse(&job.policy.name, &job.policy.text)
            .map_err(|error| bad("policy", &error))?;
        let session = table
            .resolve(&job.session_model, &job.provider, job.on)
            .map_err(|unknown| PlanError::Flag {
                flag: "--model".to_owned(),
                message: unknown.to_string(),
            })?
            .clone();
        let caps: Arc<[ProseCap]> = facts.caps_in_prose.iter().map(prose_cap).collect();
        let assumptions = parse_assumptions(&job, &job.assumptions)?;
        let synthesizer = synthesizer(&job, &assumptions, &caps, &facts.text_marks)?;
        Ok(Self {
            table: Arc::new(table),
            usage: Arc::new(usage),
            policy: Arc::new(policy),
            assumptions,
            synthesizer,
            guess: Guess::default(),
            runs_on: None,
            session,
            label_templates: Arc::new(label_templates(facts)),
            caps,
            job: Arc::new(job),
        })
    }

    /// The same with `key` pinned to `value` by one more `--assume`, as an intervention makes it.
    /// What the user pinned under that key gives way.
    pub fn with_assumption(&self, key: &str, value: &str) -> Result<Self, PlanError> {
        let names_key = |pin: &String| {
            pin.split_once('=').is_some_and(|(pinned, _)| pinned.trim().eq_ignore_ascii_case(key))
        };
        let mut pins: Vec<String> =
            self.job.assumptions.iter().filter(|pin| !names_key(pin)).cloned().collect();
        pins.push(format!("{key}={value}"));
        let assumptions = parse_assumptions(&self.job, &pins)?;
        let synthesizer = self.synthesizer.with_assumptions(&assumptions);
        Ok(Self {
            table: Arc::clone(&self.table),
            usage: Arc::clone(&self.usage),
            policy: Arc::clone(&self.policy),
            assumptions,
            synthesizer,
            guess: self.guess.clone(),
            runs_on: self.runs_on.clone(),
            session: self.session.clone(),
            label_templates: Arc::clone(&self.label_templates),
            caps: Arc::clone(&self.caps),
            job: Arc::clone(&self.job),
        })
    }

    /// Token use that the user pinned for a stage.
    pub fn pins(&self, stage_name: &str) -> Pins {
        let pinned = self.assumptions.usage_pins(stage_name);
        Pins {
            requests: pinned.requests,
            output_per_request: pinned.output_per_request,
            first_context: pinned.first_context,
            growth: pinned.growth,
        }
    }

    /// The budgets of a run: those asked for, else the policy's.
    pub fn budgets(&self) -> Result<Vec<Amount>, PlanError> {
        if !self.job.budgets.is_empty() {
            let budgets = self.job.budgets.iter();
            return budgets.map(|text| parse_amount("--budget", text)).collect();
        }
        let budgets = self.policy.budgets().iter();
        Ok(budgets
            .filter(|limit| limit.scope == BudgetScope::Run)
            .map(|limit| limit.amount)
            .collect())
    }

    /// The model a stage asks for, as the client would resolve it; the session's where it asks
    /// for none. An unknown name is an error with its reason.
    pub fn written_model(&self, requested: Option<&str>) -> Result<&Model, String> {
        Ok(self.written(requested)?.model)
    }

    /// See [`Self::written_model`]; with the price that the name brings.
    pub fn written(&self, requested: Option<&str>) -> Result<NamedModel<'_>, String> {
        let forced = self.job.subagent_model.as_deref();
        match forced.or(requested.filter(|name| asks_for_model(name))) {
            None => self.named(SESSION),
            Some(name) => self.look_up(name),
        }
    }

    /// The model that a policy names, with what its name does to the price.
    pub fn named(&self, name: &str) -> Result<NamedModel<'_>, String> {
        self.look_up(if name == SESSION { &self.job.session_model } else { name })
    }

    /// The price that a planned route has on the plan's day, under the name it was planned with.
    pub fn price_of(&self, priced_as: &str) -> Result<Price, String> {
        self.named(priced_as)?.price
    }

    /// The price of a name that requests held to the US are charged at; `None` where it has none.
    pub fn price_in_us(&self, priced_as: &str) -> Option<Price> {
        let resolved = self.table.resolve_name(priced_as, &self.job.provider, self.job.on).ok()?;
        resolved.price(self.job.on, Mode { us: true, ..Mode::default() }).ok()
    }

    fn look_up(&self, name: &str) -> Result<NamedModel<'_>, String> {
        let resolved = self
            .table
            .resolve_name(name, &self.job.provider, self.job.on)
            .map_err(|unknown| unknown.to_string())?;
        let price = resolved
            .price(self.job.on, Mode::default())
            .or_else(|unpriced| match self.policy.unpriced() {
                Unpriced::Max => self.table.dearest(self.job.on).ok_or(unpriced),
                Unpriced::Deny => Err(unpriced),
            })
            .map_err(|unpriced| unpriced.to_string());
        let priced_as = (!resolved.uplift.is_one()).then(|| name.into());
        Ok(NamedModel { model: resolved.model, price, priced_as })
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

    /// The traits of a stage on what it runs on, and its pins, where that is known; `written` are its
    /// traits as written.
    pub fn running(&self, identity: &StageIdentity, written: &StageTraits) -> (StageTraits, Pins) {
        let mut traits = written.clone();
        let Some(runs_on) = &self.runs_on else { return (traits, Pins::default()) };
        if let Some(on) = runs_on.get(&identity.key.0) {
            traits.model = on.facts;
            traits.effort = on.effort;
            traits.prefix_group = prefix_group(identity, &on.model.0, on.effort);
        }
        (traits, self.pins(&identity.name))
    }

    /// The traits of a stage as written; `prompt` is its first.
    pub fn stage_traits(&self, identity: &StageIdentity, prompt: &str) -> StageTraits {
        let model = self.written_model(identity.model.as_deref()).unwrap_or(&self.session);
        let effort = self.effort_on(model, identity.effort.as_deref());
        StageTraits {
            role: self.guess.roles.get(&identity.work).copied().unwrap_or(Role::Single),
            kind: self.usage.kind_of(
                &identity.skeleton,
                &identity.phase,
                prompt,
                identity.worktree,
            ),
            model: ModelFacts::of(model),
            effort,
            worktree: identity.worktree,
            prefix_group: prefix_group(identity, &model.id.0, effort),
        }
    }
}

/// A model with its price on the plan's day: a regional name can be dearer than the model's own.
#[derive(Clone, Debug)]
pub struct NamedModel<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its price, or why it has none.
    pub price: Result<Price, String>,
    /// The name, where it changes the price.
    pub priced_as: Option<Arc<str>>,
}

/// Whether `opts.model` asks for a model of its own, not for the session's.
pub fn asks_for_model(name: &str) -> bool {
    !matches!(name, "inherit" | "default" | "")
}

/// An amount as typed.
pub fn parse_amount(flag: &str, text: &str) -> Result<Amount, PlanError> {
    text.parse().map_err(|error: AmountError| PlanError::Flag {
        flag: flag.to_owned(),
        message: error.to_string(),
    })
}

fn label_templates(facts: &WorkflowFacts) -> BTreeMap<u32, String> {
    let sites = facts.agent_sites.iter();
    sites.filter_map(|site| Some((site.place.line, site.label.clone()?))).collect()
}

fn prose_cap(found: &crate::workflow::ProseCap) -> ProseCap {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    ProseCap {
        property: Some(found.noun.as_str().into()),
        cap: Cap {
            low: found.min.map_or(0, narrow),
            high: narrow(found.max),
            exact: found.min == Some(found.max),
        },
        line: found.place.line,
    }
}

fn bad(what: &str, error: &dyn std::error::Error) -> PlanError {
    PlanError::Input { what: what.to_owned(), message: error.to_string(), diagnostics: Vec::new() }
}

fn parse_assumptions(job: &PlanJob, assume: &[String]) -> Result<Arc<Assumptions>, PlanError> {
    let texts = AssumptionTexts { assume, result: &job.results, done: &job.done };
    let mut no_files = |path: &str| Err(format!("{path} was not read in"));
    Assumptions::parse(texts, &mut no_files).map(Arc::new).map_err(|error| PlanError::Flag {
        flag: "--assume, --result or --done".to_owned(),
        message: error.to_string(),
    })
}

fn synthesizer(
    job: &PlanJob,
    assumptions: &Arc<Assumptions>,
    caps: &[ProseCap],
    marks: &[TextMark],
) -> Result<Synthesizer, PlanError> {
    let args = match &job.start.args {
        ScriptArgs::Json(text) | ScriptArgs::Text(text) => serde_json::from_str(text).ok(),
        ScriptArgs::Absent => None,
    };
    let input = SynthesizerInput {
        results_toml: &job.results_text,
        args: args.as_ref(),
        assumptions,
        caps,
        tree: job.tree,
        marks,
    };
    Synthesizer::new(input).map_err(|error| bad("results", &error))
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
