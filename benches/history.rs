//! A ledger with a long history: how soon a command answers from it, and how fast it is verified.
//!
//! Ten million entries, written as runs write them: agents with scopes of their own, requests that
//! are reserved, shrunk and settled. `FLYBALL_ENTRIES` makes it shorter; ten million take about
//! two gigabytes below the target folder, which are removed afterwards.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reports and stops"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flyball::budget::{Answer, Ask, Books, Bound, Charge, Limits, Operation, OutputCap, ScopeId};
use flyball::id::{AttemptId, PriceId};
use flyball::ledger::{SqliteLedger, verify};
use flyball::money::{Picodollars, Rate};

const ENTRIES: u64 = 10_000_000;
const AGENTS_PER_RUN: u64 = 100;
const REQUESTS_PER_AGENT: u64 = 10;
/// How often a command is timed.
const TIMES: usize = 15;

fn charge(pico: i128, billed_tokens: u64, output_tokens: u64) -> Charge {
    Charge { usd: Picodollars::from_pico(pico), billed_tokens, output_tokens, requests: 1 }
}

fn open(books: &mut Books<SqliteLedger>, names: &[Vec<String>]) -> Vec<ScopeId> {
    let open = |path: &Vec<String>| Operation::Open { path: path.clone(), limits: Limits::NONE };
    let batch: Vec<Operation> = names.iter().map(open).collect();
    let answers = books.apply(&batch).unwrap().answers.into_iter();
    let scope = |answer| match answer {
        Ok(Answer::Scope(scope)) => scope,
        other => panic!("opening a scope gave {other:?}"),
    };
    answers.map(scope).collect()
}

/// One run of many agents, in two transactions.
fn write_run(books: &mut Books<SqliteLedger>, run: u64) {
    let path = |agent: u64| {
        let phase = format!("phase {}", agent % 3);
        let names = ["org", "project shop", &format!("run 1764{run:06}"), &phase];
        let names = names.into_iter().map(str::to_owned);
        names.chain([format!("agent {agent}")]).collect::<Vec<String>>()
    };
    let paths: Vec<_> = (0..AGENTS_PER_RUN).map(path).collect();
    let scopes = open(books, &paths);
    let mut batch = Vec::new();
    for (agent, scope) in (0..).zip(scopes) {
        for request in 0..REQUESTS_PER_AGENT {
            let attempt = AttemptId::from(format!("1764{run:06}/{agent}/{request}"));
            let fixed = charge(90_000_000_000, 22_000, 0);
            batch.push(Operation::Reserve(Ask {
                attempt: attempt.clone(),
                scope,
                windows: Vec::new(),
                agent: Some(format!("1764{run:06}/{agent}").into()),
                order: 0,
                price: Some(PriceId::from("claude-opus-5-5@2026-09-22")),
                bound: Bound { fixed, output_rate: Rate::from_pico_per_token(20_000_000) },
                cap: OutputCap { standing_tokens: 8_000, floor_tokens: 4_000 },
            }));
            let begun = charge(170_000_000_000, 26_000, 8_000);
            batch.push(Operation::Shrink(attempt.clone(), begun));
            let output = 100 + (run * 7 + agent * 31 + request * 101) % 3_000;
            let usd = 11_000_000_000 + i128::from(output) * 20_000_000;
            batch.push(Operation::Settle(attempt, charge(usd, 18_000 + output, output)));
        }
    }
    let applied = books.apply(&batch).unwrap();
    assert!(applied.answers.iter().all(Result::is_ok));
}

/// `flyball`, as a person would wait for it.
fn time(ledger: &Path, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(arguments)
        .arg("--ledger")
        .arg(ledger)
        .output()
        .unwrap();
    let took = begin.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

fn median_of(ledger: &Path, arguments: &[&str], times: usize) {
    let mut took: Vec<Duration> = (0..times).map(|_| time(ledger, arguments)).collect();
    took.sort_unstable();
    let (fastest, slowest) = (took.first().unwrap(), took.last().unwrap());
    println!(
        "flyball {:<24} median {:>9.1?} of {times}, {fastest:.1?} to {slowest:.1?}",
        arguments.join(" "),
        took.get(times / 2).unwrap(),
    );
}

fn main() {
    let entries = std::env::var("FLYBALL_ENTRIES").map_or(ENTRIES, |text| text.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("ledger.db");
    time(&path, &["budget", "set", "org", "90000000usd"]);
    time(&path, &["budget", "set", "project:shop", "90000000usd"]);
    time(&path, &["budget", "set", "day", "90000000usd"]);

    let begin = Instant::now();
    let ledger = SqliteLedger::open(&path, jiff::Timestamp::now).unwrap();
    let mut books = Books::new(ledger, 0);
    let per_run = AGENTS_PER_RUN * (3 * REQUESTS_PER_AGENT + 2);
    for run in 0..entries.div_ceil(per_run) {
        write_run(&mut books, run);
    }
    let ledger = books.into_store();
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("written in {:.0?}, {} MB", begin.elapsed(), bytes / 1_000_000);

    let begin = Instant::now();
    let verified = verify(&ledger).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "verified {} entries of {} scopes in {seconds:.1} s: {:.0} a second",
        verified.entries,
        verified.scopes,
        verified.entries as f64 / seconds,
    );
    drop(ledger);
    median_of(&path, &["budget", "show"], TIMES);
    median_of(&path, &["ledger", "show"], TIMES);
    median_of(&path, &["ledger", "verify"], 1);
}
