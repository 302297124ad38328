//! `flyball plan`, and the flags that `run` shares with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::civil::Date;

use super::ledger::LedgerFlag;
use super::value::{self, ArgsSource, Assume, Format, KnownResult};
use crate::amount::Amount;
use crate::config::settings::{cache_ttl, effort_named, time_limit};
use crate::config::{Environment, Settings};
use crate::effort::Effort;
use crate::money::Picodollars;
use crate::policy::POLICY_DEFAULT;
use crate::pricing::CacheTtl;

/// Samples of a plan, unless said otherwise.
pub const SAMPLES_DEFAULT: u32 = 200;
/// The seed of a plan, unless said otherwise.
pub const SEED_DEFAULT: u64 = 7;
/// The longest a plan may take, unless said otherwise.
pub const TIME_LIMIT_DEFAULT: Duration = Duration::from_mins(1);

/// Who bills, unless said otherwise.
pub const PROVIDER_DEFAULT: &str = "anthropic";

const EXAMPLES: &str = "\
Examples:
  flyball plan review.js --args '{\"base\":\"main\"}' --budget 10usd
  flyball plan review.js --policy haiku-fanout --fit 5usd
  flyball plan review.js --assume Find.findings=12 --result 'scan=@scan.json'
  flyball plan review.js --format markdown > comment.md
  flyball plan review.js --out plan.json
  flyball run --plan plan.json --agents simulated

A budget is an amount with a unit: $5 or 5usd, 800ktok (billed tokens), 200kout
(output tokens), 40agents. Budgets of a day, a project, … count too. Exit code 3
says that the plan is over one, or too likely to be.";

