//! Runs workflow scripts. The only module that names `QuickJS`. Script text is parsed and run only in
//! a child process: the sandbox drives the engine over a pipe. Must not know what agents cost or
//! who answers them.

pub mod engine;
pub mod sandbox;
