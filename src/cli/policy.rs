//! `flyball policy`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::value::{self, PlainFormat};

const CHECK_EXAMPLES: &str = "\
Examples:
  flyball policy check team.toml
  flyball policy check haiku-fanout

Exit code 0 says that the policy can be used, with or without warnings; 6 that it cannot.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  flyball policy explain review.js --policy team.toml
  flyball policy explain review.js --policy haiku-fanout --stage 'verify:*'

For each stage, every rule in order: why it matched, or which condition did not hold.";

const APPLY_EXAMPLES: &str = "\
Examples:
  flyball policy apply review.js --policy haiku-fanout > cheaper.js
  flyball policy apply review.js --policy team.toml --format diff

The script goes to standard output; what changed in it, and what did not, to standard error. Nothing
but the models and efforts of agent() calls is touched.";

/// What to do with policies. `F` holds the flags that decide what a plan says.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand<F: Args> {
    /// Read a policy and say what it does, what is wrong and what is doubtful
    Check(PolicyCheck),
    /// Say for each stage of a workflow which rule decides, and why the others do not
    Explain(Box<PolicyExplain<F>>),
    /// Rewrite a workflow so that its agents ask for what the policy chose
    Apply(Box<PolicyApply<F>>),
}

/// `flyball policy check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct PolicyCheck {
    /// A policy file, or a shipped policy's name
    #[arg(value_name = "FILE|NAME", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub policy: String,

    /// Price files that override the shipped prices: they say which models are known
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,

    /// Who bills: anthropic, bedrock, vertex, … [default: anthropic]
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,

    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `flyball policy explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct PolicyExplain<F: Args> {
    /// A script's path, a saved workflow's name, or example:NAME
    #[arg(value_name = "WORKFLOW", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub workflow: String,

    /// Only stages of this name, as a plan shows it; `*` stands for any text
    #[arg(long, value_name = "NAME")]
    pub stage: Vec<String>,

    /// What the plan is about.
    #[command(flatten)]
    pub flags: F,

    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `flyball policy apply`.
#[derive(Clone, Debug, Args)]
#[command(after_help = APPLY_EXAMPLES)]
pub struct PolicyApply<F: Args> {
    /// A script's path, a saved workflow's name, or example:NAME
    #[arg(value_name = "WORKFLOW", value_parser = value::not_empty,
          value_hint = ValueHint::FilePath)]
    pub workflow: String,

    /// What the plan is about.
    #[command(flatten)]
    pub flags: F,

    /// How to print the rewritten script
    #[arg(long, value_enum, default_value_t)]
    pub format: ApplyFormat,

    /// Write the rewritten script to a file too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How a rewritten script is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ApplyFormat {
    /// The script itself
    #[default]
    Script,
    /// The lines that differ
    Diff,
    /// For programs: the script, every edit, and what was left
    Json,
}
