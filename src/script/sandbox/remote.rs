//! An execution in a child process.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::child::{Delivery, Moved};
use super::frame::{Frame, Kind};
use super::process::Process;
use crate::id::CallId;
use crate::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Outcome, Start, Status,
};
use crate::workflow::SourceSet;

/// The parent's half of an execution. Each step is one round trip.
pub(super) struct RemoteExecution {
    process: Process,
    calls: Vec<AgentCall>,
    status: Status,
}

impl RemoteExecution {
    pub(super) fn start(
        mut process: Process,
        sources: &SourceSet,
        start: &Start,
    ) -> Result<Self, EngineError> {
        ask::<_, ()>(&mut process, Kind::Open, sources)?;
        let moved: Moved = ask(&mut process, Kind::Begin, start)?;
        Ok(Self { process, calls: moved.calls, status: moved.status })
    }

    fn step<T: Serialize>(&mut self, kind: Kind, request: &T) -> Result<(), EngineError> {
        let moved: Moved = ask(&mut self.process, kind, request)?;
        self.calls.extend(moved.calls);
        self.status = moved.status;
        Ok(())
    }
}

/// One request and its answer.
pub(super) fn ask<T: Serialize, R: DeserializeOwned>(
    process: &mut Process,
    kind: Kind,
    request: &T,
) -> Result<R, EngineError> {
    let broken = |error: serde_json::Error| EngineError::Internal(error.to_string());
    let frame = Frame::json(kind, request).map_err(broken)?;
    let reply = process.request(frame)?;
    reply.parse::<Result<R, EngineError>>().map_err(broken)?
}

impl Execution for RemoteExecution {
    fn calls(&mut self) -> Vec<AgentCall> {
        std::mem::take(&mut self.calls)
    }

    fn deliver(
        &mut self,
        call: CallId,
        outcome: Outcome,
        output_tokens: u64,
    ) -> Result<(), EngineError> {
        self.step(Kind::Deliver, &Delivery { call, outcome, output_tokens })
    }

    fn advance_to(&mut self, milliseconds: u64) -> Result<(), EngineError> {
        self.step(Kind::Advance, &milliseconds)
    }

    fn status(&mut self) -> Status {
        self.status.clone()
    }

    /// Empty where the child is dead.
    fn notes(&mut self) -> ExecutionNotes {
        ask(&mut self.process, Kind::Notes, &()).unwrap_or_default()
    }
}
