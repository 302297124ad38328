//! What happens to a file: it is locked, full, damaged, read-only or somebody else's. Whoever asks
//! is denied, and nothing changes.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use flyball::budget::{Admission, Books, Limits, Operation, ScopeId, StoreError};
use flyball::ledger::{EntryFilter, ReadLedger, SCHEMA_VERSION, SqliteLedger, VerifyError, verify};
use rusqlite::Connection;

use super::stand::{OnDisk, Stand, admitted, ask, charge, id, noon, open, pico, reserve, usd};

fn raw(stand: &OnDisk) -> Connection {
    Connection::open(stand.path()).unwrap()
}

fn one_run(stand: &OnDisk) -> (Books<SqliteLedger>, ScopeId) {
    let mut books = stand.books();
    let run = open(&mut books, &["run 1"], Limits::usd(pico(1_000)));
    admitted(&mut books, ask("a", run, 100));
    (books, run)
}

/// Every way to ask is denied with an error of which `expected` is true.
fn denied(books: &mut Books<SqliteLedger>, run: ScopeId, expected: impl Fn(&StoreError) -> bool) {
    for operation in [
        Operation::Reserve(ask("new", run, 10)),
        Operation::Settle(id("a"), charge(50)),
        Operation::Extend(id("a"), charge(50)),
    ] {
        let error = books.apply(&[operation]).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
    assert_eq!(books.waiting(), 0);
}

#[test]
fn the_file_and_its_folder_are_private() {
    let stand = OnDisk::new();
    let _ledger = stand.open();
    #[cfg(unix)]
    for (path, mode) in [(stand.path(), 0o600), (stand.path().parent().unwrap().to_owned(), 0o700)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
    let settings = raw(&stand);
    let mode: String = settings.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_newer_schema_is_refused_before_and_while_it_is_open() {
    let stand = OnDisk::new();
    let (mut books, run) = one_run(&stand);
    raw(&stand).pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let newer = StoreError::Newer { found: SCHEMA_VERSION + 1, known: SCHEMA_VERSION };
    denied(&mut books, run, |error| *error == newer);
    assert_eq!(books.store().scopes().unwrap_err(), newer);
    assert_eq!(SqliteLedger::open(&stand.path(), noon).unwrap_err(), newer);
    assert_eq!(SqliteLedger::open_read_only(&stand.path(), noon).unwrap_err(), newer);
    raw(&stand).pragma_update(None, "user_version", SCHEMA_VERSION).unwrap();
    assert_eq!(usd(&mut books, run), (0, 100));
    verify(books.store()).unwrap();
}

#[test]
fn a_locked_file_is_waited_for_and_then_busy() {
    let stand = OnDisk::new();
    let (books, run) = one_run(&stand);
    drop(books);
    let ledger = stand.open().with_wait(Duration::from_millis(20)).unwrap();
    let mut books = Books::new(ledger, 8);
    let holder = raw(&stand);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    denied(
        &mut books,
        run,
        |error| matches!(error, StoreError::Busy(reason) if reason.contains("ledger.db stayed locked")),
    );
    // Reading goes on meanwhile.
    assert_eq!(usd(&mut books, run), (0, 100));
    verify(books.store()).unwrap();
    holder.execute_batch("ROLLBACK").unwrap();
    admitted(&mut books, ask("b", run, 100));
    verify(books.store()).unwrap();
}

#[test]
fn who_waits_still_waits_after_a_failed_try() {
    let stand = OnDisk::new();
    let (books, run) = one_run(&stand);
    drop(books);
    let ledger = stand.open().with_wait(Duration::from_millis(1)).unwrap();
    let mut books = Books::new(ledger, 8);
    assert!(matches!(reserve(&mut books, ask("b", run, 950)), Admission::Waiting(_)));
    let holder = raw(&stand);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let settle = [Operation::Settle(id("a"), charge(50))];
    assert!(matches!(books.apply(&settle), Err(StoreError::Busy(_))));
    assert_eq!(books.waiting(), 1);
    drop(holder);
    let applied = books.apply(&settle).unwrap();
    let decided = applied.effects.iter().map(|effects| effects.decisions.len()).sum::<usize>();
    assert_eq!((decided, books.waiting()), (1, 0));
    assert_eq!(usd(&mut books, run), (50, 950));
}

#[test]
fn a_file_that_may_only_be_read_admits_nothing() {
    let stand = OnDisk::new();
    let (books, run) = one_run(&stand);
    let reader = SqliteLedger::open_read_only(&stand.path(), noon).unwrap();
    let mut reader = Books::new(reader, 8);
    denied(
        &mut reader,
        run,
        |error| matches!(error, StoreError::Unusable(reason) if reason.contains("it is read-only")),
    );
    assert_eq!(usd(&mut reader, run), (0, 100));
    verify(reader.store()).unwrap();
    drop(books);
    let missing = SqliteLedger::open_read_only(Path::new("no/such/ledger.db"), noon);
    assert!(matches!(missing, Err(StoreError::Unusable(_))), "{missing:?}");
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    let stand = OnDisk::new();
    drop(stand.open());
    let other = stand.path().with_file_name("other.db");
    fs::write(&other, "to do: buy milk\n".repeat(100)).unwrap();
    let error = SqliteLedger::open(&other, noon).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged(reason) if reason.contains("not an SQLite database")),
        "{error:?}"
    );
    assert!(fs::read_to_string(&other).unwrap().starts_with("to do"));
    // A database of another program.
    let foreign = stand.path().with_file_name("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE songs (name)").unwrap();
    let before = fs::read(&foreign).unwrap();
    let error = SqliteLedger::open(&foreign, noon).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged(reason) if reason.contains("of another program")),
        "{error:?}"
    );
    assert_eq!(fs::read(&foreign).unwrap(), before);
    // A folder.
    let folder = SqliteLedger::open(stand.path().parent().unwrap(), noon).unwrap_err();
    assert!(matches!(folder, StoreError::Unusable(_)), "{folder:?}");
}

