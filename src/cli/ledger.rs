//! `flyball budget`, `flyball ledger`, `flyball runs`: standing budgets, and the books behind them.

use clap::{ArgGroup, Args, Subcommand, ValueEnum, value_parser};

use super::value::{self, PlainFormat};
use crate::amount::Amount;
use crate::budget::Period;
use crate::ledger_place::LedgerPlace;

/// Which ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct LedgerFlag {
    /// The ledger's file, instead of the one in the state folder, or postgres://…
    #[arg(long, value_name = "FILE|URL", value_parser = value_parser!(LedgerPlace))]
    pub ledger: Option<LedgerPlace>,
}

/// What a standing budget applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetName {
    /// Everything in the ledger.
    Org,
    /// A project: by name, or the one of the working folder.
    Project(Option<String>),
    /// Every calendar day, week or month.
    Every(Period),
}

/// `org`, `project`, `project:NAME`, `day`, `week`, `month`.
pub fn budget_name(text: &str) -> Result<BudgetName, String> {
    let period = Period::ALL.into_iter().find(|period| period.name() == text);
    match (text, text.split_once(':')) {
        ("org", _) => Ok(BudgetName::Org),
        ("project", _) => Ok(BudgetName::Project(None)),
        (_, Some(("project", name))) if !name.is_empty() => {
            Ok(BudgetName::Project(Some(name.to_owned())))
        }
        _ if matches!(text.parse(), Ok(Amount::PlanWindow { .. })) => Err(format!(
            "`{text}` is a share of a plan's window: write --plan NAME with --five-hour or --week"
        )),
        _ => period.map(BudgetName::Every).ok_or_else(|| {
            format!("`{text}` is none of org, day, week, month, project, project:NAME")
        }),
    }
}

const BUDGET_EXAMPLES: &str = "\
Examples:
  flyball budget set day 20usd --zone Europe/Berlin
  flyball budget set project:shop 300usd 200agents
  flyball budget set --plan max5x --five-hour 60% --week 40%
  flyball budget raise day 5usd
  flyball budget show";

/// What to do with standing budgets.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = BUDGET_EXAMPLES)]
pub enum BudgetCommand {
    /// Set a standing budget; what it limited before gives way
    Set(BudgetSet),
    /// Show budgets with what is spent, reserved and left
    Show(BudgetShow),
    /// Raise a budget: of a day, week or month only the one that is open now
    Raise(BudgetRaise),
    /// Take a budget away, or undo raises of the day, week or month that is open now
    Reset(BudgetReset),
    /// Note what Claude Code's status line says of plan windows: its JSON on standard input
    Observe(BudgetObserve),
}

