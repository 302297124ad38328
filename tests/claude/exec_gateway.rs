//! A client before a gateway of another process: it is held there, and told of, or not started.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::exec_stand::{Ended, SESSION, Stand, asks};

/// A gateway that has ended once it is dropped.
struct Listening {
    child: Child,
    at: String,
}

impl Listening {
    /// One with these flags besides, on a port of its own choice or at an address.
    fn at(stand: &Stand, address: &str, flags: &[&str]) -> Self {
        let url = stand.url();
        let arguments = ["gateway", "--listen", address, "--upstream", &url];
        let mut gateway = stand.flyball(&[&arguments, flags].concat());
        gateway.env("FLYBALL_UPSTREAM_KEY", "sk-of-the-team");
        let mut child = gateway.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let at = format!("http://{}", address.expect(&line));
        // What it says from now on has to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, at }
    }

    fn new(stand: &Stand, flags: &[&str]) -> Self {
        Self::at(stand, "127.0.0.1:0", flags)
    }

    fn ends(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What a client came to that sends so many requests of a cent, with a key in its environment.
fn sends(stand: &Stand, flags: &[&str], requests: usize, key: &str) -> Ended {
    let mut arguments = vec!["exec", "--out", "report.json", "--budget", "0.04usd"];
    arguments.extend(flags);
    let mut command = stand.flyball(&arguments);
    let steps: Vec<Value> = (0..requests).map(|_| asks()).collect();
    command.arg("--").arg(stand.home().join("other")).arg(json!(steps).to_string());
    stand.ends(command.env("ANTHROPIC_API_KEY", key))
}

/// A key for `ann` in the project `shop`.
fn key_of_ann(stand: &Stand) -> String {
    let added = stand.flyball(&["gateway", "keys", "add", "ann", "--project", "shop"]).output();
    String::from_utf8(added.unwrap().stdout).unwrap().trim().to_owned()
}

/// The client was not started, for that reason.
fn assert_refused(stand: &Stand, ended: &Ended, why: &str) {
    assert_eq!((ended.code, ended.said.len()), (Some(7), 0), "{ended:?}");
    assert!(ended.stderr.contains(why), "{ended:?}");
    assert_eq!(stand.upstream.bill().requests, 0);
}

#[test]
fn a_run_behind_a_gateway_with_keys_is_held_where_it_is_charged() {
    let stand = Stand::new();
    let key = key_of_ann(&stand);
    let gateway = Listening::new(&stand, &["--ask-keys"]);
    let flags = ["--gateway", &gateway.at, "--run", "nightly"];
    let ended = sends(&stand, &flags, 6, &key);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let bill = stand.upstream.bill();
    let report = &ended.report;
    assert_eq!(report["spent_usd"], json!(bill.usd), "{ended:?}");
    assert_eq!((&report["requests"], bill.requests), (&json!(2), 2));
    assert_eq!((&report["refused_requests"], &report["told_by"]), (&json!(4), &json!("ledger")));
    assert_eq!((&report["project"], &report["main_usd"]), (&json!("shop"), &Value::Null));
    let refusal = report["refusals"][0].as_str().unwrap();
    assert!(refusal.starts_with("org / project shop / run nightly of ann has spent"), "{refusal}");
    assert!(ended.stderr.contains("charged to org / project shop / run nightly of ann"));
    assert!(ended.stderr.contains("for 2 requests\n"), "{ended:?}");
    assert!(!ended.stderr.contains(&key), "a key is shown");
}

#[test]
fn a_session_is_told_how_the_ledger_calls_its_run() {
    let stand = Stand::new();
    let key = key_of_ann(&stand);
    let gateway = Listening::new(&stand, &["--ask-keys"]);
    let flags = ["--gateway", &gateway.at, "--run", "nightly", "--budget", "1usd"];
    let steps = json!([{ "do": "show" }]);
    let mut command = stand.command(&flags, &stand.claude(), &[], &steps);
    let ended = stand.ends(command.env("ANTHROPIC_API_KEY", &key));
    let shown = &ended.said[0]["environment"];
    assert_eq!(shown["FLYBALL_RUN"], "nightly of ann");
    assert!(shown["ANTHROPIC_BASE_URL"].as_str().unwrap().ends_with("/run/nightly"));
    // A client that asks for nothing says nothing of its budget either.
    assert!(ended.stderr.contains("NOTHING CAME TO THE GATEWAY"), "{ended:?}");
}

#[test]
fn a_key_that_the_gateway_does_not_know_starts_nobody() {
    let stand = Stand::new();
    let gateway = Listening::new(&stand, &["--ask-keys"]);
    for key in ["", "flyball-of-somebody", "two\nlines"] {
        let ended = sends(&stand, &["--gateway", &gateway.at], 1, key);
        assert_refused(&stand, &ended, "asks for keys, and knows none of those here");
    }
    // The run was not opened.
    let listed = stand.flyball(&["runs", "charged"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("no gateway has charged"), "{listed}");
}

#[test]
fn the_project_is_the_gateways_and_another_is_refused() {
    let stand = Stand::new();
    let gateway = Listening::new(&stand, &["--project", "platform"]);
    let ended = sends(&stand, &["--gateway", &gateway.at, "--project", "shop"], 1, "k");
    let why = "charges the run to the project platform, not shop";
    assert_refused(&stand, &ended, why);
    let ended = sends(&stand, &["--gateway", &gateway.at], 5, "k");
    let billed = json!(stand.upstream.bill().usd);
    assert_eq!((ended.code, &ended.report["spent_usd"]), (Some(4), &billed), "{ended:?}");
    assert_eq!(ended.report["project"], "platform");
}

#[test]
fn a_gateway_on_another_ledger_is_refused() {
    let stand = Stand::new();
    let gateway = Listening::new(&stand, &["--ledger", "other.db"]);
    let flags = ["--gateway", &*gateway.at];
    assert_refused(&stand, &sends(&stand, &flags, 1, "k"), "keeps another ledger");
    // One that has the same name elsewhere, and one that is a copy.
    let own = stand.flyball(&["budget", "set", "day", "9usd"]).status().unwrap();
    assert!(own.success());
    assert_refused(&stand, &sends(&stand, &flags, 1, "k"), "keeps another ledger");
    let project = stand.home().join("project");
    std::fs::copy(project.join("other.db"), project.join("copy.db")).unwrap();
    let copied = [&flags[..], &["--ledger", "copy.db"]].concat();
    assert_refused(&stand, &sends(&stand, &copied, 1, "k"), "keeps another ledger");
    // The same one by another path.
    std::os::unix::fs::symlink("other.db", project.join("link.db")).unwrap();
    let same = [&flags[..], &["--ledger", "link.db"]].concat();
    let ended = sends(&stand, &same, 1, "k");
    assert_eq!((ended.code, &ended.report["requests"]), (Some(0), &json!(1)), "{ended:?}");
    assert_eq!(ended.report["spent_usd"], json!(stand.upstream.bill().usd));
}

#[test]
fn what_a_gateway_refused_is_not_known_once_it_was_started_anew() {
    let stand = Stand::new();
    let mut gateway = Listening::new(&stand, &["--project", "shop"]);
    let address = gateway.at.trim_start_matches("http://").to_owned();
    let flags = ["--gateway", &*gateway.at.clone(), "--budget", "1usd"];
    let steps = json!([{ "do": "wait" }]);
    let (child, lines) = stand.starts(&flags, &steps);
    gateway.ends();
    let _anew = Listening::at(&stand, &address, &["--project", "shop"]);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let _signal = std::io::read_to_string(lines).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("NOBODY KNOWS WHAT WAS REFUSED"), "{said}");
    assert!(said.contains("the gateway no longer says what it refused"), "{said}");
}

#[test]
fn a_gateway_that_listens_can_be_used() {
    let stand = Stand::new();
    let gateway = Listening::new(&stand, &["--project", "shop"]);
    let flags = ["--gateway", &gateway.at, "--run", "nightly", "--budget", "0.05usd"];
    let hook = json!({ "do": "hook", "session": SESSION });
    let ended = stand.exec(&flags, &json!([hook, asks(), asks(), asks(), asks()]));
    assert_eq!(ended.said[3]["status"], 429, "{ended:?}");
    assert_eq!(ended.report["told_by"], "transcripts");
    assert_eq!((ended.code, &ended.report["refused_requests"]), (Some(4), &json!(1)), "{ended:?}");
    assert_eq!(ended.report["bypassed"], json!([]));
    let billed = json!(stand.upstream.bill().usd);
    assert_eq!((&ended.report["spent_usd"], &ended.report["main_usd"]), (&billed, &billed));
}

#[test]
fn a_gateway_that_would_hold_nobody_is_refused() {
    let stand = Stand::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (nobody, upstream) = (format!("http://{nobody}"), stand.url());
    for (url, says) in [
        (&*nobody, "nobody answers at http://127.0.0.1:"),
        (&*upstream, "as no gateway of flyball does"),
        ("127.0.0.1:8787", "is no address of a gateway"),
    ] {
        let ended = stand.exec(&["--gateway", url, "--budget", "1usd"], &json!([asks()]));
        assert_eq!((ended.code, ended.said.len()), (Some(7), 0), "{url}: {ended:?}");
        assert!(ended.stderr.contains(says), "{url}: {ended:?}");
    }
    assert_eq!(stand.upstream.bill().requests, 0);
}
