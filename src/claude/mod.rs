//! Everything that is Claude Code's: how it is started so that it is held, and what it writes to its
//! folder. Must not know where settings of flyball are from, prices, budgets, and how requests reach
//! the API.

pub mod launch;
pub mod launch_record;
pub mod outcome;
pub mod run_folder;
pub mod session_files;
pub mod settings;
pub mod transcript;
pub mod workflow_run;
