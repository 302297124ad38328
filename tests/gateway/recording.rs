//! What a gateway records, and that it is the same again when it is played.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use flyball::messages::{
    RECORDED_ANSWER_BYTES_MAX, RecordedEnding, RecordedExchange, read_recording,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::client::{End, Response};
use crate::upstream::replay::Simulator;
use crate::upstream::stand::Stand as Upstream;

/// A file to record in.
struct Recording(TempDir);

impl Recording {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("exchanges.jsonl")
    }

    fn flag(&self) -> String {
        format!("--record={}", self.path().display())
    }

    fn exchanges(&self) -> Vec<RecordedExchange> {
        read_recording(&fs::read_to_string(self.path()).unwrap()).unwrap()
    }
}

/// What every request is sent with; no secret may be kept.
const HEADERS: [(&str, &str); 8] = [
    ("content-type", "application/json"),
    ("anthropic-version", "2023-06-01"),
    ("x-claude-code-session-id", "s1"),
    ("x-claude-code-oauth-token", "secret-0"),
    ("x-api-key", "secret-1"),
    ("authorization", "Bearer secret-2"),
    ("cookie", "session=secret-3"),
    ("proxy-authorization", "Basic secret-4"),
];

/// A plain, a streamed, two refused ones and one that breaks, each with the fault it meets.
fn requests() -> Vec<(Value, Option<&'static str>)> {
    vec![
        (request("plain", 900), None),
        (streaming("streamed", 900), None),
        (request("again", 900), Some("status-429")),
        (streaming("again", 900), Some("status-529")),
        (streaming("again", 900), None),
        (streaming("broken", 900), Some("reset")),
    ]
}

fn ask(gateway: &Gateway, body: &Value, fault: Option<&str>) -> Response {
    let mut headers = HEADERS.to_vec();
    headers.extend(fault.map(|fault| ("x-simulate-fault", fault)));
    gateway.ask(body, &headers)
}

fn assert_same(recorded: &Response, replayed: &Response) {
    assert_eq!((replayed.status, replayed.end), (recorded.status, recorded.end));
    assert_eq!(replayed.text(), recorded.text());
    for name in ["content-type", "content-length", "request-id", "retry-after", "x-should-retry"] {
        assert_eq!(replayed.header(name), recorded.header(name), "{name}");
    }
}

#[test]
fn what_was_recorded_plays_the_same() {
    let (books, upstream, recording) = (Books::new(), Upstream::new(), Recording::new());
    let gateway = Gateway::start(&books, &upstream, &[&recording.flag()]);
    let warning = gateway.wait_for("are being written");
    assert!(warning.contains("exchanges.jsonl"), "{warning}");
    let recorded: Vec<Response> =
        requests().iter().map(|(body, fault)| ask(&gateway, body, *fault)).collect();
    assert_eq!(gateway.stop().code, Some(0));
    let statuses: Vec<u16> = recorded.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 200, 429, 529, 200, 200]);
    assert_eq!(recorded.last().unwrap().end, End::Closed);
    drop(upstream);

    let simulator = Simulator::replaying(&recording.path());
    let again = Books::new();
    let gateway = Gateway::before(&again, simulator.address(), &[]);
    for ((body, _), recorded) in requests().iter().zip(&recorded) {
        assert_same(recorded, &ask(&gateway, body, None));
    }
    let unknown = gateway.ask(&request("never asked", 900), &HEADERS);
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("not in the recording"), "{}", unknown.text());
    gateway.stop();
    again.assert_all_settled();
    assert!(!books.spent().is_zero());
    assert_eq!(again.spent(), books.spent());
    let kinds = again.kinds();
    assert_eq!(
        kinds.strip_suffix(&["reserve".to_owned(), "settle".to_owned()]),
        Some(&*books.kinds())
    );
}

