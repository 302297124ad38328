//! Processes that are killed while they admit from borrowed slices: what their journals say is
//! recovered, what they cannot say counts as spent, and nothing is overspent.
//!
//! The processes are this very test binary, started again with the name of [`child`].

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use flyball::budget::{Books, EntryKind, Limits, Unit};
use flyball::ledger::{
    EntryFilter, GroupCommit, LeaseDesk, LeaseTerms, Liveness, ReadLedger, SqliteLedger, Verdict,
    holdings, reconcile, verify,
};

use super::kill::Luck;
use super::stand::{OnDisk, Stand, ask, charge, noon, pico};

const TASK: &str = "FLYBALL_TEST_LEASED_CHILD";
const BOUND: i128 = 100;
/// A child that nobody kills ends by itself.
const REQUESTS_MAX: u64 = 20_000;

#[test]
fn a_process_that_is_killed_with_a_slice_is_reconciled() {
    let stand = OnDisk::new();
    for round in 0..100 {
        round_of(&stand, round, 1);
    }
}

#[test]
fn four_processes_that_are_killed_with_slices_are_reconciled() {
    let stand = OnDisk::new();
    for round in 0..25 {
        round_of(&stand, round, 4);
    }
}

/// What a child had acknowledged when it died.
#[derive(Default)]
struct Heard {
    /// Bounds of requests that were admitted and not settled.
    open: i128,
    /// What others took.
    settled: i128,
}

