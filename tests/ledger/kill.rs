//! Processes that are killed at any moment while they write: what they were told is kept, nothing
//! is overspent, and whoever comes next goes on.
//!
//! The processes are this very test binary, started again with the name of [`child`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use flyball::budget::{Admission, Answer, Books, EntryKind, Limits, Operation, ScopeId, Unit};
use flyball::id::AttemptId;
use flyball::ledger::{EntryFilter, Ledger, PostgresLedger, ReadLedger, SqliteLedger, verify};
use flyball::ledger_place::LedgerPlace;

use super::postgres::server::is_wanted;
use super::stand::{InPostgres, OnDisk, Stand, apply, ask, by_agent, charge, noon, open, pico};

/// Names the ledger, the child and its round to a child.
const TASK: &str = "FLYBALL_TEST_LEDGER_CHILD";
const RUN_LIMIT: i128 = 1_000;
/// A child that nobody kills ends by itself.
const OPERATIONS_MAX: u64 = 20_000;

#[test]
fn a_process_that_is_killed_loses_nothing_it_was_told() {
    let stand = OnDisk::new();
    for round in 0..100 {
        round_of(&stand, stand.path().as_os_str(), round, 1);
    }
}

#[test]
fn four_processes_that_are_killed_overspend_nothing() {
    let stand = OnDisk::new();
    for round in 0..40 {
        round_of(&stand, stand.path().as_os_str(), round, 4);
    }
}

#[test]
fn four_processes_that_are_killed_overspend_nothing_in_postgres() {
    if !is_wanted() {
        return;
    }
    let stand = InPostgres::new();
    let url = OsString::from(stand.database.url());
    for round in 0..20 {
        round_of(&stand, &url, round, 4);
    }
}

