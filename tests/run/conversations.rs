//! Agents over the Messages API, before servers that say exactly what a test wants said.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use flyball::agents::{MessagesBackend, MessagesSettings, Place};
use flyball::event::{RunEvent, RunReport, StopCause};
use flyball::id::CallId;
use flyball::money::Picodollars;
use flyball::ports::pace::NoPacer;
use flyball::ports::script::Outcome;
use flyball::run::{NoReplay, RunPorts, run};
use flyball::seed::Seed;
use http::HeaderMap;
use tokio::runtime::Runtime;

use super::fixture::{ByPhase, Case, OnReject, Waves};

/// A server that gives each connection the next of its answers; the requests that it heard.
fn server(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _gone = tell.send(request_from(&mut stream));
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, heard)
}

/// The body of one request, by its length.
fn request_from(stream: &mut TcpStream) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended early: {seen}");
        seen += &String::from_utf8_lossy(&buffer[..read]);
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.expect("a length").parse::<usize>().unwrap() {
            return body.to_owned();
        }
    }
}

fn reply(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Said\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

fn error(status: u16, headers: &str, kind: &str, message: &str) -> String {
    let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    reply(status, headers, &body)
}

/// An answer of `text` that took 100 tokens of prompt and so many of output.
fn answer(text: &str, output: u64, stop: &str) -> String {
    let events = [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":100,"output_tokens":1}}}"#
            .to_owned(),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#
            .to_owned(),
        r#"{"type":"ping"}"#.to_owned(),
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        ),
        r#"{"type":"content_block_stop","index":0}"#.to_owned(),
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{stop}"}},"usage":{{"output_tokens":{output}}}}}"#
        ),
        r#"{"type":"message_stop"}"#.to_owned(),
    ];
    let body = format!("data: {}\n\n", events.join("\n\ndata: "));
    reply(200, "content-type: text/event-stream\r\n", &body)
}

/// A run of one agent before `address`, and what its script was told.
fn one_agent(address: SocketAddr) -> (RunReport, Outcome) {
    let case = Case::new(Picodollars::from_usd(1), 1);
    let (report, mut script) = carried_out(case, address, &mut |_| {});
    (report, script.outcomes.remove(&CallId(1)).expect("an outcome"))
}

fn carried_out(
    case: Case<'_>,
    address: SocketAddr,
    on_event: &mut dyn FnMut(&RunEvent),
) -> (RunReport, Waves) {
    let runtime = Runtime::new().unwrap();
    let settings = MessagesSettings {
        uri: format!("http://{address}/run/r/v1/messages").parse().unwrap(),
        headers: HeaderMap::new(),
        pause: Duration::from_micros(10),
        seed: Seed::new(1),
        place: Place::default(),
    };
    let mut backend = MessagesBackend::new(settings, runtime.handle().clone());
    let mut script = Waves::new(&[1], OnReject::Swallow);
    let ports = RunPorts {
        execution: &mut script,
        backend: &mut backend,
        stages: &ByPhase(case.price),
        replay: &mut NoReplay,
        pacer: &mut NoPacer,
        stop: case.stop,
        keep: &mut |_, _| {},
        on_event,
    };
    let report = run(&case.setup, ports);
    (report, script)
}

#[test]
fn an_answer_is_settled_at_its_usage() {
    let (address, heard) = server(vec![answer("fine", 20, "end_turn")]);
    let (report, outcome) = one_agent(address);
    assert_eq!(outcome, Outcome::Text("fine".to_owned()));
    assert!(!report.simulated);
    assert_eq!((report.requests.sent, report.requests.shrunk), (1, 1));
    assert_eq!((report.tokens.fresh, report.tokens.output), (100, 20));
    // Haiku 4.5 at $1 and $5 per million tokens: 100 x $0.000001 + 20 x $0.000005 = $0.0002.
    assert_eq!(report.cost_usd.spent, Picodollars::from_pico(200_000_000));
    let body = heard.recv().unwrap();
    assert!(body.contains("\"max_tokens\":8000") && body.contains("do part 1"), "{body}");
}

#[test]
fn a_cut_answer_goes_on_where_it_was_cut() {
    let (address, heard) =
        server(vec![answer("one, ", 8_000, "max_tokens"), answer("two", 2, "end_turn")]);
    let (report, outcome) = one_agent(address);
    assert_eq!(outcome, Outcome::Text("one, two".to_owned()));
    assert_eq!((report.requests.sent, report.requests.cut), (2, 1));
    let _first = heard.recv().unwrap();
    let second: serde_json::Value = serde_json::from_str(&heard.recv().unwrap()).unwrap();
    assert_eq!(second["messages"][1]["content"][0]["text"], "one,");
    assert_eq!(second["messages"][2]["role"], "user");
}

