//! Several gateways on one ledger: they pass no limit together that one would not pass alone.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use flyball::ledger::{Holding, holdings};
use flyball::money::Picodollars;
use flyball::upstream::Pace;

use super::race::{Race, greedy_upstream, settled_up};
use super::stand::{Books, Gateway, PATIENCE, ask, request, streaming};
use crate::ledger::postgres::server::{is_wanted, shared};
use crate::upstream::client::Response;
use crate::upstream::stand::Stand as Upstream;

fn usd(text: &str) -> Picodollars {
    text.parse().unwrap()
}

fn fleet(books: &Books, upstream: &Upstream, flags: &[&str]) -> Vec<Gateway> {
    (0..3).map(|_| Gateway::start(books, upstream, flags)).collect()
}

/// 256 clients race for a dollar, over three gateways on `books`.
fn race_for_a_dollar(books: &Books) {
    let upstream = greedy_upstream(Pace::default());
    books.run(&["budget", "set", "org", "1usd"]);
    let gateways = fleet(books, &upstream, &["--quiet", "--max-hold", "60"]);
    let race = Race { clients: 256, turns: 6, sessions: 7, max_tokens: [2_000, 5_000] };
    let finish = race.run(&gateways);
    let billed = settled_up(gateways, books, &upstream);
    assert!(billed <= usd("1"), "the upstream billed {billed}");
    assert!(finish.served > 30 && finish.exhausted > 0, "{finish:?}");
    // The least bound here is that of the shorter answer: 1.1k of prompt and 2k of answer.
    let left = usd("1") - billed;
    assert!(left < usd("0.012"), "{left} was left");
}

#[test]
fn three_gateways_on_one_file_never_pass_a_cap_that_the_upstream_fills() {
    race_for_a_dollar(&Books::new());
}

/// Haiku 4.5: an answer of 8,000 tokens is bounded by $0.04.
#[test]
fn what_a_killed_gateway_holds_is_named_to_whom_it_is_missing() {
    let (books, upstream) = (Books::new(), greedy_upstream(Pace::default()));
    books.run(&["budget", "set", "org", "0.05usd"]);
    let flags = ["--quiet", "--max-hold", "0"];
    let doomed = Gateway::start(&books, &upstream, &flags);
    let other = Gateway::start(&books, &upstream, &flags);
    let mut stalled = doomed.send(&streaming("x", 8_000), &[("x-simulate-fault", "stall")]);
    stalled.read_some(300);
    // It may cost less yet, for as long as somebody waits for it.
    let busy = other.ask(&request("x", 8_000), &[]);
    assert_eq!((busy.status, busy.header("x-should-retry")), (429, None), "{}", busy.text());
    assert!(!busy.text().contains("reconcile"), "{}", busy.text());
    doomed.kill();
    let began = Instant::now();
    let refused = loop {
        let refused = other.ask(&request("x", 8_000), &[]);
        assert!(refused.status == 429 && began.elapsed() < PATIENCE, "{}", refused.text());
        if refused.header("x-should-retry").is_some() {
            break refused;
        }
    };
    assert_eq!(refused.header("x-should-retry").as_deref(), Some("false"));
    let text = refused.text();
    for words in ["of it is held by a process that has ended (", "flyball ledger reconcile"] {
        assert!(text.contains(words), "{text}");
    }
    let shown = books.run(&["budget", "show"]);
    assert!(shown.contains("processes that have ended still hold $0.04: "), "{shown}");
    books.run(&["ledger", "reconcile", "--as", "unsent", "--reason", "nobody got it"]);
    assert!(!books.run(&["budget", "show"]).contains("have ended"));
    assert_eq!(other.ask(&request("x", 8_000), &[]).status, 200);
    assert_eq!(other.stop().code, Some(0));
}

