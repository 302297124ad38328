//! What the script proves of its own size.

use flyball::ports::script::Outcome;

use super::fake::{Answers, Call};
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

/// A scout whose answer decides how many agents start: its prompt, its schema's property or none,
/// and the expression that is fanned out over.
fn scouted(prompt: &str, property: &str, list: &str) -> String {
    let (schema, option) = if property.is_empty() {
        (String::new(), "")
    } else {
        let name = property.split(':').next().unwrap_or("");
        let schema = format!(
            "const SCOUTED = {{ type: 'object', required: ['{name}'], properties: {{ {property} }} }};\n"
        );
        (schema, ", schema: SCOUTED")
    };
    format!(
        "{HEAD}{schema}const found = await agent('{prompt}', {{ label: 'scout'{option} }});
await parallel({list}.map((part) => () =>
  agent(`Review ${{part}}`, {{ label: `review:${{part}}` }})));"
    )
}

fn reason_of(script: &str) -> (Option<u64>, String, Option<u32>) {
    let report = Stand::script(script).plan();
    let [reason] = &report.ceiling.reasons[..] else { panic!("{:?}", report.ceiling) };
    (report.ceiling.agents, reason.text.clone(), reason.line)
}

#[test]
fn a_plain_text_that_is_taken_apart_bounds_nothing() {
    let what = "a plain text decides how many agents start".to_owned();
    for (prompt, list) in [
        ("Look around.", "found.split('\\n').map((line) => line.trim()).filter(Boolean)"),
        ("Look around.", "found.split(',')"),
        ("Look around.", "found.split(/\\n\\s*\\n/)"),
        ("Look around.", "[...found.matchAll(/^[-*] (.+)$/gm)].map((match) => match[1])"),
        ("Look around.", "found.split('\\n').filter((line) => /^\\d+\\. /.test(line))"),
    ] {
        assert_eq!(reason_of(&scouted(prompt, "", list)), (None, what.clone(), Some(2)), "{list}");
    }
    // A slice is a bound for them as for lists.
    let kept = "found.split('\\n').filter(Boolean).slice(0, 20)";
    let report = Stand::script(&scouted("Look around.", "", kept)).plan();
    assert_eq!(report.ceiling.agents, Some(1 + 20));
    // A text that is only quoted starts nothing.
    let report = Stand::script(&scouted("Look around.", "", "[found]")).plan();
    assert_eq!(report.ceiling.agents, Some(2));
}

