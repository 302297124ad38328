//! A server that speaks the Messages API and never calls a model: what demos, tests and bug
//! reports talk to, and what budgets are proved against.
//!
//! Owns what such a request is answered with (drawn from a seed and the request's own content),
//! prompt caching, faults on request, recordings that are played again, and a bill of its own:
//! what a real upstream would charge, request by request. Must not know: budgets, ledgers, who asks; no key is read or kept.

mod answer;
mod ask;
mod bill;
mod cache;
mod catalogue;
mod config;
mod counts;
mod directive;
mod envelope;
mod exchange;
mod fault;
mod limits;
mod messages;
mod meter;
mod pace;
mod pieces;
mod plan_window;
mod replay;
mod reply;
mod schema_value;
mod server;
mod socket;
mod stream;
mod tool;
mod wire;

pub use bill::{Bill, EndingCounts, ModelBill};
pub use config::{OutputLength, TurnRange, UpstreamConfig};
pub use fault::{Fault, FaultError, FaultRate};
pub use limits::{
    BODY_BYTES_MAX, CACHE_ENTRIES_MAX, CONNECTIONS_MAX, COUNTED_CONTENTS_MAX, SILENCE_SECONDS_MAX,
    STOP_SECONDS_MAX,
};
pub use messages::first_answer;
pub use pace::Pace;
pub use plan_window::{SimulatedWindow, WindowError};
pub use replay::Replay;
pub use server::{SimulatedUpstream, StartError, UpstreamHandle};