#[test]
fn each_refusal_leads_where_it_should() {
    let soon = "retry-after: 0\r\n";
    let late = "retry-after: 3600\r\n";
    let never = "x-should-retry: false\r\n";
    let sent = "x-flyball-attempt: a\r\n";
    let both = format!("{sent}{soon}");
    // What is said first; then whether it is tried again, and what it is charged.
    for (name, refusal, again, lost) in [
        ("overloaded", error(529, &both, "overloaded_error", "busy"), true, 0),
        ("too many", error(429, soon, "rate_limit_error", "slow down"), true, 0),
        ("too many for long", error(429, late, "rate_limit_error", "an hour"), false, 0),
        ("not again", error(500, never, "api_error", "broken"), false, 1),
        ("no sense", error(400, sent, "invalid_request_error", "what"), false, 0),
        ("no ledger", error(503, soon, "api_error", "flyball: no ledger"), true, 0),
        (
            "never left",
            error(502, "", "api_error", "flyball: the upstream cannot be reached: refused"),
            true,
            0,
        ),
        ("broke", error(502, "", "api_error", "flyball: the upstream broke off: eof"), true, 1),
        ("late", error(504, "", "timeout_error", "flyball: not in time"), true, 1),
        ("a proxy", reply(502, sent, "<html>"), true, 1),
        ("nothing at all", String::new(), true, 1),
    ] {
        let (address, _heard) = server(vec![refusal, answer("fine", 20, "end_turn")]);
        let (report, outcome) = one_agent(address);
        let expected = if again { Outcome::Text("fine".to_owned()) } else { Outcome::Null };
        assert_eq!(outcome, expected, "{name}");
        assert_eq!(report.requests.expired, lost, "{name}");
        assert_eq!(report.requests.released, 1 - lost, "{name}");
        assert_eq!(report.agents.failed, u32::from(!again), "{name}");
        assert!(report.cost_usd.reserved.is_zero(), "{name}");
    }
}

#[test]
fn a_budget_that_only_the_gateway_holds_denies_an_agent() {
    let headers = "x-should-retry: false\r\nretry-after: 3600\r\n";
    let message = "flyball: spend limit reached (day)";
    let (address, _heard) = server(vec![error(429, headers, "billing_error", message)]);
    let (report, outcome) = one_agent(address);
    assert_eq!(outcome, Outcome::Null);
    assert_eq!((report.agents.denied, report.agents.failed), (1, 0));
    assert!(report.lost.agents[0].message.contains("spend limit reached"), "{:?}", report.lost);
    assert!(report.cost_usd.spent.is_zero());
}

#[test]
fn an_upstream_that_is_not_there_is_tried_and_given_up() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (report, outcome) = one_agent(closed);
    assert_eq!(outcome, Outcome::Null);
    // Eight more tries after the first one, and none was charged.
    assert_eq!((report.requests.released, report.requests.expired), (9, 0));
    assert!(report.lost.agents[0].message.contains("cannot be reached"), "{:?}", report.lost);
    assert!(report.cost_usd.spent.is_zero());
}

#[test]
fn answers_that_make_no_sense_are_charged_in_full_and_given_up_after_three() {
    for nonsense in [
        reply(200, "", "data: {\"type\":\n\n"),
        reply(200, "", "data: {\"type\":\"message_stop\"}\n\n"),
        reply(200, "", "data: {\"type\":\"error\",\"error\":{\"message\":\"overloaded\"}}\n\n"),
        reply(200, "", ""),
    ] {
        let (address, _heard) = server(vec![nonsense.clone(); 3]);
        let (report, _) = one_agent(address);
        // An answer without a count is an answer all the same.
        let lost = if nonsense.contains("message_stop") { 1 } else { 3 };
        assert_eq!((report.requests.expired, report.requests.released), (lost, 0), "{nonsense}");
        assert!(!report.cost_usd.spent.is_zero(), "{nonsense}");
    }
}

#[test]
fn a_run_that_is_left_at_once_charges_what_is_on_its_way_in_full() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It takes the request, and never answers.
    let held = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request_from(&mut stream);
        stream
    });
    let pressed = AtomicU8::new(0);
    let mut case = Case::new(Picodollars::from_usd(1), 1);
    case.stop = &pressed;
    let (report, _) = carried_out(case, address, &mut |event| {
        if matches!(event, RunEvent::RequestReserved { .. }) {
            pressed.store(2, Ordering::Relaxed);
        }
    });
    assert_eq!(report.stopped_by, Some(StopCause::Signal));
    assert_eq!(report.requests.expired, 1);
    assert!(!report.cost_usd.spent.is_zero() && report.cost_usd.reserved.is_zero());
    drop(held.join());
}
