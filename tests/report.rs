//! Plans and runs as text.

mod fixtures;
mod golden;
mod laws;
mod numbers;
mod pointing;
mod progress;
mod runs;

pub(super) use fixtures::all as plans;
