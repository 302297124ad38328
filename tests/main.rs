//! Every test of the crate, in one binary.

    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
#![allow(
)]
mod amount;
mod fit;
mod money;
mod policy;
mod pricing;
mod tidy;
mod tokens;
mod usage;
