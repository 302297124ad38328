//! `flyball init` and `init --undo`: what they write, and that nothing else changes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::stand::{Machine, files};

const USER: &str = "home/.claude/settings.json";
const PROJECT: &str = "shop/.claude/settings.json";

/// How a command ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn init(machine: &Machine, flags: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.env_clear().env("HOME", machine.path("home")).current_dir(machine.path("shop"));
    let output = command.arg("init").args(flags).stdin(Stdio::null()).output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn done(machine: &Machine, flags: &[&str]) -> String {
    let ended = init(machine, &[flags, &["--yes"]].concat());
    assert_eq!(ended.code, 0, "{flags:?}: {}", ended.stderr);
    ended.stdout
}

fn text(machine: &Machine, name: &str) -> String {
    fs::read_to_string(machine.path(name)).unwrap()
}

fn settings(machine: &Machine, name: &str) -> Value {
    serde_json::from_str(&text(machine, name)).unwrap()
}

fn command_of(settings: &Value) -> String {
    settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"].as_str().unwrap().to_owned()
}

/// Settings as people have them: in many forms, with hooks and without.
const FOUND: [&str; 14] = [
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    "{\n  \"model\": \"opus\"\n}\n",
    "{\n\t\"model\": \"opus\",\n\t\"hooks\": {}\n}",
    "{\r\n    \"hooks\": {\r\n        \"PreToolUse\": [ ]\r\n    },\r\n    \"z\": [1,2 , 3]\r\n}\r\n",
    "{\"a\":1,\"hooks\":{\"Stop\":[{\"hooks\":[]}]}}",
    "{\"hooks\": {\"PreToolUse\": []}, \"a\": 1e3}",
    "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      { \"matcher\": \"Bash\", \"hooks\": [{ \"type\": \"command\", \"command\": \"x\" }] }\n    ]\n  },\n  \"last\": \"\\u00e9 { [ \\\" ] }\"\n}\n",
    "\u{feff}{\n  \"env\": { \"A\": \"b\" }\n}\n",
    "  {  \"a\" : [ ] }  \n\n",
    "{\"hooks\":{\"PreToolUse\":[\n{\"hooks\":[]}]}}",
    "{\n    \"a\": {\n        \"deep\": [\n            true,\n            null\n        ]\n    }\n}",
];

#[test]
fn an_empty_home_gets_settings_and_is_empty_again_afterwards() {
    let machine = Machine::new();
    let shown = done(&machine, &[]);
    assert!(shown.starts_with("--- /dev/null\n+++ "), "{shown}");
    assert!(shown.contains("\n@@ -0,0 +1,15 @@\n+{\n"), "{shown}");
    let written = settings(&machine, USER);
    let group = &written["hooks"]["PreToolUse"][0];
    assert_eq!(group["matcher"], "Workflow|Agent|Task");
    assert_eq!(group["hooks"][0]["type"], "command");
    let own = env!("CARGO_BIN_EXE_flyball");
    assert_eq!(command_of(&written), format!("{own} hook pre-tool-use || exit 2"));
    assert_eq!(files(&machine.path("home/.claude")), ["settings.json"]);
    done(&machine, &["--undo"]);
    assert!(!machine.path("home/.claude").exists());
    assert_eq!(files(&machine.path("home/.local/state/flyball")), [""; 0]);
}

#[test]
fn a_matcher_that_leaves_launches_out_is_told_of() {
    let machine = Machine::new();
    for (matcher, missed) in
        [("Workflow", Some("Agent, Task")), ("Agent|Task", Some("Workflow")), ("*", None)]
    {
        let by_hand = format!(
            "{{\"hooks\":{{\"PreToolUse\":[{{\"matcher\":\"{matcher}\",\"hooks\":[{{\"type\":\
             \"command\",\"command\":\"flyball hook pre-tool-use\"}}]}}]}}}}"
        );
        machine.write(USER, by_hand);
        // Once it is written, and once there is nothing to do.
        for shown in [done(&machine, &[]), done(&machine, &[])] {
            let told = shown.split_once("but not every launch: ").map(|(_, told)| told);
            let starts = missed.map(|missed| {
                format!(
                    "the matcher of the hook is {matcher} and stays so; {missed} start unchecked \
                     until it is Workflow|Agent|Task\n"
                )
            });
            assert_eq!(told, starts.as_deref(), "{shown}");
        }
    }
}

#[test]
fn undo_gives_back_the_very_bytes() {
    for flags in [&[][..], &["--status-line"], &["--project", "--status-line"]] {
        for before in FOUND {
            let machine = Machine::new();
            let name = if flags.contains(&"--project") { PROJECT } else { USER };
            machine.write(name, before);
            done(&machine, flags);
            let after = text(&machine, name);
            let plain = after.trim_start_matches('\u{feff}');
            let value: Value = serde_json::from_str(plain).expect(&after);
            let old: Value = serde_json::from_str(before.trim_start_matches('\u{feff}')).unwrap();
            for (key, value_before) in old.as_object().unwrap() {
                assert!(key == "hooks" || value[key] == *value_before, "{key} of {after}");
            }
            assert_eq!(after.starts_with('\u{feff}'), before.starts_with('\u{feff}'));
            let again = done(&machine, flags);
            assert!(again.starts_with("nothing to do: "), "{before:?}: {again}");
            assert_eq!(text(&machine, name), after);
            let mut undo = vec!["--undo"];
            undo.extend(flags.iter().filter(|flag| **flag == "--project"));
            done(&machine, &undo);
            assert_eq!(text(&machine, name), before, "{flags:?}: after {after}");
            assert!(done(&machine, &undo).starts_with("nothing to undo: "));
        }
    }
}

