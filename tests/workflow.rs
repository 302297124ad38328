//! What is known of a script without running it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod sites;

use flyball::diagnostic::{Diagnostic, Severity};
use flyball::workflow::{LoopKind, SCRIPT_BYTES_MAX, Source, WorkflowFacts};

const META: &str = "export const meta = { name: 'n', description: 'd' };\n";

fn read(text: &str) -> Result<WorkflowFacts, Vec<Diagnostic>> {
    WorkflowFacts::read(&Source::new("t.js", text))
}

fn facts(body: &str) -> WorkflowFacts {
    read(&format!("{META}{body}")).unwrap()
}

fn refused(text: &str) -> Diagnostic {
    let diagnostics = read(text).unwrap_err();
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
    diagnostics[0].clone()
}

#[test]
fn meta_is_read_as_a_literal() {
    let facts = read(
        "// a comment\n/* and another */\nexport const meta = {\n  name: 'audit', 'description': `plain`,\n  \
         whenToUse: \"often\", phases: [{ title: 'Find', detail: 'look' }, { title: 'Fix', model: 'haiku' }],\n  \
         model: 'opus', extra: { n: -1, b: true, z: null, list: [1, , 'x'] },\n}\nreturn 1",
    )
    .unwrap();
    let meta = facts.meta;
    assert_eq!((meta.name.as_str(), meta.description.as_str()), ("audit", "plain"));
    assert_eq!(meta.when_to_use.as_deref(), Some("often"));
    assert_eq!(meta.model.as_deref(), Some("opus"));
    assert_eq!(meta.phases.len(), 2);
    assert_eq!(meta.phases[0].detail.as_deref(), Some("look"));
    assert_eq!(meta.phases[1].model.as_deref(), Some("haiku"));
    assert_eq!(meta.phases[1].place.line, 5);
    assert_eq!(meta.place.as_ref().unwrap().line, 3);
}

#[test]
fn meta_is_never_run() {
    let cases = [
        "export const meta = { name: NAME, description: 'd' }",
        "export const meta = { name: 'n', description: make() }",
        "export const meta = { name: 'a' + 'b', description: 'd' }",
        "export const meta = { name: `x${1}`, description: 'd' }",
        "export const meta = { ...base, name: 'n', description: 'd' }",
        "export const meta = { ['name']: 'n', description: 'd' }",
        "export const meta = { name: 'n', description: 'd', get x() { return 1 } }",
        "export const meta = { name: 'n', description: 'd', f() {} }",
        "export const meta = { name: 'n', description: 'd', f: () => 1 }",
        "export const meta = { name, description: 'd' }",
        "export const meta = { name: 'n', description: 'd', list: [...x] }",
        "export const meta = Object.freeze({ name: 'n', description: 'd' })",
        "export const meta = 'text'",
    ];
    for text in cases {
        let diagnostic = refused(text);
        assert_eq!(diagnostic.code, "script::meta-impure", "{text}");
        assert!(diagnostic.message.starts_with("meta must be a pure literal: "), "{text}");
        assert!(diagnostic.place.is_some() && diagnostic.help.is_some());
    }
}

#[test]
fn required_fields_are_required() {
    let cases = [
        ("export const meta = { description: 'd' }", "meta.name must be a non-empty string"),
        (
            "export const meta = { name: '', description: 'd' }",
            "meta.name must be a non-empty string",
        ),
        (
            "export const meta = { name: 7, description: 'd' }",
            "meta.name must be a non-empty string",
        ),
        ("export const meta = { name: 'n' }", "meta.description must be a non-empty string"),
        (
            "export const meta = { name: 'n', description: 'd', phases: ['Find'] }",
            "meta.phases must be an array of objects with a title",
        ),
    ];
    for (text, message) in cases {
        let diagnostic = refused(text);
        assert_eq!(
            (diagnostic.code.as_str(), diagnostic.message.as_str()),
            ("script::meta-field", message)
        );
    }
}

