//! `flyball exec`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::gateway::Guarantee;
use super::ledger::LedgerFlag;
use super::value::{self, PlainFormat};
use crate::amount::Amount;
use crate::gateway::run_in_path;
use crate::money::Picodollars;

const EXAMPLES: &str = "\
Examples:
  flyball exec --budget 5usd -- claude
  flyball exec --budget 5usd --policy haiku-fanout -- claude -p 'Review the last commit'
  flyball exec --run nightly --budget 8usd -- claude --resume SESSION
  flyball exec --budget 1usd --out report.json -- python agent.py

The exit code is the client's own. Where that is 0: 4 if a budget refused something, 7 if requests
went around the gateway, or none was answered.";

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientKind {
    /// Claude Code: settings and hooks hold it
    ClaudeCode,
    /// Anything else: held if it honours `ANTHROPIC_BASE_URL`
    Other,
}

/// `flyball exec` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExecTyped {
    /// The most that the run may take, what it took before included: $5, 5usd, 800ktok, 200kout,
    /// 40agents; may be given once per unit
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget)]
    pub budget: Vec<Amount>,

    /// A policy file, or a shipped policy, by which launches are decided
    #[arg(long, value_name = "FILE|NAME", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,

    /// Send requests to the models that the policy's rules say too, where that is cheaper: for what
    /// no text of a script could be given
    #[arg(long, requires = "policy", conflicts_with = "gateway")]
    pub rewrite: bool,

    /// Go on with the run of this name, or begin it [default: a new name]
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    pub run: Option<String>,

    /// The project that is charged [default: the repository's folder]
    #[arg(long, value_name = "NAME", value_parser = value::not_empty)]
    pub project: Option<String>,

    /// What the command is [default: claude-code if it is called claude]
    #[arg(long, value_enum, value_name = "KIND")]
    pub client: Option<ClientKind>,

    /// Go ahead without a word with launches of which 9 of 10 runs cost at most this [default: what
    /// the hook says; with `claude -p`, where nobody can be asked, the budget]
    #[arg(long, value_name = "AMOUNT", value_parser = dollars)]
    pub allow_under: Option<Picodollars>,

    /// The model of every subagent, whatever a script or an agent asks for
    #[arg(long, value_name = "MODEL", value_parser = value::not_empty)]
    pub subagent_model: Option<String>,

    /// Let workflows and agents start without a look at what they will cost
    #[arg(long)]
    pub no_hook: bool,

    /// End with the client's exit code even where that is 0 and something was refused
    #[arg(long)]
    pub client_exit_code: bool,

    /// Use the gateway that listens there, on the same ledger, instead of one of its own
    #[arg(long, value_name = "URL", value_parser = value::not_empty, help_heading = "Gateway",
          conflicts_with_all = ["upstream", "output_cap", "guarantee", "max_hold", "agent_budget"])]
    pub gateway: Option<String>,

    /// The API that requests are forwarded to
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://api.anthropic.com",
        help_heading = "Gateway"
    )]
    pub upstream: String,

    /// The most that one agent may take
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget, help_heading = "Gateway")]
    pub agent_budget: Vec<Amount>,

    /// No answer is asked to be longer, output tokens
    #[arg(long, value_name = "TOKENS", value_parser = value::output_cap, default_value = "32000",
          help_heading = "Gateway")]
    pub output_cap: u64,

    /// What is promised: strict reserves all that an answer may take; metered less, and more while
    /// it streams
    #[arg(long, value_enum, default_value_t, help_heading = "Gateway")]
    pub guarantee: Guarantee,

    /// How long a request may wait for balance, seconds
    #[arg(long, value_name = "SECONDS", default_value = "240", help_heading = "Gateway",
          value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub max_hold: u64,

    /// A price file over the shipped ones; can be given again
    #[arg(long, value_name = "FILE", help_heading = "Gateway")]
    pub prices: Vec<PathBuf>,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,

    /// How to print the report, on standard error
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,

    /// Write the report as JSON to FILE too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The client and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// `--run`: a name that a path can have in it.
fn run_name(text: &str) -> Result<String, String> {
    match run_in_path(&format!("/run/{text}/")) {
        (Some(name), "/") if name == text => Ok(text.to_owned()),
        _ => Err("a run's name has at most 128 letters, digits, `-`, `_` and `.`".to_owned()),
    }
}

/// `--allow-under`.
fn dollars(text: &str) -> Result<Picodollars, String> {
    match value::budget(text)? {
        Amount::Usd(amount) => Ok(amount),
        _ => Err(format!("`{text}` is not dollars: write 5usd")),
    }
}
