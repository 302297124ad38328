//! The engine and its sandbox, through their public surface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod agent;
mod budget;
mod children;
mod fan_out;
mod hostile;
mod idioms;
mod limits;
mod realm;
mod record;
mod sandbox;
mod stage;
mod stringify;