#[test]
fn refusals_name_what_and_where() {
    let valid = META.trim_end();
    let cases = [
        ("return 1", "script::meta-missing", 1),
        ("const meta = { name: 'n', description: 'd' }", "script::meta-missing", 1),
        ("export const meta = { name: 'n', description: 'd' }, x = 1", "script::meta-missing", 1),
        (&format!("const x = 1\n{valid}"), "script::meta-late", 2),
        (&format!("'use strict'\n{valid}"), "script::meta-late", 2),
        (&format!("{valid}\nconst = 1"), "script::syntax", 2),
        (&format!("{valid}\nlet x = `unclosed"), "script::syntax", 2),
        (&format!("{valid}\n}} escape() {{"), "script::syntax", 2),
        (&format!("{valid}\nimport fs from 'fs'"), "script::import", 2),
        (&format!("{valid}\nlog(import.meta.url)"), "script::import", 2),
        (&format!("{valid}\n\nconst m = await import('fs')"), "script::dynamic-import", 3),
        (&format!("{valid}\nexport const other = 1"), "script::export", 2),
        (&format!("{valid}\nexport {{ meta as x }}"), "script::export", 2),
        (&format!("{valid}\nconst x: number = 1"), "script::typescript", 2),
        (&format!("{valid}\ninterface A {{ x: string }}"), "script::typescript", 2),
        (&format!("{valid}\nconst x = <div/>"), "script::syntax", 2),
        ("export default async function main({ agent }) {}", "script::export-default", 1),
        (&format!("{valid}\nexport default async () => {{}}"), "script::export-default", 2),
        (&format!("#!/usr/bin/env node\n{valid}"), "script::syntax", 1),
        (&format!("{valid}\nlog('a\u{1b}[31m')"), "script::control-character", 2),
        (&format!("{valid}\n// \u{202e} reversed"), "script::control-character", 2),
    ];
    for (text, code, line) in cases {
        let diagnostic = refused(text);
        assert_eq!(
            (diagnostic.code.as_str(), diagnostic.place.as_ref().unwrap().line),
            (code, line),
            "{text}"
        );
    }
}

#[test]
fn size_is_limited() {
    let filler = |bytes: usize| format!("{META}//{}", "x".repeat(bytes - META.len() - 2));
    assert!(read(&filler(SCRIPT_BYTES_MAX)).is_ok());
    let diagnostic = refused(&filler(SCRIPT_BYTES_MAX + 1));
    assert_eq!(diagnostic.code, "script::too-large");
    assert!(diagnostic.message.starts_with("Script exceeds 524288 bytes"));
}

#[test]
fn what_is_allowed_is_not_refused() {
    for text in [
        format!("\u{feff}{META}return 1"),
        META.replace('\n', "\r\n") + "return '\u{1f468}\u{200d}\u{1f469}'\r\n",
        format!("{META}await agent('x'); return"),
        format!("{META}// export default import() Date.now()\nlog('export default')"),
        format!("{META}const meta2 = 1; label: for (;;) {{ break label }}"),
    ] {
        assert!(read(&text).is_ok(), "{text}");
    }
}

#[test]
fn clocks_and_dice_are_warned_of_by_the_tree() {
    let body = "const a = Date.now(), b = Math.random(), c = new Date(), d = Date(), e = Date.now
         // Date.now() in a comment
         log('Math.random()'); const f = new Date(5), g = Date.UTC(2020), h = Date.parse('x')";
    let facts = facts(body);
    let whats: Vec<&str> = facts
        .warnings
        .iter()
        .map(|warning| warning.message.split(" throws").next().unwrap())
        .collect();
    assert_eq!(whats, ["Date.now()", "Math.random()", "new Date()", "Date()", "Date.now()"]);
    assert!(facts.warnings.iter().all(|warning| warning.severity == Severity::Warning));
    assert_eq!(facts.warnings[1].place.as_ref().unwrap().column, 27);
}

#[test]
fn reading_meta_in_the_body_is_warned_of() {
    assert_eq!(facts("log(meta.name)").warnings[0].code, "script::meta-read");
    assert!(facts("const meta = 1; log(meta)").warnings.is_empty());
    assert!(facts("log(x.meta)").warnings.is_empty());
}

#[test]
fn array_properties_of_schemas_are_found() {
    let body = "
const MAX = 7, LIMITS = { deep: 3 }
const S = { type: 'object', properties: {
  findings: { type: 'array', maxItems: MAX, minItems: 1, description: 'up to 7 findings', items: { type: 'object', properties: {
    lines: { type: ['array', 'null'], maxItems: LIMITS.deep * 2, items: { type: 'number' } } } } },
  matrix: { type: 'array', items: { type: 'array', maxItems: 2 } },
  tags: TAGS, name: { type: 'string', maxItems: 9 } } }
const TAGS = { type: 'array', maxItems: 4 }
const notSchema = { type: 'arrayish', findings: [] }";
    let found = facts(body).array_properties;
    let rows: Vec<_> = found
        .iter()
        .map(|array| (array.name.as_str(), array.min_items, array.max_items, array.place.line))
        .collect();
    assert_eq!(
        rows,
        [
            ("findings", Some(1), Some(7), 5),
            ("lines", None, Some(6), 6),
            ("matrix", None, None, 7),
            ("matrix", None, Some(2), 7),
            ("tags", None, Some(4), 8),
        ]
    );
    assert_eq!(found[0].description.as_deref(), Some("up to 7 findings"));
}

