//! Which drivers are listed, and on how many samples their answers rest.

use flyball::money::Picodollars;
use flyball::plan::evaluation;
use flyball::plan::report::{Driver, PlanReport};

use super::fake::InOrder;
use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check};

/// A gate that lets six agents work, or none.
fn gated() -> PlanReport {
    let script = format!(
        "{HEAD}const GATE = {{ type: 'object', required: ['ready'], properties: {{
  ready: {{ type: 'boolean' }} }} }};
const gate = await agent('Is it ready?', {{ label: 'gate', schema: GATE }});
if (!gate || !gate.ready) return 'not ready';
await parallel([1, 2, 3, 4, 5, 6].map((n) => () => agent(`Part ${{n}}`, {{ label: 'work' }})));
return 'worked';"
    );
    Stand::script(&script).with(|job| job.samples = 200).assume(&["gate.ready=0.5"]).plan()
}

fn moves(driver: &Driver) -> Option<Picodollars> {
    let costs = driver.response.iter().filter_map(|point| point.cost_usd_p50);
    Some(costs.clone().max()? - costs.min()?)
}

#[test]
fn what_decides_whether_a_stage_runs_is_the_driver() {
    let report = gated();
    let first = &report.drivers[0];
    assert_eq!(first.key, "gate.ready");
    assert!(first.share_per_mille > 400, "{first:?}");
    let band = report.totals.cost_usd.unwrap();
    for driver in &report.drivers {
        let moved =
            moves(driver).is_none_or(|moved| moved.scale_ceil(20, 1) >= band.p90 - band.p10);
        assert!(moved, "{driver:?} does not move the cost");
    }
}

#[test]
fn the_strongest_come_first_and_hide_none_that_moves_with_them() {
    let report = Stand::script(&find_and_check(OPEN_LIST, "all")).plan();
    let shares: Vec<u32> = report.drivers.iter().map(|driver| driver.share_per_mille).collect();
    assert!(shares.is_sorted_by(|a, b| a >= b) && shares.iter().all(|share| *share <= 1_000));
    // How far a context grows and how often it is sent go together; both move the cost.
    let listed = |key: &str| report.drivers.iter().any(|driver| driver.key == key);
    assert!(listed("find.requests") && listed("find.growth"), "{:?}", report.drivers);
}

#[test]
fn an_intervention_takes_no_more_samples_than_it_is_given_work_for() {
    let stand = Stand::script(&find_and_check(OPEN_LIST, "all"));
    let (setup, frame, _) = stand.priced();
    assert_eq!(frame.samples.len(), 60);
    let made = |work_max: u64| {
        let pin = |value: &str| setup.with_assumption("find.findings", value).unwrap();
        let mut pinned = [pin("2"), pin("9")];
        let workers = &mut InOrder(stand.program());
        let frames = evaluation::resample(&mut pinned, &frame, work_max, workers).unwrap();
        let lengths: Vec<usize> = frames.iter().map(|frame| frame.samples.len()).collect();
        assert_eq!(lengths[0], lengths[1]);
        assert_eq!(frames[0].calls_per_sample(1)[0], 2 * 2);
        lengths[0]
    };
    // Never fewer than can be read, never more than the plan has.
    assert_eq!((made(1), made(u64::MAX)), (24, 60));
    let half = made(frame.work);
    assert!((25..60).contains(&half), "{half}");
}

/// A scout whose number decides how many agents start.
fn numbered(property: &str, width: &str) -> Stand {
    let name = property.split(':').next().unwrap();
    Stand::script(&format!(
        "{HEAD}const S = {{ type: 'object', required: ['{name}'], properties: {{ {property} }} }};
const found = await agent('Look around.', {{ label: 'scout', schema: S }});
await parallel(Array.from({{ length: {width} }}, (_, at) => () =>
  agent(`Part ${{at}}`, {{ label: 'step' }})));"
    ))
}

