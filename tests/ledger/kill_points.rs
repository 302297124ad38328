//! A process that is killed at each point of each operation between reserve and settle: what its
//! transaction had kept is there, nothing else is, and what it leaves in flight is recovered.
//!
//! The processes are this very test binary, started again with the name of [`child`].

use std::path::Path;
use std::process::{Command, Stdio};

use flyball::budget::{
    Answer, Books, Changes, Limits, Operation, Rows, ScopeId, Store, StoreError, Wanted,
};
use flyball::ledger::{Ledger, PostgresLedger, SqliteLedger, Verdict, holdings, reconcile, verify};

use super::postgres::server::{is_wanted, shared};
use super::stand::{OnDisk, Stand, ask, charge, id, noon, pico, usd};

const TASK: &str = "FLYBALL_TEST_POINT_CHILD";
const LIMIT: i128 = 130;

/// Where in its transaction an operation is when the process dies.
const POINTS: [&str; 4] = ["before it", "rows are read", "it is decided", "it is kept"];
/// The last one: then it has happened, though nobody was told.
const KEPT: usize = 3;

/// Settled and reserved.
type Held = (i128, i128);

/// What dies, with what is held before it and after it.
const OPERATIONS: [(&str, Held, Held); 7] = [
    ("reserve", (0, 0), (0, 100)),
    ("extend", (0, 100), (0, 120)),
    ("shrink", (0, 100), (0, 50)),
    ("settle", (0, 100), (40, 0)),
    ("release", (0, 100), (0, 0)),
    ("expire", (0, 100), (100, 0)),
    ("correct", (80, 0), (60, 0)),
];

#[test]
fn at_every_point_on_a_file() {
    let stand = OnDisk::new();
    let place = stand.path().display().to_string();
    for round in 0..8 {
        every_point(&place, round, || stand.books());
    }
}

#[test]
fn at_every_point_on_postgres() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let url = database.url();
    for round in 0..3 {
        every_point(&url, round, || Books::new(PostgresLedger::open(&url, noon).unwrap(), 0));
    }
}

fn every_point<L: Ledger>(place: &str, round: usize, books: impl Fn() -> Books<L>) {
    for (operation, (name, before, after)) in OPERATIONS.into_iter().enumerate() {
        for (point, what) in POINTS.into_iter().enumerate() {
            let run = format!("{round} {operation} {point}");
            die(place, &run);
            let mut books = books();
            let row = books.store().scope_by_path(&format!("org / run {run}")).unwrap().unwrap();
            let expected = if point == KEPT { after } else { before };
            assert_eq!(usd(&mut books, row.id), expected, "{name}, killed when {what}");
            verify(books.store()).unwrap();
            recover(&mut books, row.id, expected);
        }
    }
}

/// Ends what the dead held; it counts as spent, and nothing else does.
fn recover<L: Ledger>(books: &mut Books<L>, run: ScopeId, (settled, reserved): Held) {
    for holding in holdings(books.store()).unwrap() {
        assert_ne!(holding.owner.as_ref().map(|row| row.process), Some(std::process::id()));
        reconcile(books, &holding, Verdict::Spent, None, false).unwrap();
    }
    assert_eq!(usd(books, run), (settled + reserved, 0));
    assert_eq!(holdings(books.store()).unwrap(), []);
    verify(books.store()).unwrap();
}

fn die(place: &str, run: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["ledger::kill_points::child", "--exact"])
        .env(TASK, format!("{run} {place}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "{run}: {status}");
}

/// A ledger whose process dies at a point, once it is told to.
struct Dying<L> {
    ledger: L,
    point: usize,
    armed: bool,
}

impl<L> Dying<L> {
    fn at(&self, point: usize) {
        if self.armed && self.point == point {
            let signal = rustix::process::Signal::KILL;
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
        }
    }
}

impl<L: Ledger> Store for Dying<L> {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        self.at(0);
        let (point, armed) = (self.point, self.armed);
        let point = Dying { ledger: (), point, armed };
        let done = self.ledger.transact(wanted, &mut |rows| {
            point.at(1);
            let changes = work(rows);
            point.at(2);
            changes
        });
        self.at(3);
        done
    }
}

/// Not a test of its own: what the other tests start.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let parts: Vec<&str> = task.splitn(4, ' ').collect();
    let run = parts[..3].join(" ");
    let (operation, point) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
    if parts[3].starts_with("postgres") {
        work(PostgresLedger::open(parts[3], noon).unwrap(), &run, operation, point);
    } else {
        work(SqliteLedger::open(Path::new(parts[3]), noon).unwrap(), &run, operation, point);
    }
}

fn work<L: Ledger>(ledger: L, run: &str, operation: usize, point: usize) {
    let mut books = Books::new(Dying { ledger, point, armed: false }, 0);
    let path = vec!["org".to_owned(), format!("run {run}")];
    let limits = Limits::usd(pico(LIMIT));
    let opened = books.apply(&[Operation::Open { path, limits }]).unwrap().answers.remove(0);
    let Ok(Answer::Scope(scope)) = opened else { panic!("{opened:?}") };
    let attempt = id(run);
    let reserve = Operation::Reserve(ask(run, scope, 100));
    let (first, last) = match OPERATIONS[operation].0 {
        "reserve" => (vec![], reserve),
        "extend" => (vec![reserve], Operation::Extend(attempt, charge(20))),
        "shrink" => (vec![reserve], Operation::Shrink(attempt, charge(50))),
        "settle" => (vec![reserve], Operation::Settle(attempt, charge(40))),
        "release" => (vec![reserve], Operation::Release(attempt)),
        "expire" => (vec![reserve], Operation::Expire(attempt)),
        _ => {
            let settle = Operation::Settle(attempt.clone(), charge(80));
            (vec![reserve, settle], Operation::Correct(attempt, charge(60)))
        }
    };
    let done = books.apply(&first).unwrap();
    assert!(done.answers.iter().all(Result::is_ok), "{done:?}");
    books.store().armed = true;
    let outlived = books.apply(&[last]);
    panic!("it did not die: {outlived:?}");
}
