//! The command line in two stages: as typed (clap), then resolved against the settings files and
//! the environment. Owns flags, their grammar, defaults and help; does no work and reads no file.

pub mod command;
pub mod doctor;
pub mod exec;
pub mod gateway;
pub mod hook;
pub mod init;
pub mod ledger;
pub mod plan;
pub mod policy;
pub mod pricing;
pub mod run;
pub mod shell;
pub mod statusline;
pub mod upstream;
pub mod value;
pub mod workflows;

pub use command::{Command, CommandLine};
pub use plan::{PlanOptions, PlanTyped};
pub use run::{RunOptions, RunTyped};
