//! `flyball statusline`.

use clap::Args;

use super::ledger::LedgerFlag;

const EXAMPLES: &str = "\
In Claude Code's settings.json, which `flyball init --status-line` does for you:
  \"statusLine\": { \"type\": \"command\", \"command\": \"flyball statusline\" }

It reads on standard input what Claude Code tells a status line, and prints one
line, coloured though no terminal reads it. What goes wrong is a line too.";

/// `flyball statusline` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatuslineTyped {
    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}
