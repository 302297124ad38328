//! `flyball simulate-upstream`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::client::send;
use super::stand::asking;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command
        .env_clear()
        .current_dir(std::env::temp_dir())
        .arg("simulate-upstream")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Serves one request, ends the program with SIGTERM, and gives what it printed.
#[cfg(unix)]
fn served(format: &str) -> String {
    let mut flags = vec!["--listen", "127.0.0.1:0", "--at", "2026-11-22", "--format", format];
    flags.extend(["--fill-output", "--seed", "3"]);
    let mut child = program(&flags).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split(':').take(2).collect::<Vec<_>>().join(":").parse().ok());
    let body = asking("12345678", 100).to_string();
    let response =
        send(address.expect(&line), "POST /v1/messages", &[], Some(body.as_bytes())).receive();
    assert_eq!(response.json()["usage"]["output_tokens"], 100);
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    printed
}

#[cfg(unix)]
#[test]
fn it_ends_with_its_bill() {
    // 2 tokens at $0.10 and 100 at $0.50 per million: $0.0000002 + $0.00005.
    let bill: Value = serde_json::from_str(&served("json")).unwrap();
    assert_eq!(bill["usd"], "0.0000502");
    assert_eq!(bill["endings"], json!({ "complete": 1, "aborted": 0, "broken": 0, "refused": 0 }));
    insta::assert_snapshot!(served("table"));
}

#[test]
fn what_cannot_be_served_is_refused() {
    for (flags, why) in [
        (["--listen", "0.0.0.0:8788"], "other machines could reach"),
        (["--listen", "localhost"], "no address with a port"),
        (["--fault", "fire"], "no fault"),
        (["--fault", "reset=1001"], "thousandths"),
        (["--pace", "-1"], "no pace"),
        (["--turns", "4-1"], "no range"),
    ] {
        let ended = program(&flags).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(why), "{flags:?}: {said}");
    }
}
