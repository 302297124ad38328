//! Every test of the crate, in one binary.

mod amount;
mod fit;
mod money;
mod policy;
mod pricing;
mod tokens;
mod usage;
