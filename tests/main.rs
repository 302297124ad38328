//! Every test of the crate, in one binary.

mod script;
mod workflow;
