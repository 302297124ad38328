//! Recordings, read and played again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use flyball::messages::{
    Octets, RECORDING_VERSION, RecordedAnswer, RecordedEnding, RecordedExchange, RecordedPiece,
    read_recording,
};
use flyball::upstream::{Pace, Replay};
use tempfile::TempDir;

use super::client::{End, Response, send};
use super::stand::{Stand, config};

/// An hour, milliseconds.
const HOUR: u64 = 3_600_000;
const PATH: &str = "/v1/messages?beta=true";

/// A simulated upstream in a process of its own.
pub(crate) struct Simulator {
    child: Child,
    address: SocketAddr,
    /// Open as long as it runs, so that it can always say something.
    _stderr: BufReader<ChildStderr>,
}

impl Simulator {
    pub(crate) fn replaying(recording: &Path) -> Self {
        let mut child = command(recording, &["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(": ").next());
        let address = address.expect(&line).parse().expect(&line);
        Self { child, address, _stderr: stderr }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn command(recording: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command
        .env_clear()
        .current_dir(std::env::temp_dir())
        .args(["simulate-upstream", "--replay"])
        .arg(recording)
        .args(flags)
        .stdin(Stdio::null());
    command
}

/// What is answered to `body` with pieces at these milliseconds.
fn exchange(
    body: &[u8],
    media: &str,
    pieces: &[(u64, &[u8])],
    ending: RecordedEnding,
) -> RecordedExchange {
    let answer = RecordedAnswer {
        after_milliseconds: 0,
        status: 200,
        headers: vec![
            ("content-type".to_owned(), media.to_owned()),
            ("request-id".to_owned(), "req_of_then".to_owned()),
        ],
        body: octets(&pieces.iter().map(|(_, piece)| *piece).collect::<Vec<_>>().concat()),
        pieces: pieces
            .iter()
            .map(|(milliseconds, piece)| RecordedPiece {
                milliseconds: *milliseconds,
                bytes: piece.len() as u64,
            })
            .collect(),
        truncated: false,
    };
    RecordedExchange {
        version: RECORDING_VERSION,
        method: "POST".to_owned(),
        path: PATH.to_owned(),
        request_headers: Vec::new(),
        request_body: octets(body),
        answer: Some(answer),
        ending,
    }
}

fn octets(bytes: &[u8]) -> Octets {
    Octets(Bytes::copy_from_slice(bytes))
}

const STREAM: &str = "text/event-stream; charset=utf-8";

fn streamed(ending: RecordedEnding) -> RecordedExchange {
    exchange(b"{}", STREAM, &[(0, b"data: one\n\n"), (HOUR, b"da"), (HOUR, b"ta: two\n\n")], ending)
}

/// A server that plays these, after they were written and read.
fn playing(exchanges: &[RecordedExchange], factor: f64) -> Stand {
    let lines: Vec<u8> = exchanges.iter().flat_map(|one| one.line().unwrap()).collect();
    let read = read_recording(std::str::from_utf8(&lines).unwrap()).unwrap();
    assert_eq!(read, exchanges, "what is written can be read again");
    let mut config = config(7);
    config.pace = Pace::from_factor(factor).unwrap();
    config.replay = Some(Arc::new(Replay::new(read)));
    Stand::of(config)
}

fn ask(stand: &Stand, body: &[u8]) -> Response {
    stand.raw(&format!("POST {PATH}"), Some(body))
}

#[test]
fn an_answer_comes_in_the_pieces_it_came_in() {
    let stand = playing(&[streamed(RecordedEnding::Complete)], 0.0);
    let response = ask(&stand, b"{}");
    assert_eq!((response.status, response.end), (200, End::Whole));
    assert_eq!(response.chunks, [&b"data: one\n\n"[..], b"da", b"ta: two\n\n"]);
    assert_eq!(response.header("content-type").as_deref(), Some(STREAM));
    assert_eq!(response.header("request-id").as_deref(), Some("req_of_then"));
    let bill = stand.bill();
    assert_eq!((bill.requests, bill.endings.complete, bill.open), (1, 1, 0));
    assert!(bill.usd.is_zero(), "nobody generated anything");
}

#[test]
fn pieces_come_when_they_came() {
    let stand = playing(&[streamed(RecordedEnding::Complete)], 1.0);
    let mut sent = send(stand.address(), &format!("POST {PATH}"), &[], Some(b"{}"));
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: one\n\n\r\n") {
        let more = sent.read_some(1);
        assert!(!more.is_empty(), "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend(more);
    }
    // The second piece is an hour away.
    assert_eq!(stand.bill_now().open, 1);
    drop(sent);
    assert_eq!(stand.bill().endings.aborted, 1);
}

#[test]
fn what_does_not_stream_has_its_length() {
    let plain = exchange(
        b"{}",
        "application/json",
        &[(0, b"{\"a\":"), (1, b"1}")],
        RecordedEnding::Complete,
    );
    let response = ask(&playing(&[plain], 0.0), b"{}");
    assert_eq!((response.text().as_str(), response.end), ("{\"a\":1}", End::Whole));
    assert_eq!(response.header("content-length").as_deref(), Some("7"));
}

#[test]
fn what_broke_off_breaks_off_again() {
    let mut truncated = streamed(RecordedEnding::Complete);
    truncated.answer.as_mut().unwrap().truncated = true;
    for broken in [streamed(RecordedEnding::BrokeOff), streamed(RecordedEnding::Cut), truncated] {
        let stand = playing(&[broken], 0.0);
        let response = ask(&stand, b"{}");
        assert_eq!((response.status, response.end), (200, End::Reset));
        assert_eq!(response.text(), "data: one\n\ndata: two\n\n");
        assert_eq!(stand.bill().endings.broken, 1);
    }
    let mut unanswered = streamed(RecordedEnding::BrokeOff);
    unanswered.answer = None;
    let stand = playing(&[unanswered], 0.0);
    let response = ask(&stand, b"{}");
    assert_eq!((response.status, response.body.len()), (0, 0));
    assert_ne!(response.end, End::Whole);
}

#[test]
fn what_fell_silent_falls_silent_again() {
    let stand = playing(&[streamed(RecordedEnding::FellSilent)], 0.0);
    let mut sent = send(stand.address(), &format!("POST {PATH}"), &[], Some(b"{}"));
    let mut seen = Vec::new();
    while !seen.ends_with(b"two\n\n\r\n") {
        let more = sent.read_some(1);
        assert!(!more.is_empty(), "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend(more);
    }
    assert_eq!(stand.bill_now().open, 1);
    drop(sent);
    assert_eq!(stand.bill().endings.aborted, 1);
}

#[test]
fn equal_requests_are_answered_in_their_order() {
    let answer = |text: &[u8]| exchange(b"{}", STREAM, &[(0, text)], RecordedEnding::Complete);
    let mut refused = answer(b"{\"type\":\"error\"}");
    refused.answer.as_mut().unwrap().status = 529;
    let other = exchange(b"other", STREAM, &[(0, b"other")], RecordedEnding::Complete);
    let stand = playing(&[refused, other, answer(b"second")], 0.0);
    let first = ask(&stand, b"{}");
    assert_eq!((first.status, first.text().as_str()), (529, "{\"type\":\"error\"}"));
    for _ in 0..2 {
        assert_eq!(ask(&stand, b"{}").text(), "second");
        assert_eq!(ask(&stand, b"other").text(), "other");
    }
    let bill = stand.bill();
    assert_eq!((bill.requests, bill.endings.refused, bill.endings.complete), (5, 1, 4));
}

#[test]
fn what_was_not_recorded_is_not_found() {
    let stand = playing(&[streamed(RecordedEnding::Complete)], 0.0);
    for (line, body) in [
        ("POST /v1/messages?beta=true", &b"{ }"[..]),
        ("POST /v1/messages", b"{}"),
        ("POST /v1/messages?beta=false", b"{}"),
    ] {
        let response = stand.raw(line, Some(body));
        assert_eq!((response.status, response.end), (404, End::Whole), "{line}");
        let envelope = response.json();
        assert_eq!(envelope["type"], "error");
        assert_eq!(envelope["error"]["type"], "not_found_error");
        let message = envelope["error"]["message"].as_str().unwrap();
        assert!(message.contains("not in the recording"), "{message}");
    }
    assert_eq!(stand.bill().endings.refused, 3);
    // The rest is answered as ever.
    assert_eq!(stand.raw("GET /v1/models", None).status, 200);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let (asked, answered) = (&b"\xff\x00ask\xfe"[..], &b"\x80\0\"\n"[..]);
    let binary = exchange(asked, "text/plain", &[(0, answered)], RecordedEnding::Complete);
    let line = String::from_utf8(binary.line().unwrap()).unwrap();
    assert!(line.contains(r#"{"hex":"ff0061736bfe"}"#), "{line}");
    assert_eq!(ask(&playing(&[binary], 0.0), asked).body, answered);
}

#[test]
fn a_bad_recording_is_refused_with_its_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("exchanges.jsonl");
    let good = String::from_utf8(streamed(RecordedEnding::Complete).line().unwrap()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replacen(from, to, 1)
    };
    for (bad, why) in [
        ("{".to_owned(), "EOF while parsing"),
        ("[]".to_owned(), "no recorded exchange"),
        (with("\"version\":1", "\"version\":2"), "version 2"),
        (with("\"path\"", "\"pfad\""), "pfad"),
        (with("/v1/messages", "/v1/files"), "POST /v1/files"),
        (
            with("\"request_headers\":[]", "\"request_headers\":[[\"x-api-key\",\"k\"]]"),
            "x-api-key",
        ),
        (with("\"status\":200", "\"status\":100"), "100 is no status"),
        (with("[0,11]", "[0,12]"), "23 bytes together, and the body has 22"),
        (with("\"request_body\":\"{}\"", "\"request_body\":{\"hex\":\"0g\"}"), "hexadecimal"),
    ] {
        std::fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
        let ended = command(&path, &[]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(6), "{said}");
        assert!(said.contains("exchanges.jsonl`, line 3: ") && said.contains(why), "{why}: {said}");
    }
    let ended = command(&folder.path().join("missing.jsonl"), &[]).output().unwrap();
    assert_eq!(ended.status.code(), Some(6));
    // What is played cannot fail otherwise.
    let ended = command(&path, &["--fault", "reset"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}
