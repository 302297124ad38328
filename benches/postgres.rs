//! Admissions a second through one Postgres, by eight clients at once, in one run: each call one
//! update of one row, as gateways do that keep a counter; the ledger with ample headroom, from
//! borrowed slices with their journals; and the ledger near a limit, where every admission is a
//! part of a transaction. The first is what the others are measured by.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reports and stops"
)]

use std::thread;
use std::time::{Duration, Instant};

use flyball::budget::{Ask, Books, Bound, Charge, Limits, OutputCap, ScopeId};
use flyball::id::AttemptId;
use flyball::ledger::{GroupCommit, LeaseDesk, LeaseTerms, PostgresLedger, verify};
use flyball::money::{Picodollars, Rate};

#[path = "../tests/ledger/postgres/server.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "the tests use more of it")]
mod server;

use server::{Database, Line, Server};

const CLIENTS: usize = 8;
/// How long each arm is measured.
const SPAN: Duration = Duration::from_secs(4);
/// The ledger takes much longer to learn of what is admitted in so long.
const LEASED_SPAN: Duration = Duration::from_millis(500);

fn charge(pico: i128) -> Charge {
    let usd = Picodollars::from_pico(pico);
    Charge { usd, billed_tokens: 1_000, output_tokens: 100, requests: 1 }
}

fn ask(attempt: &AttemptId, scope: ScopeId) -> Ask {
    Ask {
        attempt: attempt.clone(),
        scope,
        windows: Vec::new(),
        agent: None,
        order: 0,
        price: None,
        bound: Bound { fixed: charge(1_000_000), output_rate: Rate::from_pico_per_token(500) },
        cap: OutputCap { standing_tokens: 8_000, floor_tokens: 4_000 },
    }
}

/// Runs `work` on so many threads until `span` has passed; how often each second in all.
fn rate(threads: usize, span: Duration, work: impl Fn(usize, Instant) -> u64 + Sync) -> f64 {
    let begin = Instant::now();
    let until = begin + span;
    let done: u64 = thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread, until))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    done as f64 / begin.elapsed().as_secs_f64()
}

/// A counter in one row, raised if it stays below a cap.
fn one_row(database: &Database<'_>) -> f64 {
    database.sql(
        "CREATE TABLE counter (id INT PRIMARY KEY, taken BIGINT NOT NULL); \
         INSERT INTO counter VALUES (1, 0)",
    );
    let url = database.url();
    rate(CLIENTS, SPAN, |_, until| {
        let line = Line::open(&url);
        let mut admitted = 0;
        while Instant::now() < until {
            let cap = 1_u64 << 60;
            admitted += line.sql(&format!(
                "UPDATE counter SET taken = taken + 1 WHERE id = 1 AND taken + 1 <= {cap}"
            ));
        }
        admitted
    })
}

struct Client {
    desk: LeaseDesk,
    writer: thread::JoinHandle<PostgresLedger>,
    run: ScopeId,
    _journals: tempfile::TempDir,
}

fn clients(database: &Database<'_>, terms: LeaseTerms) -> Vec<Client> {
    let client = |_| {
        let ledger = PostgresLedger::open(&database.url(), jiff::Timestamp::now).unwrap();
        let (commit, writer) = GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap();
        let journals = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let desk =
            LeaseDesk::start(commit, journals.path(), terms, |what| panic!("{what}")).unwrap();
        let names = ["org", "project bench", "run 1"].map(str::to_owned).to_vec();
        let limit = Limits::usd(Picodollars::from_pico(1 << 60));
        let run = desk.commit().open(names, limit).unwrap();
        Client { desk, writer, run, _journals: journals }
    };
    (0..CLIENTS).map(client).collect()
}

/// Pairs of reserve and settle, each client with so many threads.
fn pairs(clients: &[Client], threads: usize, span: Duration) -> f64 {
    rate(CLIENTS * threads, span, |thread, until| {
        let Client { desk, run, .. } = clients.get(thread / threads).unwrap();
        let mut pairs = 0;
        while Instant::now() < until {
            let attempt = AttemptId::from(format!("{threads}/{thread}/{pairs}"));
            let ticket = desk.reserve(ask(&attempt, *run), None).unwrap().unwrap();
            desk.settle(&ticket, charge(600_000)).unwrap();
            pairs += 1;
        }
        pairs
    })
}

fn close(clients: Vec<Client>) {
    let begin = Instant::now();
    let mut ledgers: Vec<PostgresLedger> = clients
        .into_iter()
        .map(|client| {
            client.desk.close();
            client.writer.join().unwrap()
        })
        .collect();
    let learning = begin.elapsed().as_secs_f64();
    let verified = verify(&ledgers.remove(0)).unwrap();
    println!("    in the ledger {learning:.1} s later; verified {} entries", verified.entries);
}

fn main() {
    let server = Server::start("", &[]);
    let database = server.database();
    let rows = one_row(&database);
    println!("{CLIENTS} clients, one Postgres that makes every commit durable");
    println!("  one row update a call: {rows:.0} admissions a second");

    let database = server.database();
    let at_once = LeaseTerms { asks_min: 1, ..LeaseTerms::default() };
    let leased = clients(&database, at_once);
    let admitted = pairs(&leased, 1, LEASED_SPAN);
    println!("  ample headroom: {admitted:.0} admissions a second, {:.0} times", admitted / rows);
    close(leased);

    let database = server.database();
    let never = LeaseTerms { asks_min: u32::MAX, ..LeaseTerms::default() };
    let direct = clients(&database, never);
    for threads in [1, 16] {
        let admitted = pairs(&direct, threads, SPAN);
        println!(
            "  near a limit, {threads:>2} requests at once each: {admitted:.0} admissions a \
             second, {:.1} times",
            admitted / rows
        );
    }
    close(direct);
}
