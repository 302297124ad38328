//! What happens during a run, as plain data: one stream for live views, and the report at its end.
//! Owns the published shapes; computes nothing.

mod report;
mod run_event;

pub use report::{
    AgentCounts, Dollars, LostAgent, LostReason, LostWork, PhaseForecast, PhaseReport,
    RUN_SCHEMA_VERSION, RequestCounts, RunReport, RunResult, RunStatus, ScriptReaction, SeenDenial,
    StageReport, SteppedDown, StopCause,
};
pub use run_event::{AgentEnding, RunEvent};
