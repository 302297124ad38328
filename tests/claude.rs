//! What is known of Claude Code from its files.

pub(crate) mod folder;
mod run_folder;
