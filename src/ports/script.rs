//! A workflow script as its host sees it: it asks for agents, it is told their outcomes.
//!
//! Sans-IO: nothing here waits. The planner drives an execution with a virtual clock, the executor
//! with real completions, a test with a list.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Place};
use crate::id::CallId;

/// A compiled script, from which any number of executions start.
pub trait ScriptProgram: Send + Sync {
    /// Begins one execution and runs it up to its first wait.
    fn start(&self, start: &Start) -> Result<Box<dyn Execution>, EngineError>;
}

/// One execution of a script.
pub trait Execution {
    /// The agent calls made since the last time this was asked, in call order.
    fn calls(&mut self) -> Vec<AgentCall>;

    /// Resolves one call and runs the script up to its next wait. `output_tokens` grow
    /// `budget.spent()`. Unknown or already resolved calls are an error.
    fn deliver(
        &mut self,
        call: CallId,
        outcome: Outcome,
        output_tokens: u64,
    ) -> Result<(), EngineError>;

    /// Moves virtual time to `milliseconds` since the start and runs the timers due by then.
    fn advance_to(&mut self, milliseconds: u64) -> Result<(), EngineError>;

    /// What the script is doing.
    fn status(&mut self) -> Status;

    /// What was noticed on the way: logs, swallowed throws, warnings. Asked once, at the end.
    fn notes(&mut self) -> ExecutionNotes;
}

/// What an execution is started with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Start {
    /// The script's `args`.
    pub args: ScriptArgs,
    /// `budget.total` in output tokens; `None` is `null` to the script.
    pub budget_total_tokens: Option<u64>,
    /// What `budget.spent()` begins at: the main loop's own output tokens of this turn.
    pub budget_spent_tokens: u64,
    /// The limits of this execution.
    pub limits: Limits,
}

/// The `args` of a workflow call, verbatim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptArgs {
    /// `undefined`.
    #[default]
    Absent,
    /// A JSON value, as its text.
    Json(String),
    /// A string, even if its content looks like JSON.
    Text(String),
}

/// Named limits of one execution. Reaching one ends it with [`Finish::LimitReached`], save for
/// `agents` and `items`, which throw into the script as the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Agent calls per run, child workflows included.
    pub agents: u32,
    /// Items per `parallel` or `pipeline` call.
    pub items: u32,
    /// Heap of the script, bytes.
    pub memory_bytes: u64,
    /// Native stack of the script, bytes. The thread that runs it needs about 512 KiB more.
    pub stack_bytes: u64,
    /// Interpreter interrupt polls per execution (one per about 10,000 branches or calls).
    pub steps: u64,
    /// Retained log lines.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            agents: 1_000,
            items: 4_096,
            memory_bytes: 256 << 20,
            stack_bytes: 1 << 20,
            steps: 200_000,
            log_lines: 500,
        }
    }
}

/// One `agent()` call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentCall {
    /// Its position in call order, from 1.
    pub id: CallId,
    /// The prompt, coerced to a string.
    pub prompt: Arc<str>,
    /// `opts.label`, if given.
    pub label: Option<Arc<str>>,
    /// `opts.phase`, else the phase current at the call, else none.
    pub phase: Option<Arc<str>>,
    /// `opts.schema` as JSON text, one allocation per distinct schema.
    pub schema: Option<Arc<str>>,
    /// `opts.model` as written.
    pub model: Option<Arc<str>>,
    /// `opts.effort` as written.
    pub effort: Option<Arc<str>>,
    /// `opts.agentType`.
    pub agent_type: Option<Arc<str>>,
    /// `opts.isolation === 'worktree'`.
    pub worktree: bool,
    /// `opts.stallMs`.
    pub stall_milliseconds: Option<u64>,
    /// The name of the child workflow that made the call, if one did.
    pub child_workflow: Option<Arc<str>>,
    /// Line of the call in the (child's or main) script, from 1; for display only.
    pub line: Option<u32>,
    /// Column of the call in that line, in characters, from 1: with the line it says which
    /// `agent()` of the text made the call.
    pub column: Option<u32>,
}

/// What became of an agent, as the script is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The final text of an agent without a schema.
    Text(String),
    /// The validated object of an agent with a schema, as JSON text.
    Json(String),
    /// Skipped, or a terminal API error: the call resolves to `null`.
    Null,
    /// The call rejects with an `Error` of this name and message.
    Rejected {
        /// `error.name`, such as `WorkflowBudgetExceededError`.
        name: String,
        /// `error.message`.
        message: String,
    },
}

