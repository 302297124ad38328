//! A stage for scripts: runs one to its end with scripted answers.

use flyball::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Finish, Limits, Outcome, ScriptArgs,
    ScriptProgram, Start, Status,
};
use flyball::script::engine::Program;
use flyball::workflow::{Source, SourceSet};
use serde_json::Value;

/// How a run went.
pub(crate) struct Played {
    pub(crate) calls: Vec<AgentCall>,
    pub(crate) finish: Finish,
    pub(crate) notes: ExecutionNotes,
}

impl Played {
    /// The returned value; panics where the script did not return one.
    pub(crate) fn value(&self) -> Value {
        match &self.finish {
            Finish::Returned { value: Some(value), .. } => serde_json::from_str(value).unwrap(),
            other => panic!("the script ended with {other:?}"),
        }
    }
}

/// A script with what it is run with.
pub(crate) struct Play {
    pub(crate) sources: SourceSet,
    pub(crate) start: Start,
}

/// `meta` in front of a body, on one line, so that the body begins on line 2.
pub(crate) fn script(body: &str) -> Source {
    Source::new(
        "test.js",
        format!("export const meta = {{ name: 't', description: 'd' }};\n{body}"),
    )
}

impl Play {
    pub(crate) fn new(body: &str) -> Self {
        Self { sources: SourceSet::alone(script(body)), start: Start::default() }
    }

    pub(crate) fn args(mut self, json: &str) -> Self {
        self.start.args = ScriptArgs::Json(json.to_owned());
        self
    }

    pub(crate) fn args_text(mut self, text: &str) -> Self {
        self.start.args = ScriptArgs::Text(text.to_owned());
        self
    }

    pub(crate) fn budget(mut self, total: u64, spent: u64) -> Self {
        self.start.budget_total_tokens = Some(total);
        self.start.budget_spent_tokens = spent;
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.start.limits);
        self
    }

    pub(crate) fn begin(&self) -> Result<Box<dyn Execution>, EngineError> {
        Program::compile(&self.sources)?.start(&self.start)
    }

    /// Answers every call with `answer`, at 100 output tokens each, and fires timers when nothing
    /// else is left to do.
    pub(crate) fn play(&self, answer: impl FnMut(&AgentCall) -> Outcome) -> Played {
        play(&mut *self.begin().unwrap(), answer)
    }

    /// The same with the text `ok`, or `{}` where there is a schema.
    pub(crate) fn play_ok(&self) -> Played {
        self.play(|call| match call.schema {
            Some(_) => Outcome::Json("{}".to_owned()),
            None => text("ok"),
        })
    }

    /// The returned value with every agent saying `ok`.
    pub(crate) fn value(&self) -> Value {
        self.play_ok().value()
    }
}

pub(crate) fn text(text: &str) -> Outcome {
    Outcome::Text(text.to_owned())
}

pub(crate) fn json(value: &Value) -> Outcome {
    Outcome::Json(value.to_string())
}

pub(crate) fn rejected(message: &str) -> Outcome {
    Outcome::Rejected { name: "Error".to_owned(), message: message.to_owned() }
}

pub(crate) fn play(
    execution: &mut dyn Execution,
    mut answer: impl FnMut(&AgentCall) -> Outcome,
) -> Played {
    let mut calls = Vec::new();
    loop {
        let fresh = execution.calls();
        if fresh.is_empty() {
            match execution.status() {
                Status::Finished(finish) => {
                    return Played { calls, finish, notes: execution.notes() };
                }
                Status::Waiting { next_timer_milliseconds: Some(due), .. } => {
                    execution.advance_to(due).unwrap();
                }
                Status::Waiting { .. } => panic!("a call was not handed out"),
            }
        }
        for call in fresh {
            execution.deliver(call.id, answer(&call), 100).unwrap();
            calls.push(call);
        }
    }
}
