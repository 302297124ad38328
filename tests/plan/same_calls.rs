//! One execution of a script whose agents answer whatever models they run on: what two texts of it
//! ask for can be compared call by call.

use flyball::diagnostic::Place;
use flyball::plan::cast::Cast;
use flyball::plan::setup::Setup;
use flyball::ports::script::{AgentCall, Finish, ScriptProgram, Status};
use flyball::seed::Seed;

/// The length of an answer without a schema.
const ANSWER_TOKENS: u64 = 200;

/// What a run asked for, without models and efforts, and how it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) calls: Vec<AgentCall>,
    pub(crate) finish: Finish,
}

/// Runs `program` once; equal seeds, setups and calls have equal answers.
pub(crate) fn asked(program: &dyn ScriptProgram, setup: &Setup, seed: u64) -> Asked {
    let mut execution = program.start(&setup.job.start).unwrap();
    let mut cast = Cast::new(setup, Seed::new(seed));
    let mut calls = Vec::new();
    loop {
        let fresh = execution.calls();
        if fresh.is_empty() {
            match execution.status() {
                Status::Finished(finish) => return Asked { calls, finish: on_its_line(finish) },
                Status::Waiting { next_timer_milliseconds: Some(due), .. } => {
                    execution.advance_to(due).unwrap();
                }
                Status::Waiting { .. } => return Asked { calls, finish: Finish::Stuck },
            }
        }
        for call in fresh {
            let call = AgentCall { model: None, effort: None, column: None, ..call };
            let placed = cast.place(&call);
            let answer = cast.answer(placed, &call, ANSWER_TOKENS).unwrap().unwrap();
            cast.delivered(placed);
            execution.deliver(call.id, answer.outcome, ANSWER_TOKENS).unwrap();
            calls.push(call);
        }
    }
}

/// The same end without the column and offset of a throw, which edits before it move.
fn on_its_line(finish: Finish) -> Finish {
    match finish {
        Finish::Threw { name, message, place } => {
            let line = |place: Place| Place { column: 1, offset: 0, length: 0, ..place };
            Finish::Threw { name, message, place: place.map(line) }
        }
        other => other,
    }
}
