//! `flyball doctor`: each thing that can be wrong is named, and nothing secret is.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::stand::{DAY, Machine};

/// A key that must show nowhere.
const SECRET: &str = "sk-very-secret";

/// What was found, with the exit code.
struct Found {
    code: i32,
    json: Value,
}

impl Found {
    /// How the check `name` stands and what it says, the first of that name.
    fn check(&self, name: &str) -> (&str, &str) {
        let checks = self.json["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name}: {}", self.json));
        (check["standing"].as_str().unwrap(), check["says"].as_str().unwrap())
    }

    fn assert(&self, name: &str, standing: &str, words: &str) {
        let (stands, says) = self.check(name);
        assert!(stands == standing && says.contains(words), "{name} {stands}: {says}");
    }
}

fn command(machine: &Machine, more: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    let own = Path::new(env!("CARGO_BIN_EXE_flyball")).parent().unwrap();
    let path = std::env::join_paths([&machine.path("bin"), own]).unwrap();
    command.env_clear().env("HOME", machine.path("home")).current_dir(machine.path("shop"));
    command.env("PATH", path).envs(more.iter().copied()).stdin(Stdio::null());
    command
}

fn doctor(machine: &Machine, more: &[(&str, &str)]) -> Found {
    let output =
        command(machine, more).args(["doctor", "--format", "json", "--at", DAY]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains(SECRET) && !told.contains(SECRET), "{text}{told}");
    let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{told}"));
    Found { code: output.status.code().unwrap(), json }
}

