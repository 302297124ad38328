//! Scripts that are wrong, and scripts that would hang or crash who runs them: each ends the
//! command with the documented code, and a message that says what, where, and what to do.

use super::program::{Ended, Program};

const META: &str = "export const meta = { name: 'bad', description: 'goes wrong' }\n";

/// Plans `META` and `body` with few samples.
fn plan_of(body: &str) -> Ended {
    planned(&format!("{META}{body}"), &[])
}

fn planned(script: &str, flags: &[&str]) -> Ended {
    let program = Program::new();
    program.write("bad.js", script);
    let samples: &[&str] = if flags.contains(&"--samples") { &[] } else { &["--samples", "3"] };
    program.run(&[&["plan", "bad.js"], samples, flags].concat())
}

/// The script is refused: code 6, the place, and what to do.
fn refused(script: &str, message: &str, place: &str) {
    let ended = planned(script, &[]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let words = unwrapped(&ended.stderr);
    assert!(words.contains(message), "lacks {message}:\n{}", ended.stderr);
    assert!(ended.stderr.contains(place), "lacks {place}:\n{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    fits_the_page(&ended.stderr);
}

/// The script fails in every run before its first agent: code 5, the reason on both streams.
fn failed(body: &str, reason: &str) {
    let ended = plan_of(body);
    assert_eq!(ended.code, 5, "{}\n{}", ended.stdout, ended.stderr);
    let words = unwrapped(&ended.stderr);
    assert!(words.contains(reason), "lacks {reason}:\n{}", ended.stderr);
    assert!(ended.stdout.contains("0 AGENTS"), "{}", ended.stdout);
    fits_the_page(&ended.stderr);
    fits_the_page(&ended.stdout);
}

/// The script's process is killed at a limit of time: code 5, what happened, and what to look for.
fn killed(body: &str) {
    let ended = planned(&format!("{META}{body}"), &["--time-limit", "2s"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("bad.js: the script was ended: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("\n  hint: "), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// Text without the line breaks and frames of its layout.
fn unwrapped(text: &str) -> String {
    text.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fits_the_page(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}");
    }
}

#[test]
fn what_is_no_workflow_is_refused_with_its_place() {
    refused(&format!("{META}const a = await agent('x'\nreturn a\n"), "syntax error", "bad.js:3:1");
    refused(
        &format!("{META}import fs from 'fs'\nreturn 1\n"),
        "workflow scripts cannot import",
        "bad.js:2:1",
    );
    refused(
        "export const meta = { name: 'x', description: String(Date.now()) }\nreturn 1\n",
        "meta must be a pure literal: a call is code",
        "bad.js:1:47",
    );
    refused("return await agent('x')\n", "must be the FIRST statement", "bad.js:1:1");
    refused(
        &format!("{META}const n: number = 3\nreturn n as number\n"),
        "this is TypeScript; workflow scripts are plain JavaScript",
        "bad.js:2:7",
    );
    refused(
        &format!("{META}export default async function main({{ agent }}) {{ return agent('x') }}\n"),
        "`export default` belongs to another workflow dialect, this runtime has none",
        "bad.js:2:1",
    );
    // There is no place in a file without text, but there is a file.
    refused("", "bad.js: `export const meta = {...}`", "export const meta");
}

/// Looks like the other dialect, and is only words and a global that is not there.
#[test]
fn what_only_looks_like_another_dialect_is_run() {
    let words = "// export default main\nconst s = 'export default main'\n";
    let ended = plan_of(&format!("{words}return agent(s, {{ label: 'look' }})\n"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    failed(
        &format!("{words}module.exports = async () => agent(s)\n"),
        "it threw ReferenceError: module is not defined",
    );
}

#[test]
fn a_throw_before_the_first_agent_is_shown_where_it_was() {
    failed("throw new Error('no base given')\n", "it threw Error: no base given");
    let ended = plan_of("throw new Error('no base given')\n");
    assert!(ended.stderr.contains("bad.js:2:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 │ throw new Error('no base given')"), "{}", ended.stderr);
}

#[test]
fn a_throw_in_a_child_workflow_is_shown_in_the_childs_own_text() {
    let child = "export const meta = { name: 'scan', description: 'a child' }\n\
                 const base = args?.base\n\
                 if (!base) throw new Error('no base given')\n\
                 return await agent(base, { label: 'scan' })\n";
    let main = format!("{META}return await workflow({{ scriptPath: 'scan.js' }}, args)\n");
    let program = Program::new();
    program.write("bad.js", main).write("scan.js", child);
    let plan = |flags: &[&str]| {
        program.run(&[&["plan", "bad.js", "--samples", "3", "--format", "json"], flags].concat())
    };
    let ended = plan(&[]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    let words = unwrapped(&ended.stderr);
    assert!(words.contains("it threw Error: no base given"), "{}", ended.stderr);
    assert!(ended.stderr.contains("scan.js:3:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("3 │ if (!base) throw new Error("), "{}", ended.stderr);
    assert!(!ended.stderr.contains("bad.js"), "{}", ended.stderr);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["diagnostics"][0]["place"]["file"], "scan.js");
    assert_eq!(report["endings"][0]["file"], "scan.js");
    assert_eq!(report["endings"][0]["line"], 3);
    // With its agents it plans; what would end it is placed in the child too.
    let dies = child
        .replace("return await agent(", "return (await agent(")
        .replace(" })\n", " })).length\n");
    program.write("scan.js", dies);
    let args = ["--args", "{\"base\":\"main\"}"];
    let ended = plan(&args);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let found = report["diagnostics"].as_array().unwrap();
    let null = found.iter().find(|found| found["code"] == "plan::null-ends-run").unwrap();
    assert_eq!((&null["place"]["file"], &null["place"]["line"]), (&"scan.js".into(), &4.into()));
    let table = program.run(&["plan", "bad.js", "--samples", "3", "--args", args[1]]);
    assert!(unwrapped(&table.stdout).contains("warning: line 4 of scan.js:"), "{}", table.stdout);
}

#[test]
fn lists_beyond_the_client_s_limit_throw() {
    let reason = "array length 4097 exceeds the maximum of 4096";
    failed(
        "return parallel(Array.from({ length: 4097 }, (_, i) => () => agent(`${i}`)))\n",
        reason,
    );
    failed(
        "return pipeline(Array.from({ length: 4097 }, (_, i) => i), i => agent(`${i}`))\n",
        reason,
    );
}

#[test]
fn limits_and_waits_without_end_are_named() {
    failed("const f = n => f(n + 1) + 1\nreturn f(0)\n", "limit of stack");
    failed(&format!("const f = {}1\nreturn f\n", "() => ".repeat(5_000)), "limit of stack");
    failed(
        "const a = []\nwhile (true) a.push('x'.repeat(8e6) + a.length)\n",
        "limit of memory, as every run would be: 2 of 3 samples were made",
    );
    failed("await new Promise(() => {})\n", "waits for something that never settles");
}

/// Before its first agent a script does the same in every sample, so one shows what it does.
#[test]
fn a_bomb_before_the_first_agent_goes_off_once_and_not_in_every_sample() {
    let bomb = format!("{META}const a = []\nwhile (true) a.push('x'.repeat(8e6) + a.length)\n");
    let ended = planned(&bomb, &["--samples", "2000", "--time-limit", "40s"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.stdout, ended.stderr);
    assert!(unwrapped(&ended.stderr).contains("limit of memory"), "{}", ended.stderr);
}

#[test]
fn what_ignores_every_limit_is_killed() {
    killed("while (true) {}\n");
    killed("await agent('x')\nwhile (true) {}\n");
    killed("await agent('x')\nawait agent('y')\nreturn (new Array(1e9) + '').length\n");
    killed("return /^(a+)+$/.test('a'.repeat(40) + 'b')\n");
    killed("return (new Array(1e9) + '').length\n");
    killed("const a = []\na[4e9] = 1\nreturn a.join('x').length\n");
}

/// A script that goes on from agent to agent is not to blame for how long its samples take.
#[test]
fn a_plan_that_takes_too_long_blames_no_script() {
    let body = "for (let n = 0; n < 900; n++) await agent('part ' + n, { label: 'part' })\n";
    let flags = ["--samples", "20000", "--time-limit", "1s"];
    let ended = planned(&format!("{META}{body}"), &flags);
    assert_eq!((ended.code, &*ended.stdout), (5, ""), "{}", ended.stderr);
    assert_eq!(
        unwrapped(&ended.stderr),
        "error: bad.js: the plan takes longer than 1 s hint: take fewer samples (--samples), or \
         allow more time (--time-limit 5s)"
    );
}

#[test]
fn failing_after_agents_is_an_ending_of_the_plan() {
    let endings = [
        ("throw new Error('too late')\n", "threw Error: too late, line 3"),
        ("await new Promise(() => {})\n", "stuck: awaits something that never settles"),
        ("const f = n => f(n + 1) + 1\nreturn f(0)\n", "stopped at the limit of stack"),
    ];
    for (body, ending) in endings {
        let ended = plan_of(&format!("await agent('look', {{ label: 'look' }})\n{body}"));
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(ending), "lacks {ending}:\n{}", ended.stdout);
    }
    let ended = plan_of("for (let i = 0; i < 1001; i++) await agent(`${i}`)\n");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("threw WorkflowAgentCapError"), "{}", ended.stdout);
}

#[test]
fn a_model_without_a_price_denies_the_plan() {
    let ended = plan_of("return agent('look', { label: 'look', model: 'gpt-99' })\n");
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stdout.contains("UNPRICED: gpt-99 has no price"), "{}", ended.stdout);
    let ended = planned(&format!("{META}return agent('look')\n"), &["--model", "gpt-99"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("no price table knows the model `gpt-99`"), "{}", ended.stderr);
}

#[test]
fn a_throw_before_a_child_workflow_is_shown_in_its_own_text() {
    let ended = plan_of("if (!args) throw new Error('give me work')\nawait workflow('other')\n");
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("bad.js:2:"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 │ if (!args) throw new Error('give me work')"),
        "{}",
        ended.stderr
    );
}
