//! How runs end, and which of them complete.

use flyball::plan::report::PlanReport;

use super::stand::{HEAD, Stand};

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
