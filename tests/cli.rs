//! The command line, its settings and what it reads, from outside.

mod bad_files;
mod bad_scripts;
mod charged;
mod inputs;
mod interrupts;
mod ledger;
mod lists;
mod plan_windows;
mod postgres;
mod program;
mod runs;
mod scope;
mod settings;
mod shell;
mod usage;
mod wider;
