//! How a database is named, how the way there is kept private, and that no password is shown.

use std::time::Duration;

use flyball::budget::StoreError;
use flyball::ledger::{Ledger, PostgresLedger, ReadLedger};
use flyball::ledger_place::LedgerPlace;

use super::server::{ESCAPED_PASSWORD, PASSWORD, Server, is_wanted, shared};
use crate::ledger::stand::noon;

fn refusal(url: &str) -> String {
    match PostgresLedger::open(url, noon) {
        Err(StoreError::Unusable(reason)) => reason,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_being_quoted() {
    let cases = [
        ("postgres://me:hunter2@db.example/flyball?sslmode=perhaps", "sslmode"),
        ("postgres://me:hunter2@db.example/flyball?sslmode=verify-ca", "verify-full"),
        ("postgres://me:hunter2@db.example/", "names no database"),
        ("postgres://me:hunter2@/flyball", "names no host"),
        ("postgres://me:x@hunter2@db.example/flyball", "no host that can be one"),
        ("postgres://me:x?hunter2=y@db.example/flyball?hunter2=1", "cannot be read"),
        ("postgres://me@db.example:hunter2/flyball", "cannot be read"),
        ("postgres://me@db.example/flyball?password=hunter2&port", "cannot be read"),
    ];
    for (url, reason) in cases {
        let told = refusal(url);
        assert!(told.contains(reason), "{url}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("postgres://USER:PASSWORD@HOST:PORT/DATABASE"), "{told}");
    }
    let place = LedgerPlace::from(std::ffi::OsString::from(cases[0].0));
    assert!(!format!("{place:?}").contains("hunter2"), "{place:?}");
}

#[test]
fn nobody_at_the_other_end_is_said_with_host_and_database() {
    // Nobody listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = refusal(&format!("postgres://me:hunter2@127.0.0.1:{free}/flyball"));
    let expected = format!("Postgres database `flyball` at 127.0.0.1:{free}: it cannot be reached");
    assert!(told.starts_with(&expected), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_password_is_sent_and_never_shown() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let ledger = PostgresLedger::open(&database.network_url(), noon).unwrap();
    let shown = format!("{ledger:?} {}", ledger.place());
    for secret in [PASSWORD, ESCAPED_PASSWORD, "s3cr3t"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(database.name()), "{shown}");
    let wrong = database.network_url().replace(ESCAPED_PASSWORD, "hunter2");
    let told = refusal(&wrong);
    assert!(told.contains("the server does not let this user in"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let missing = refusal(&shared().url("nowhere"));
    assert!(missing.contains("there is no such database"), "{missing}");
}

#[test]
fn a_database_without_a_ledger_is_looked_at_and_left_as_it_is() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    assert!(PostgresLedger::open_existing(&database.url(), noon).unwrap().is_none());
    drop(PostgresLedger::open(&database.url(), noon).unwrap());
    assert!(PostgresLedger::open_existing(&database.url(), noon).unwrap().is_some());
    // A schema of that name that is not ours.
    let other = shared().database();
    other.sql("CREATE SCHEMA flyball; CREATE TABLE flyball.songs (name TEXT)");
    let told = PostgresLedger::open(&other.url(), noon).unwrap_err();
    assert!(matches!(&told, StoreError::Damaged(reason) if reason.contains("another program")));
}

#[test]
fn many_processes_that_start_at_once_make_the_tables_once() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    std::thread::scope(|threads| {
        let open = || PostgresLedger::open(&database.url(), noon).unwrap().scopes().unwrap().len();
        let opened: Vec<_> = (0..12).map(|_| threads.spawn(open)).collect();
        assert!(opened.into_iter().all(|thread| thread.join().unwrap() == 0));
    });
}

#[test]
fn tls_is_used_as_the_url_asks() {
    if !is_wanted() {
        return;
    }
    let files = [
        ("certificate.pem", include_str!("tls/certificate.pem")),
        ("key.pem", include_str!("tls/key.pem")),
        ("authority.pem", include_str!("tls/authority.pem")),
    ];
    let settings = "fsync = off\nssl = on\nssl_cert_file = 'certificate.pem'\n\
                    ssl_key_file = 'key.pem'\n";
    let server = Server::start(settings, &files);
    let database = server.database();
    let at = |host: &str, options: &str| {
        let url = database.network_url().replace("127.0.0.1", host);
        PostgresLedger::open(&format!("{url}?{options}"), noon)
    };
    let encrypted = |ledger: PostgresLedger| {
        let ledger = ledger.with_wait(Duration::from_secs(5));
        // While it is connected, the server says how.
        let encrypted = database.sql(
            "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE ssl AND application_name = 'flyball'",
        );
        drop(ledger);
        encrypted == 1
    };
    assert!(!encrypted(at("localhost", "sslmode=disable").unwrap()));
    let authority = server.file("authority.pem");
    let verified = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    for options in ["sslmode=prefer", "sslmode=require", &verified] {
        assert!(encrypted(at("localhost", options).unwrap()), "{options}");
    }
    // Not this name's certificate, and not one that the system trusts.
    for (host, options) in [("127.0.0.1", &*verified), ("localhost", "sslmode=verify-full")] {
        let refused = at(host, options).unwrap_err();
        assert!(matches!(&refused, StoreError::Unusable(_)), "{refused:?}");
        assert!(refused.to_string().contains("TLS"), "{refused}");
    }
    let plain = shared().database();
    let refused = PostgresLedger::open(&format!("{}?sslmode=require", plain.network_url()), noon);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("does not support TLS"), "{refused}");
}

#[test]
fn an_open_ledger_takes_a_note_and_no_secret() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let mut ledger = PostgresLedger::open(&database.network_url(), noon).unwrap();
    ledger.set_note(Some("by hand".to_owned()));
    assert_eq!(ledger.scopes().unwrap(), []);
    assert!(!format!("{ledger:?}").contains("s3cr3t"));
}