/// `flyball budget set` as typed.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("shares").multiple(true)))]
pub struct BudgetSet {
    /// org, day, week, month, project or project:NAME
    #[arg(value_name = "SCOPE", value_parser = budget_name, required_unless_present = "plan")]
    pub scope: Option<BudgetName>,
    /// The most it may take: $20, 20usd, 800ktok, 200kout, 40agents
    #[arg(value_name = "AMOUNT", required_unless_present = "plan", value_parser = value::budget)]
    pub amounts: Vec<Amount>,
    /// The time zone of days, weeks and months; if absent, the one they have, and UTC at first
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Limit the windows of a subscription's plan instead, softly; called so, such as max5x
    #[arg(long, value_name = "NAME", value_parser = value::not_empty, requires = "shares",
          conflicts_with_all = ["scope", "amounts", "zone"])]
    pub plan: Option<String>,
    /// How far the five-hour window may be used
    #[arg(long, value_name = "PERCENT", value_parser = value::percent, group = "shares",
          requires = "plan")]
    pub five_hour: Option<u64>,
    /// How far the weekly window may be used
    #[arg(long, value_name = "PERCENT", value_parser = value::percent, group = "shares",
          requires = "plan")]
    pub week: Option<u64>,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball budget show` as typed.
#[derive(Clone, Debug, Args)]
pub struct BudgetShow {
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball budget raise` as typed.
#[derive(Clone, Debug, Args)]
pub struct BudgetRaise {
    /// org, day, week, month, project or project:NAME
    #[arg(value_name = "SCOPE", value_parser = budget_name)]
    pub scope: BudgetName,
    /// By how much
    #[arg(value_name = "AMOUNT", value_parser = value::budget)]
    pub amount: Amount,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball budget reset` as typed.
#[derive(Clone, Debug, Args)]
pub struct BudgetReset {
    /// org, day, week, month, project or project:NAME
    #[arg(value_name = "SCOPE", value_parser = budget_name, required_unless_present = "plan")]
    pub scope: Option<BudgetName>,
    /// Take the soft limits of the plan's windows away instead
    #[arg(long, conflicts_with = "scope")]
    pub plan: bool,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball budget observe` as typed.
#[derive(Clone, Debug, Args)]
pub struct BudgetObserve {
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// What to do with the ledger.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Show the latest entries
    Show(LedgerShow),
    /// Write every entry as CSV or JSON lines
    Export(LedgerExport),
    /// Recompute every balance from the entries and compare
    Verify(LedgerVerify),
    /// Copy the ledger in force to an empty one, and verify the copy
    Copy(LedgerCopy),
    /// Show what processes hold, and free what the dead held
    Reconcile(LedgerReconcile),
}

/// `flyball ledger show` as typed.
#[derive(Clone, Debug, Args)]
pub struct LedgerShow {
    /// Only entries of this run
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// `flyball ledger export` as typed.
#[derive(Clone, Debug, Args)]
pub struct LedgerExport {
    /// How to write them
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball ledger verify` as typed.
#[derive(Clone, Debug, Args)]
pub struct LedgerVerify {
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball ledger copy` as typed.
#[derive(Clone, Debug, Args)]
pub struct LedgerCopy {
    /// Where to: a file, or postgres://…; it must hold nothing
    #[arg(value_name = "TO", value_parser = value_parser!(LedgerPlace))]
    pub to: LedgerPlace,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// What became of requests of which nobody knows how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReconcileAs {
    /// They took all that was reserved for them
    Spent,
    /// They never left; make sure of it first
    Unsent,
}

const RECONCILE_EXAMPLES: &str = "\
Examples:
  flyball ledger reconcile
  flyball ledger reconcile --as spent --reason 'machine was restarted'
  flyball ledger reconcile --owner 12 --as unsent --reason 'provider log has none'";

/// `flyball ledger reconcile` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = RECONCILE_EXAMPLES)]
pub struct LedgerReconcile {
    /// Free what dead processes hold; requests in flight count as this
    #[arg(long, value_name = "WHAT", value_enum, requires = "reason")]
    pub r#as: Option<ReconcileAs>,
    /// Why; kept with every entry
    #[arg(long, value_name = "TEXT", requires = "as")]
    pub reason: Option<String>,
    /// Only this process, by its number in the list
    #[arg(long, value_name = "N")]
    pub owner: Option<u64>,
    /// Count slices whose journal is lost as spent as a whole
    #[arg(long, requires = "as")]
    pub whole_slices: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// What to do with past runs.
#[derive(Clone, Debug, Subcommand)]
pub enum RunsCommand {
    /// List runs, latest first
    List(RunsList),
    /// Show a run: forecast against outcome, by phase
    Show(RunsShow),
    /// Runs and sessions that a gateway has charged, with what is spent and left, latest first
    Charged(RunsCharged),
    /// Let a run or session that a gateway charges spend nothing more
    Stop(RunsNamed),
    /// Let the requests of a run or session wait until it is resumed
    Pause(RunsNamed),
    /// Let a run or session that was paused go on
    Resume(RunsNamed),
    /// Raise what a run or session may spend
    Raise(RunsRaise),
}

/// `flyball runs list` as typed.
#[derive(Clone, Debug, Args)]
pub struct RunsList {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball runs charged` as typed.
#[derive(Clone, Debug, Args)]
pub struct RunsCharged {
    /// One of them, with its workflows, phases and agents
    #[arg(value_name = "RUN", value_parser = value::not_empty)]
    pub run: Option<String>,
    /// How many runs and sessions
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "run")]
    pub last: u32,
    /// How many agents, those that spent most; 20 in a table, all as JSON
    #[arg(long, value_name = "N", requires = "run")]
    pub agents: Option<u32>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball runs stop`, `pause` and `resume` as typed.
#[derive(Clone, Debug, Args)]
pub struct RunsNamed {
    /// Its name as `flyball runs charged` has it, or 4 characters or more that it begins with; of
    /// what lies below a run too
    #[arg(value_name = "RUN", value_parser = value::not_empty)]
    pub run: String,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball runs raise` as typed.
#[derive(Clone, Debug, Args)]
pub struct RunsRaise {
    /// Its name as `flyball runs charged` has it, or 4 characters or more that it begins with; of
    /// what lies below a run too
    #[arg(value_name = "RUN", value_parser = value::not_empty)]
    pub run: String,
    /// By how much
    #[arg(value_name = "AMOUNT", value_parser = value::budget)]
    pub amount: Amount,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

/// `flyball runs show` as typed.
#[derive(Clone, Debug, Args)]
pub struct RunsShow {
    /// Its id, as `flyball runs list` has it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: value::Format,
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}
