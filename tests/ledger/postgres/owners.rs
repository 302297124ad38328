//! Which process holds what, and whether it lives, as others see it.

use std::time::{Duration, Instant};

use flyball::budget::{Books, Limits};
use flyball::ledger::{GroupCommit, LeaseDesk, LeaseTerms, Liveness, PostgresLedger, ReadLedger};

use super::server::{is_wanted, shared};
use crate::ledger::stand::{admitted, ask, noon, open, settle};

/// Cuts every connection but the one that asks.
const CUT: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
    WHERE pid <> pg_backend_pid() AND datname = current_database()";

#[test]
fn a_process_that_only_holds_something_comes_back_by_itself() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let ledger = || PostgresLedger::open(&database.url(), noon).unwrap();
    let (commit, writer) = GroupCommit::start(Books::new(ledger(), 8), |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let terms = LeaseTerms { heard_every: Duration::from_millis(1), ..LeaseTerms::default() };
    let desk = LeaseDesk::start(commit, folder.path(), terms, |_| {}).unwrap();
    let run = desk.commit().open(vec!["run 1".to_owned()], Limits::NONE).unwrap();
    let ticket = desk.reserve(ask("a", run, 5), None).unwrap().unwrap();
    database.sql(CUT);
    let began = Instant::now();
    while ledger().owners().unwrap()[0].liveness != Liveness::Alive {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody hears of it any more");
    }
    desk.release(&ticket).unwrap();
    desk.close();
    drop(writer.join().unwrap());
}

#[test]
fn a_process_is_alive_while_its_connection_is_and_silent_afterwards() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let ledger = || PostgresLedger::open(&database.url(), noon).unwrap();
    let (mut holder, mut settled) = (Books::new(ledger(), 8), Books::new(ledger(), 8));
    let run = open(&mut holder, &["run 1"], Limits::NONE);
    let seen = || -> Vec<Liveness> {
        let owners = ledger().owners().unwrap();
        assert!(owners.iter().all(|owner| owner.process == std::process::id()), "{owners:?}");
        owners.iter().map(|owner| owner.liveness).collect()
    };
    assert_eq!(seen(), []);
    admitted(&mut settled, ask("done", run, 5));
    admitted(&mut holder, ask("a", run, 5));
    admitted(&mut holder, ask("b", run, 5));
    assert_eq!(seen(), [Liveness::Alive, Liveness::Alive]);
    settle(&mut settled, "done", 1);
    assert_eq!(seen(), [Liveness::Alive]);
    // Its connection is cut by the server; it comes back with the next batch, and is the same one.
    database.sql(CUT);
    assert_eq!(seen(), [Liveness::Silent]);
    admitted(&mut holder, ask("c", run, 5));
    assert_eq!(seen(), [Liveness::Alive]);
    // Silent for a minute, it has stopped or comes back.
    database.sql(CUT);
    assert_eq!(seen(), [Liveness::Silent]);
    let since = |ago: u64| {
        let sql = "UPDATE flyball.owners SET silent_since_milliseconds =";
        database.sql(&format!("{sql} silent_since_milliseconds - {ago} WHERE id = 2"));
    };
    since(50_000);
    assert_eq!(seen(), [Liveness::Silent]);
    since(10_000);
    assert_eq!(seen(), [Liveness::Dead]);
    admitted(&mut holder, ask("d", run, 5));
    assert_eq!(seen(), [Liveness::Alive]);
    database.sql(CUT);
    assert_eq!(seen(), [Liveness::Silent]);
    // It says so when it ends.
    admitted(&mut holder, ask("e", run, 5));
    drop(holder);
    assert_eq!(seen(), [Liveness::Dead]);
}