#[test]
fn many_texts_that_are_only_quoted_leave_a_ceiling_as_it_is() {
    let list = "{ type: 'array', maxItems: 50, items: { type: 'string' } }";
    let texts =
        "evidence: { type: 'string' }, reasons: { type: 'string' }, note: { type: 'string' }";
    let script = find_and_check(list, "all")
        .replace("evidence: { type: 'array', items: { type: 'string' } }", texts)
        .replace(
            "return {",
            "const keep = (one) => one.evidence.startsWith('KEEP');
await agent(`Report: ${JSON.stringify(checked)} ${checked.filter(keep).length}`);
const short = checked.map((one) => one.note.slice(0, 180));
return { short,",
        );
    let report = Stand::script(&script).with(|job| job.samples = 10).plan();
    assert_eq!(report.ceiling.agents, Some(2 + 2 * 50 + 1), "{:?}", report.ceiling);
}

#[test]
fn lines_that_the_script_looks_for_may_all_be_there() {
    for tell in [
        "line.startsWith('FAIL')",
        "/^(FAIL|ERROR): \\w+/.test(line)",
        "/\\bFAIL\\b/.test(line)",
        "line.endsWith('FAILED')",
        "line === 'FAILED'",
    ] {
        let script = format!(
            "{HEAD}const run = (label, prompt) => agent(prompt, {{ label }});
const out = await run('test', 'Run the tests and give their output.');
const failed = out.split('\\n').filter((line) => {tell});
await parallel(failed.map((line) => () => run('fix', `Fix ${{line}}`)));"
        );
        let report = Stand::script(&script).plan();
        let [reason] = &report.ceiling.reasons[..] else { panic!("{tell}: {:?}", report.ceiling) };
        assert!(report.ceiling.agents.is_none(), "{tell}: {:?}", report.ceiling);
        assert!(reason.text.starts_with("a plain text decides"), "{tell}: {reason:?}");
    }
}

#[test]
fn a_text_property_that_is_taken_apart_bounds_nothing() {
    let what = "the text of `parts` decides how many agents start".to_owned();
    for property in ["parts: { type: 'string' }", "parts: { type: 'string', maxLength: 400 }"] {
        let script = scouted("Which parts are there?", property, "found.parts.split(',')");
        assert_eq!(reason_of(&script), (None, what.clone(), Some(3)), "{property}");
    }
}

#[test]
fn a_number_proves_what_its_maximum_does() {
    let list = "Array.from({ length: found.batches }, (_, at) => at)";
    let of = |property: &str| scouted("How many batches?", property, list);
    let bounded = of("batches: { type: 'integer', minimum: 1, maximum: 60 }");
    let report = Stand::script(&bounded).plan();
    assert_eq!(report.ceiling.agents, Some(1 + 60));
    assert!(report.totals.agents.stress < 61);
    let [reason] = &report.ceiling.reasons[..] else { panic!("{:?}", report.ceiling) };
    assert_eq!((reason.text.as_str(), reason.open), ("`batches` has maximum 60", false));
    // A pin says what is likely, not what is possible.
    let report = Stand::script(&bounded).assume(&["scout.batches=2"]).plan();
    assert_eq!((report.totals.agents.stress, report.ceiling.agents), (3, Some(61)));
    let what = "`batches` has no maximum that limits how many agents it starts".to_owned();
    for open in [
        "batches: { type: 'integer', minimum: 1 }",
        "batches: { type: 'integer' }",
        "batches: { type: 'integer', maximum: 100000 }",
    ] {
        assert_eq!(reason_of(&of(open)), (None, what.clone(), Some(3)), "{open}");
    }
}

#[test]
fn a_low_score_counts_as_much_as_a_high_count() {
    let property = "score: { type: 'number', minimum: 0, maximum: 1 }";
    let list = "Array.from({ length: found.score < 0.02 ? 300 : 3 }, (_, at) => at)";
    let report = Stand::script(&scouted("How good is it?", property, list)).plan();
    assert_eq!(report.ceiling.agents, Some(1 + 300));
    let list = "Array.from({ length: found.id > 90 ? 300 : 3 }, (_, at) => at)";
    let property = "id: { type: 'integer', minimum: 0, maximum: 99 }";
    let report = Stand::script(&scouted("Which one?", property, list)).plan();
    assert_eq!(report.ceiling.agents, Some(1 + 300));
}

#[test]
fn a_policy_that_denies_the_unbounded_denies_a_text_that_decides() {
    let script = scouted("Look around.", "", "found.split('\\n')");
    let report = Stand::script(&script).policy("[thresholds]\ndeny = { unbounded = true }").plan();
    assert_eq!(report.verdict.gate, flyball::gate::Gate::Deny);
}

const FOUND: &str = r#"{"type":"object","required":["findings"],"properties":{"findings":{
"type":"array","maxItems":8,"items":{"type":"string"}}}}"#;

/// Calls of which the script's own text knows nothing, as it is with child workflows.
fn of_a_child(answers: &Answers) -> Vec<Call> {
    match answers.as_slice() {
        [] => vec![Call::new("Find", "find", "Find defects.").schema(FOUND)],
        [found] => {
            let Some(Outcome::Json(found)) = found.first() else { return Vec::new() };
            let found: serde_json::Value = serde_json::from_str(found).unwrap();
            let all = found["findings"].as_array().unwrap().iter();
            all.map(|one| Call::new("Check", "check", format!("Check {one}"))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn bounds_of_schemas_count_wherever_they_are_written() {
    let report = Stand::fake(of_a_child).plan();
    assert_eq!(report.ceiling.agents, Some(1 + 8));
    let [reason] = &report.ceiling.reasons[..] else { panic!("{:?}", report.ceiling) };
    assert_eq!((reason.text.as_str(), reason.line), ("`findings` has maxItems 8", None));
    let width = report.assumptions.iter().find(|of| of.text.contains("findings per agent"));
    let width = width.unwrap_or_else(|| panic!("{:?}", report.assumptions));
    assert!(width.text.ends_with("findings per agent: prior, at most 8 by its schema"));
}
