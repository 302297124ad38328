//! Moving a ledger from one kind to another: nothing is lost on the way, and nothing is overwritten.

use flyball::budget::{Books, Limits, Operation, StoreError};
use flyball::id::RunId;
use flyball::ledger::{AnyRow, CopyError, Ledger, ReadLedger, RunRow, copy, verify};
use serde_json::json;

use super::stand::{
    InMemory, OnDisk, Stand, admitted, answer, ask, by_agent, charge, id, noon, on_every_stand,
    open, pico, settle, usd,
};

on_every_stand!(
    everything_arrives_as_it_was_and_goes_on,
    a_ledger_that_holds_something_is_not_written,
    a_ledger_that_does_not_balance_is_not_copied,
    whoever_looked_before_goes_on_after_the_copy,
);

/// Something of everything.
fn filled(ledger: impl Ledger) -> impl Ledger {
    let mut books = Books::new(ledger, 8);
    let run = open(&mut books, &["project shop", "run 7"], Limits::usd(pico(1_000)));
    let day = open(&mut books, &["day 2026-11-24"], Limits::NONE);
    books.store().set_note(Some("by \"hand\"\nand foot, ünïcode".to_owned()));
    // More than fits on one page, and admitted in another order than that of their names.
    for number in (0..1_100).rev() {
        let name = format!("r/{number}");
        let agent = format!("agent {}", number % 7);
        let asked = flyball::budget::Ask { windows: vec![day], ..ask(&name, run, 0) };
        let batch =
            [Operation::Reserve(by_agent(&agent, asked)), Operation::Settle(id(&name), charge(0))];
        assert!(books.apply(&batch).unwrap().answers.iter().all(Result::is_ok));
    }
    books.store().set_note(None);
    admitted(&mut books, by_agent("x", ask("flying", run, 70)));
    admitted(&mut books, ask("released", run, 60));
    answer(&mut books, Operation::Release(id("released")));
    answer(&mut books, Operation::SetPaused(run, true));
    let row = RunRow {
        id: RunId::from("r1"),
        workflow: "review".to_owned(),
        simulated: true,
        started_at: noon(),
        ended_at: Some(noon()),
        status: "complete".to_owned(),
        hashes: json!({"script": "ab12", "args": null}),
        plan: None,
        report: Some(json!({"z": 1, "a": [0.1, "0.25"]})),
    };
    books.store().record_run(&row).unwrap();
    books.store().record_plan_windows(&super::plan_windows::some()).unwrap();
    books.into_store()
}

/// What a ledger knew while it was empty is not true any more.
fn whoever_looked_before_goes_on_after_the_copy<S: Stand>() {
    let from = filled(InMemory::new().open());
    let stand = S::new();
    let mut books = stand.books();
    let nothing = books.apply(&[Operation::Settle(id("nobody"), charge(1))]).unwrap();
    assert!(nothing.answers[0].is_err());
    copy(&from, books.store()).unwrap();
    let before = from.scopes().unwrap();
    let new = open(&mut books, &["run new"], Limits::NONE);
    assert!(before.iter().all(|row| row.id != new), "a scope was written over");
    assert_eq!(books.store().scopes().unwrap().len(), before.len() + 1);
    verify(books.store()).unwrap();
}

fn rows(ledger: &impl ReadLedger) -> Vec<AnyRow> {
    let mut rows = Vec::new();
    ledger
        .every_row(&mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    rows
}

/// The same held by nobody: whoever holds something holds it in the ledger that was copied.
fn rows_of_nobody(ledger: &impl ReadLedger) -> Vec<AnyRow> {
    let mut rows = rows(ledger);
    for row in &mut rows {
        if let AnyRow::Attempt(row) = row {
            row.owner = None;
        }
    }
    rows
}

/// To a file and back again.
fn everything_arrives_as_it_was_and_goes_on<S: Stand>() {
    let (here, file, back) = (S::new(), OnDisk::new(), S::new());
    let from = filled(here.open());
    let mut on_disk = file.open();
    let copied = copy(&from, &mut on_disk).unwrap();
    assert_eq!((copied.scopes, copied.attempts, copied.in_flight, copied.runs), (3, 1_102, 1, 1));
    // There are too many to print.
    assert!(rows(&on_disk) == rows_of_nobody(&from));
    let mut to = back.open();
    assert_eq!(copy(&on_disk, &mut to).unwrap(), copied);
    assert!(rows(&to) == rows_of_nobody(&from));
    // The copy is a ledger like any other.
    let mut books = back.books();
    let run = books.store().scope_by_path("project shop / run 7").unwrap().unwrap().id;
    answer(&mut books, Operation::SetPaused(run, false));
    assert!(!settle(&mut books, "flying", 30));
    assert!(settle(&mut books, "r/5", 1));
    assert_eq!(usd(&mut books, run), (30, 0));
    let next = open(&mut books, &["project shop", "run 8"], Limits::NONE);
    admitted(&mut books, ask("next", next, 5));
    verify(books.store()).unwrap();
}

fn a_ledger_that_holds_something_is_not_written<S: Stand>() {
    let (source, stand) = (InMemory::new(), S::new());
    let from = filled(source.open());
    let mut to = stand.open();
    open(&mut stand.books(), &["run 1"], Limits::NONE);
    let before = rows(&to);
    let error = copy(&from, &mut to).unwrap_err();
    assert!(
        matches!(&error, CopyError::To(StoreError::Unusable(reason))
            if reason.contains("holds something already")),
        "{error:?}"
    );
    assert_eq!(rows(&to), before);
}

fn a_ledger_that_does_not_balance_is_not_copied<S: Stand>() {
    let (file, stand) = (OnDisk::new(), S::new());
    let from = filled(file.open());
    let raw = rusqlite::Connection::open(file.path()).unwrap();
    raw.execute("UPDATE scopes SET settled_usd_pico = '7'", []).unwrap();
    let mut to = stand.open();
    let error = copy(&from, &mut to).unwrap_err();
    assert!(matches!(error, CopyError::From(_)), "{error:?}");
    assert_eq!(rows(&to), []);
}