#[test]
fn a_recording_holds_what_passed_and_no_key() {
    let (books, upstream, recording) = (Books::new(), Upstream::new(), Recording::new());
    let gateway = Gateway::start(&books, &upstream, &[&recording.flag(), "--output-cap", "8000"]);
    let ask = |(mut body, fault): (Value, Option<&str>)| {
        body["max_tokens"] = json!(9_000);
        ask(&gateway, &body, fault)
    };
    let recorded: Vec<Response> = requests().into_iter().map(ask).collect();
    gateway.stop();
    let text = fs::read_to_string(recording.path()).unwrap();
    for secret in ["secret", "sk-of-the-team", "x-api-key", "authorization", "cookie"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let exchanges = recording.exchanges();
    assert_eq!(exchanges.len(), recorded.len());
    for (exchange, response) in exchanges.iter().zip(&recorded) {
        assert_eq!(exchange.path, "/v1/messages?beta=true");
        let names: Vec<&str> = exchange.request_headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["content-type", "anthropic-version", "x-claude-code-session-id"]);
        let body: Value = serde_json::from_slice(&exchange.request_body.0).unwrap();
        assert_eq!(body["max_tokens"], 8_000, "the body as it was sent");
        let answer = exchange.answer.as_ref().unwrap();
        assert_eq!(answer.status, response.status);
        assert_eq!(answer.body.0, response.body);
        assert!(!answer.truncated);
    }
    let endings: Vec<RecordedEnding> = exchanges.iter().map(|exchange| exchange.ending).collect();
    let complete = RecordedEnding::Complete;
    let broke = RecordedEnding::BrokeOff;
    assert_eq!(endings, [complete, complete, complete, complete, complete, broke]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(recording.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_answer_is_recorded_to_its_end_though_its_client_has_gone() {
    let (books, upstream, recording) = (Books::new(), Upstream::new(), Recording::new());
    let gateway = Gateway::start(&books, &upstream, &[&recording.flag()]);
    let mut sent = gateway.send(&streaming("x", 900), &[("x-simulate-fault", "drip")]);
    sent.read_some(300);
    drop(sent);
    // Drained, or complete where it was all on its way before.
    gateway.wait_for(" 200 ");
    gateway.stop();
    let exchanges = recording.exchanges();
    let [exchange] = &*exchanges else { panic!("{exchanges:?}") };
    assert_eq!(exchange.ending, RecordedEnding::Complete);
    let answer = exchange.answer.as_ref().unwrap();
    assert!(answer.body.0.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
    assert!(answer.pieces.len() > 10, "it dripped: {}", answer.pieces.len());
}

#[test]
fn an_answer_that_nobody_reads_on_is_recorded_as_far_as_it_came() {
    let (books, upstream, recording) = (Books::new(), Upstream::new(), Recording::new());
    let flags = [&*recording.flag(), "--guarantee", "metered"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let mut sent = gateway.send(&streaming("x", 900), &[("x-simulate-fault", "stall")]);
    sent.read_some(300);
    drop(sent);
    gateway.wait_for("client_gone 200");
    gateway.stop();
    let exchanges = recording.exchanges();
    let [exchange] = &*exchanges else { panic!("{exchanges:?}") };
    assert_eq!(exchange.ending, RecordedEnding::ClientGone);
    let answer = exchange.answer.as_ref().unwrap();
    assert!(answer.body.0.starts_with(b"event: message_start\n"));
    assert!(!answer.truncated, "it was not too long");
}

#[test]
fn what_never_left_is_not_recorded() {
    let (books, recording) = (Books::new(), Recording::new());
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::before(&books, nobody, &[&recording.flag()]);
    assert_eq!(gateway.ask(&request("x", 900), &[]).status, 502);
    gateway.stop();
    assert!(recording.exchanges().is_empty());
}

#[test]
fn a_recording_is_appended_to() {
    let (books, upstream, recording) = (Books::new(), Upstream::new(), Recording::new());
    // Of a gateway that was killed.
    let torn = "{\"version\":1,\"meth";
    fs::write(recording.path(), torn).unwrap();
    for text in ["one", "two"] {
        let gateway = Gateway::start(&books, &upstream, &[&recording.flag()]);
        assert_eq!(gateway.ask(&request(text, 900), &[]).status, 200);
        gateway.stop();
    }
    let text = fs::read_to_string(recording.path()).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, torn);
    assert_eq!(read_recording(rest).unwrap().len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_recording_that_cannot_be_written_is_said_once() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--record", "/dev/full"]);
    for text in ["one", "two", "three"] {
        assert_eq!(gateway.ask(&request(text, 900), &[]).status, 200);
    }
    let ended = gateway.stop();
    assert_eq!(ended.code, Some(0));
    let said = ended.log.iter().filter(|line| line.contains("not everything is recorded")).count();
    assert_eq!(said, 1, "{:?}", ended.log);
    books.assert_all_settled();
}

#[test]
fn a_file_that_cannot_be_opened_is_refused_at_once() {
    let (code, said) = Books::new().fails(&["gateway", "--record", "no/such/folder/x.jsonl"]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("cannot record in `no/such/folder/x.jsonl`"), "{said}");
}

/// Answers one request with so many bytes.
fn answering(bytes: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}]}") {
            let mut buffer = [0; 4_096];
            let more = stream.read(&mut buffer).unwrap();
            seen.extend(&buffer[..more]);
        }
        let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; bytes]).unwrap();
    });
    (address, answering)
}

#[test]
fn an_answer_beyond_the_limit_is_recorded_as_truncated() {
    let (books, recording) = (Books::new(), Recording::new());
    let bytes = RECORDED_ANSWER_BYTES_MAX + 100_000;
    let (address, answering) = answering(bytes);
    let gateway = Gateway::before(&books, address, &[&recording.flag()]);
    let answer = gateway.ask(&request("x", 900), &[]);
    answering.join().unwrap();
    gateway.stop();
    assert_eq!((answer.status, answer.body.len()), (400, bytes));
    let exchanges = recording.exchanges();
    let recorded = exchanges[0].answer.as_ref().unwrap();
    assert!(recorded.truncated);
    assert_eq!(recorded.body.0.len(), RECORDED_ANSWER_BYTES_MAX);
    assert_eq!(exchanges[0].ending, RecordedEnding::Complete);
}
