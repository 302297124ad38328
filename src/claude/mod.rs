//! Everything that is Claude Code's: what it writes to its folder, and what that says. Must not
//! know: budgets, prices, how requests reach the API.

pub mod run_folder;
