//! Every test of the crate, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod amount;
mod cli;
mod fit;
mod money;
mod policy;
mod pricing;
mod report;
mod schema;
mod tidy;