#[test]
fn a_number_that_decides_the_width_is_an_assumption_and_a_driver() {
    let property = "batches: { type: 'integer', minimum: 1, maximum: 60 }";
    let stand = || numbered(property, "found.batches").with(|job| job.samples = 200);
    let report = stand().plan();
    let assumed = report.assumptions.iter().find(|of| of.text.starts_with("scout: batches"));
    let assumed = assumed.unwrap_or_else(|| panic!("{:?}", report.assumptions));
    let steps = report.totals.agents;
    let (low, high) = (steps.p10 - 1, steps.p90 - 1);
    let text = format!("scout: batches is {low} to {high}: prior, 1 to 60 by its schema");
    assert_eq!(assumed.text, text);
    assert_eq!(assumed.pin, Some(format!("--assume scout.batches={}", steps.p50 - 1)));
    assert!(report.drivers.iter().any(|driver| driver.key == "scout.batches"));
    // With agents that are all alike nothing else is left.
    let alike = ["step.requests=8", "step.growth=30k", "step.context=30k", "step.output=300"];
    let report = stand().assume(&alike).plan();
    let driver = &report.drivers[0];
    let named = (driver.key.as_str(), driver.name.as_str(), driver.p90.as_str());
    assert_eq!(named, ("scout.batches", "scout: batches", &*high.to_string()));
    let agents: Vec<u64> = driver.response.iter().map(|point| point.agents_p50).collect();
    assert_eq!(agents, [low + 1, steps.p50, high + 1]);
    let report = stand().assume(&["scout.batches=10"]).plan();
    assert_eq!(report.totals.agents.p50, 11);
    let pinned = "scout: batches: 10, as pinned";
    assert!(report.assumptions.iter().any(|of| of.text == pinned), "{:?}", report.assumptions);
}

#[test]
fn a_score_that_decides_between_few_and_many_is_the_driver() {
    let property = "score: { type: 'number', minimum: 0, maximum: 1 }";
    let report = numbered(property, "found.score < 0.7 ? 100 : 3").plan();
    assert_eq!(report.drivers[0].key, "scout.score", "{:?}", report.drivers);
    assert!(moves(&report.drivers[0]).unwrap() > Picodollars::ZERO);
}

#[test]
fn numbers_that_decide_nothing_are_no_assumptions() {
    let list = "{ type: 'array', maxItems: 8, items: { type: 'object', required: ['title',
  'line', 'confidence'], properties: { title: { type: 'string' }, line: { type: 'integer' },
  confidence: { type: 'number' } } } }";
    let script = find_and_check(list, "all").replace("${finding}", "${finding.title}");
    let report = Stand::script(&script).with(|job| job.samples = 200).plan();
    assert!(report.assumptions.iter().any(|of| of.text.contains("findings")));
    let names = |text: &str| text.contains("line") || text.contains("confidence");
    assert!(!report.assumptions.iter().any(|of| names(&of.text)), "{:?}", report.assumptions);
    assert!(!report.drivers.iter().any(|of| names(&of.name)), "{:?}", report.drivers);
}

#[test]
fn a_text_that_is_a_list_decides_the_width_as_one_does() {
    let with = |after: &str| {
        Stand::script(&format!(
            "{HEAD}const text = await agent(
  'List the modules of this project, one per line, nothing else.', {{ label: 'scout' }});
{after}"
        ))
        .with(|job| job.samples = 200)
    };
    let fan = "await parallel(text.split('\\n').map((one) => () =>
  agent(`Review ${one}`, { label: `review:${one}` })));";
    let report = with(fan).plan();
    let agents = report.totals.agents;
    assert!(agents.p10 >= 3 && agents.p50 >= 5 && agents.p90 >= 8, "{agents:?}");
    let text = format!("scout: {} modules in its text: prior, no bound", agents.p50 - 1);
    let assumed = report.assumptions.iter().find(|of| of.text == text);
    let assumed = assumed.unwrap_or_else(|| panic!("{:?}", report.assumptions));
    let flag = assumed.pin.as_ref().and_then(|pin| pin.strip_prefix("--assume "));
    assert_eq!(flag, Some(&*format!("scout.modules={}", agents.p50 - 1)));
    let report = with(fan).assume(&["scout.modules=40"]).plan();
    assert_eq!((report.totals.agents.p10, report.totals.agents.stress), (41, 41));
    assert_eq!(report.ceiling.agents, None);
    // One that is only quoted has nothing to say.
    let report = with("await agent(`Review this: ${text}`, { label: 'review' });").plan();
    assert!(report.assumptions.iter().all(|of| !of.text.contains("modules")));
    assert!(report.drivers.iter().all(|of| !of.name.contains("modules")));
}
