//! Every test of the crate, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod amount;
mod fit;
mod money;
mod policy;
mod pricing;
mod report;
mod tidy;
mod tokens;
mod usage;

mod assume;
mod synth;