fn round_of(stand: &OnDisk, round: u64, children: u64) {
    let mut luck = Luck(round * 37 + children);
    let lives: Vec<u64> = (0..children).map(|_| luck.below(300) + 1).collect();
    let heard: Vec<Heard> = thread::scope(|threads| {
        let started: Vec<_> = lives
            .iter()
            .enumerate()
            .map(|(child, life)| {
                let process = start(&stand.path(), round, child);
                threads.spawn(move || live_and_die(process, *life))
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut books = stand.books();
    verify(books.store()).unwrap();
    within_limits(books.store());
    let path = format!("org / run {round}");
    let run = books.store().scope_by_path(&path).unwrap().unwrap();
    // Whatever happened is held for, though nobody has looked at a journal yet.
    let spent: i128 = heard.iter().map(|heard| heard.settled + heard.open).sum();
    let held = run.settled.usd + run.reserved.usd + run.leased.usd;
    assert!(held >= pico(spent), "{held} held, {spent} spent");

    let journals = books.store().journals();
    let mut written_off = 0;
    for holding in holdings(books.store()).unwrap() {
        assert_eq!(holding.owner.as_ref().unwrap().liveness, Liveness::Dead);
        let done = reconcile(&mut books, &holding, Verdict::Spent, Some(&journals), false).unwrap();
        written_off += done.written_off.usd.pico();
        assert_eq!(done.leases, holding.leases.len());
    }
    assert_eq!(holdings(books.store()).unwrap(), []);
    assert_eq!(std::fs::read_dir(&journals).unwrap().count(), 0);
    verify(books.store()).unwrap();
    within_limits(books.store());
    let run = books.store().scope_by_path(&path).unwrap().unwrap();
    assert_eq!((run.reserved.usd, run.leased.usd), (pico(0), pico(0)));
    let settled = run.settled.usd.pico();
    assert!(settled >= spent, "{spent} was spent and {settled} is settled");
    // Over-counted is what nobody could say: requests that were in flight, and what a promise left
    // open. One more of each child may have been done and not acknowledged.
    let expired = expired(books.store(), round);
    let unheard = BOUND * i128::from(children);
    let known = heard.iter().map(|heard| heard.settled).sum::<i128>() + expired;
    let most = known + written_off + unheard;
    assert!(settled <= most, "{settled} settled, {known} known, {written_off} unwritten");
}

/// A journal may be cut anywhere by a disk that loses what it said to have kept. Whatever is left,
/// reconciling reads it and passes no limit; a whole one covers everything that was admitted.
#[test]
fn a_journal_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
    let stand = OnDisk::new();
    let heard = live_and_die(start(&stand.path(), 0, 0), 30);
    let ledger = stand.open();
    let lease = ledger.leases().unwrap().remove(0).id.number();
    let name = format!("lease-{lease}.journal");
    let whole = std::fs::read(ledger.journals().join(&name)).unwrap();
    drop(ledger);
    let folder = tempfile::tempdir().unwrap();
    // How long the journal is depends on when the child died: the end must come once all the same.
    for cut in (0..whole.len()).step_by(whole.len() / 60 + 1).chain([whole.len()]) {
        let path = folder.path().join(format!("{cut}.db"));
        std::fs::copy(stand.path(), &path).unwrap();
        let ledger = SqliteLedger::open(&path, noon).unwrap();
        std::fs::create_dir(ledger.journals()).unwrap();
        std::fs::write(ledger.journals().join(&name), &whole[..cut]).unwrap();
        let (journals, mut books) = (ledger.journals(), Books::new(ledger, 0));
        for holding in holdings(books.store()).unwrap() {
            reconcile(&mut books, &holding, Verdict::Spent, Some(&journals), false).unwrap();
        }
        assert_eq!(holdings(books.store()).unwrap(), []);
        verify(books.store()).unwrap();
        within_limits(books.store());
        let run = books.store().scope_by_path("org / run 0").unwrap().unwrap();
        if cut == whole.len() {
            let spent = pico(heard.settled + heard.open);
            assert!(run.settled.usd >= spent, "cut at {cut}: {} of {spent}", run.settled.usd);
        }
    }
}

/// What requests of a round took that were ended by reconciling.
fn expired(ledger: &SqliteLedger, round: u64) -> i128 {
    let rows = ledger.entries(&EntryFilter::default(), usize::MAX).unwrap();
    let of_round = |attempt: &str| attempt.starts_with(&format!("{round}-"));
    let charges = rows.iter().filter_map(|row| match &row.kind {
        EntryKind::Expire { attempt, charge } if of_round(&attempt.0) => Some(charge.usd.pico()),
        _ => None,
    });
    charges.sum()
}

fn within_limits(ledger: &SqliteLedger) {
    for row in ledger.scopes().unwrap() {
        let taken = row.settled.usd + row.reserved.usd + row.leased.usd;
        let limit = row.limits.get(Unit::Usd);
        assert!(limit.is_none_or(|limit| taken.pico() <= limit), "{row:?}");
    }
}

fn start(path: &Path, round: u64, child: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["ledger::kill_leased::child", "--exact", "--nocapture"])
        .env(TASK, format!("{round} {child} {}", path.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills a child once it has acknowledged so many requests.
fn live_and_die(mut process: Child, requests: u64) -> Heard {
    let mut said = BufReader::new(process.stdout.take().unwrap());
    let mut heard = Heard::default();
    let (mut line, mut settled) = (String::new(), 0);
    while said.read_line(&mut line).unwrap() > 0 {
        let number = |text: &str| text.strip_suffix('\n')?.parse::<i128>().ok();
        if let Some(bound) = line.strip_prefix("admitted ").and_then(number) {
            heard.open += bound;
        } else if let Some(bound) = line.strip_prefix("settled ").and_then(number) {
            heard.open -= bound;
            heard.settled += bound / 2;
            settled += 1;
            if settled == requests {
                process.kill().unwrap();
            }
        }
        line.clear();
    }
    process.wait().unwrap();
    assert!(settled >= requests, "a child ended by itself after {settled} requests");
    heard
}

/// Not a test of its own: what the other tests start and kill.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut parts = task.splitn(3, ' ');
    let round: u64 = parts.next().unwrap().parse().unwrap();
    let child: u64 = parts.next().unwrap().parse().unwrap();
    let ledger = SqliteLedger::open(Path::new(parts.next().unwrap()), noon).unwrap();
    let journals = ledger.journals();
    let (commit, _writer) = GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap();
    let terms = LeaseTerms { asks_min: 2, bounds_first: 40, ..LeaseTerms::default() };
    let desk = LeaseDesk::start(commit, &journals, terms, |what| panic!("{what}")).unwrap();
    let run = vec!["org".to_owned(), format!("run {round}")];
    let scope = desk.commit().open(run, Limits::usd(pico(10_000_000))).unwrap();
    let mut luck = Luck(round * 101 + child);
    let mut flying = Vec::new();
    let mut out = std::io::stdout();
    out.write_all(b"\n").unwrap();
    for number in 0..REQUESTS_MAX {
        let bound = i128::from(luck.below(BOUND as u64)) + 1;
        let ask = ask(&format!("{round}-{child}-{number}"), scope, bound);
        let ticket = desk.reserve(ask, None).unwrap().unwrap();
        out.write_all(format!("admitted {bound}\n").as_bytes()).unwrap();
        flying.push(ticket);
        if flying.len() > 2 || luck.below(2) == 0 {
            let ticket = flying.swap_remove(0);
            let bound = ticket.grant.reserved.usd.pico();
            desk.settle(&ticket, charge(bound / 2)).unwrap();
            out.write_all(format!("settled {bound}\n").as_bytes()).unwrap();
        }
    }
}
