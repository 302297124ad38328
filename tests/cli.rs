//! The command line, its settings and what it reads, from outside.

mod inputs;
mod program;
mod scope;
mod settings;
mod usage;
