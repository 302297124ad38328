//! How runs end, and which of them complete.

use flyball::plan::planner;
use flyball::plan::report::{EndingPlan, PlanReport, VerdictOutcome};
use flyball::plan::setup::Setup;
use flyball::plan::trial::{Trial, TrialSpec};
use flyball::plan::workers::Workers;
use flyball::ports::script::EngineError;

use super::fake::InOrder;
use super::stand::{HEAD, Stand, said};

/// A gate that decides between three endings.
fn gated(pins: &[&str]) -> PlanReport {
    let script = format!(
        "{HEAD}const GATE = {{ type: 'object', required: ['ready', 'broken'], properties: {{
  ready: {{ type: 'boolean' }}, broken: {{ type: 'boolean' }} }} }};
const gate = await agent('Is it ready?', {{ label: 'gate', schema: GATE }});
if (gate.broken) throw new Error('broken input');
if (!gate.ready) return {{ status: 'skipped' }};
await parallel([1, 2, 3].map((n) => () => agent(`part ${{n}}`, {{ label: `part:${{n}}` }})));
return {{ status: 'done', parts: 3 }};"
    );
    Stand::script(&script).with(|job| job.samples = 200).assume(pins).plan()
}

#[test]
fn samples_are_grouped_by_how_they_end() {
    let report = gated(&["gate.ready=0.6", "gate.broken=0.1"]);
    let names: Vec<&str> = report.endings.iter().map(|ending| ending.name.as_str()).collect();
    assert_eq!(names, ["status: done", "status: skipped", "threw Error: broken input"]);
    let [done, skipped, broken] = &report.endings[..] else { panic!("{names:?}") };
    assert_eq!((done.completes, skipped.completes, broken.completes), (true, false, false));
    assert_eq!((done.agents.p50, skipped.agents.p50, broken.agents.p50), (4, 1, 1));
    assert_eq!((done.line, skipped.line, broken.line), (Some(8), Some(6), Some(5)));
    assert!((430..=650).contains(&done.per_mille), "{}", done.per_mille);
    let sum: u32 = report.endings.iter().map(|ending| ending.per_mille).sum();
    assert!((998..=1002).contains(&sum), "{sum}");
    assert!(skipped.cost_usd.unwrap().p90 < done.cost_usd.unwrap().p90);
}

#[test]
fn the_suggested_budget_is_that_of_the_runs_that_complete() {
    let (rarely, always) = (
        gated(&["gate.ready=0.05", "gate.broken=false"]),
        gated(&["gate.ready=true", "gate.broken=false"]),
    );
    assert_eq!(always.suggested_budget_usd, Some(always.totals.cost_usd.unwrap().p90));
    // Nine in ten runs stop at the gate; the budget is still one for a whole run.
    assert!(rarely.totals.cost_usd.unwrap().p90 < rarely.suggested_budget_usd.unwrap());
}

#[test]
fn runs_that_all_fail_suggest_no_budget() {
    let report = gated(&["gate.broken=true"]);
    assert_eq!(report.suggested_budget_usd, None);
    assert_eq!(report.endings.len(), 1);
    assert_eq!(report.endings[0].per_mille, 1000);
}

#[test]
fn a_bad_verdict_is_a_result_and_nothing_is_none() {
    let ending = |returned: &str| {
        let script =
            format!("{HEAD}await agent('Judge.', {{ label: 'judge' }});\nreturn {returned};");
        Stand::script(&script).with(|job| job.samples = 8).plan().endings.remove(0)
    };
    let failed = ending("{ verdict: 'FAIL', passed: false }");
    assert_eq!((failed.name.as_str(), failed.completes), ("verdict: FAIL, passed: false", true));
    assert!(!ending("{ status: 'failed' }").completes);
    // A run that did all its work and found nothing is whole.
    for empty in ["null", "[]", "''"] {
        let ending = ending(empty);
        assert_eq!((ending.name.as_str(), ending.completes), ("returned nothing", true), "{empty}");
    }
}

/// Runs trials one after the other, and keeps what was asked for.
struct Counting<'a> {
    inner: InOrder<'a>,
    asked: Vec<TrialSpec>,
}

impl Workers for Counting<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        self.asked.extend(specs.iter().cloned());
        self.inner.trials(setup, specs)
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        self.inner.count_tokens(texts)
    }
}

fn counted(stand: &Stand) -> (PlanReport, usize) {
    let mut workers = Counting { inner: InOrder(stand.program()), asked: Vec::new() };
    let report = planner::plan(stand.job.clone(), &stand.facts, &mut workers).unwrap().report;
    (report, workers.asked.len())
}

const BOMB: &str = "const a = []; while (true) a.push('x'.repeat(1e5) + a.length);";

fn small(script: &str) -> Stand {
    Stand::script(&format!("{HEAD}{script}")).with(|job| {
        job.start.limits.memory_bytes = 8 << 20;
        job.start.limits.steps = 2_000;
    })
}

#[test]
fn a_limit_before_the_first_agent_is_paid_twice_and_not_once_per_sample() {
    let endless = "let n = 0; while (true) n += 1;";
    let deep = "const f = (n) => f(n + 1) + 1; return f(0);";
    for (body, limit) in [(BOMB, "memory"), (endless, "steps"), (deep, "stack")] {
        let (report, trials) = counted(&small(body).args(r#"{"a":1}"#));
        assert_eq!((trials, report.samples), (2, 2), "{limit}");
        assert_eq!(report.verdict.outcome, VerdictOutcome::NoAgents);
        assert_eq!(report.ceiling.agents, Some(0));
        let [ending] = &report.endings[..] else { panic!("{:?}", report.endings) };
        assert_eq!(ending.name, format!("stopped at the limit of {limit}"));
        assert_eq!((ending.per_mille, ending.returned), (1000, false));
        let message = said(&report, "plan::no-agents").unwrap();
        let words =
            format!("its limit of {limit}, as every run would be: 2 of 60 samples were made");
        assert!(message.contains(&words), "{message}");
    }
    // A throw costs nothing, so that every sample is made.
    let (report, _) = counted(&small("throw new Error('no');"));
    assert_eq!(report.samples, 60);
}

#[test]
fn a_limit_that_only_some_samples_reach_is_an_ending() {
    let gate = "const GATE = { type: 'object', required: ['big'], properties: {
  big: { type: 'boolean' } } };
const gate = await agent('Is it big?', { label: 'gate', schema: GATE });
if (gate.big) { BOMB }
return { status: 'done' };"
        .replace("BOMB", BOMB);
    for (share, least, most) in [("0.9", 750, 999), ("0.2", 50, 400), ("true", 1000, 1000)] {
        let report = small(&gate).assume(&[&format!("gate.big={share}")]).plan();
        assert_eq!(report.samples, 60);
        assert_eq!(report.totals.agents.p50, 1);
        let stopped = |ending: &&EndingPlan| ending.name == "stopped at the limit of memory";
        let stopped = report.endings.iter().find(stopped).expect("an ending of its own");
        assert!((least..=most).contains(&stopped.per_mille), "{share}: {}", stopped.per_mille);
    }
}
