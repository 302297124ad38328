//! What is Claude Code's: its files, the gate before its launches, the client under `flyball exec`.

mod doctor;
mod entries;
mod exec;
mod exec_gateway;
mod exec_prices;
mod exec_report;
mod exec_stand;
pub(crate) mod folder;
mod hook;
mod hook_limits;
mod hook_routes;
mod hook_scripts;
mod init;
mod plugin;
mod rate_limits;
mod run_folder;
mod stand;
mod statusline;
