//! Holds clients of the Messages API to their budgets. Owns the way of a request from a client to
//! the upstream and of its answer back: reserve → forward → settle. Knows no ledger and no scopes:
//! its [`Till`] does.
//!
//! Requests and answers pass as they are. Of a body, only the number after `max_tokens` may change,
//! and the model where a [`ModelRouter`] says so; nothing that can stream is kept waiting for its end.

mod access;
mod admit;
mod attempt;
mod body;
mod caller;
mod charged_run;
mod conversation;
mod counting;
mod cuts;
mod edits;
mod features;
mod fields;
mod forward;
mod geography;
mod growing;
mod headers;
mod keys;
mod meter;
mod operations;
mod origin;
mod plan_watch;
mod recorder;
mod refusal;
mod request;
mod retry;
mod rewrite;
mod route;
mod send;
mod sent_body;
mod server;
mod service;
mod settings;
#[cfg(feature = "otel")]
mod span;
#[cfg(feature = "otel")]
mod span_exporter;
mod tallies;
mod tape;
mod tariff;
mod thread;
mod till;
mod tls;
mod upstream;
mod watching;

pub use access::{Access, Fate};
pub use caller::{BadName, Caller, run_in_path};
pub use charged_run::{CHARGED_RUN_VERSION, ChargedRun, ChargedTo, RunCounts};
pub use keys::{KeptKey, KeyError, KeyFile, KeyOwner, KeyRing, Renewed};
pub use meter::{Reading, StreamMeter};
pub use origin::{Origin, Origins};
pub use plan_watch::{PlanWatch, UNNAMED_ACCOUNT};
pub use recorder::Recorder;
pub use request::{BadRequest, MessagesRequest};
pub use route::{Advice, Asked, ModelRoute, ModelRouter, Routed};
pub use sent_body::SentBody;
pub use server::Gateway;
pub use settings::{GatewayLimits, GatewaySettings, MeteredTerms};
#[cfg(feature = "otel")]
pub use span_exporter::{Collector, SpanExporter};
pub use tallies::{Recent, Tallies, Tally};
pub use tariff::{NoTariff, Tariff, Terms};
pub use till::{Ending, Held, Later, Refused, Till, Wanted};
pub use tls::{BadTls, ServerTls};
pub use upstream::{BadUpstream, Upstream};
pub use watching::{Account, Accounts, Action, Console, SeenWindow, TOKEN_BYTES, Watching};
