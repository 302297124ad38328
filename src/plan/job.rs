//! Everything a plan is a function of, as plain data that crosses a process boundary.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calibrate::WindowRate;
use crate::effort::Effort;
use crate::plan::widths::TreeCounts;
use crate::ports::script::Start;
use crate::pricing::PriceFile;

/// The inputs of a plan: texts to parse and settings. No clock, no environment, no files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanJob {
    /// The workflow as given on the command line.
    pub source: String,
    /// Hash of the script's text and of the child workflows it may call.
    pub script_hash: String,
    /// How executions start: args, limits, the turn's token budget.
    pub start: Start,
    /// Price tables, later ones over earlier ones.
    pub price_files: Vec<PriceFile>,
    /// The usage model's text.
    pub usage_text: String,
    /// The text of the tables that results are invented from.
    pub results_text: String,
    /// The policy in force.
    pub policy: NamedText,
    /// The policy whose saving is shown where the one in force changes nothing.
    pub suggested_policy: Option<NamedText>,
    /// The session's model: a name or an alias.
    pub session_model: String,
    /// The session's effort; `None` is the model's default.
    pub session_effort: Option<Effort>,
    /// Whose aliases and prices apply: `anthropic` is first-party.
    pub provider: String,
    /// Whether agents write their cache for an hour instead of five minutes.
    pub cache_one_hour: bool,
    /// The budgets to hold the plan against, as written; empty for the policy's.
    pub budgets: Vec<String>,
    /// The amount to search a routing for, as written.
    pub fit: Option<String>,
    /// How many samples, at least 1.
    pub samples: u32,
    /// The most work that samples may take, see [`crate::plan::trial::Trial::work`]: the plan has as
    /// many as that is enough for, though a few always, counts prompts by their bytes and answers
    /// no drivers by interventions. `None` does all of it, for all of `samples`.
    pub work_max: Option<u64>,
    /// The root of all randomness.
    pub seed: u64,
    /// Agents at work at once, at least 1.
    pub concurrency: u32,
    /// How long siblings are held for the first one's response, milliseconds; 0 for not at all.
    pub prefix_stagger_milliseconds: u64,
    /// The day whose prices apply.
    pub on: Date,
    /// `--assume KEY=VALUE`.
    pub assumptions: Vec<String>,
    /// `--result LABEL=JSON`; files that were named are read in already.
    pub results: Vec<String>,
    /// `--done LABEL`.
    pub done: Vec<String>,
    /// Agents of an earlier run that are taken over, in the order of their calls.
    pub replayed: Vec<Replayed>,
    /// Whether agents run on what the script asks for, because nobody is there who routes them. The
    /// policy's gates still hold.
    pub as_written: bool,
    /// What the client runs every agent on, whatever the script asks for; then nothing is routed.
    pub subagent_model: Option<String>,
    /// What was counted in the working tree.
    pub tree: TreeCounts,
    /// Wider budgets that the run is held to besides its own.
    pub standing: Vec<StandingLimit>,
    /// What a percent of a plan window is worth, where a budget asks for a share of one and that was
    /// learned.
    pub window_rates: Vec<WindowRate>,
}

/// What is left of a budget that a run shares with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingLimit {
    /// Whose it is: `day 2026-11-25 UTC`, `project shop`, `org`.
    pub scope: String,
    /// What is left, as written: `1.2usd`.
    pub left: String,
    /// The whole of it, where something is gone.
    pub of: Option<String>,
    /// Whether it admits nothing, whatever is left.
    pub paused: bool,
    /// The command that raises it, with the missing amount behind it; `None` where the policy has to
    /// be changed.
    pub raise: Option<String>,
}

/// An agent of an earlier run of the script that ended well. The first calls of a run are taken from
/// such agents, free of charge, as long as they are the same calls: from the first one on that is
/// not, all are made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Its label as the client writes it: `opts.label`, else the beginning of the prompt.
    pub label: String,
    /// What it answered, as JSON: a string for agents without a schema.
    pub result: String,
}

/// A named text, such as a policy file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamedText {
    /// File or shipped name.
    pub name: String,
    /// Its content.
    pub text: String,
}
