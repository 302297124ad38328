//! A workflow without a script: rounds of calls, each a function of what came before.

use std::collections::VecDeque;
use std::sync::Arc;

use flyball::id::CallId;
use flyball::plan::setup::Setup;
use flyball::plan::trial::{self, Trial, TrialSpec};
use flyball::plan::workers::Workers;
use flyball::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Finish, Outcome, ScriptProgram, Start,
    Status,
};

/// One agent call of a fake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub label: String,
    pub phase: String,
    pub prompt: String,
    pub schema: Option<Arc<str>>,
    pub model: Option<String>,
    pub worktree: bool,
}

impl Call {
    pub(crate) fn new(phase: &str, label: &str, prompt: impl Into<String>) -> Self {
        Self {
            label: label.to_owned(),
            phase: phase.to_owned(),
            prompt: prompt.into(),
            ..Self::default()
        }
    }

    pub(crate) fn schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.into());
        self
    }

    pub(crate) fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }
}

/// What the rounds so far answered.
pub(crate) type Answers = Vec<Vec<Outcome>>;

/// The next round's calls, or none to return.
pub(crate) type Rounds = fn(&Answers) -> Vec<Call>;

pub(crate) struct Fake(pub Rounds);

impl ScriptProgram for Fake {
    fn start(&self, _: &Start) -> Result<Box<dyn Execution>, EngineError> {
        let mut running = Running {
            rounds: self.0,
            answers: Vec::new(),
            open: VecDeque::new(),
            made: 0,
            out: Vec::new(),
        };
        running.next_round();
        Ok(Box::new(running))
    }
}

struct Running {
    rounds: Rounds,
    answers: Answers,
    open: VecDeque<(CallId, Option<Outcome>)>,
    made: u32,
    out: Vec<AgentCall>,
}

impl Running {
    fn next_round(&mut self) {
        for call in (self.rounds)(&self.answers) {
            self.made += 1;
            let id = CallId(self.made);
            self.open.push_back((id, None));
            self.out.push(AgentCall {
                id,
                prompt: call.prompt.as_str().into(),
                label: Some(call.label.as_str().into()),
                phase: Some(call.phase.as_str().into()),
                schema: call.schema,
                model: call.model.as_deref().map(Into::into),
                effort: None,
                agent_type: None,
                worktree: call.worktree,
                stall_milliseconds: None,
                child_workflow: None,
                line: None,
                column: None,
            });
        }
    }
}

impl Execution for Running {
    fn calls(&mut self) -> Vec<AgentCall> {
        std::mem::take(&mut self.out)
    }

    fn deliver(&mut self, call: CallId, outcome: Outcome, _: u64) -> Result<(), EngineError> {
        let slot = self.open.iter_mut().find(|(id, done)| *id == call && done.is_none());
        slot.ok_or(EngineError::NotOpen(call.0))?.1 = Some(outcome);
        if self.open.iter().all(|(_, done)| done.is_some()) {
            let round = self.open.drain(..).filter_map(|(_, done)| done).collect();
            self.answers.push(round);
            self.next_round();
        }
        Ok(())
    }

    fn advance_to(&mut self, _: u64) -> Result<(), EngineError> {
        Ok(())
    }

    fn status(&mut self) -> Status {
        if self.open.is_empty() {
            Status::Finished(Finish::Returned { value: Some("{}".to_owned()), line: Some(1) })
        } else {
            let open_calls = self.open.iter().filter(|(_, done)| done.is_none()).count() as u32;
            Status::Waiting { open_calls, next_timer_milliseconds: None }
        }
    }

    fn notes(&mut self) -> ExecutionNotes {
        ExecutionNotes::default()
    }
}

/// Runs trials one after the other; a token is four bytes.
pub(crate) struct InOrder<'a>(pub &'a dyn ScriptProgram);

impl Workers for InOrder<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        specs.iter().map(|spec| trial::run(setup, self.0, spec)).collect()
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        texts.iter().map(|text| text.len() as u64 / 4).collect()
    }
}
