//! `flyball completions` and `flyball man`: what a shell and its reader are told of the commands.

use clap::Args;
use clap_complete::Shell;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(flyball completions bash)
  flyball completions zsh > ~/.zfunc/_flyball
  flyball completions fish > ~/.config/fish/completions/flyball.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  flyball man | man -l -
  flyball man policy check | man -l -
  flyball man plan > /usr/local/share/man/man1/flyball-plan.1";

/// `flyball completions` as typed.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsTyped {
    /// The shell to complete in
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// `flyball man` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManTyped {
    /// The command that the page is about, such as `plan` or `policy check` [default: flyball]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}
