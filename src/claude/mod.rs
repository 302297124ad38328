//! Everything that is Claude Code's: how it is started so that it is held, the forms in which it asks
//! and is answered, and what it writes to its folder.
//!
//! Owns the shapes and the limits on what is read of them; decides nothing about money and plans
//! nothing. Must not know where settings of flyball are from, and how requests reach the API.

pub mod agent_type;
pub mod entry;
pub mod hook;
pub mod json_text;
pub mod launch;
pub mod launch_record;
pub mod outcome;
pub mod rate_limits;
pub mod resumed_run;
pub mod run_folder;
pub mod session_files;
pub mod session_model;
pub mod settings;
pub mod settings_file;
pub mod shell_command;
pub mod status_input;
pub mod transcript;
pub mod workflow_run;