/// Children work on a run of their own; each is killed after it acknowledged some operations.
fn round_of(stand: &impl Stand, place: &OsStr, round: u64, children: u64) {
    let mut luck = Luck(round * 31 + children);
    let lives: Vec<(u64, u64)> = (0..children).map(|child| (child, luck.below(18) + 1)).collect();
    let acknowledged: Vec<Vec<String>> = std::thread::scope(|scope| {
        let started: Vec<_> = lives
            .iter()
            .map(|(child, life)| {
                let process = start_itself(place, round, *child);
                scope.spawn(move || live_and_die(process, *life))
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((_, life), lines) in lives.iter().zip(&acknowledged) {
        assert!(lines.len() as u64 >= *life, "a child ended by itself after {lines:?}");
    }
    let mut books = stand.books();
    verify(books.store()).unwrap();
    within_limits(books.store());
    check_entries(books.store(), round, &acknowledged);
    // The dead cannot say what their requests cost.
    for row in books.store().in_flight().unwrap() {
        apply(&mut books, Operation::Expire(row.id));
    }
    within_limits(books.store());
    verify(books.store()).unwrap();
}

/// A disk that refuses to take more is not a crash, and not a refusal either: what was being
/// committed may be found there, or not.
#[test]
#[cfg(unix)]
fn a_commit_that_the_disk_refuses_is_uncertain_and_loses_nothing() {
    let stand = OnDisk::new();
    // No file of this process grows beyond some hundred kilobytes; it is told so instead of killed.
    let mut small = Command::new("sh");
    small.args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\""]);
    small.arg(std::env::current_exe().unwrap());
    let mut process = start(small, stand.path().as_os_str(), 0, 0);
    let said = BufReader::new(process.stdout.take().unwrap());
    let (mut acknowledged, mut failed) = (Vec::new(), Vec::new());
    for line in said.lines().map(Result::unwrap) {
        if let Some(done) = line.strip_prefix("did ") {
            acknowledged.push(done.to_owned());
        } else if let Some(error) = line.strip_prefix("failed ") {
            failed.push(error.to_owned());
        }
    }
    assert!(process.wait().unwrap().success());
    assert!(!acknowledged.is_empty());
    assert_eq!(failed.len(), 3, "{failed:?}");
    let uncertain = "nobody knows whether the ledger kept the last change";
    assert!(failed.iter().all(|error| error.starts_with(uncertain)), "{failed:?}");
    let mut books = stand.books();
    verify(books.store()).unwrap();
    check_entries(books.store(), 0, &[acknowledged]);
}

fn start_itself(place: &OsStr, round: u64, child: u64) -> Child {
    start(Command::new(std::env::current_exe().unwrap()), place, round, child)
}

fn start(mut command: Command, place: &OsStr, round: u64, child: u64) -> Child {
    command
        .args(["ledger::kill::child", "--exact", "--nocapture"])
        .env(TASK, format!("{round} {child} {}", place.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills a child once it has acknowledged so many operations; everything it acknowledged.
fn live_and_die(mut process: Child, acknowledgements: u64) -> Vec<String> {
    let mut said = BufReader::new(process.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 {
        assert!(!line.starts_with("failed"), "{line}");
        // A line that was cut by death acknowledges nothing.
        if let Some(done) = line.strip_prefix("did ").and_then(|rest| rest.strip_suffix('\n')) {
            acknowledged.push(done.to_owned());
            if acknowledged.len() as u64 == acknowledgements {
                process.kill().unwrap();
            }
        }
        line.clear();
    }
    process.wait().unwrap();
    acknowledged
}

fn within_limits(ledger: &impl ReadLedger) {
    for row in ledger.scopes().unwrap() {
        for unit in Unit::ALL {
            let (settled, reserved) = match unit {
                Unit::Agents => (row.agents_settled.into(), row.agents_reserved.into()),
                _ => (row.settled.get(unit), row.reserved.get(unit)),
            };
            let limit = row.limits.get(unit);
            assert!(limit.is_none_or(|limit| settled + reserved <= limit), "{row:?}");
        }
    }
}

/// Everything acknowledged is there once, and at most one batch of each child that was not.
fn check_entries(ledger: &impl ReadLedger, round: u64, acknowledged: &[Vec<String>]) {
    let mut kept: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for row in ledger.entries(&EntryFilter::default(), usize::MAX).unwrap() {
        let Some(attempt) = row.kind.attempt() else { continue };
        let mut parts = attempt.0.split('-');
        let of_round = parts.next() == Some(&round.to_string());
        let child: u64 = parts.next().unwrap().parse().unwrap();
        if of_round && !matches!(row.kind, EntryKind::Extend { .. } | EntryKind::Shrink { .. }) {
            let fresh = kept.entry(child).or_default().insert(said(&row.kind));
            assert!(fresh, "twice in the ledger: {:?}", row.kind);
        }
    }
    for (child, lines) in acknowledged.iter().enumerate() {
        let mut kept = kept.remove(&(child as u64)).unwrap_or_default();
        for entry in lines.iter().flat_map(|line| line.split(';')).filter(|e| !e.is_empty()) {
            assert!(kept.remove(entry), "acknowledged and lost: {entry}");
        }
        assert!(kept.len() <= 2, "never acknowledged: {kept:?}");
    }
}

fn said(kind: &EntryKind) -> String {
    let usd = kind.charge().map_or(0, |charge| charge.usd.pico());
    format!("{} {} {usd}", kind.name(), kind.attempt().unwrap())
}

/// Not a test of its own: what the other tests start and kill.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut parts = task.splitn(3, ' ');
    let round: u64 = parts.next().unwrap().parse().unwrap();
    let child: u64 = parts.next().unwrap().parse().unwrap();
    match LedgerPlace::from(OsString::from(parts.next().unwrap())) {
        LedgerPlace::File(path) => {
            work(Books::new(SqliteLedger::open(&path, noon).unwrap(), 0), round, child);
        }
        LedgerPlace::Postgres(url) => {
            let ledger = PostgresLedger::open(url.secret(), noon).unwrap();
            work(Books::new(ledger, 0), round, child);
        }
        LedgerPlace::Elsewhere(scheme) => panic!("{scheme}"),
    }
}

fn work<L: Ledger>(mut books: Books<L>, round: u64, child: u64) {
    let run = format!("run {round}");
    let limits = Limits { agents: Some(5), ..Limits::usd(pico(RUN_LIMIT)) };
    let run = open(&mut books, &["project", &run], limits);
    let mut luck = Luck(round * 101 + child);
    let mut flying: BTreeMap<AttemptId, i128> = BTreeMap::new();
    let mut out = std::io::stdout();
    let mut failures = 0;
    // The harness may have begun a line.
    out.write_all(b"\n").unwrap();
    for number in 0..OPERATIONS_MAX {
        let name = format!("{round}-{child}-{number}");
        let batch = batch(&mut luck, run, &name, &flying);
        let answers = match books.apply(&batch) {
            Ok(applied) => applied.answers,
            Err(error) => {
                out.write_all(format!("failed {error}\n").as_bytes()).unwrap();
                failures += 1;
                if failures == 3 {
                    return;
                }
                continue;
            }
        };
        let mut done = Vec::new();
        for (operation, answer) in batch.iter().zip(answers) {
            done.extend(acknowledge(operation, &answer.unwrap(), &mut flying));
        }
        // In one piece, so that it is there or not.
        out.write_all(format!("did {}\n", done.join(";")).as_bytes()).unwrap();
    }
}

/// One operation, or two that belong together.
fn batch(
    luck: &mut Luck,
    run: ScopeId,
    name: &str,
    flying: &BTreeMap<AttemptId, i128>,
) -> Vec<Operation> {
    let agent = format!("agent {}", luck.below(7));
    let bound = i128::from(luck.below(300));
    let reserve = Operation::Reserve(by_agent(&agent, ask(name, run, bound)));
    let oldest = flying.iter().next().filter(|_| flying.len() > 2 || luck.below(2) == 0);
    let Some((attempt, reserved)) = oldest else { return vec![reserve] };
    let attempt = attempt.clone();
    // Little is spent, so that the run stays short of its limit for a while.
    let used = charge(reserved / 8);
    match luck.below(6) {
        0 => vec![Operation::Release(attempt)],
        1 => vec![Operation::Extend(attempt, charge(20))],
        2 => vec![Operation::Shrink(attempt, charge(reserved / 2))],
        3 => vec![Operation::Settle(attempt, used), reserve],
        _ => vec![Operation::Settle(attempt, used)],
    }
}

/// The entry that an operation has brought about.
fn acknowledge(
    operation: &Operation,
    answer: &Answer,
    flying: &mut BTreeMap<AttemptId, i128>,
) -> Option<String> {
    match (operation, answer) {
        (Operation::Reserve(ask), Answer::Admission(Admission::Admitted(grant))) => {
            let usd = grant.reserved.usd.pico();
            flying.insert(ask.attempt.clone(), usd);
            Some(format!("reserve {} {usd}", ask.attempt))
        }
        (Operation::Settle(attempt, used), _) => {
            flying.remove(attempt);
            Some(format!("settle {attempt} {}", used.usd.pico()))
        }
        (Operation::Release(attempt), _) => {
            flying.remove(attempt);
            Some(format!("release {attempt} 0"))
        }
        (Operation::Extend(attempt, by), Answer::Extended(None)) => {
            *flying.get_mut(attempt).unwrap() += by.usd.pico();
            None
        }
        (Operation::Shrink(attempt, to), _) => {
            flying.insert(attempt.clone(), to.usd.pico());
            None
        }
        _ => None,
    }
}

/// Numbers that look random and are the same in every run.
pub(super) struct Luck(pub(super) u64);

impl Luck {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
