//! `flyball run`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::ledger::LedgerFlag;
use super::plan::{PlanOptions, PlanningFlags};
use super::value::{self, Format};
use crate::config::{Environment, Settings};

const EXAMPLES: &str = "\
Examples:
  flyball run review.js --agents simulated --budget 10usd
  flyball run --plan plan.json --agents simulated --yes
  flyball run review.js --agents simulated --time-scale 0.01 --out run.json
  flyball run ask.js --agents messages --budget 1usd

Simulated agents answer like the ones of a plan and cost no money; everything
else is real: the routes, the budget, the order of events. Agents of `messages`
talk to the API with ANTHROPIC_API_KEY, without tools: they read no files and
run no commands. Exit code 4 says that the budget stopped the run. A run that
ended is not gone on with: another one begins anew, and pays for every agent.";

/// A run cannot be held to what is only observed, so that it takes no share of a plan window.
const BUDGET_HELP: &str = "A limit: 10usd, 800ktok, 200kout, 40agents; may be given once per unit";

/// What a plan has decided already. Prices and a usage model of its own are given again, since it
/// holds only their hashes; a budget in place of its own may be.
const PLANNED: [&str; 16] = [
    "args",
    "args_string",
    "turn_budget",
    "model",
    "effort",
    "policy",
    "fit",
    "at",
    "provider",
    "cache_ttl",
    "assume",
    "result",
    "done",
    "scope",
    "samples",
    "seed",
];

/// `flyball run` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(mut_arg("budget", |budget| budget.help(BUDGET_HELP)))]
#[command(group = ArgGroup::new("what").required(true).args(["workflow", "plan"]))]
pub struct RunTyped {
    /// A script's path, a saved workflow's name, or example:NAME
    #[arg(value_name = "WORKFLOW", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub workflow: Option<String>,

    /// Execute this plan, and nothing but this plan
    #[arg(long, value_name = "FILE", conflicts_with_all = PLANNED)]
    pub plan: Option<PathBuf>,

    /// Who carries out the agents
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub agents: Backend,

    /// The API that agents of `messages` talk to
    #[arg(long, value_name = "URL", value_parser = value::not_empty,
          default_value = "https://api.anthropic.com")]
    pub upstream: String,

    /// Do not ask; a plan that the policy denies is still refused
    #[arg(long, short)]
    pub yes: bool,

    /// How long simulated agents take: 1 is real time, 0.1 ten times as fast
    #[arg(long, value_name = "FACTOR", value_parser = value::time_scale, default_value = "0",
          allow_hyphen_values = true)]
    pub time_scale: f64,

    /// What the run is about.
    #[command(flatten)]
    pub flags: PlanningFlags,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,

    /// How to print the outcome
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the outcome as JSON to FILE too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Who carries out the agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Nobody: answers are made up and cost no money
    Simulated,
    /// The Messages API: every agent is a conversation without tools, and costs money
    Messages,
}

/// What to run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// What it is planned with. The workflow is empty where a plan names it.
    pub planning: PlanOptions,
    /// The plan to execute, instead of a new one.
    pub plan: Option<PathBuf>,
    /// Who carries out the agents.
    pub backend: Backend,
    /// The API that agents talk to, where they do.
    pub upstream: String,
    /// Whether asking gates are taken as answered.
    pub yes: bool,
    /// How long simulated agents take, as a factor; 0 is no waiting.
    pub time_scale: f64,
    /// The ledger that it is kept in and held by.
    pub ledger: LedgerFlag,
    /// How to print the outcome.
    pub format: Format,
    /// Where the outcome is written as JSON too.
    pub out: Option<PathBuf>,
}

impl RunTyped {
    /// These flags over the settings over the environment over the defaults.
    pub fn resolve(self, settings: &Settings, environment: &Environment) -> RunOptions {
        let workflow = self.workflow.unwrap_or_default();
        RunOptions {
            planning: self.flags.resolve(workflow, settings, environment),
            plan: self.plan,
            backend: self.agents,
            upstream: self.upstream,
            yes: self.yes,
            time_scale: self.time_scale,
            ledger: self.ledger,
            format: self.format,
            out: self.out,
        }
    }
}