#[test]
fn slices_with_known_ends_are_found() {
    let body = "const TOP = 5
a.slice(0, 3); r.findings.filter(Boolean).slice(0, TOP); x?.list?.slice(0, Math.min(TOP, n))
b.slice(1, 3); b.slice(0, n); b.slice(-2); [...c].slice(0, TOP * 2)";
    let slices: Vec<_> = facts(body)
        .slices
        .iter()
        .map(|slice| (slice.limit, slice.of.clone().unwrap_or_default(), slice.place.line))
        .collect();
    let expected = [(3, "a", 3), (5, "findings", 3), (5, "list", 3), (10, "c", 4)];
    assert_eq!(slices, expected.map(|(limit, of, line)| (limit, of.to_owned(), line)));
}

#[test]
fn loops_with_known_bounds_are_found() {
    let body = "const MAX = 3; let dry = 0, n = 0
for (let r = 0; r < MAX; r++) {}
for (let r = 1; r <= 4; r++) {}
while (dry < 2 && n < 10) { n++ }
while (budget.remaining() > 5) {}
for (const x of list) {}
for (let i = 0; i < list.length; i++) {}
Array.from({ length: MAX }, (_, i) => i)";
    let loops: Vec<_> =
        facts(body).loops.iter().map(|found| (found.limit, found.kind, found.place.line)).collect();
    assert_eq!(
        loops,
        [
            (3, LoopKind::For, 3),
            (5, LoopKind::For, 4),
            (2, LoopKind::While, 5),
            (3, LoopKind::ArrayFrom, 9)
        ]
    );
}

#[test]
fn a_prompt_that_asks_for_everything_is_found() {
    let phrase =
        |prompt: &str| facts(&format!("await agent(`{prompt}`);")).sweep.map(|sweep| sweep.phrase);
    for (prompt, found) in [
        ("Read every file in the repository.", "every file"),
        ("Summarise the whole codebase", "whole codebase"),
        ("Tidy up my whole ${1} desktop", "whole"),
        ("Look at ALL of the source files first", "ALL of the source files"),
        ("Audit the entire project.", "entire project"),
    ] {
        assert!(phrase(prompt).is_some_and(|phrase| phrase.starts_with(found)), "{prompt}");
    }
    for prompt in [
        "Read every changed file.",
        "Review all files in the diff",
        "Check all of these files",
        "Fix every finding in src/a.rs",
        "Look at each file of the list",
        "",
    ] {
        assert_eq!(phrase(prompt), None, "{prompt}");
    }
}

#[test]
fn caps_in_prose_are_found() {
    let cap = |prose: &str| -> Vec<(Option<u64>, u64, String)> {
        let facts = facts(&format!("const N = 8; await agent(`{prose}`)"));
        facts.caps_in_prose.into_iter().map(|cap| (cap.min, cap.max, cap.noun)).collect()
    };
    let one = |min: Option<u64>, max: u64, noun: &str| vec![(min, max, noun.to_owned())];
    let cases = [
        ("Report up to 6 findings.", one(None, 6, "findings")),
        ("at most ten concrete bugs", one(None, 10, "bugs")),
        ("no more than 3 of the files", one(None, 3, "files")),
        ("List the top 5 risks", one(None, 5, "risks")),
        ("Return exactly 3 items", one(Some(3), 3, "items")),
        ("pick 3-6 search angles", one(Some(3), 6, "angles")),
        ("between 3 and 6 questions", one(Some(3), 6, "questions")),
        ("give 2 to 4 distinct options", one(Some(2), 4, "options")),
        ("findings (max 12)", one(None, 12, "findings")),
        ("a maximum of 20 issues", one(None, 20, "issues")),
        ("up to ${N} findings", one(None, 8, "findings")),
        ("up to ${n} findings", vec![]),
        ("up to 200 words", vec![]),
        ("in at most 2 sentences", vec![]),
        ("there are 14 planets", vec![]),
        ("version 3 of this", vec![]),
        ("HTTP 404 errors", vec![]),
    ];
    for (prose, expected) in cases {
        assert_eq!(cap(prose), expected, "{prose}");
    }
    let facts = facts("const p = 'Find up to 6 bugs'");
    let place = &facts.caps_in_prose[0].place;
    assert_eq!((place.line, place.column, place.length), (2, 17, 12));
}

