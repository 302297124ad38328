//! The caller's side: what can be asked of a child process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::CHILD_ARGUMENT;
use super::frame::{Frame, Kind};
use super::limits::SandboxLimits;
use super::process::Process;
use super::remote::{RemoteExecution, ask};
use crate::ports::script::{EngineError, Execution, ScriptProgram, Start};
use crate::workflow::{SourceSet, WorkflowFacts};

/// Starts child processes of one executable. Each request gets a process of its own.
#[derive(Clone, Debug)]
pub struct Sandbox {
    executable: PathBuf,
    arguments: Vec<OsString>,
    limits: SandboxLimits,
}

/// What is known of a script and of the workflows it calls, once all compile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Facts of the main script.
    pub facts: WorkflowFacts,
    /// Path and facts of each called child that could be read.
    pub children: Vec<(String, WorkflowFacts)>,
}

impl Sandbox {
    /// A sandbox of `executable`, which must call [`child_main`](super::child_main) when its first
    /// argument is [`CHILD_ARGUMENT`].
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            arguments: vec![CHILD_ARGUMENT.into()],
            limits: SandboxLimits::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: SandboxLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads and compiles a script without running it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with diagnostics; [`EngineError::Killed`] where the text alone is
    /// too much; [`EngineError::Internal`] where the child could not be started.
    pub fn inspect(&self, sources: &SourceSet) -> Result<Inspection, EngineError> {
        ask(&mut self.spawn()?, Kind::Inspect, sources)
    }

    /// Compiles a script and begins one execution in a process of its own. The process dies with
    /// the thread that calls this.
    ///
    /// # Errors
    /// As [`Sandbox::inspect`].
    pub fn start(
        &self,
        sources: &SourceSet,
        start: &Start,
    ) -> Result<Box<dyn Execution>, EngineError> {
        Ok(Box::new(RemoteExecution::start(self.spawn()?, sources, start)?))
    }

    /// A program whose executions each get a process.
    pub fn program(&self, sources: SourceSet) -> SandboxProgram {
        SandboxProgram { sandbox: self.clone(), sources: Arc::new(sources) }
    }

    /// Sends `input` to the handler in a child and returns its answer.
    ///
    /// # Errors
    /// [`EngineError::Killed`] where it passed a limit or crashed; [`EngineError::OutOfTime`] where
    /// it would have taken longer than it may; [`EngineError::Internal`] where the handler panicked
    /// or the child could not be started.
    pub fn job(&self, input: Vec<u8>) -> Result<Vec<u8>, EngineError> {
        let reply = self.spawn()?.request(Frame::new(Kind::Job, input))?;
        Ok(reply.payload)
    }

    fn spawn(&self) -> Result<Process, EngineError> {
        Process::spawn(&self.executable, &self.arguments, self.limits)
    }
}

/// A script that is run in child processes.
#[derive(Clone, Debug)]
pub struct SandboxProgram {
    sandbox: Sandbox,
    sources: Arc<SourceSet>,
}

impl ScriptProgram for SandboxProgram {
    fn start(&self, start: &Start) -> Result<Box<dyn Execution>, EngineError> {
        self.sandbox.start(&self.sources, start)
    }
}
