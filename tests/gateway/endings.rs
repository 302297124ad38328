//! Every way in which a request can end, and what it is charged.

use std::net::TcpListener;

use rustix::process::Signal;

use super::canned::Canned;
use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::client::End;
use crate::upstream::stand::Stand as Upstream;

/// What the ledger says after one request with this fault.
fn ledger_after(fault: &str) -> (Books, Upstream, Vec<String>) {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let answer = gateway.ask(&streaming("x", 900), &[("x-simulate-fault", fault)]);
    assert!(answer.status == 200 || answer.status == 502, "{fault}: {}", answer.status);
    let ended = gateway.stop();
    assert_eq!(ended.code, Some(0), "{fault}");
    books.assert_all_settled();
    // What it says that it charged is what the ledger has.
    let charged = format!("charged {}\n", books.spent());
    assert!(ended.stdout.contains(&charged), "{fault}: {charged}{}", ended.stdout);
    (books, upstream, ended.log)
}

#[test]
fn an_answer_that_breaks_off_takes_its_full_reservation() {
    for fault in ["error-mid-stream", "reset", "truncate", "close-early", "no-usage"] {
        let (books, upstream, log) = ledger_after(fault);
        assert_eq!(books.kinds().last().map(String::as_str), Some("expire"), "{fault}: {log:?}");
        assert!(books.spent() >= upstream.bill().usd, "{fault}");
        assert!(!books.spent().is_zero(), "{fault}");
    }
}

#[test]
fn what_came_before_an_answer_broke_off_reaches_the_client() {
    let event = format!("event: ping\ndata: {{\"pad\":\"{}\"}}\n\n", "x".repeat(3_000));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
    let (books, length) = (Books::new(), event.len());
    let upstream = Canned::new(vec![format!("{head}\r\n\r\n{length:x}\r\n{event}\r\n")]);
    let gateway = Gateway::before(&books, upstream.address(), &[]);
    let answer = gateway.ask(&streaming("x", 900), &[]);
    assert_eq!((answer.status, answer.end), (200, End::Closed));
    assert_eq!(answer.text(), event);
    gateway.stop();
    assert_eq!(books.kinds(), ["reserve", "expire"]);
}

#[test]
fn an_answer_is_metered_however_it_comes() {
    // Small pieces, and an event that no bill depends on and nobody can read.
    for fault in ["drip", "bad-sse"] {
        let (books, upstream, _) = ledger_after(fault);
        assert_eq!(books.kinds(), ["reserve", "shrink", "settle"], "{fault}");
        assert_eq!(books.spent(), upstream.bill().usd, "{fault}");
    }
}

#[test]
fn a_count_above_its_bound_is_an_overrun_and_no_secret() {
    let (books, upstream, log) = ledger_after("usage-over");
    assert!(books.kinds().contains(&"overrun".to_owned()), "{:?}", books.kinds());
    assert_eq!(books.spent(), upstream.bill().usd);
    assert!(log.iter().any(|line| line.contains("broke a promise")), "{log:?}");
}

#[test]
fn counts_that_disagree_are_charged_by_the_larger() {
    let (books, upstream, log) = ledger_after("usage-disagree");
    assert!(books.spent() >= upstream.bill().usd);
    assert!(log.iter().any(|line| line.contains("disagree")), "{log:?}");
}

#[test]
fn whoever_goes_away_is_charged_what_the_answer_took() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut sent = gateway.send(&streaming("x", 900), &[("x-simulate-fault", "drip")]);
    sent.read_some(300);
    drop(sent);
    // A short answer can have been on its way as a whole before anybody went.
    let line = gateway.wait_for(" 200 ");
    assert!(line.starts_with("drained") || line.starts_with("complete"), "{line}");
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
    books.assert_all_settled();
}

#[test]
fn what_never_left_costs_nothing() {
    let books = Books::new();
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::before(&books, nobody, &[]);
    let answer = gateway.ask(&request("x", 900), &[]);
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("cannot be reached"), "{}", answer.text());
    gateway.stop();
    assert_eq!(books.kinds(), ["reserve", "release"]);
    assert!(books.spent().is_zero());
}

#[test]
fn a_gateway_that_is_told_to_end_lets_requests_end_first() {
    // The last comes of a terminal that is closed.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        ends_after_its_requests(signal);
    }
}

#[test]
fn a_gateway_that_is_to_outlive_its_terminal_does() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::nohup(&books, &upstream);
    gateway.signal(Signal::HUP);
    assert_eq!(gateway.ask(&request("x", 900), &[]).status, 200);
    assert_eq!(gateway.stop().code, Some(0));
}

fn ends_after_its_requests(signal: Signal) {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut sent = gateway.send(&streaming("x", 900), &[("x-simulate-fault", "drip")]);
    sent.read_some(200);
    let receiving = std::thread::spawn(move || sent.receive_rest());
    let ended = gateway.stop_with(signal);
    assert_eq!(ended.code, Some(0), "{signal:?}");
    assert_eq!(receiving.join().unwrap(), End::Whole, "{signal:?}");
    assert_eq!(books.spent(), upstream.bill().usd);
    books.assert_all_settled();
}

#[test]
fn what_a_killed_gateway_held_is_held_until_it_is_reconciled() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut sent = gateway.send(&streaming("x", 900), &[("x-simulate-fault", "stall")]);
    sent.read_some(300);
    gateway.kill();
    assert!(!books.org().reserved.is_zero());
    let shown =
        books.run(&["ledger", "reconcile", "--as", "spent", "--reason", "killed by the test"]);
    assert!(!shown.is_empty());
    books.assert_all_settled();
    assert!(books.spent() >= upstream.bill().usd);
}
