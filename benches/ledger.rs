//! Durable admission: pairs of reserve and settle per second through the group commit, on SQLite
//! with every batch on the disk before it is acknowledged, against how often the same disk makes one
//! small write durable in the same run. The ratio says what the batches win. Then the same from
//! borrowed slices with their journals, and how fast the ledger takes them down afterwards.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reports and stops"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flyball::budget::{Ask, Books, Bound, Charge, Limits, OutputCap, ScopeId};
use flyball::id::AttemptId;
use flyball::ledger::{GroupCommit, LeaseDesk, LeaseTerms, ReadLedger, SqliteLedger, verify};
use flyball::money::{Picodollars, Rate};

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

/// Durable writes of one page per second.
fn syncs_per_second(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("sync")).unwrap();
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < SPAN / 2 {
        file.write_all(&[7; 4_096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

/// Pairs per second of so many threads, each with a scope of its own under one run.
fn pairs_per_second(folder: &Path, threads: usize) -> f64 {
    let path = folder.join(format!("ledger-{threads}.db"));
    let ledger = SqliteLedger::open(&path, jiff::Timestamp::now).unwrap();
    let (desk, writer) = GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap();
    let names = |thread: usize| {
        ["org", "project bench", "run 1", "phase 1"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("agent {thread}")])
            .collect()
    };
    // Names of attempts are made here and grow, as those of a gateway do.
    let sent = AtomicU64::new(0);
    let begin = Instant::now();
    let pairs: u64 = thread::scope(|scope| {
        let work = |thread: usize| {
            let (desk, sent) = (desk.clone(), &sent);
            let own = desk.open(names(thread), Limits::NONE).unwrap();
            move || {
                let mut pairs = 0;
                while begin.elapsed() < SPAN {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let attempt = AttemptId::from(format!("1/{number:09}"));
                    desk.reserve(ask(&attempt, own), None).unwrap().unwrap();
                    desk.settle(attempt, charge(600_000)).unwrap();
                    pairs += 1;
                }
                pairs
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    let seconds = begin.elapsed().as_secs_f64();
    drop(desk);
    let ledger = writer.join().unwrap();
    let begin = Instant::now();
    let verified = verify(&ledger).unwrap();
    let verifying = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let scopes = ledger.scopes().unwrap().len();
    println!(
        "  {threads:>2} threads: {pairs} pairs; verified {} entries at {:.0} a second; {scopes} \
         scopes read in {:.2?}",
        verified.entries,
        verified.entries as f64 / verifying,
        begin.elapsed(),
    );
    pairs as f64 / seconds
}

/// Admissions from a slice: pairs per second while they last, and how fast the ledger then learns
/// of them.
fn leased_pairs_per_second(folder: &Path, threads: usize) -> f64 {
    let path = folder.join(format!("leased-{threads}.db"));
    let ledger = SqliteLedger::open(&path, jiff::Timestamp::now).unwrap();
    let journals = ledger.journals();
    let (commit, writer) = GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap();
    let terms = LeaseTerms { asks_min: 1, ..LeaseTerms::default() };
    let desk = LeaseDesk::start(commit, &journals, terms, |what| panic!("{what}")).unwrap();
    let names = ["org", "project bench", "run 1"].map(str::to_owned).to_vec();
    let run = desk.commit().open(names, Limits::usd(Picodollars::from_pico(1 << 60))).unwrap();
    let begin = Instant::now();
    let pairs: u64 = thread::scope(|scope| {
        let work = |thread: usize| {
            let desk = &desk;
            move || {
                let mut pairs = 0;
                while begin.elapsed() < LEASED_SPAN {
                    let attempt = AttemptId::from(format!("1/{thread}/{pairs}"));
                    let ticket = desk.reserve(ask(&attempt, run), None).unwrap().unwrap();
                    desk.settle(&ticket, charge(600_000)).unwrap();
                    pairs += 1;
                }
                pairs
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    desk.close();
    let ledger = writer.join().unwrap();
    let known = begin.elapsed().as_secs_f64() + seconds;
    let verified = verify(&ledger).unwrap();
    println!(
        "  {threads:>2} threads: {pairs} pairs admitted in {seconds:.2} s, in the ledger after \
         {known:.1} s ({:.0} a second); verified {} entries",
        pairs as f64 / known,
        verified.entries,
    );
    pairs as f64 / seconds
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let syncs = syncs_per_second(folder.path());
    println!("durable writes of 4 KiB: {syncs:.0} a second");
    for threads in [1, 16, 64] {
        let pairs = pairs_per_second(folder.path(), threads);
        println!("  {pairs:.0} durable pairs a second, {:.1} per durable write", pairs / syncs);
    }
    println!("from borrowed slices:");
    for threads in [1, 2, 8] {
        let pairs = leased_pairs_per_second(folder.path(), threads);
        println!("  {pairs:.0} pairs a second with a journal");
    }
}
