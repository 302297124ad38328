//! The plugin: its files are what Claude Code takes, and say what is true.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use flyball::cli::CommandLine;
use serde_json::{Value, json};

use super::stand::{Machine, ONE, TWELVE, answered};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json_of(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The hook's command as Claude Code starts it.
fn command() -> String {
    let hooks = json_of("plugin/hooks/hooks.json");
    let groups = hooks["hooks"]["PreToolUse"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["matcher"], "Workflow|Agent|Task");
    groups[0]["hooks"][0]["command"].as_str().unwrap().to_owned()
}

#[test]
fn manifests_agree_with_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    let plugin = json_of("plugin/.claude-plugin/plugin.json");
    let marketplace = json_of(".claude-plugin/marketplace.json");
    let listed = &marketplace["plugins"][0];
    assert_eq!(plugin["version"], version);
    assert_eq!(listed["version"], version);
    assert_eq!(plugin["name"], listed["name"]);
    assert_eq!(plugin["description"], listed["description"]);
    let source = root().join(listed["source"].as_str().unwrap());
    assert!(source.join(".claude-plugin/plugin.json").is_file(), "{}", source.display());
}

#[test]
fn every_file_that_the_hook_names_is_there() {
    let command = command();
    let rest = command.split("${CLAUDE_PLUGIN_ROOT}/").nth(1).expect("a file of the plugin");
    let file = rest.split('"').next().unwrap();
    let file = root().join("plugin").join(file);
    let found = fs::metadata(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_ne!(found.permissions().mode() & 0o111, 0, "{} is not executable", file.display());
}

/// Every `flyball …` that the plugin's texts tell somebody to run.
fn named_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        if let Some(rest) = quoted.strip_prefix("flyball ") {
            commands.push(rest.split_whitespace().map(str::to_owned).collect());
        }
    }
    commands
}

#[test]
fn every_command_that_the_plugin_names_exists() {
    let pages =
        ["plugin/commands/plan.md", "plugin/skills/cheap-workflows/SKILL.md", "plugin/README.md"];
    let mut line = CommandLine::command();
    line.build();
    let mut count = 0;
    for page in pages {
        for words in named_commands(&text(page)) {
            count += 1;
            let mut command = &line;
            for word in &words {
                match command.find_subcommand(word) {
                    Some(below) => command = below,
                    None => break,
                }
            }
            assert_ne!(command.get_name(), "flyball", "{page}: flyball {}", words.join(" "));
            for flag in words.iter().filter_map(|word| word.strip_prefix("--")) {
                let known = command.get_arguments().any(|known| known.get_long() == Some(flag));
                assert!(known, "{page}: {words:?} has no --{flag}");
            }
        }
    }
    assert!(count >= 5, "only {count} commands were found: mend the search");
}

#[test]
fn texts_have_the_heads_that_the_client_reads() {
    for (page, keys) in [
        ("plugin/commands/plan.md", &["description", "argument-hint", "allowed-tools"][..]),
        ("plugin/skills/cheap-workflows/SKILL.md", &["name", "description"]),
    ] {
        let text = text(page);
        let head = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
        let (head, _) = head.unwrap_or_else(|| panic!("{page} has no head"));
        for key in keys {
            let found = head.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
            assert!(found.is_some_and(|value| !value.trim().is_empty()), "{page} lacks {key}");
        }
    }
}

/// The example in the skill keeps the skill's own rules.
#[test]
fn the_script_of_the_skill_plans_and_is_capped() {
    let machine = Machine::new();
    let skill = text("plugin/skills/cheap-workflows/SKILL.md");
    let script = skill.split("```js\n").nth(1).unwrap().split("```").next().unwrap();
    machine.write("shop/check.js", script);
    let args = r#"{"files":["a.ts","b.ts","c.ts"]}"#;
    let flags = ["plan", "check.js", "--args", args, "--format", "json", "--samples", "40"];
    let plan: Value = serde_json::from_str(&machine.flyball(&flags)).unwrap();
    assert_eq!(plan["workflow"], "check-handlers");
    let ceiling = plan["totals"]["agents"]["ceiling"].as_u64();
    assert!(ceiling.is_some_and(|agents| agents <= 41), "{}", plan["totals"]["agents"]);
    let models = plan["stages"].to_string();
    assert!(models.contains("haiku"), "{models}");
}

/// The command of the hook, with flyball in PATH or not.
fn hook(machine: &Machine, folders: &[PathBuf], call: &str) -> super::stand::Answered {
    let mut shell = Command::new("/bin/sh");
    let path = std::env::join_paths(folders).unwrap();
    shell.env_clear().env("PATH", path).env("HOME", machine.path("home"));
    shell.env("CLAUDE_PLUGIN_ROOT", root().join("plugin")).stdin(Stdio::piped());
    shell.current_dir(machine.path("shop")).args(["-c", &command()]);
    answered(shell, call.as_bytes())
}

#[test]
fn the_hook_answers_and_whatever_is_missing_blocks() {
    let machine = Machine::new();
    let own = Path::new(env!("CARGO_BIN_EXE_flyball")).parent().unwrap().to_owned();
    let system = || ["/usr/bin", "/bin"].map(PathBuf::from);
    let folders = [&[own][..], &system()].concat();
    let cheap = machine.call("Workflow", &json!({ "script": ONE }));
    assert_eq!(hook(&machine, &folders, &cheap).decision(), "allow");
    machine.write("shop/flyball.toml", "budget = \"1usd\"\n");
    let dear = machine.call("Workflow", &json!({ "script": TWELVE }));
    let answer = hook(&machine, &folders, &dear);
    assert_eq!(answer.decision(), "deny");
    assert!(answer.reason().contains("$1.00"), "{}", answer.reason());
    let missing = hook(&machine, &system(), &cheap);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("flyball is not in PATH"), "{}", missing.stderr);
    // No shell either.
    assert_eq!(hook(&machine, &[PathBuf::from("/nonexistent")], &cheap).code, 2);
    // What is killed has not answered.
    machine.write("bin/flyball", "#!/bin/sh\nkill -9 $$\n");
    let program = machine.path("bin/flyball");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let folders = [&[machine.path("bin")][..], &system()].concat();
    assert_eq!(hook(&machine, &folders, &cheap).code, 2);
}
