//! Planning: a seeded Monte Carlo over a workflow script.
//! Pure: no clock, no environment, no threads; cannot spend, since it sees no backend or ledger.

pub mod advice;
pub mod assemble;
pub mod assume;
pub mod call_spot;
pub mod cast;
pub mod ceiling;
pub mod costing;
pub mod drivers;
pub mod endings;
pub mod evaluation;
pub mod fit;
pub mod fitting;
pub mod frame;
pub mod hints;
pub mod interventions;
pub mod job;
pub mod judgement;
pub mod one_agent;
mod plan_error;
pub mod plan_id;
pub mod planner;
mod probes;
pub mod report;
pub mod rewrite;
pub mod routing;
pub mod scope_size;
pub mod setup;
pub mod stage;
mod stage_schema;
pub mod synth;
pub mod trial;
pub mod verdict;
pub mod widths;
pub mod workers;

pub use plan_error::PlanError;
