//! Files that an older flyball wrote.

use std::fs;

use flyball::budget::{AttemptEnd, Charge, Operation};
use flyball::ledger::{EntryFilter, ReadLedger, SCHEMA_VERSION, SqliteLedger, verify};
use rusqlite::Connection;

use super::borrower::Borrower;
use super::slices::wanted;
use super::stand::{OnDisk, Stand, answer, apply, charge, id, noon, pico, row, usd};

/// A file of schema 1, with two scopes of a run, a day, and three attempts.
fn of_schema_1() -> OnDisk {
    let stand = OnDisk::new();
    fs::create_dir_all(stand.path().parent().unwrap()).unwrap();
    let connection = Connection::open(stand.path()).unwrap();
    connection.execute_batch(include_str!("schema_1.sql")).unwrap();
    stand
}

fn version(stand: &OnDisk) -> i64 {
    let connection = Connection::open(stand.path()).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_file_of_schema_1_is_brought_forward_with_all_it_holds() {
    let stand = of_schema_1();
    assert!(SqliteLedger::open_read_only(&stand.path(), noon).is_err());
    assert_eq!(version(&stand), 1, "who only reads changes nothing");
    let mut books = stand.books();
    assert_eq!(version(&stand), SCHEMA_VERSION);
    let scopes = books.store().scopes().unwrap();
    let paths: Vec<&str> = scopes.iter().map(|row| &*row.path).collect();
    assert_eq!(paths, ["project shop", "project shop / run 7", "day 2026-11-24"]);
    assert!(scopes.iter().all(|row| row.leased.is_zero() && !row.recalled));
    let (run, day) = (scopes[1].id, scopes[2].id);
    for scope in [run, day] {
        assert_eq!(usd(&mut books, scope), (45, 20));
        let row = row(&mut books, scope);
        assert_eq!((row.agents_settled, row.agents_reserved), (1, 1));
    }
    let entries = books.store().entries(&EntryFilter::default(), 100).unwrap();
    let last: Vec<&str> = entries.iter().rev().take(4).map(|row| row.kind.name()).collect();
    assert_eq!((entries.len(), last), (12, vec!["release", "reserve", "reserve", "overrun"]));
    verify(books.store()).unwrap();
}

#[test]
fn what_was_in_flight_in_an_older_file_is_held_by_nobody_and_settles() {
    let stand = of_schema_1();
    let mut books = stand.books();
    let flying = books.store().in_flight().unwrap();
    assert_eq!((flying.len(), &flying[0].id, flying[0].windows.len()), (1, &id("b"), 1));
    assert_eq!((flying[0].owner, flying[0].lease, flying[0].charge.usd), (None, None, pico(20)));
    assert_eq!(books.store().owners().unwrap(), []);
    answer(&mut books, Operation::Settle(id("b"), charge(15)));
    assert_eq!(usd(&mut books, flying[0].scope), (60, 0));
    let released = books.store().attempt(&id("c")).unwrap().unwrap();
    assert_eq!((released.end, released.charge), (AttemptEnd::Released, Charge::ZERO));
    // It lends like any other.
    let project = books.store().scope_by_path("project shop").unwrap().unwrap().id;
    let lent = Borrower::lent(&mut books, wanted(project, 10)).unwrap();
    assert_eq!(lent.slice.left(), charge(1).scaled(10, 1));
    apply(&mut books, Operation::GiveBack(lent.lease()));
    verify(books.store()).unwrap();
}
