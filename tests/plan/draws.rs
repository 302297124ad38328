//! Same seed, same bytes; an edit moves only what it touches.

use std::thread;

use flyball::plan::planner;
use flyball::plan::setup::Setup;
use flyball::plan::trial::{self, Trial, TrialSpec};
use flyball::plan::workers::Workers;
use flyball::ports::script::{EngineError, ScriptProgram};

use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check};

/// Every trial on a thread of its own.
struct Scattered<'a>(&'a dyn ScriptProgram);

impl Workers for Scattered<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        let program = self.0;
        thread::scope(|scope| {
            let spawn = |spec| {
                let builder = thread::Builder::new().stack_size(16 << 20);
                builder.spawn_scoped(scope, move || trial::run(setup, program, spec)).unwrap()
            };
            let handles: Vec<_> = specs.iter().rev().map(spawn).collect();
            handles.into_iter().rev().map(|handle| handle.join().unwrap()).collect()
        })
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        texts.iter().map(|text| text.len() as u64 / 4).collect()
    }
}

#[test]
fn a_seed_gives_the_same_bytes_whatever_ran_the_trials() {
    let stand = Stand::script(&find_and_check(OPEN_LIST, "all")).with(|job| job.samples = 24);
    let bytes = |report| serde_json::to_string(&report).unwrap();
    let first = bytes(stand.plan());
    assert_eq!(first, bytes(stand.plan()));
    let mut scattered = Scattered(stand.program());
    let report = planner::plan(stand.job.clone(), &stand.facts, &mut scattered).unwrap().report;
    assert_eq!(first, bytes(report));
    let other = stand.with(|job| job.seed = 8);
    assert_ne!(first, bytes(other.plan()));
}

const WORK: &str = "phase('Work');
await parallel(['a', 'b', 'c'].map((part) => () => agent(`Work on ${part}.`, { label: `work:${part}` })));
phase('Report');
await agent('Report.', { label: 'report' });";

#[test]
fn one_more_agent_leaves_the_draws_of_the_others() {
    // An agent type of its own shares no cache with the others.
    let extra = "phase('Scout');
await agent('Look around.', { label: 'scout', agentType: 'scout' });";
    let with = Stand::script(&format!("{HEAD}{extra}\n{WORK}"));
    let without = Stand::script(&format!("{HEAD}{WORK}"));
    let ((_, frame, priced), (_, less, priced_less)) = (with.priced(), without.priced());
    assert_eq!((frame.stages.len(), less.stages.len()), (3, 2));
    for (at, stage) in less.stages.iter().enumerate() {
        let key = stage.identity.key;
        let there = frame.stages.iter().position(|stage| stage.identity.key == key).unwrap();
        for (more, fewer) in priced.costs.iter().zip(&priced_less.costs) {
            let (more, fewer) = (more.stages[there], fewer.stages[at]);
            assert_eq!(more.cost, fewer.cost, "{}", stage.identity.name);
            assert_eq!(more.requests, fewer.requests);
            assert_eq!(more.output_tokens, fewer.output_tokens);
            assert_eq!(more.context_tokens, fewer.context_tokens);
        }
    }
}

#[test]
fn more_samples_leave_the_first_as_they_were() {
    let stand = |samples| {
        Stand::script(&find_and_check(OPEN_LIST, "all")).with(|job| job.samples = samples)
    };
    let ((_, _, few), (_, _, many)) = (stand(14).priced(), stand(40).priced());
    for (few, many) in few.costs.iter().zip(&many.costs) {
        assert_eq!(few.total().cost, many.total().cost);
    }
}
