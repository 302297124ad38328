//! Every test of the crate, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::assigning_clones,
    reason = "what tests count is small, and they are read more than they are run"
)]

mod amount;
mod assume;
mod budget;
mod calibrate;
mod claude;
mod cli;
mod examples;
mod fit;
mod foreground;
mod gateway;
mod guides;
mod ledger;
mod messages;
mod money;
mod plan;
mod policy;
mod pricing;
mod proofs;
mod report;
mod run;
mod schema;
mod script;
mod synth;
mod tidy;
mod tokens;
mod upstream;
mod usage;
mod workflow;
