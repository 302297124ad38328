//! Every test of the crate, in one binary.

mod assume;
mod synth;
