//! Policies, prices and usage models that are wrong: code 6, and the message points into the file.

use super::program::Program;

const SCRIPT: &str = "export const meta = { name: 'look', description: 'looks' }\n\
                      return agent('look', { label: 'look' })\n";

#[test]
fn a_bad_file_is_pointed_into() {
    let program = Program::new();
    program
        .write("look.js", SCRIPT)
        .write(
            "typo.toml",
            "schema = 1\nname = 'team'\n[[rule]]\nname = 'a'\nthen = { modle = 'haiku' }\n",
        )
        .write("open.toml", "schema = 1\nname = 'team\n")
        .write("prices.toml", prices("2026-04-01"))
        .write("usage.toml", "schema = 1\nname = 'mine'\nfirst = 1\n");
    let cases: &[(&[&str], &[&str])] = &[
        (&["--policy", "typo.toml"], &["typo.toml:5:10", "modle", "did you mean `model`?"]),
        (&["--policy", "open.toml"], &["open.toml:2:", "name = 'team"]),
        (&["--prices", "prices.toml"], &["prices.toml:", "2026-03-01", "help: "]),
        (&["--usage", "usage.toml"], &["usage.toml:3:1", "unknown field `first`", "help: "]),
    ];
    for (flags, expected) in cases {
        let commands: &[&[&str]] = &[&["plan", "look.js"], &["policy", "explain", "look.js"]];
        for command in commands {
            let ended = program.run(&[*command, flags].concat());
            assert_eq!(ended.code, 6, "{flags:?}: {}", ended.stderr);
            for words in *expected {
                assert!(ended.stderr.contains(words), "{flags:?} lacks {words}:\n{}", ended.stderr);
            }
            assert_eq!(ended.stdout, "", "{flags:?}");
        }
    }
    let ended = program.run(&["policy", "check", "typo.toml"]);
    assert_eq!(ended.code, 6);
    assert!(ended.stderr.contains("typo.toml:5:10"), "{}", ended.stderr);
    let ended = program.run(&["pricing", "check", "prices.toml"]);
    assert_eq!(ended.code, 6);
    assert!(ended.stderr.contains("prices.toml:"), "{}", ended.stderr);
}

#[test]
fn names_that_nothing_has_are_answered_with_what_there_is() {
    let program = Program::new();
    program.write("look.js", SCRIPT);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["plan", "look.js", "--policy", "frugl"], 6, "did you mean `frugal`?"),
        (&["policy", "check", "zzz"], 6, "the shipped policies are as-written"),
        (&["plan", "look.js", "--provider", "bedrok"], 2, "did you mean `bedrock`?"),
        (&["pricing", "show", "opus", "--provider", "acme"], 2, "providers: anthropic, bedrock"),
        (&["pricing", "show", "opsu"], 2, "opsu"),
        (&["pricing", "list", "--vendor", "acme"], 2, "vendors: anthropic, google, openai"),
        (&["pricing", "check", "none.toml"], 6, "none.toml"),
        (&["policy", "explain", "look.js", "--stage", "verify:*"], 2, "the stages are look"),
        (&["plan", "look.js", "--assume", "look.requests=x"], 2, "is not a positive number"),
    ];
    for (arguments, code, expected) in cases {
        let ended = program.run(arguments);
        assert_eq!(ended.code, *code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}:\n{}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_month_without_a_price_is_found_and_denies_plans_of_its_days() {
    let program = Program::new();
    program.write("look.js", SCRIPT).write("gap.toml", prices("2026-02-01"));
    let found = "acme-1 has no price from 2026-02-01 until 2026-03-01";
    let ended = program.run(&["pricing", "check", "gap.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains(found), "{}", ended.stdout);
    assert_eq!(program.run(&["pricing", "check", "gap.toml", "--strict"]).code, 6);
    for (day, code, words) in
        [("2026-02-14", 3, "UNPRICED: acme-1 has no price on 2026-02-14"), ("2026-03-01", 0, "$")]
    {
        let flags = ["--prices", "gap.toml", "--model", "acme-1", "--samples", "3", "--at", day];
        let ended = program.run(&[&["plan", "look.js"][..], &flags].concat());
        assert_eq!(ended.code, code, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
}

/// A model with two periods, the second from 2026-03-01.
fn prices(first_ends: &str) -> String {
    format!(
        r#"schema = 1
provider = "acme"
[[model]]
id = "acme-1"
line = "acme"
status = "active"
tokenizer = "other"
context = 200000
max_output = 8000
[[model.price]]
from = 2026-01-01
until = {first_ends}
status = "confirmed"
input = "1"
output = "5"
cache_write_5m = "1.25"
cache_write_1h = "2"
cache_read = "0.1"
[[model.price]]
from = 2026-03-01
status = "confirmed"
input = "2"
output = "10"
cache_write_5m = "2.5"
cache_write_1h = "4"
cache_read = "0.2"
"#
    )
}
