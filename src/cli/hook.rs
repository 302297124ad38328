//! `flyball hook`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use jiff::civil::Date;

use super::ledger::LedgerFlag;
use super::plan::{PlanOptions, PlanningFlags};
use super::value::{self, Assume};
use crate::amount::Amount;
use crate::config::Environment;
use crate::config::held::GateSettings;
use crate::config::hook_settings::{HookSettings, gate_named};
use crate::config::settings::{cache_ttl, dollars, duration};
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::pricing::CacheTtl;

/// Launches up to so much go ahead without a word, unless said otherwise: one agent on Opus does.
pub const ALLOW_UNDER_DEFAULT: Picodollars = Picodollars::from_usd(2);
/// The samples of a launch, unless said otherwise.
pub const SAMPLES_DEFAULT: u32 = 100;
/// The work that its samples may take: some tens of milliseconds.
pub const WORK_MAX: u64 = 8 << 20;
/// The longest that the hook may take, whatever is asked for.
pub const TIME_LIMIT_MAX: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
In Claude Code's settings.json:
  \"hooks\": { \"PreToolUse\": [ { \"matcher\": \"Workflow|Agent|Task\", \"hooks\": [ {
    \"type\": \"command\",
    \"command\": \"flyball hook pre-tool-use --deny-over 20usd\" } ] } ] }

It reads the call on standard input and answers on standard output. Exit code 2
says that it could not check the call, which blocks it; with --fail-open the
call goes ahead unchecked.";

/// What Claude Code asks of flyball.
#[derive(Clone, Debug, Subcommand)]
pub enum HookCommand {
    /// Decide about a workflow or an agent before Claude Code starts it
    PreToolUse(Box<HookTyped>),
}

/// `flyball hook pre-tool-use` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HookTyped {
    /// Go ahead without a word where 9 of 10 runs cost at most this [default: 2usd]
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Decision")]
    pub allow_under: Option<Picodollars>,

    /// Ask where 9 of 10 runs cost more than this [default: what --allow-under says]
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Decision")]
    pub ask_over: Option<Picodollars>,

    /// Deny where more than 1 in 10 runs costs more than this
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Decision")]
    pub deny_over: Option<Picodollars>,

    /// A limit: 10usd, 800ktok, 200kout, 40agents; may be given once per unit
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget, help_heading = "Decision")]
    pub budget: Vec<Amount>,

    /// A policy file, or a shipped policy: as-written, haiku-fanout, frugal, …
    #[arg(long, value_name = "FILE|NAME", value_parser = value::not_empty,
          help_heading = "Decision", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,

    /// What becomes of Claude Code's own workflows, which are nowhere to be read [default: ask]
    #[arg(long, value_name = "allow|ask|deny", value_parser = gate_named,
          help_heading = "Decision")]
    pub built_in: Option<Gate>,

    /// Let a call go ahead that could not be checked, and say so
    #[arg(long, help_heading = "Decision")]
    pub fail_open: bool,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,

    /// The project whose budgets hold [default: the repository's folder]
    #[arg(long, value_name = "NAME", value_parser = value::not_empty)]
    pub project: Option<String>,

    /// The session model where the session's transcript names none
    #[arg(long, value_name = "MODEL", value_parser = value::not_empty, help_heading = "Plan")]
    pub session_model: Option<String>,

    /// Price files that override the shipped prices; later ones win
    #[arg(long, value_name = "FILE", help_heading = "Plan")]
    pub prices: Vec<PathBuf>,

    /// The day whose prices apply, such as 2026-11-22 [default: today]
    #[arg(long, value_name = "DATE", value_parser = value::date, help_heading = "Plan")]
    pub at: Option<Date>,

    /// Who bills: anthropic, bedrock, vertex, … [default: anthropic]
    #[arg(long, value_name = "NAME", value_parser = value::not_empty, help_heading = "Plan")]
    pub provider: Option<String>,

    /// How long agents' prompt caches live: 5m or 1h [default: 5m]
    #[arg(long, value_name = "TTL", value_parser = cache_ttl, help_heading = "Plan")]
    pub cache_ttl: Option<CacheTtl>,

    /// Pin a quantity, per agent: Find.findings=12, Verify.refuted=0.3
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::assume, help_heading = "Plan")]
    pub assume: Vec<Assume>,

    /// Count the files under this folder and use the counts for lists of files
    #[arg(long, value_name = "PATH", help_heading = "Plan", value_hint = ValueHint::DirPath)]
    pub scope: Option<PathBuf>,

    /// A usage model in place of the shipped one
    #[arg(long, value_name = "FILE", help_heading = "Plan")]
    pub usage: Option<PathBuf>,

    /// Agents at work at once [default: as the client does on this machine]
    #[arg(long, value_name = "N", value_parser = value::concurrency, help_heading = "Plan")]
    pub concurrency: Option<u32>,

    /// Dry runs of the script, at most [default: 100]
    #[arg(long, value_name = "N", value_parser = value::samples, help_heading = "Plan")]
    pub samples: Option<u32>,

    /// The root of all randomness; same seed, same answer [default: 7]
    #[arg(long, value_name = "N", help_heading = "Plan")]
    pub seed: Option<u64>,

    /// Block after this long without an answer, at most 5s
    #[arg(long, value_name = "TIME", value_parser = within_limit, help_heading = "Plan",
          default_value = "5s")]
    pub time_limit: Duration,
}

