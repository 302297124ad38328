//! The `PreToolUse` hook: what Claude Code says before it uses a tool, what it can be answered, and
//! what follows from a plan.

pub mod answer;
pub mod call;
pub mod decision;

pub use answer::Answer;
pub use call::{AgentLaunch, CallError, Launch, ScriptSource, ToolCall, WorkflowLaunch};
pub use decision::{Decision, LaunchLimits, decide};
