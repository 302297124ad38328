//! Tables that a newer flyball wrote, that may not be written, or that hold nonsense.

use flyball::budget::{Books, Limits, Operation, ScopeId, StoreError};
use flyball::ledger::{PostgresLedger, ReadLedger, VerifyError, verify};

use super::server::{Database, is_wanted, shared};
use crate::ledger::stand::{admitted, ask, charge, id, noon, open, pico, usd};

fn one_run(database: &Database<'_>) -> (Books<PostgresLedger>, ScopeId) {
    let mut books = Books::new(PostgresLedger::open(&database.url(), noon).unwrap(), 8);
    let run = open(&mut books, &["run 1"], Limits::usd(pico(1_000)));
    admitted(&mut books, ask("a", run, 100));
    (books, run)
}

#[test]
fn a_newer_schema_is_refused_before_and_while_it_is_open() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let (mut books, run) = one_run(&database);
    database.sql("UPDATE flyball.ledger SET schema_version = schema_version + 1");
    let settle = [Operation::Settle(id("a"), charge(50))];
    let newer = |error: &StoreError| matches!(error, StoreError::Newer { found, known } if *found == known + 1);
    assert!(newer(&books.apply(&settle).unwrap_err()));
    assert!(newer(&books.store().scopes().unwrap_err()));
    assert!(newer(&PostgresLedger::open(&database.url(), noon).unwrap_err()));
    database.sql("UPDATE flyball.ledger SET schema_version = schema_version - 1");
    assert_eq!(usd(&mut books, run), (0, 100));
    verify(books.store()).unwrap();
}

#[test]
fn a_user_who_may_only_read_admits_nothing() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    drop(one_run(&database));
    let name = format!("reader_of_{}", database.name());
    database.sql(&format!(
        "CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA flyball TO {name}; \
         GRANT SELECT ON ALL TABLES IN SCHEMA flyball TO {name}"
    ));
    let url = database.url().replace("flyball@", &format!("{name}@"));
    let ledger = PostgresLedger::open(&url, noon).unwrap();
    verify(&ledger).unwrap();
    let mut books = Books::new(ledger, 8);
    let error = books.apply(&[Operation::Settle(id("a"), charge(50))]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("may not do that")),
        "{error:?}"
    );
    let held = format!("DROP OWNED BY {name}; DROP ROLE {name}");
    drop(books);
    database.sql(&held);
}

#[test]
fn a_server_that_takes_no_writes_admits_nothing() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let (mut books, run) = one_run(&database);
    // A trigger stands in for what a full disk or a standby says.
    database.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON flyball.entries \
         EXECUTE FUNCTION refuse()",
    );
    let error = books.apply(&[Operation::Settle(id("a"), charge(50))]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("no room left")),
        "{error:?}"
    );
    database.sql("DROP TRIGGER full_disk ON flyball.entries");
    assert_eq!(usd(&mut books, run), (0, 100));
    verify(books.store()).unwrap();
}

#[test]
fn rows_that_make_no_sense_are_damage() {
    if !is_wanted() {
        return;
    }
    let cases = [
        ("UPDATE flyball.scopes SET reserved_usd_pico = -5", "not an amount of picodollars"),
        ("UPDATE flyball.scopes SET settled_requests = -1", "below zero"),
        ("UPDATE flyball.scopes SET reserved_usd_pico = 99", "less than its requests in flight"),
        ("UPDATE flyball.scopes SET limits = '{\"usd\":1.5}'", "is not a limit"),
        ("UPDATE flyball.scopes SET parent = 7", "under no scope before it"),
        ("UPDATE flyball.scopes SET warned_per_mille = '{0,0}'", "one threshold per unit"),
        ("DELETE FROM flyball.scopes", "referred to and missing"),
        ("UPDATE flyball.attempts SET path = '{}'", "charged to nothing"),
        ("UPDATE flyball.attempts SET path = '{0,3}'", "referred to and missing"),
        ("UPDATE flyball.attempts SET windows = '{9}'", "not charged to its own scopes"),
        ("UPDATE flyball.attempts SET state = 7", "not a way in which an attempt ends"),
        ("DELETE FROM flyball.locks WHERE name = 'entries'", "touched 0 rows instead of 1"),
        ("DELETE FROM flyball.ledger", "does not say which schema it has"),
        ("DROP TABLE flyball.counted", "not as flyball made it"),
    ];
    for (sql, reason) in cases {
        let database = shared().database();
        let (mut books, _) = one_run(&database);
        database.sql(sql);
        for operation in
            [Operation::Settle(id("a"), charge(50)), Operation::Extend(id("a"), charge(1))]
        {
            let error = books.apply(&[operation]).unwrap_err();
            assert!(
                matches!(&error, StoreError::Damaged(text) if text.contains(reason)),
                "{sql}: {error:?}"
            );
        }
        assert_eq!(database.sql("SELECT 1 FROM flyball.entries"), 3, "{sql}: nothing was written");
    }
}

#[test]
fn verifying_names_what_differs() {
    if !is_wanted() {
        return;
    }
    let cases = [
        (
            "UPDATE flyball.scopes SET settled_usd_pico = 7",
            "run 1 keeps $0.000000000007 as settled, its entries add up to $0",
        ),
        ("DELETE FROM flyball.entries WHERE sequence = 1", "entry 1 is missing; 2 comes next"),
        (
            "UPDATE flyball.attempts SET usd_pico = 90",
            "attempt `a` holds $0.00000000009, its entries say that it holds $0.0000000001",
        ),
    ];
    for (sql, first) in cases {
        let database = shared().database();
        let (books, _) = one_run(&database);
        verify(books.reader()).unwrap();
        database.sql(sql);
        let error = verify(books.reader()).unwrap_err();
        let VerifyError::Different(differences) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(differences[0].to_string(), first, "{sql}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_not_cut() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let (mut books, run) = one_run(&database);
    let much = flyball::budget::Charge { usd: pico(10_i128.pow(38)), ..charge(1) };
    let error = books.apply(&[Operation::Settle(id("a"), much)]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unusable(reason) if reason.contains("more than it can hold")),
        "{error:?}"
    );
    let most = flyball::budget::Charge { usd: pico(10_i128.pow(38) - 1), ..charge(1) };
    books.apply(&[Operation::Settle(id("a"), most)]).unwrap();
    assert_eq!(usd(&mut books, run), (10_i128.pow(38) - 1, 0));
    // Postgres keeps no text with a zero in it.
    let named = flyball::budget::Ask { agent: Some("x\0y".into()), ..ask("z", run, 0) };
    let error = books.apply(&[Operation::Reserve(named)]).unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
    verify(books.store()).unwrap();
}
