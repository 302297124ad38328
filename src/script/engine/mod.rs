//! The engine in this process. Owns the dialect's globals and rules, the limits of an execution and
//! its record; sans-IO: it hands out calls and takes outcomes. A script can make it spend all its
//! limits but not more, save for a few built-ins that cannot be interrupted: hence the sandbox.

mod agent_call;
mod child_workflow;
mod execution;
mod gauge;
mod globals;
mod host;
mod json_text;
mod notebook;
mod program;
mod raw;
mod stringify;
mod thrown;
mod timers;
mod unit;

pub use program::Program;