#[test]
fn a_page_of_garbage_is_damage() {
    let stand = OnDisk::new();
    let (mut books, run) = one_run(&stand);
    for number in 0..200 {
        admitted(&mut books, ask(&format!("filler {number}"), run, 1));
    }
    // The last one to close moves everything into the file itself.
    drop(books);
    // Where every table and index begins; the pages that say so are left as they are.
    let roots: Vec<u32> = {
        let connection = raw(&stand);
        let mut roots = connection.prepare("SELECT rootpage FROM sqlite_schema").unwrap();
        let roots = roots.query_map([], |row| row.get(0)).unwrap();
        roots.collect::<Result<_, _>>().unwrap()
    };
    let mut file = fs::OpenOptions::new().write(true).open(stand.path()).unwrap();
    for root in roots {
        file.seek(SeekFrom::Start(u64::from(root - 1) * 4_096)).unwrap();
        file.write_all(&[0xa5; 4_096]).unwrap();
    }
    drop(file);
    let mut books = stand.books();
    denied(
        &mut books,
        run,
        |error| matches!(error, StoreError::Damaged(reason) if reason.contains("a page makes no sense")),
    );
    assert!(matches!(verify(books.store()), Err(VerifyError::Store(StoreError::Damaged(_)))));
}

#[test]
fn rows_that_make_no_sense_are_damage() {
    let cases = [
        ("UPDATE scopes SET reserved_usd_pico = '-5'", "not an amount of picodollars"),
        ("UPDATE scopes SET reserved_usd_pico = '1.5'", "not an amount of picodollars"),
        ("UPDATE scopes SET settled_requests = -1", "below zero"),
        ("UPDATE scopes SET reserved_usd_pico = '99'", "less than its requests in flight hold"),
        ("UPDATE scopes SET limits = '{\"usd\":1.5}'", "is not a limit"),
        ("UPDATE scopes SET parent = 7", "under no scope before it"),
        ("UPDATE scopes SET warned_per_mille = '0 0'", "one threshold per unit"),
        ("DELETE FROM scopes", "referred to and missing"),
        ("UPDATE attempts SET usd_pico = 'lots'", "not an amount of picodollars"),
        ("UPDATE attempts SET path = ''", "charged to nothing"),
        ("UPDATE attempts SET windows = '9'", "not charged to its own scopes"),
        ("UPDATE attempts SET end = 7", "not a way in which an attempt ends"),
    ];
    for (sql, reason) in cases {
        let stand = OnDisk::new();
        let (mut books, run) = one_run(&stand);
        assert_ne!(raw(&stand).execute(sql, []).unwrap(), 0);
        for operation in
            [Operation::Settle(id("a"), charge(50)), Operation::Extend(id("a"), charge(1))]
        {
            let error = books.apply(&[operation]).unwrap_err();
            assert!(
                matches!(&error, StoreError::Damaged(text) if text.contains(reason)),
                "{sql}: {error:?}"
            );
        }
        let entries = books.store().entries(&EntryFilter::default(), 9).unwrap();
        assert_eq!(entries.len(), 3, "{sql}: nothing was written for run {run:?}");
    }
}