/// `flyball plan` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanTyped {
    /// A script's path, a saved workflow's name, or example:NAME
    #[arg(value_name = "WORKFLOW", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub workflow: String,

    /// What the plan is about.
    #[command(flatten)]
    pub flags: PlanningFlags,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,

    /// How to print the plan
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the plan as JSON to FILE too, for `flyball run --plan FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The flags that decide what a plan says, as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanningFlags {
    /// The script's args: a JSON value, @FILE, or @- for standard input
    #[arg(long, value_name = "JSON|@FILE", value_parser = value::args, help_heading = "Input")]
    pub args: Option<ArgsSource>,

    /// The script's args as one plain string
    #[arg(long, value_name = "TEXT", conflicts_with = "args", help_heading = "Input")]
    pub args_string: Option<String>,

    /// What the script reads as budget.total, in output tokens: 500k
    #[arg(long, value_name = "TOKENS", value_parser = value::turn_budget, help_heading = "Input")]
    pub turn_budget: Option<u64>,

    /// The session model, for agents that name none: opus, claude-sonnet-5, …
    #[arg(long, value_name = "MODEL", value_parser = value::not_empty, help_heading = "Routing")]
    pub model: Option<String>,

    /// The session effort: low, medium, high, xhigh, max
    #[arg(long, value_name = "EFFORT", value_parser = effort_named, help_heading = "Routing")]
    pub effort: Option<Effort>,

    /// A policy file, or a shipped policy: as-written, haiku-fanout, frugal, …
    #[arg(long, value_name = "FILE|NAME", value_parser = value::not_empty, help_heading = "Routing",
          value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,

    /// Look for the routing that keeps the most capability within this many dollars
    #[arg(long, value_name = "AMOUNT", value_parser = value::fit, help_heading = "Routing",
          allow_hyphen_values = true)]
    pub fit: Option<Picodollars>,

    /// A limit: 10usd, 800ktok, 200kout, 40agents, 25%5h; may be given once per unit
    #[arg(long, value_name = "AMOUNT", value_parser = value::plan_budget, help_heading = "Budget",
          allow_hyphen_values = true)]
    pub budget: Vec<Amount>,

    /// Price files that override the shipped prices; later ones win
    #[arg(long, value_name = "FILE", help_heading = "Prices")]
    pub prices: Vec<PathBuf>,

    /// The day whose prices apply, such as 2026-11-22 [default: today]
    #[arg(long, value_name = "DATE", value_parser = value::date, help_heading = "Prices")]
    pub at: Option<Date>,

    /// Who bills: anthropic, bedrock, vertex, … [default: anthropic]
    #[arg(long, value_name = "NAME", value_parser = value::not_empty, help_heading = "Prices")]
    pub provider: Option<String>,

    /// How long agents' prompt caches live: 5m or 1h [default: 5m]
    #[arg(long, value_name = "TTL", value_parser = cache_ttl, help_heading = "Prices")]
    pub cache_ttl: Option<CacheTtl>,

    /// Pin a quantity, per agent: Find.findings=12, Verify.refuted=0.3
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::assume,
          help_heading = "Assumptions")]
    pub assume: Vec<Assume>,

    /// An agent's answer is known; it is still paid: 'scan#1=@scan.json'
    #[arg(long, value_name = "LABEL=@FILE", value_parser = value::known_result,
          help_heading = "Assumptions")]
    pub result: Vec<KnownResult>,

    /// Agents of this label have been paid already
    #[arg(long, value_name = "LABEL", value_parser = value::not_empty,
          help_heading = "Assumptions")]
    pub done: Vec<String>,

    /// Count the files under this folder and use the counts for lists of files
    #[arg(long, value_name = "PATH", help_heading = "Assumptions", value_hint = ValueHint::DirPath)]
    pub scope: Option<PathBuf>,

    /// A usage model in place of the shipped one
    #[arg(long, value_name = "FILE", help_heading = "Assumptions")]
    pub usage: Option<PathBuf>,

    /// Agents at work at once [default: as the client does on this machine]
    #[arg(long, value_name = "N", value_parser = value::concurrency, help_heading = "Sampling")]
    pub concurrency: Option<u32>,

    /// Dry runs of the script [default: 200]
    #[arg(long, value_name = "N", value_parser = value::samples, help_heading = "Sampling",
          allow_hyphen_values = true)]
    pub samples: Option<u32>,

    /// The root of all randomness; same seed, same plan [default: 7]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub seed: Option<u64>,

    /// Give up after this long: 90s, 10m [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = time_limit, help_heading = "Sampling")]
    pub time_limit: Option<Duration>,
}

/// What a script is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgsOption {
    /// Nothing.
    Absent,
    /// A JSON value.
    Json(ArgsSource),
    /// A string, verbatim.
    Text(String),
}

/// What to plan: flags over settings over defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// A path, a saved workflow's name, or `example:NAME`.
    pub workflow: String,
    /// The script's `args`.
    pub args: ArgsOption,
    /// `budget.total`, output tokens.
    pub turn_budget_tokens: Option<u64>,
    /// The session model as named; `None` is the client's default.
    pub model: Option<String>,
    /// The session effort.
    pub effort: Option<Effort>,
    /// A shipped policy's name, or a file.
    pub policy: String,
    /// Dollars to fit the routing into.
    pub fit: Option<Picodollars>,
    /// Limits.
    pub budgets: Vec<Amount>,
    /// What they, or the policy's in their place, are lowered to where they are higher.
    pub at_most: Vec<Amount>,
    /// Price files, later ones override.
    pub prices: Vec<PathBuf>,
    /// The day whose prices apply; `None` is today.
    pub at: Option<Date>,
    /// Who bills.
    pub provider: String,
    /// How long agents' prompt caches live.
    pub cache_ttl: CacheTtl,
    /// Pinned quantities; later ones win.
    pub assume: Vec<Assume>,
    /// Known answers.
    pub results: Vec<KnownResult>,
    /// Labels that cost nothing any more.
    pub done: Vec<String>,
    /// The folder whose files are counted.
    pub scope: Option<PathBuf>,
    /// A usage model in place of the shipped one.
    pub usage: Option<PathBuf>,
    /// Agents at work at once; `None` is what the client does on this machine.
    pub concurrency: Option<u32>,
    /// Samples, 1 or more.
    pub samples: u32,
    /// The most work that samples may take, where a plan has little time; see
    /// [`crate::plan::job::PlanJob::work_max`].
    pub work_max: Option<u64>,
    /// The root of all randomness.
    pub seed: u64,
    /// The longest the plan may take.
    pub time_limit: Duration,
}

impl PlanningFlags {
    /// These flags over the settings over the environment over the defaults.
    pub fn resolve(
        self,
        workflow: String,
        settings: &Settings,
        environment: &Environment,
    ) -> PlanOptions {
        let settings = settings.clone();
        let args = match (self.args, self.args_string) {
            (Some(json), _) => ArgsOption::Json(json),
            (None, Some(text)) => ArgsOption::Text(text),
            (None, None) => ArgsOption::Absent,
        };
        PlanOptions {
            workflow,
            args,
            turn_budget_tokens: self.turn_budget,
            model: self.model.or(settings.model).or_else(|| environment.session_model.clone()),
            effort: self.effort.or(settings.effort),
            policy: self.policy.or(settings.policy).unwrap_or_else(|| POLICY_DEFAULT.to_owned()),
            fit: self.fit,
            at_most: if self.budget.is_empty() { settings.at_most } else { Vec::new() },
            budgets: if self.budget.is_empty() { settings.budget } else { self.budget },
            prices: settings.prices.into_iter().chain(self.prices).collect(),
            at: self.at,
            provider: self
                .provider
                .or(settings.provider)
                .unwrap_or_else(|| PROVIDER_DEFAULT.to_owned()),
            cache_ttl: self.cache_ttl.or(settings.cache_ttl).unwrap_or(CacheTtl::FiveMinutes),
            assume: self.assume,
            results: self.result,
            done: self.done,
            scope: self.scope.or(settings.scope),
            usage: self.usage.or(settings.usage),
            concurrency: self.concurrency.or(settings.concurrency).or(environment.concurrency),
            samples: self.samples.or(settings.samples).unwrap_or(SAMPLES_DEFAULT),
            work_max: None,
            seed: self.seed.or(settings.seed).unwrap_or(SEED_DEFAULT),
            time_limit: self.time_limit.or(settings.time_limit).unwrap_or(TIME_LIMIT_DEFAULT),
        }
    }
}