#[test]
fn new_lines_are_indented_as_the_others_are() {
    let machine = Machine::new();
    machine.write(USER, "{\n\t\"a\": 1\n}\n");
    done(&machine, &["--status-line"]);
    let own = env!("CARGO_BIN_EXE_flyball");
    let expected = format!(
        "{{\n\t\"a\": 1,\n\t\"hooks\": {{\n\t\t\"PreToolUse\": [\n\t\t\t{{\n\t\t\t\t\"matcher\": \"Workflow|Agent|Task\",\n\t\t\t\t\"hooks\": [\n\t\t\t\t\t{{\n\t\t\t\t\t\t\"type\": \"command\",\n\t\t\t\t\t\t\"command\": \"{own} hook pre-tool-use || exit 2\"\n\t\t\t\t\t}}\n\t\t\t\t]\n\t\t\t}}\n\t\t]\n\t}},\n\t\"statusLine\": {{\n\t\t\"type\": \"command\",\n\t\t\"command\": \"{own} statusline\"\n\t}}\n}}\n"
    );
    assert_eq!(text(&machine, USER), expected);
}

#[test]
fn undo_leaves_what_came_in_between() {
    let machine = Machine::new();
    machine.write(USER, "{\n  \"model\": \"opus\"\n}\n");
    done(&machine, &[]);
    let own = "\"Workflow|Agent|Task\"";
    let between = text(&machine, USER)
        .replace(
            "    \"PreToolUse\": [\n",
            "    \"Stop\": [],\n    \"PreToolUse\": [\n      { \"matcher\": \"Bash\", \"hooks\": [] },\n",
        )
        .replace("    ]\n  }\n}", "    ]\n  },\n  \"later\": true\n}");
    assert!(between.contains(own) && between.contains("\"Bash\""), "{between}");
    machine.write(USER, &between);
    done(&machine, &["--undo"]);
    let expected = json!({ "model": "opus", "hooks": { "Stop": [],
        "PreToolUse": [{ "matcher": "Bash", "hooks": [] }] }, "later": true });
    assert_eq!(settings(&machine, USER), expected);
    assert!(!text(&machine, USER).contains("flyball"));
}

#[test]
fn undo_takes_its_own_hook_out_of_a_group_that_others_joined() {
    let machine = Machine::new();
    done(&machine, &[]);
    let mut settings_then = settings(&machine, USER);
    let joined = settings_then["hooks"]["PreToolUse"][0]["hooks"].as_array_mut().unwrap();
    joined.insert(0, json!({ "type": "command", "command": "audit" }));
    machine.write(USER, settings_then.to_string());
    // Another home: nobody remembers what was made.
    fs::remove_dir_all(machine.path("home/.local")).unwrap();
    done(&machine, &["--undo"]);
    let left = &settings(&machine, USER)["hooks"]["PreToolUse"];
    assert_eq!(left[0]["hooks"], json!([{ "type": "command", "command": "audit" }]));
}

#[test]
fn other_flags_change_the_command_in_its_place() {
    let machine = Machine::new();
    machine.write("shop/rules.toml", flyball::policy::shipped()[1].1);
    let flags = ["--budget", "10usd", "--budget", "40agents", "--allow-under", "$0.5"];
    done(&machine, &flags);
    let own = env!("CARGO_BIN_EXE_flyball");
    let command = command_of(&settings(&machine, USER));
    let expected = "--budget 10usd --budget 40agents --allow-under 0.5usd || exit 2";
    assert_eq!(command, format!("{own} hook pre-tool-use {expected}"));
    let shown = done(&machine, &["--policy", "rules.toml", "--fail-open"]);
    assert!(shown.contains("\n-") && shown.contains("\n+"), "{shown}");
    let command = command_of(&settings(&machine, USER));
    let policy = fs::canonicalize(machine.path("shop/rules.toml")).unwrap();
    let policy = policy.display();
    assert_eq!(command, format!("{own} hook pre-tool-use --fail-open --policy {policy}"));
    let hooks = &settings(&machine, USER)["hooks"]["PreToolUse"];
    assert_eq!(hooks.as_array().unwrap().len(), 1);
}