impl Outcome {
    /// What `agent()` rejects with once the token budget is used up: at the call, and again when a
    /// queued call gets its slot.
    pub fn budget_exceeded(spent_tokens: u64, total_tokens: u64) -> Self {
        Self::Rejected {
            name: "WorkflowBudgetExceededError".to_owned(),
            message: format!(
                "Workflow token budget exceeded ({} / {} output tokens). Stopping further agent() \
                 calls. In-flight agents will complete; their results are preserved.",
                grouped(spent_tokens),
                grouped(total_tokens)
            ),
        }
    }

    /// What `agent()` rejects with beyond the most agents of a run.
    pub fn agent_cap(limit: u32) -> Self {
        Self::Rejected {
            name: "WorkflowAgentCapError".to_owned(),
            message: format!(
                "Workflow agent() call cap reached ({limit}). This usually means a loop using \
                 budget.remaining() never terminates because no token budget was set — remaining() \
                 returns Infinity when budget.total is null. Add a hard iteration cap to the loop, \
                 or pass a token budget."
            ),
        }
    }
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What an execution is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for outcomes of open calls, for a timer, or both.
    Waiting {
        /// Calls without an outcome.
        open_calls: u32,
        /// When the next timer is due, in virtual milliseconds since the start.
        next_timer_milliseconds: Option<u64>,
    },
    /// Ended.
    Finished(Finish),
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The body returned.
    Returned {
        /// The value as JSON text, cut at 64 KiB; `None` for `undefined`.
        value: Option<String>,
        /// The line of the `return` that ended it; `None` where the body ran to its end.
        line: Option<u32>,
    },
    /// The body threw.
    Threw {
        /// `error.name`, or the type of what was thrown.
        name: String,
        /// `error.message`, or the thrown value as a string.
        message: String,
        /// Where it was thrown, if known.
        place: Option<Place>,
    },
    /// The body awaits something that can never settle.
    Stuck,
    /// A named limit was reached.
    LimitReached {
        /// `steps`, `memory` or `stack`.
        limit: String,
    },
}

/// What was noticed during an execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutionNotes {
    /// Lines of `log` and `console`, oldest first, capped by [`Limits::log_lines`].
    pub logs: Vec<String>,
    /// Failures lines, such as `parallel[2] failed: …`, capped at 100.
    pub failures: Vec<String>,
    /// How many throws `parallel` and `pipeline` turned into `null`, and the first one's message.
    pub swallowed: Option<Swallowed>,
    /// Top-level keys of `args` that the script read, in first-read order.
    pub args_read: Vec<String>,
    /// Whether the script looked at `args` at all.
    pub args_touched: bool,
    /// Names or paths that `workflow()` did not find.
    pub workflows_missing: Vec<String>,
    /// Unknown agent options and the like.
    pub warnings: Vec<Diagnostic>,
    /// Phases announced by `phase()`, in first-use order.
    pub phases: Vec<String>,
    /// Interpreter interrupt polls that were used up.
    pub steps: u64,
}

/// Throws that never reached the author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swallowed {
    /// How many.
    pub count: u32,
    /// The first one, such as `TypeError: cannot read property 'map' of null`.
    pub first: String,
    /// Where the first one was thrown, if known.
    pub place: Option<Place>,
}

/// What can go wrong on the engine's side of an execution.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum EngineError {
    /// The script cannot be compiled or is not a workflow.
    #[error("the script was refused: {}", first_message(.0))]
    Refused(Vec<Diagnostic>),
    /// The child process that runs the script was ended.
    #[error("the script was ended: {reason}")]
    Killed {
        /// `no progress for 10 s`, `memory`, `crash (signal 11)`.
        reason: String,
        /// What to do.
        help: String,
    },
    /// What was asked took longer than it may, and nothing says that the script is to blame.
    #[error("it takes longer than {limit:?}")]
    OutOfTime {
        /// How long it may take.
        limit: Duration,
    },
    /// A call was answered that is not open.
    #[error("call {0} is not open")]
    NotOpen(u32),
    /// A call cannot be answered as the user pinned it.
    #[error("{0}")]
    Unanswerable(String),
    /// A bug of ours, or a broken child process.
    #[error("the script engine failed: {0}")]
    Internal(String),
}

fn first_message(diagnostics: &[Diagnostic]) -> &str {
    diagnostics.first().map_or("no reason given", |diagnostic| diagnostic.message.as_str())
}
