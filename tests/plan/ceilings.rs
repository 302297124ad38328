//! What the script proves of its own size.

use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check, said};

#[test]
fn max_items_prove_a_ceiling() {
    let list = "{ type: 'array', maxItems: 4, items: { type: 'string' } }";
    let report = Stand::script(&find_and_check(list, "all")).plan();
    assert_eq!(report.ceiling.agents, Some(2 + 2 * 4));
    let cost = report.ceiling.cost_usd.unwrap();
    assert!(cost >= report.totals.cost_usd.unwrap().stress, "{cost}");
    let reason = &report.ceiling.reasons[0];
    assert_eq!((reason.text.as_str(), reason.open), ("`findings` has maxItems 4", false));
    assert_eq!(reason.line, Some(3));
    assert_eq!(report.totals.agents.ceiling, Some(10));
    // Agents are proved; what one of them costs is not.
    assert_eq!(report.totals.cost_usd.unwrap().ceiling, None);
}

#[test]
fn a_slice_proves_a_ceiling() {
    let report = Stand::script(&find_and_check(OPEN_LIST, "all.slice(0, 6)")).plan();
    assert_eq!(report.ceiling.agents, Some(2 + 6));
    assert!(report.ceiling.reasons.iter().any(|reason| reason.text == "a slice keeps 6"));
}

#[test]
fn a_long_slice_proves_a_ceiling_too() {
    let report = Stand::script(&find_and_check(OPEN_LIST, "all.slice(0, 60)")).plan();
    assert_eq!(report.ceiling.agents, Some(2 + 60));
}

#[test]
fn an_open_list_is_named_with_its_line_and_no_other() {
    let report = Stand::script(&find_and_check(OPEN_LIST, "all")).plan();
    assert_eq!((report.ceiling.agents, report.ceiling.cost_usd), (None, None));
    assert_eq!(report.totals.cost_usd.unwrap().ceiling, None);
    let [reason] = &report.ceiling.reasons[..] else { panic!("{:?}", report.ceiling.reasons) };
    assert!(reason.open && reason.text.starts_with("`findings` has no maxItems"), "{reason:?}");
    assert_eq!(reason.line, Some(3));
    assert_eq!(report.ceiling.runtime_agents, 1_000);
    let [least, most] = report.ceiling.runtime_cost_usd.unwrap();
    assert!(least <= most && least > report.totals.cost_usd.unwrap().p50);
}

#[test]
fn an_assumption_proves_nothing() {
    let report =
        Stand::script(&find_and_check(OPEN_LIST, "all")).assume(&["find.findings=2"]).plan();
    assert_eq!(report.totals.agents.p90, 6);
    assert_eq!(report.ceiling.agents, None);
}

#[test]
fn a_fixed_script_is_its_own_ceiling() {
    let script = format!("{HEAD}await agent('a', {{ label: 'a' }}); await agent('b');");
    let report = Stand::script(&script).plan();
    assert_eq!(report.ceiling.agents, Some(2));
}

#[test]
fn a_loop_that_ends_on_what_agents_say_is_open() {
    let script = format!(
        "{HEAD}const DONE = {{ type: 'object', required: ['done'], properties: {{
  done: {{ type: 'boolean' }} }} }};
let done = false;
while (!done) done = (await agent('Go on.', {{ label: 'step', schema: DONE }})).done;"
    );
    let report = Stand::script(&script).with(|job| job.samples = 20).plan();
    assert_eq!(report.ceiling.agents, None);
    assert!(report.ceiling.reasons[0].open);
    assert!(report.totals.agents.stress < 1_000);
}

#[test]
fn a_call_that_nothing_reaches_leaves_the_run_open() {
    let script = format!(
        "{HEAD}const FILES = {{ type: 'object', required: ['files'], properties: {{
  files: {{ type: 'array', maxItems: 4, items: {{ type: 'string' }} }} }} }};
const found = await agent('List the files.', {{ label: 'list', schema: FILES }});
const kept = found.files.filter((file) => file === 'no/such/file.ever');
await parallel(kept.map((file) => () =>
  agent(`Read ${{file}}`, {{ label: 'read' }})));"
    );
    let report = Stand::script(&script).plan();
    assert_eq!((report.ceiling.agents, report.totals.agents.ceiling), (None, None));
    let [reason] = &report.ceiling.reasons[..] else { panic!("{:?}", report.ceiling.reasons) };
    assert_eq!((reason.text.as_str(), reason.line), ("agent() was never reached", Some(7)));
    let message = said(&report, "plan::never-reached").unwrap();
    assert!(message.contains("agent() at line 7 was never reached"), "{message}");
    // A result that leads there is all it takes.
    let pinned = r#"list={"files":["no/such/file.ever"]}"#.to_owned();
    let report = Stand::script(&script).with(|job| job.results = vec![pinned]).plan();
    assert_eq!(said(&report, "plan::never-reached"), None);
}

#[test]
fn a_call_that_only_a_failed_agent_leads_to_is_no_news() {
    let script = format!(
        "{HEAD}const first = await agent('Do it.', {{ label: 'first' }});
if (first === null) await agent('Do it again.', {{ label: 'again' }});"
    );
    let report = Stand::script(&script).plan();
    assert_eq!(said(&report, "plan::never-reached"), None);
    // It is one agent more than a run without failures takes, so nothing is proven.
    assert_eq!(report.ceiling.agents, None);
}