fn program(machine: &Machine, name: &str, text: &str) {
    machine.write(name, text);
    fs::set_permissions(machine.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn init(machine: &Machine, flags: &[&str]) {
    let output = command(machine, &[]).args(["init", "--yes"]).args(flags).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A machine where all is well.
fn healthy() -> Machine {
    let machine = Machine::new();
    program(&machine, "bin/claude", "#!/bin/sh\necho '2.1.330 (Claude Code)'\n");
    init(&machine, &["--policy", "haiku-fanout"]);
    machine
}

#[test]
fn where_all_is_well_it_says_so() {
    let machine = healthy();
    let found = doctor(&machine, &[]);
    assert_eq!(found.code, 0, "{}", found.json);
    assert_eq!(found.json["standing"], "ok", "{}", found.json);
    found.assert("claude", "ok", "2.1.330 (Claude Code)");
    found.assert("hook", "ok", "settings.json starts this flyball");
    found.assert("policy", "ok", "the hook's policy haiku-fanout can be used");
    found.assert("route", "ok", "nothing sets ANTHROPIC_BASE_URL");
    found.assert("ledger", "ok", "none yet");
    found.assert("prices", "ok", "2026-11-22");
    machine.flyball(&["budget", "set", "day", "20usd"]);
    let found = doctor(&machine, &[]);
    found.assert("ledger", "ok", "balances");
    found.assert("held", "ok", "no dead process");
    assert!(!machine.path("home/.local/state/flyball/ledger.db-leases").exists());
}

#[test]
fn an_empty_home_is_warned_of_and_does_not_fail() {
    let machine = Machine::new();
    let found = doctor(&machine, &[]);
    assert_eq!(found.code, 0, "{}", found.json);
    found.assert("claude", "warn", "no `claude` in PATH");
    found.assert("hook", "warn", "launches are not checked");
    assert_eq!(fs::read_dir(machine.path("home")).unwrap().count(), 0, "it changes nothing");
}

#[test]
fn versions_are_compared() {
    let machine = healthy();
    for (text, standing, words) in [
        ("echo 2.1.329", "warn", "older than 2.1.330"),
        ("echo 2.2.0-beta", "ok", "2.2.0-beta"),
        ("echo 3.0.0", "ok", "3.0.0"),
        ("echo soon", "warn", "cannot be read"),
        ("exit 1", "warn", "does not say its version"),
    ] {
        program(&machine, "bin/claude", &format!("#!/bin/sh\n{text}\n"));
        doctor(&machine, &[]).assert("claude", standing, words);
    }
    program(&machine, "bin/flyball", "#!/bin/sh\nexit 0\n");
    doctor(&machine, &[]).assert("flyball", "warn", "a shell finds another");
}

#[test]
fn a_hook_that_does_not_do_its_work_is_found() {
    let machine = healthy();
    let settings = "home/.claude/settings.json";
    let written = fs::read_to_string(machine.path(settings)).unwrap();
    let own = env!("CARGO_BIN_EXE_flyball");
    program(&machine, "other/flyball", "#!/bin/sh\nexit 0\n");
    let other = machine.path("other/flyball").display().to_string();
    for (new, standing, words) in [
        (written.replace(own, "/gone/flyball"), "fail", "every launch is blocked"),
        (
            written.replace(own, "/gone/flyball").replace(" || exit 2", ""),
            "fail",
            "launches go ahead unchecked",
        ),
        (written.replace(own, &other), "warn", "another flyball"),
        (written.replace(" || exit 2", ""), "warn", "if flyball is gone or killed"),
        (written.replace("Workflow|", ""), "warn", "checks Agent|Task, not Workflow"),
        (written.replace("|Task", ""), "ok", "starts this flyball"),
        (
            written.replacen('{', "{ \"disableAllHooks\": true,", 1),
            "fail",
            "switches all hooks off",
        ),
    ] {
        machine.write(settings, &new);
        let found = doctor(&machine, &[]);
        found.assert("hook", standing, words);
        assert_eq!(found.code == 6, standing == "fail", "{}", found.json);
    }
    machine.write(settings, written.replace("haiku-fanout", "haiku-fnout"));
    let found = doctor(&machine, &[]);
    found.assert("policy", "fail", "did you mean `haiku-fanout`?");
    machine.write(settings, written.replace("--policy", "--polcy"));
    doctor(&machine, &[]).assert("policy", "fail", "refuses the flags");
    machine.write(settings, &written);
    init(&machine, &["--project"]);
    let found = doctor(&machine, &[]);
    let twice = found.json.to_string();
    assert!(twice.contains("launches are checked 2 times"), "{twice}");
}

#[test]
fn settings_of_a_repository_do_not_hold_below_its_root() {
    let machine = Machine::new();
    init(&machine, &["--project"]);
    fs::create_dir(machine.path("shop/src")).unwrap();
    let mut below = command(&machine, &[]);
    below.current_dir(machine.path("shop/src")).args(["doctor", "--at", DAY]);
    let text = String::from_utf8(below.output().unwrap().stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("sessions that start here do not read that"), "{text}");
}

#[test]
fn broken_settings_are_named_and_stay() {
    let machine = healthy();
    let local = "shop/.claude/settings.local.json";
    let text = format!("{{ \"env\": {{ \"ANTHROPIC_API_KEY\": \"{SECRET}\" }}, }}");
    machine.write(local, &text);
    let found = doctor(&machine, &[]);
    assert_eq!(found.code, 6);
    found.assert("settings", "fail", "settings.local.json");
    assert_eq!(fs::read_to_string(machine.path(local)).unwrap(), text);
    fs::remove_file(machine.path(local)).unwrap();
    machine.write("shop/flyball.toml", "policy = \"ci\"\nnonsense = 1\n");
    let found = doctor(&machine, &[]);
    assert_eq!(found.code, 6);
    found.assert("settings", "fail", "nonsense");
}

#[test]
fn it_says_where_requests_go_and_by_whose_word() {
    let machine = healthy();
    let url = format!("https://user:{SECRET}@proxy.example:8443/x?key={SECRET}");
    let from_shell = [("ANTHROPIC_BASE_URL", url.as_str())];
    let shown = "requests go to https://proxy.example:8443: the environment says so";
    doctor(&machine, &from_shell).assert("route", "ok", shown);
    let settings = |name: &str, url: &str| {
        let text = format!("{{\"env\":{{\"ANTHROPIC_BASE_URL\":\"{url}\"}}}}");
        machine.write(name, text);
    };
    settings("shop/.claude/settings.json", "https://team.example");
    let found = doctor(&machine, &from_shell);
    found.assert("route", "warn", "go to https://team.example");
    found.assert(
        "route",
        "warn",
        "overrides the environment, which says https://proxy.example:8443",
    );
    settings("shop/.claude/settings.local.json", "https://mine.example");
    doctor(&machine, &[]).assert("route", "warn", "go to https://mine.example");
    settings("shop/.claude/settings.local.json", SECRET);
    doctor(&machine, &[]).assert("route", "fail", "something that is no URL");
    let bedrock = [("CLAUDE_CODE_USE_BEDROCK", "1")];
    doctor(&machine, &bedrock).assert(
        "cloud",
        "warn",
        "the environment sets CLAUDE_CODE_USE_BEDROCK",
    );
}

/// Answers one request with `reply`; its address.
fn server(reply: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0_u8; 1024];
        let read = stream.read(&mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\n"));
        stream.write_all(reply.as_bytes()).unwrap();
    });
    format!("http://{address}")
}

#[test]
fn a_gateway_is_asked_whether_it_admits() {
    let machine = healthy();
    for (reply, standing, words) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n", "ok", "admits requests"),
        (
            "HTTP/1.1 503 No\r\n\r\nthe ledger is gone\n",
            "fail",
            "admits nothing: the ledger is gone",
        ),
        ("HTTP/1.1 404 No\r\n\r\n", "warn", "answers with 404"),
        ("hello", "fail", "does not speak HTTP"),
    ] {
        let url = server(reply);
        doctor(&machine, &[("ANTHROPIC_BASE_URL", &url)]).assert("gateway", standing, words);
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let found = doctor(&machine, &[("ANTHROPIC_BASE_URL", &url)]);
    found.assert("gateway", "fail", "nobody answers");
    assert_eq!(found.code, 6);
}

#[test]
fn a_ledger_that_cannot_be_used_fails() {
    let machine = healthy();
    machine.write("home/.local/state/flyball/ledger.db", "no database at all, by any means");
    let found = doctor(&machine, &[]);
    assert_eq!(found.code, 6);
    assert_eq!(found.check("ledger").0, "fail");
}

#[test]
fn old_prices_are_warned_of() {
    let machine = healthy();
    let later = command(&machine, &[])
        .args(["doctor", "--format", "json", "--at", "2026-12-23"])
        .output()
        .unwrap();
    let json = serde_json::from_slice(&later.stdout).unwrap();
    Found { code: 0, json }.assert("prices", "warn", "31 days ago, on 2026-11-22");
}

#[test]
fn the_plugin_counts_as_a_hook() {
    let machine = Machine::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let list = serde_json::json!({ "version": 2, "plugins": {
        "flyball@flyball": [{ "scope": "user", "installPath": folder, "version": "0.1.0" }] } });
    machine.write("home/.claude/plugins/installed_plugins.json", list.to_string());
    let enabled = |on: bool| {
        let text = format!("{{\"enabledPlugins\":{{\"flyball@flyball\":{on}}}}}");
        machine.write("home/.claude/settings.json", text);
    };
    enabled(true);
    doctor(&machine, &[]).assert("plugin", "ok", "checks launches");
    enabled(false);
    doctor(&machine, &[]).assert("hook", "warn", "launches are not checked");
}
