//! The commands there are.

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::doctor::DoctorTyped;
use super::exec::ExecTyped;
use super::gateway::GatewayTyped;
use super::hook::HookCommand;
use super::init::InitTyped;
use super::ledger::{BudgetCommand, LedgerCommand, RunsCommand};
use super::plan::{PlanTyped, PlanningFlags};
use super::policy::PolicyCommand;
use super::pricing::PricingArgs;
use super::run::RunTyped;
use super::shell::{CompletionsTyped, ManTyped};
use super::statusline::StatuslineTyped;
use super::upstream::SimulateUpstreamTyped;
use super::workflows::WorkflowsCommand;

const EXAMPLES: &str = "\
Examples:
  flyball plan review.js --budget 10usd
  flyball plan my-workflow --args '{\"base\":\"main\"}' --out plan.json
  flyball run --plan plan.json --agents simulated

Exit codes:
  0    done
  1    a bug in flyball
  2    the command line is wrong
  3    the plan is over its budget, or the policy denies it
  4    the budget stopped the run
  5    the script failed, or refused its input
  6    a file is bad: script, policy, prices, settings
  7    an agent backend failed
  130  interrupted";

/// Shows what an agent workflow will cost before it starts, routes each stage to the cheapest
/// model that policy allows, and holds the run under a hard budget.
#[derive(Debug, Parser)]
#[command(name = "flyball", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What every command may be told.
    #[command(flatten)]
    pub global: GlobalFlags,
}

/// What every command may be told.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct GlobalFlags {
    /// When to use colours
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub color: ColourChoice,

    /// Read no flyball.toml of the repository, only the user's
    #[arg(long, global = true)]
    pub no_project_settings: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Preview a workflow: agents, tokens, dollars, time, and how sure that is
    Plan(Box<PlanTyped>),
    /// Execute a workflow under its budget
    Run(Box<RunTyped>),
    /// Run Claude Code, or another client, under a budget, and say what it came to
    Exec(Box<ExecTyped>),
    /// Hold any client of the Anthropic API to its budget
    Gateway(Box<GatewayTyped>),
    /// Answer Claude Code before it starts a workflow or an agent: allow, ask or deny
    #[command(subcommand)]
    Hook(HookCommand),
    /// Put the launch check into Claude Code's settings, or take it out again
    Init(Box<InitTyped>),
    /// Look whether flyball and Claude Code work together, and say what to do
    Doctor(DoctorTyped),
    /// Print one line about a session of Claude Code: spent, limit, forecast
    Statusline(StatuslineTyped),
    /// Check a routing policy, explain what it decides, or write it into a workflow
    #[command(subcommand)]
    Policy(PolicyCommand<PlanningFlags>),
    /// List, show, check and compare prices
    Pricing(PricingArgs),
    /// Standing budgets: set, show, raise, reset
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Every reservation and settlement: show, export, verify
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Past runs, and how they compare with their forecasts
    #[command(subcommand)]
    Runs(RunsCommand),
    /// The workflows that are in reach
    #[command(subcommand)]
    Workflows(WorkflowsCommand),
    /// Serve the Messages API without a model: for demos, tests and bug reports
    SimulateUpstream(SimulateUpstreamTyped),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsTyped),
    /// Print a manual page
    Man(ManTyped),
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
