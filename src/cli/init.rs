//! `flyball init`.

use clap::{Args, ValueHint};

use super::value;
use crate::amount::Amount;
use crate::config::settings::dollars;
use crate::money::Picodollars;

const EXAMPLES: &str = "\
Examples:
  flyball init                                      in your own settings
  flyball init --project --policy ci --budget 10usd in those of this repository, for everybody
  flyball init --status-line --yes                  with the status line, without being asked
  flyball init --undo                               takes out again what init has put in";

/// `flyball init` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct InitTyped {
    /// In your own settings: ~/.claude/settings.json, or below `$CLAUDE_CONFIG_DIR` (the default)
    #[arg(long, conflicts_with = "project")]
    pub user: bool,

    /// In this repository's settings: .claude/settings.json at its root
    #[arg(long)]
    pub project: bool,

    /// The hook's limit of a launch: 10usd, 800ktok, 40agents; may be given once per unit
    #[arg(long, value_name = "AMOUNT", value_parser = value::budget, help_heading = "Hook")]
    pub budget: Vec<Amount>,

    /// The hook's policy: a file, or a shipped policy
    #[arg(long, value_name = "FILE|NAME", value_parser = value::not_empty,
          help_heading = "Hook", value_hint = ValueHint::FilePath)]
    pub policy: Option<String>,

    /// Launches up to this go ahead without a word [default: 2usd]
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Hook")]
    pub allow_under: Option<Picodollars>,

    /// Launches above this are asked about [default: what --allow-under says]
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Hook")]
    pub ask_over: Option<Picodollars>,

    /// Launches above this are denied
    #[arg(long, value_name = "AMOUNT", value_parser = dollars, help_heading = "Hook")]
    pub deny_over: Option<Picodollars>,

    /// Launches that could not be checked go ahead
    #[arg(long, help_heading = "Hook")]
    pub fail_open: bool,

    /// Set the status line too
    #[arg(long)]
    pub status_line: bool,

    /// Take out what init has put in, and nothing else
    #[arg(long, conflicts_with_all = ["budget", "policy", "allow_under", "ask_over", "deny_over",
                                      "fail_open", "status_line"])]
    pub undo: bool,

    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

impl InitTyped {
    /// The flags of the hook that these say, but for its policy.
    pub fn hook_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        for amount in &self.budget {
            flag("--budget", amount.to_string());
        }
        let amounts = [
            ("--allow-under", self.allow_under),
            ("--ask-over", self.ask_over),
            ("--deny-over", self.deny_over),
        ];
        for (name, amount) in amounts {
            if let Some(amount) = amount {
                flag(name, format!("{}usd", amount.to_decimal()));
            }
        }
        if self.fail_open {
            flags.push("--fail-open".to_owned());
        }
        flags
    }
}
