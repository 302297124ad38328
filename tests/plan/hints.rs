//! What a plan tells the author.

use flyball::diagnostic::Diagnostic;
use flyball::plan::report::{PlanReport, VerdictOutcome};

use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check, said};

fn find<'a>(report: &'a PlanReport, code: &str) -> Option<&'a Diagnostic> {
    report.diagnostics.iter().find(|diagnostic| diagnostic.code == code)
}

#[test]
fn no_agents_are_explained() {
    let script = format!("{HEAD}if (!args.files) return {{ reason: 'no files given' }};");
    let report = Stand::script(&script).args(r#"{"paths":[]}"#).plan();
    assert_eq!(report.verdict.outcome, VerdictOutcome::NoAgents);
    let diagnostic = find(&report, "plan::no-agents").unwrap();
    assert!(diagnostic.message.contains("no files given"), "{}", diagnostic.message);
    assert!(diagnostic.help.as_deref().unwrap().contains("args.files"), "{diagnostic:?}");
}

#[test]
fn a_throw_before_any_agent_is_explained_with_its_line() {
    let script = format!("{HEAD}throw new Error('give me work');");
    let diagnostic_of = Stand::script(&script).plan();
    let diagnostic = find(&diagnostic_of, "plan::no-agents").unwrap();
    assert!(diagnostic.message.contains("Error: give me work"), "{}", diagnostic.message);
    assert_eq!(diagnostic.place.as_ref().unwrap().line, 2);
}

#[test]
fn the_line_that_dies_of_a_null_is_named() {
    let script = find_and_check(OPEN_LIST, "all").replace(".filter(Boolean)", "");
    let report = Stand::script(&script).plan();
    let diagnostic = find(&report, "plan::null-ends-run").unwrap();
    assert!(diagnostic.message.contains("failed find agent"), "{}", diagnostic.message);
    assert_eq!(diagnostic.place.as_ref().unwrap().line, 10);
    // The script as it was guards every result.
    let guarded = Stand::script(&find_and_check(OPEN_LIST, "all")).plan();
    assert_eq!(said(&guarded, "plan::null-ends-run"), None);
}

#[test]
fn a_stage_that_seldom_runs_is_tried_where_it_does() {
    let script = format!(
        "{HEAD}const GATE = {{ type: 'object', required: ['ready'], properties: {{
  ready: {{ type: 'boolean' }} }} }};
const gate = await agent('Is it ready?', {{ label: 'gate', schema: GATE }});
if (gate && !gate.ready) return 'not ready';
const text = await agent('Write.', {{ label: 'write' }});
return text.length;"
    );
    let report = Stand::script(&script).assume(&["gate.ready=0.05"]).plan();
    let lines: Vec<u32> = report
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.code == "plan::null-ends-run")
        .map(|diagnostic| diagnostic.place.as_ref().unwrap().line)
        .collect();
    assert_eq!(lines, [7]);
}

#[test]
fn args_as_a_string_are_warned_of_where_they_matter() {
    let reads = |body: &str| {
        let script = format!("{HEAD}{body}");
        Stand::script(&script).args(r#"{"files":["a","b","c"]}"#).plan()
    };
    let naive = reads(
        "for (const file of args.files ?? []) await agent(`Look at ${file}`, { label: 'look' });",
    );
    let said_naive = said(&naive, "plan::args-as-text").unwrap();
    assert!(said_naive.contains("starts 0 agents, not 3"), "{said_naive}");
    let careful = reads(
        "const a = typeof args === 'string' ? JSON.parse(args) : args;
for (const file of a.files) await agent(`Look at ${file}`, { label: 'look' });",
    );
    assert_eq!(said(&careful, "plan::args-as-text"), None);
}

#[test]
fn a_phase_that_shows_another_model_is_warned_of() {
    let script = |shown: &str| {
        format!(
            "export const meta = {{ name: 'm', description: 'd',
  phases: [{{ title: 'Work', model: '{shown}' }}] }};
phase('Work'); await agent('x', {{ model: 'haiku' }});"
        )
    };
    let report = Stand::script(&script("opus")).plan();
    assert!(said(&report, "plan::phase-model").unwrap().contains("ask for haiku"));
    // Another name of the same model is no disagreement.
    for same in ["haiku", "claude-haiku-5-5"] {
        assert_eq!(said(&Stand::script(&script(same)).plan(), "plan::phase-model"), None, "{same}");
    }
}

#[test]
fn a_global_that_no_client_has_is_told_from_missing_args() {
    let script = format!("{HEAD}const root = process.cwd();\nawait agent(args.task + root);");
    let report = Stand::script(&script).plan();
    let help = find(&report, "plan::no-agents").unwrap().help.clone().unwrap();
    assert!(help.contains("workflow scripts have no `process`"), "{help}");
    assert!(!help.contains("--args"), "{help}");
}

#[test]
fn the_advice_against_a_null_fits_the_line() {
    let help = |body: &str| {
        let report = Stand::script(&format!("{HEAD}{body}")).plan();
        find(&report, "plan::null-ends-run").unwrap().help.clone().unwrap()
    };
    let read = "const text = await agent('Write.', { label: 'write' });\n";
    assert!(help(&format!("{read}return text.length;")).contains("use `.filter(Boolean)`"));
    let meant = help(&format!("{read}if (!text) throw new Error('no text'); return text;"));
    assert!(meant.contains("the script means to") && !meant.contains("filter"), "{meant}");
    let filtered = "const all = (await parallel([() => agent('Go.', { label: 'go' })]));
return all.filter(Boolean)[0].length;";
    let filtered = help(filtered);
    assert!(filtered.contains("check for null") && !filtered.contains("filter"), "{filtered}");
}
