//! A program whose executions show that they go on, in a job of the child.

use super::job::JobContext;
use crate::id::CallId;
use crate::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Outcome, ScriptProgram, Start, Status,
};

/// A program whose every delivered outcome is a sign of progress. Timers are none: a script can
/// await those for ever, while agents have a limit.
pub struct Watched<'a> {
    program: &'a dyn ScriptProgram,
    context: &'a JobContext,
}

impl<'a> Watched<'a> {
    /// `program`, as part of the job of `context`.
    pub fn new(program: &'a dyn ScriptProgram, context: &'a JobContext) -> Self {
        Self { program, context }
    }
}

impl ScriptProgram for Watched<'_> {
    fn start(&self, start: &Start) -> Result<Box<dyn Execution>, EngineError> {
        self.context.progress();
        let execution = self.program.start(start)?;
        Ok(Box::new(WatchedExecution { execution, context: self.context.clone() }))
    }
}

struct WatchedExecution {
    execution: Box<dyn Execution>,
    context: JobContext,
}

impl Execution for WatchedExecution {
    fn calls(&mut self) -> Vec<AgentCall> {
        self.execution.calls()
    }

    fn deliver(
        &mut self,
        call: CallId,
        outcome: Outcome,
        output_tokens: u64,
    ) -> Result<(), EngineError> {
        self.context.progress();
        self.execution.deliver(call, outcome, output_tokens)
    }

    fn advance_to(&mut self, milliseconds: u64) -> Result<(), EngineError> {
        self.execution.advance_to(milliseconds)
    }

    fn status(&mut self) -> Status {
        self.execution.status()
    }

    fn notes(&mut self) -> ExecutionNotes {
        self.execution.notes()
    }
}