/// `--time-limit` of a hook: a client that waits longer may go ahead without the answer.
fn within_limit(text: &str) -> Result<Duration, String> {
    let limit = duration(text)?;
    if limit <= TIME_LIMIT_MAX { Ok(limit) } else { Err(format!("`{text}` is above 5s")) }
}

/// What to decide by: flags over settings over defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct HookOptions {
    /// What a launch is planned with. Which script is not known yet.
    pub planning: PlanOptions,
    /// At most this goes ahead without a word.
    pub allow_under: Picodollars,
    /// Above this is asked.
    pub ask_over: Picodollars,
    /// Above this is denied.
    pub deny_over: Option<Picodollars>,
    /// What becomes of workflows that are nowhere to be read.
    pub built_in: Gate,
}

impl HookTyped {
    /// These flags over the settings over the environment over the defaults. Of what the project
    /// says, the stricter counts.
    pub fn resolve(&self, settings: &GateSettings, environment: &Environment) -> HookOptions {
        let GateSettings { own, project } = settings;
        let HookSettings { allow_under, ask_over, deny_over, built_in, .. } = own.hook;
        let flags = PlanningFlags {
            policy: self.policy.clone(),
            budget: self.budget.clone(),
            prices: self.prices.clone(),
            at: self.at,
            provider: self.provider.clone(),
            cache_ttl: self.cache_ttl,
            assume: self.assume.clone(),
            scope: self.scope.clone(),
            usage: self.usage.clone(),
            concurrency: self.concurrency,
            samples: self.samples.or(Some(SAMPLES_DEFAULT)),
            seed: self.seed,
            model: self.session_model.clone(),
            time_limit: Some(self.time_limit),
            ..PlanningFlags::default()
        };
        let mut planning = flags.resolve(String::new(), own, environment);
        planning.work_max = Some(WORK_MAX);
        let lower = |own: Picodollars, project: Option<Picodollars>| {
            project.map_or(own, |project| project.min(own))
        };
        let allow_under = self.allow_under.unwrap_or_else(|| {
            lower(allow_under.unwrap_or(ALLOW_UNDER_DEFAULT), project.allow_under)
        });
        let ask_over = self
            .ask_over
            .unwrap_or_else(|| lower(ask_over.unwrap_or(allow_under), project.ask_over));
        let deny_over = self.deny_over.or(match (deny_over, project.deny_over) {
            (Some(own), project) => Some(lower(own, project)),
            (None, project) => project,
        });
        let built_in = self.built_in.unwrap_or_else(|| {
            let own = built_in.unwrap_or(Gate::Ask);
            project.built_in.map_or(own, |project| project.max(own))
        });
        HookOptions { planning, allow_under, ask_over, deny_over, built_in }
    }
}
