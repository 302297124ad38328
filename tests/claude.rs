//! What is Claude Code's: its files, and the client under `flyball exec`.

mod exec;
mod exec_report;
mod exec_stand;
pub(crate) mod folder;
mod run_folder;