/// Books that a gateway has died on with $0.04 in flight, and a gateway that lives.
fn with_a_dead_one(limit: &str, hold: &str) -> (Books, Upstream, Gateway) {
    let (books, upstream) = (Books::new(), greedy_upstream(Pace::default()));
    books.run(&["budget", "set", "org", limit]);
    let flags = ["--quiet", "--max-hold", hold];
    let doomed = Gateway::start(&books, &upstream, &flags);
    let other = Gateway::start(&books, &upstream, &flags);
    let mut stalled = doomed.send(&streaming("x", 8_000), &[("x-simulate-fault", "stall")]);
    stalled.read_some(300);
    doomed.kill();
    (books, upstream, other)
}

#[test]
fn what_was_reconciled_is_not_counted_as_held_too() {
    let (books, _upstream, other) = with_a_dead_one("0.09usd", "0");
    let mut living = other.send(&streaming("x", 6_000), &[("x-simulate-fault", "stall")]);
    living.read_some(300);
    let busy = |answer: &Response| {
        assert_eq!((answer.status, answer.header("x-should-retry")), (429, None));
    };
    busy(&other.ask(&request("x", 8_000), &[]));
    books.run(&["ledger", "reconcile", "--as", "spent", "--reason", "nobody knows"]);
    busy(&other.ask(&request("x", 8_000), &[]));
}

#[test]
fn who_is_refused_after_a_wait_is_refused_by_what_is_so_then() {
    let (books, _upstream, other) = with_a_dead_one("0.06usd", "2");
    let mut living = other.send(&streaming("x", 2_000), &[("x-simulate-fault", "stall")]);
    living.read_some(300);
    let address = other.address();
    let asked = thread::spawn(move || ask(address, &request("x", 8_000), &[]));
    while !other.raw("GET /metrics", None).text().contains("flyball_requests_waiting 1") {}
    // Enough for the least that it needs, and not for what it asks for.
    books.run(&["budget", "set", "org", "0.07usd"]);
    let answer = asked.join().unwrap();
    assert_eq!((answer.status, answer.header("x-should-retry")), (429, None), "{}", answer.text());
}

#[test]
fn nobody_waits_for_what_a_killed_gateway_holds() {
    let (books, _upstream, other) = with_a_dead_one("0.05usd", "240");
    let refused = other.ask(&request("x", 8_000), &[]);
    let retry = refused.header("x-should-retry");
    assert_eq!((refused.status, retry.as_deref()), (429, Some("false")), "{}", refused.text());
    assert!(refused.text().contains("flyball ledger reconcile"), "{}", refused.text());
    // Enough for the least that it needs beside the dead, and not for what it asks for.
    books.run(&["budget", "set", "org", "0.07usd"]);
    let shorter = other.ask(&request("x", 8_000), &[]);
    assert_eq!(shorter.status, 200, "{}", shorter.text());
    let tokens = shorter.json()["usage"]["output_tokens"].as_u64().unwrap();
    assert!((4_000..6_000).contains(&tokens), "{tokens}");
    assert_eq!(other.stop().code, Some(0));
}

/// Looks `looks` times at what is held while a gateway reserves and settles.
fn nobody_is_dead(books: &Books, looks: usize) {
    let upstream = Upstream::new();
    books.run(&["budget", "set", "org", "5usd"]);
    let gateway = Gateway::start(books, &upstream, &["--quiet"]);
    let address = gateway.address();
    let ends = AtomicBool::new(false);
    let dead = thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                let body = request("@simulate {\"output_tokens\": 1}", 50);
                assert_eq!(ask(address, &body, &[]).status, 200);
            }
        });
        let ledger = books.ledger();
        let look = || holdings(&*ledger).unwrap().into_iter().find(Holding::is_dead);
        let dead = (0..looks).find_map(|_| look());
        ends.store(true, Ordering::Relaxed);
        dead
    });
    assert_eq!(dead, None);
}

#[test]
fn who_lives_is_never_taken_for_dead() {
    nobody_is_dead(&Books::new(), 20_000);
    if is_wanted() {
        nobody_is_dead(&Books::at(shared().database().url()), 300);
    }
}