#[test]
fn keys_of_args_are_found() {
    let body = "const { base, depth = 2 } = args
const input = typeof args === 'string' ? JSON.parse(args) : args ?? {}
const cfg = { max: 1, ...args }
log(args.topic, args?.lang, args['quoted'], input.nested.deep, cfg.max || 3, args.list ?? [])
args.map(x => x); args.length; other.args.nope";
    let keys: Vec<_> =
        facts(body).args_keys.iter().map(|key| (key.name.clone(), key.has_default)).collect();
    let expected = [
        ("base", false),
        ("depth", true),
        ("topic", false),
        ("lang", true),
        ("quoted", false),
        ("nested", false),
        ("max", true),
        ("list", true),
    ];
    assert_eq!(keys, expected.map(|(name, has_default)| (name.to_owned(), has_default)));
    assert!(facts(body).reads_args);
    let own = facts("const args = { x: 1 }; log(args.x)");
    assert!(own.args_keys.is_empty() && !own.reads_args);
}

#[test]
fn calls_of_agents_and_workflows_are_found() {
    let body = "const CHILD = 'kid'
await agent(`p`, { label: `verify:${f.id}`, phase: 'Verify' })
const go = (p, label) => agent(p, { label })
await workflow(CHILD, { a: 1 }); await workflow({ scriptPath: './x.js' }); await workflow(pick())
if (budget.total) log('b')";
    let facts = facts(body);
    let sites: Vec<_> =
        facts.agent_sites.iter().map(|site| (site.label.as_deref(), site.place.line)).collect();
    assert_eq!(sites, [(Some("verify:*"), 3), (None, 4)]);
    assert_eq!(facts.agent_sites[0].phase.as_deref(), Some("Verify"));
    let calls: Vec<_> = facts
        .workflow_calls
        .iter()
        .map(|call| (call.name.as_deref(), call.path.as_deref()))
        .collect();
    assert_eq!(calls, [(Some("kid"), None), (None, Some("./x.js")), (None, None)]);
    assert!(facts.reads_budget);
}

#[test]
fn the_body_keeps_its_lines_and_columns() {
    let text = "export const meta = {\n  name: 'n',\r\n  description: 'é'\n}; const a = 1\nawait agent('x', y); return a\n";
    let facts = read(text).unwrap();
    let body = &facts.body;
    assert_eq!(body.text.lines().count(), text.lines().count());
    assert_eq!(body.text.lines().nth(3), Some("   const a = 1"));
    assert_eq!(body.text.lines().nth(4), Some("await agent$at(5,7,'x', y); return end$at(5,(a))"));
    assert!(!body.text.contains("meta"));
    let line = body.text.lines().nth(4).unwrap();
    for (name, column) in [("await", 1), ("y)", 18), ("return", 22), ("a))", 29)] {
        let at = u32::try_from(line.find(name).unwrap()).unwrap() + 1;
        assert_eq!(body.author_column(5, at), column, "{name}");
    }
}

#[test]
fn rebound_names_are_left_alone() {
    let body = |text: &str| facts(text).body.text.lines().nth(1).unwrap().to_owned();
    assert_eq!(body("const f = agent => agent('x')"), "const f = agent => agent('x')");
    assert_eq!(body("globalThis.agent = f; agent('x')"), "globalThis.agent = f; agent('x')");
    assert_eq!(
        body("agent(); agent?.('x'); o.agent('x')"),
        "agent(); agent$at?.(2,10,'x'); o.agent('x')"
    );
    assert_eq!(body("agent(...p)"), "agent$at(2,1,...p)");
    assert_eq!(body("const agent$at = 1; agent('x')"), "const agent$at = 1; agent$at$(2,21,'x')");
}

#[test]
fn facts_survive_json() {
    let facts = facts("await agent('up to 3 bugs', { schema: { type: 'object' } }); return args.x");
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<WorkflowFacts>(&text).unwrap(), facts);
}