#[test]
fn settings_of_a_repository_name_nothing_of_this_machine() {
    let machine = Machine::new();
    machine.write("shop/rules/ci.toml", flyball::policy::shipped()[1].1);
    fs::create_dir_all(machine.path("shop/src")).unwrap();
    done(&machine, &["--project", "--policy", "rules/ci.toml"]);
    let expected =
        "flyball hook pre-tool-use --policy \"$CLAUDE_PROJECT_DIR\"/rules/ci.toml || exit 2";
    assert_eq!(command_of(&settings(&machine, PROJECT)), expected);
    assert!(!machine.path(USER).exists());
    machine.write("elsewhere.toml", flyball::policy::shipped()[1].1);
    let ended = init(&machine, &["--project", "--policy", "../elsewhere.toml", "--yes"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("outside of the repository"), "{}", ended.stderr);
}

#[test]
fn what_is_no_json_stays_as_it_is() {
    let broken: [(&str, &str); 7] = [
        ("{\n  \"a\": 1,\n}\n", "line 3, column 1"),
        ("// mine\n{}\n", "line 1, column 1"),
        ("{\n  \"a\": 1 // why\n}\n", "line 2, column 10"),
        ("", "line 1, column 0"),
        ("[]", "not a JSON object"),
        ("{\"hooks\": []}", "`hooks` is not an object"),
        ("{\"hooks\": {\"PreToolUse\": {}}}", "`hooks.PreToolUse` is not a list"),
    ];
    for (before, expected) in broken {
        let machine = Machine::new();
        machine.write(USER, before);
        let ended = init(&machine, &["--yes"]);
        assert_eq!(ended.code, 6, "{before:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{before:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("settings.json"), "{}", ended.stderr);
        assert_eq!(text(&machine, USER), before);
        assert_eq!(files(&machine.path("home/.claude")), ["settings.json"]);
    }
}

#[test]
fn nothing_is_written_where_nobody_can_be_asked() {
    let machine = Machine::new();
    let before =
        "{ \"env\": { \"ANTHROPIC_AUTH_TOKEN\": \"sk-123\" }, \"apiKeyHelper\": \"pass it\" }";
    machine.write(USER, before);
    let ended = init(&machine, &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    assert!(ended.stdout.contains("\n+{ \"env\""), "{}", ended.stdout);
    assert!(
        !ended.stdout.contains("sk-123") && !ended.stdout.contains("pass it"),
        "{}",
        ended.stdout
    );
    assert_eq!(text(&machine, USER), before);
}

#[test]
fn a_status_line_of_somebody_else_stays() {
    let machine = Machine::new();
    let before = "{\"statusLine\": {\"type\": \"command\", \"command\": \"mine.sh\"}}";
    machine.write(USER, before);
    let ended = init(&machine, &["--status-line", "--yes"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("a status line already: mine.sh"), "{}", ended.stderr);
    assert_eq!(text(&machine, USER), before);
    done(&machine, &[]);
    done(&machine, &["--undo"]);
    assert_eq!(text(&machine, USER), before);
}

#[test]
fn a_link_is_followed_and_access_rights_stay() {
    let machine = Machine::new();
    machine.write("home/dotfiles/claude.json", "{}\n");
    let target = machine.path("home/dotfiles/claude.json");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(machine.path("home/.claude")).unwrap();
    symlink(&target, machine.path(USER)).unwrap();
    done(&machine, &[]);
    assert!(fs::symlink_metadata(machine.path(USER)).unwrap().is_symlink());
    assert!(text(&machine, "home/dotfiles/claude.json").contains("flyball"));
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(files(&machine.path("home/dotfiles")), ["claude.json"]);
    done(&machine, &["--undo"]);
    assert_eq!(text(&machine, USER), "{}\n");
}

#[test]
fn what_must_not_be_written_is_not() {
    let machine = Machine::new();
    machine.write(USER, "{}\n");
    fs::set_permissions(machine.path(USER), fs::Permissions::from_mode(0o444)).unwrap();
    let ended = init(&machine, &["--yes"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("is read-only"), "{}", ended.stderr);
    assert_eq!(text(&machine, USER), "{}\n");
    fs::remove_file(machine.path(USER)).unwrap();
    symlink("nowhere.json", machine.path(USER)).unwrap();
    let ended = init(&machine, &["--yes"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("is a link that leads nowhere"), "{}", ended.stderr);
    fs::remove_file(machine.path(USER)).unwrap();
    fs::create_dir(machine.path(USER)).unwrap();
    let ended = init(&machine, &["--yes"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("is not a file"), "{}", ended.stderr);
}

#[test]
fn a_policy_that_cannot_be_used_is_refused_before_anything_is_written() {
    let machine = Machine::new();
    let ended = init(&machine, &["--policy", "haiku-fnout", "--yes"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `haiku-fanout`?"), "{}", ended.stderr);
    assert!(!machine.path("home/.claude").exists());
}

#[test]
fn the_written_hook_blocks_where_flyball_is_gone() {
    let machine = Machine::new();
    done(&machine, &["--project"]);
    let command = command_of(&settings(&machine, PROJECT));
    let run = |path: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.env_clear().env("PATH", path).args(["-c", &command]).stdin(Stdio::null());
        shell.output().unwrap().status.code()
    };
    assert_eq!(run("/nonexistent"), Some(2));
    machine.write("bin/flyball", "#!/bin/sh\nkill -9 $$\n");
    let program = machine.path("bin/flyball");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = machine.path("bin");
    assert_eq!(run(folder.to_str().unwrap()), Some(2));
}