#[test]
fn what_was_drawn_for_a_client_that_goes_away_comes_back() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "org", "500usd"]);
    let gateway = Gateway::start(&books, &upstream, &["--quiet"]);
    let address = gateway.address();
    let body = request("@simulate {\"output_tokens\": 1}", 50).to_string();
    let hang_up = |session: usize, turns: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-claude-code-session-id:";
        let length = body.len();
        write!(stream, "{head} s{session}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        (0..turns).for_each(|_| thread::yield_now());
    };
    let began = Instant::now();
    thread::scope(|scope| {
        for client in 0..24 {
            let hang_up = &hang_up;
            // Slices are borrowed again and again, for a new session each time.
            let ask = move |n: usize| hang_up(client % 4 + n / 60 * 4, (client + n) * 7_919 % 700);
            // Where others keep the machine busy, fewer do.
            let may = move |_: &usize| began.elapsed() < PATIENCE;
            scope.spawn(move || (0..600).take_while(may).for_each(ask));
        }
    });
    assert_eq!(gateway.stop().code, Some(0));
    books.assert_all_settled();
}

#[test]
fn three_gateways_on_one_postgres_never_pass_a_cap_that_the_upstream_fills() {
    if is_wanted() {
        let database = shared().database();
        race_for_a_dollar(&Books::at(database.url()));
    }
}

/// Haiku 4.5: a request for 10 tokens is bounded by $0.0014, so that $5 have room for slices.
#[test]
fn what_a_killed_gateway_took_of_a_postgres_is_spent_until_it_is_reconciled() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let (books, upstream) = (Books::at(database.url()), greedy_upstream(Pace::default()));
    books.run(&["budget", "set", "org", "5usd"]);
    let mut gateways = fleet(&books, &upstream, &["--quiet", "--max-hold", "0"]);
    let doomed = gateways.remove(0);
    let began = Instant::now();
    while books.ledger().leases().unwrap().is_empty() {
        assert_eq!(doomed.ask(&request("x", 10), &[]).status, 200);
        assert!(began.elapsed() < PATIENCE, "it never borrows a slice");
    }
    let mut stalled = doomed.send(&streaming("x", 5_000), &[("x-simulate-fault", "stall")]);
    stalled.read_some(300);
    doomed.kill();
    let race = Race { clients: 32, turns: 12, sessions: 3, max_tokens: [4_000, 5_000] };
    let finish = race.run(&gateways);
    // Who still holds something may not have spent it, so nobody is refused for good.
    assert!(finish.busy > 0 && finish.exhausted == 0, "{finish:?}");
    let org = books.org();
    let slice = org.leased.usd;
    assert!(!slice.is_zero() && org.settled.usd + org.reserved.usd + slice <= usd("5"), "{org:?}");
    // Nothing of it comes free before its process was silent for a minute.
    let reconcile = ["ledger", "reconcile", "--as", "spent", "--reason", "killed by the test"];
    assert_eq!(books.run(&reconcile), "nothing is held by the dead\n");
    assert_eq!(database.sql(A_MINUTE_AGO), 1);
    let reconciled = books.run(&reconcile);
    assert!(reconciled.contains("1 slice back"), "{reconciled}");
    // What came free is spent, and then nothing is left for anybody.
    assert_eq!(gateways[0].ask(&request("x", 5_000), &[]).status, 200);
    let began = Instant::now();
    loop {
        // The other may still hold what it has not written down as spent.
        let answer = gateways[1].ask(&request("x", 5_000), &[]);
        if answer.header("x-should-retry").as_deref() == Some("false") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{}", answer.text());
    }
    for gateway in gateways {
        assert_eq!(gateway.stop().code, Some(0));
    }
    books.assert_all_settled();
    let (billed, spent) = (upstream.bill().usd, books.spent());
    assert!(billed <= spent && spent <= usd("5"), "{billed} billed, {spent} charged");
    books.run(&["ledger", "verify"]);
}

/// As if whoever is silent had been so for a minute.
const A_MINUTE_AGO: &str = "UPDATE flyball.owners \
    SET silent_since_milliseconds = silent_since_milliseconds - 60000 \
    WHERE silent_since_milliseconds IS NOT NULL";
