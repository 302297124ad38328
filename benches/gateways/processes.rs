//! Gateways that are processes, on one ledger, before an upstream that writes as much as it may: how
//! much of a cap is billed, and what their clients see.

use std::ops::ControlFlow;

use flyball::money::Picodollars;
use flyball::upstream::Pace;

use super::race::{Race, greedy_upstream, settled_up};
use super::server::{Server, installed};
use super::stand::{Books, Gateway};
use super::{PROCESSES, basis_points, percent};

const CONNECTIONS: usize = 256;
/// Shorter than a client here waits for a byte; who waited for so long asks again.
const HOLD_MAX_SECONDS: &str = "15";

struct Setting {
    what: &'static str,
    cap_usd: i64,
    sessions: usize,
    max_tokens: [u64; 2],
    /// How long answers take, as `simulate-upstream --pace` has it.
    pace: f64,
}

const SETTINGS: [Setting; 2] = [
    Setting {
        what: "answers of 2,000 and 5,000 tokens, each request asks the ledger",
        cap_usd: 25,
        sessions: 7,
        max_tokens: [2_000, 5_000],
        pace: 0.02,
    },
    Setting {
        what: "answers of 100 tokens, admitted from slices until the cap is near",
        cap_usd: 10,
        sessions: 1,
        max_tokens: [100, 100],
        pace: 0.0,
    },
];

pub(crate) fn race_on_each_ledger() {
    let server = installed().map(|_| Server::start("", &[]));
    for setting in &SETTINGS {
        println!(
            "\n{CONNECTIONS} connections over {PROCESSES} processes, cap ${}.00,",
            setting.cap_usd
        );
        println!("{}", setting.what);
        println!(
            "{:<18}{:>8}{:>8}{:>7}{:>8}{:>8}{:>10}{:>6}{:>5}",
            "", "over $", "left $", "used %", "served", "slices", "exhausted", "busy", "s"
        );
        row("SQLite", &Books::new(), setting);
        match &server {
            Some(server) => {
                let database = server.database();
                row("Postgres", &Books::at(database.url()), setting);
            }
            None => println!("Postgres          missing: there is none here to start"),
        }
    }
}

fn row(name: &str, books: &Books, setting: &Setting) {
    let Setting { cap_usd, sessions, max_tokens, pace, .. } = *setting;
    let upstream = greedy_upstream(Pace::from_factor(pace).unwrap());
    books.run(&["budget", "set", "org", &format!("{cap_usd}usd")]);
    let flags = ["--quiet", "--max-hold", HOLD_MAX_SECONDS];
    let gateways: Vec<Gateway> =
        (0..PROCESSES).map(|_| Gateway::start(books, &upstream, &flags)).collect();
    let race = Race { clients: CONNECTIONS, turns: usize::MAX, sessions, max_tokens };
    let finish = race.run(&gateways);
    let billed = settled_up(gateways, books, &upstream);
    let cap = Picodollars::from_usd(cap_usd);
    println!(
        "{name:<18}{:>8}{:>8}{:>7}{:>8}{:>8}{:>10}{:>6}{:>5}",
        billed.saturating_sub_at_zero(cap).to_rounded(4),
        cap.saturating_sub_at_zero(billed).to_rounded(4),
        percent(basis_points(billed.min(cap), cap)),
        finish.served,
        slices_lent(books),
        finish.exhausted,
        finish.busy,
        finish.took.as_secs(),
    );
}

/// How many slices processes borrowed.
fn slices_lent(books: &Books) -> usize {
    let mut lent = 0;
    let read = books.ledger().stream(&mut |entry| {
        lent += usize::from(entry.kind.name() == "lease");
        ControlFlow::Continue(())
    });
    read.unwrap();
    lent
}
