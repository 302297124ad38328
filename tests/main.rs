//! Every test of the crate, in one binary.

mod amount;
mod budget;
mod money;
mod pricing;
mod run;
