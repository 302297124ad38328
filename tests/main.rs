//! Every test of the crate, in one binary.

mod amount;
mod money;
mod pricing;
