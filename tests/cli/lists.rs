//! What the commands print that plan nothing, or plan for another purpose.

use serde_json::Value;

use super::program::Program;

fn saved(name: &str, description: &str) -> String {
    format!(
        "export const meta = {{ name: '{name}', description: '{description}' }}\n\
         return agent('look', {{ label: 'look' }})\n"
    )
}

#[test]
fn saved_workflows_are_known_by_their_own_names() {
    let program = Program::new();
    program
        .write(".claude/workflows/file-name.js", saved("own-name", "Says what it is called"))
        .write(".claude/workflows/broken.js", "return 1\n");
    let table = program.run(&["workflows", "list"]);
    assert_eq!((table.code, table.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("broken ") && lines[0].ends_with("broken.js"), "{}", lines[0]);
    assert!(lines[1].starts_with("own-name "), "{}", lines[1]);
    assert!(lines[1].ends_with(" project   Says what it is called"), "{}", lines[1]);
    assert!(table.stdout.contains("example:review-diff"), "{}", table.stdout);
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", table.stdout);
    let json: Value =
        serde_json::from_str(&program.run(&["workflows", "list", "--format", "json"]).stdout)
            .unwrap();
    assert_eq!(json["workflows"][1]["name"], "own-name");
    assert_eq!(json["workflows"][1]["description"], "Says what it is called");
    assert_eq!(json["workflows"][0]["description"], Value::Null);

    let planned = program.run(&["plan", "own-name", "--samples", "3"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    assert!(planned.stdout.starts_with("own-name "), "{}", planned.stdout);
    let by_file = program.run(&["plan", "file-name"]);
    assert_eq!(by_file.code, 6, "{}", by_file.stdout);
    assert!(by_file.stderr.contains("no saved workflow `file-name`"), "{}", by_file.stderr);
    let refused = program.run(&["plan", "broken"]);
    assert_eq!(refused.code, 6);
    assert!(refused.stderr.contains("must be the FIRST statement"), "{}", refused.stderr);
}

#[test]
fn one_hostile_saved_workflow_does_not_hide_the_others() {
    let program = Program::new();
    let hostile = format!("{}const f = {}1\n", saved("deep", "d"), "(".repeat(200_000));
    program
        .write(".claude/workflows/good.js", saved("good", "Good"))
        .write(".claude/workflows/hostile.js", hostile)
        .write(
            "caller.js",
            format!(
                "{}return workflow('good')\n",
                saved("caller", "Calls").replace("return agent", "await agent")
            ),
        );
    let table = program.run(&["workflows", "list"]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.lines().any(|line| line.starts_with("good ")), "{}", table.stdout);
    let planned = program.run(&["plan", "caller.js", "--samples", "3", "--format", "json"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan["totals"]["agents"]["p50"], 2, "{}", planned.stdout);
}

#[test]
fn prices_are_listed_and_shown_in_both_forms() {
    let program = Program::new();
    let list = program.run(&["pricing", "list", "--vendor", "anthropic", "--at", "2026-11-22"]);
    assert_eq!((list.code, list.stderr.as_str()), (0, ""));
    assert!(list.stdout.contains("claude-haiku-5-5"), "{}", list.stdout);
    let list = ["pricing", "list", "--format", "json", "--at", "2026-11-22"];
    let json: Value = serde_json::from_str(&program.run(&list).stdout).unwrap();
    assert_eq!(json["on"], "2026-11-22");
    let shown = program.run(&["pricing", "show", "sonnet", "--format", "json"]);
    let json: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(json["vendor"], "anthropic");
    assert_eq!(program.run(&["pricing", "check"]).code, 0);
}

#[test]
fn a_policy_is_explained_for_the_stages_asked_for() {
    let program = Program::new();
    let checked = program.run(&["policy", "check", "haiku-fanout"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    let explain = |flags: &[&str]| {
        let command = ["policy", "explain", "example:review-diff", "--policy", "haiku-fanout"];
        let sampled = ["--samples", "5", "--args", r#"{"base":"main"}"#];
        let ended = program.run(&[&command[..], &sampled, flags].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout
    };
    let text = explain(&["--stage", "veri*"]);
    assert!(text.starts_with("verify"), "{text}");
    assert!(text.contains("claude-haiku-5-5 [fanout]"), "{text}");
    assert!(!text.contains("\nreport"), "{text}");
    let json: Value = serde_json::from_str(&explain(&["--format", "json"])).unwrap();
    assert_eq!(json["policy"], "haiku-fanout");
    let stages = json["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 3);
    assert!(stages.iter().all(|stage| !stage["routing"]["trace"].is_null()));
}

#[test]
fn a_policy_is_written_into_a_script() {
    let program = Program::new();
    let apply = |flags: &[&str]| {
        let command = ["policy", "apply", "example:review-diff", "--policy", "haiku-fanout"];
        let sampled = ["--samples", "20", "--at", "2026-11-22", "--args", r#"{"base":"main"}"#];
        program.run(&[&command[..], &sampled, flags].concat())
    };
    let script = apply(&["--out", "cheaper.js"]);
    assert_eq!(script.code, 0, "{}", script.stderr);
    insta::assert_snapshot!(script.stderr);
    assert_eq!(script.stdout, std::fs::read_to_string(program.path("cheaper.js")).unwrap());
    insta::assert_snapshot!(apply(&["--format", "diff"]).stdout);
    let json: Value = serde_json::from_str(&apply(&["--format", "json"]).stdout).unwrap();
    assert_eq!(json["text"], script.stdout.as_str());
    assert_eq!(json["changed"][0]["to"], "claude-haiku-5-5");
    assert_eq!(json["edits"].as_array().unwrap().len(), 2);

    // Written once, there is nothing left to write.
    let again = program.run(&["policy", "apply", "cheaper.js", "--policy", "haiku-fanout"]);
    assert_eq!((again.code, again.stdout), (0, script.stdout));
    assert!(again.stderr.starts_with("review-diff  no changes"), "{}", again.stderr);
}

#[test]
fn a_script_that_cannot_be_planned_is_not_rewritten() {
    let program = Program::new();
    program.write("broken.js", "return 1\n").write(
        "throws.js",
        "export const meta = { name: 'n', description: 'd' }\nthrow new Error('no')\n",
    );
    for (name, code) in [("broken.js", 6), ("throws.js", 5), ("absent.js", 6)] {
        let ended = program.run(&["policy", "apply", name, "--policy", "frugal", "--out", "o.js"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{name}: {}", ended.stderr);
        assert!(!program.path("o.js").exists());
    }
}

#[test]
fn a_policy_that_can_never_do_what_it_says_fails_its_check() {
    let program = Program::new();
    let checked = |text: &str| {
        program.write("own.toml", format!("schema = 1\nname = 'own'\n{text}"));
        program.run(&["policy", "check", "own.toml"])
    };
    let unknown = checked("[[rule]]\nname = 'a'\nthen = { model = 'haikou' }\n");
    assert_eq!(unknown.code, 6, "{}", unknown.stdout);
    assert_eq!(unknown.stdout.matches("knows the model `haikou`").count(), 1, "{}", unknown.stdout);
    assert!(unknown.stdout.contains("can never route"), "{}", unknown.stdout);

    let one_of_two = checked("[[rule]]\nname = 'a'\nthen = { model = ['haikou', 'haiku'] }\n");
    assert_eq!(one_of_two.code, 0, "{}", one_of_two.stdout);
    assert!(one_of_two.stdout.contains("routes to it will be refused"), "{}", one_of_two.stdout);

    let suggests = checked("suggests = 'frugle'\n");
    assert_eq!(suggests.code, 6);
    assert!(suggests.stderr.contains("names `frugle`, which flyball does not ship"));

    let reversed = checked("ladder = ['opus', 'haiku']\n");
    assert_eq!(reversed.code, 0);
    assert!(
        reversed.stdout.contains("`haiku` is weaker than `opus` before it"),
        "{}",
        reversed.stdout
    );
    assert!(!checked("ladder = ['haiku', 'opus']\n").stdout.contains("weaker"));
}
