//! Executes a plan under its budget. Decides nothing that the plan or the policy decided.
//!
//! [`run`] drives a script's execution and an agent backend against each other: calls get slots in
//! call order, every request is bounded and reserved before it leaves, waits without a time limit
//! where the budget is busy, and is refused only where it could never be paid. When the budget will
//! not finish everything, agents called earlier are finished first.

mod agent_at_work;
mod dispatcher;
mod ending;
mod request_desk;
mod request_flow;
mod routes;
mod setup;
mod stagger;
mod step_down;
mod tally;
mod turn;
mod work_in_progress;

pub use dispatcher::run;
pub use routes::{Routes, StageRoute, StepDownRoute, forecasts_of};
pub use setup::{
    CONCURRENCY_DEFAULT, CONCURRENCY_MAX, NoReplay, Replay, RunPorts, RunSetup, WiderBudget,
};
