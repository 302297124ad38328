//! `flyball gateway`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, FromArgMatches, Subcommand, ValueEnum};

use super::ledger::LedgerFlag;
use super::value;
use crate::amount::Amount;

const EXAMPLES: &str = "\
Examples:
  flyball budget set day 20usd
  flyball gateway --session-budget 5usd
  ANTHROPIC_BASE_URL=http://127.0.0.1:8787 claude

Who sends its requests to the gateway keeps its own key: the gateway passes it on and never shows
or stores it. The path /run/NAME before /v1 charges a request to the run NAME.";

/// What is promised of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Guarantee {
    /// Nothing passes a limit
    #[default]
    Strict,
    /// More requests at once; an answer that is written faster than any model writes may pass a
    /// limit by the difference
    Metered,
}

/// What to do besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum GatewayCommand {
    /// Keys that callers are known by: only their hashes are kept
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it, once
    Add(KeysAdd),
    /// Whose keys there are
    List,
    /// Take a key out of use
    Revoke(KeysRevoke),
}

/// `flyball gateway keys add` as typed.
#[derive(Clone, Debug, Args)]
pub struct KeysAdd {
    /// Whose it is
    #[arg(value_name = "NAME", value_parser = value::not_empty)]
    pub name: String,
    /// The project that is charged, instead of one of the same name
    #[arg(long, value_name = "PROJECT", value_parser = value::not_empty)]
    pub project: Option<String>,
}

/// `flyball gateway keys revoke` as typed.
#[derive(Clone, Debug, Args)]
pub struct KeysRevoke {
    /// Whose it is
    #[arg(value_name = "NAME", value_parser = value::not_empty)]
    pub name: String,
}

/// Who is let in, as typed.
#[derive(Clone, Copy, Debug, Args)]
pub struct CallersTyped {
    /// Ask callers for a key of `flyball gateway keys`, and send `FLYBALL_UPSTREAM_KEY` upstream
    #[arg(long)]
    pub ask_keys: bool,

    /// Listen on other than loopback addresses too; needs --ask-keys
    #[arg(long, requires = "ask_keys")]
    pub allow_remote: bool,
}

/// How agents are told apart, as typed.
#[derive(Clone, Debug, Args)]
pub struct JoinTyped {
    /// Claude Code's folder, such as ~/.claude: its files say which workflow and phase an agent is of
    #[arg(long, value_name = "DIR")]
    pub claude_home: Option<PathBuf>,

    /// How long the first request of an agent may wait for those files, milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value = "5000", requires = "claude_home",
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub join_within: u64,
}

/// How clients are spoken to, as typed.
#[derive(Clone, Debug, Args)]
pub struct TlsTyped {
    /// Speak TLS to clients: a PEM file of certificates, the gateway's own first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The PEM file of the certificate's key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// `flyball gateway` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct GatewayTyped {
    /// What to do besides serving.
    #[command(subcommand)]
    pub command: Option<GatewayCommand>,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,

    /// The API that requests are forwarded to
    #[arg(long, value_name = "URL", default_value = "https://api.anthropic.com")]
    pub upstream: String,

    /// The most that one session or run may take: $5, 5usd, 800ktok, 200kout, 40agents
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget)]
    pub session_budget: Vec<Amount>,

    /// The most that one agent of a session may take
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget)]
    pub agent_budget: Vec<Amount>,

    /// A policy file, or a shipped policy: its budgets of runs, phases and agents hold too, and its
    /// rules with --rewrite
    #[arg(long, value_name = "FILE|NAME", value_parser = value::not_empty)]
    pub policy: Option<String>,

    /// How agents are told apart.
    #[command(flatten)]
    pub join: JoinTyped,

    /// The project that is charged, instead of the one of the working folder
    #[arg(long, value_name = "NAME", value_parser = value::not_empty)]
    pub project: Option<String>,

    /// No answer is asked to be longer, output tokens
    #[arg(long, value_name = "TOKENS", value_parser = value::output_cap, default_value = "32000")]
    pub output_cap: u64,

    /// What is promised: strict reserves all that an answer may take; metered less, and more while
    /// it streams
    #[arg(long, value_enum, default_value_t)]
    pub guarantee: Guarantee,

    /// How long a request may wait for balance, seconds
    #[arg(long, value_name = "SECONDS", default_value = "240",
          value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub max_hold: u64,

    /// How often a request is sent again that has cost nothing (0 to 5), before its client is told
    #[arg(long, value_name = "N", default_value = "0",
          value_parser = clap::value_parser!(u32).range(..=5))]
    pub retries: u32,

    /// Send requests to the models that the policy's rules say, where that is cheaper
    #[arg(long, requires = "policy")]
    pub rewrite: bool,

    /// Who is let in.
    #[command(flatten)]
    pub callers: CallersTyped,

    /// How clients are spoken to.
    #[command(flatten)]
    pub tls: TlsTyped,

    /// Have no live page at /ui
    #[arg(long)]
    pub no_ui: bool,

    /// A price file over the shipped ones; can be given again
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,

    /// Append every exchange with the API to FILE, prompts and answers included, keys not
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Say nothing of single requests
    #[arg(long, short)]
    pub quiet: bool,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}

impl GatewayTyped {
    /// What is typed where nothing is.
    ///
    /// # Errors
    /// A flag has no default that it accepts, which is a bug.
    pub fn untyped() -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("gateway").no_binary_name(true));
        Self::from_arg_matches(&command.try_get_matches_from(std::iter::empty::<&str>())?)
    }
}