#[test]
fn verifying_names_what_differs() {
    let cases = [
        (
            "UPDATE scopes SET settled_usd_pico = '7'",
            "run 1 keeps $0.000000000007 as settled, its entries add up to $0",
        ),
        (
            "UPDATE scopes SET agents_reserved = 3",
            "run 1 keeps 3 agents as reserved, its entries add up to 0 agents",
        ),
        (
            "UPDATE scopes SET limits = '{}'",
            "run 1 keeps no limit as limit, its entries add up to $0.000000001",
        ),
        ("UPDATE scopes SET paused = 1", "run 1 is paused, and no entry says so"),
        ("DELETE FROM scopes", "scope 0 has entries and is missing"),
        ("DELETE FROM entries WHERE sequence = 1", "entry 1 is missing; 2 comes next"),
        ("DELETE FROM entries", "run 1 is kept, and no entry opened it"),
        (
            "UPDATE scopes SET reserved_usd_pico = '101'",
            "run 1 keeps $0.000000000101 as reserved, its entries add up to $0.0000000001",
        ),
        (
            "UPDATE attempts SET usd_pico = '90'",
            "attempt `a` holds $0.00000000009, its entries say that it holds $0.0000000001",
        ),
        (
            "UPDATE attempts SET end = 1",
            "attempt `a` is not in flight, its entries say that it holds $0.0000000001",
        ),
        (
            "INSERT INTO attempts SELECT 9, 'z', path, windows, agent, end, usd_pico, \
             billed_tokens, output_tokens, requests, NULL, NULL FROM attempts",
            "attempt `z` holds $0.0000000001, its entries say that it is not in flight",
        ),
        (
            "UPDATE entries SET kind = 'release' WHERE kind = 'reserve'",
            "run 1 keeps $0.0000000001 as reserved, its entries add up to $0",
        ),
    ];
    for (sql, first) in cases {
        let stand = OnDisk::new();
        let (mut books, _) = one_run(&stand);
        verify(books.store()).unwrap();
        assert_ne!(raw(&stand).execute(sql, []).unwrap(), 0);
        let error = verify(books.store()).unwrap_err();
        let VerifyError::Different(differences) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(differences[0].to_string(), first, "{sql}");
        assert!(error.to_string().contains(first), "{error}");
    }
}

#[test]
fn a_full_disk_denies_and_changes_nothing() {
    let stand = OnDisk::new();
    let (books, run) = one_run(&stand);
    drop(books);
    let size = fs::metadata(stand.path()).unwrap().len();
    let ledger = stand.open().with_size_max(size + 8_192).unwrap();
    let mut books = Books::new(ledger, 8);
    let mut kept = 0;
    let error = loop {
        let name = format!("{kept:0>200}");
        let batch =
            [Operation::Reserve(ask(&name, run, 1)), Operation::Settle(id(&name), charge(1))];
        match books.apply(&batch) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 500, "it never filled up");
    };
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("no room left")),
        "{error:?}"
    );
    // Small changes may still fit; the one that did not has left nothing behind.
    assert_eq!(usd(&mut books, run), (kept, 100));
    verify(books.store()).unwrap();
    drop(books);
    let mut books = stand.books();
    let name = format!("{kept:0>200}");
    assert_eq!(books.store().attempt(&id(&name)).unwrap(), None);
    assert_eq!(usd(&mut books, run), (kept, 100));
    admitted(&mut books, ask(&name, run, 1));
    verify(books.store()).unwrap();
}

#[test]
fn a_count_that_does_not_fit_is_refused_and_not_cut() {
    let stand = OnDisk::new();
    let (mut books, run) = one_run(&stand);
    let much = flyball::budget::Charge { billed_tokens: u64::MAX, ..charge(1) };
    let error = books.apply(&[Operation::Settle(id("a"), much)]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("more than it can hold")),
        "{error:?}"
    );
    let below = flyball::budget::Charge { usd: pico(-1), ..charge(1) };
    let error = books.apply(&[Operation::Settle(id("a"), below)]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("below zero")),
        "{error:?}"
    );
    assert_eq!(usd(&mut books, run), (0, 100));
    verify(books.store()).unwrap();
}

#[test]
fn damage_where_no_balance_is_kept_is_found_too() {
    let stand = OnDisk::new();
    let (books, _) = one_run(&stand);
    drop(books);
    verify(&stand.open()).unwrap();
    // The first page of what nobody has written to yet: it is read by no question of balances.
    let root: u32 = raw(&stand)
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'runs_by_start'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let size: u32 = raw(&stand).query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    raw(&stand).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(stand.path()).unwrap();
    file.seek(SeekFrom::Start(u64::from(root - 1) * u64::from(size))).unwrap();
    file.write_all(&[0xff; 2_000]).unwrap();
    drop(file);
    let error = verify(&stand.open()).unwrap_err();
    assert!(matches!(&error, VerifyError::Store(StoreError::Damaged(_))), "{error:?}");
}
