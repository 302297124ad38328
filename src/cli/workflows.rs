//! `flyball workflows`.

use clap::{Args, Subcommand};

use super::value::PlainFormat;

/// What to do with workflows.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum WorkflowsCommand {
    /// List saved and shipped workflows, closest first
    List(WorkflowsList),
}

/// `flyball workflows list` as typed.
#[derive(Clone, Copy, Debug, Args)]
pub struct WorkflowsList {
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}
