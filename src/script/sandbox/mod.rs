//! The child process in which script text is parsed and run. Owns the pipe between both sides, the
//! child's resource limits and the killing; the engine inside knows nothing of it. A script that
//! escapes the engine's limits ends with its process, with a reason, and never hangs the caller.

mod activity;
mod child;
mod confine;
mod frame;
mod job;
mod limits;
mod parent;
mod process;
mod processor_time;
mod remote;
mod watch;
mod watched;

pub use activity::Activity;
pub use child::child_main;
pub use job::JobContext;
pub use limits::SandboxLimits;
pub use parent::{Inspection, Sandbox, SandboxProgram};
pub use watched::Watched;

/// The first argument that makes this executable the child of a sandbox.
pub const CHILD_ARGUMENT: &str = "__sandbox";
