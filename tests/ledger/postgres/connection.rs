//! A connection that breaks, a server that stops, a lock that somebody holds: whoever asks is denied
//! or told that nobody knows, and what was acknowledged is kept.

use std::sync::mpsc::channel;
use std::time::Duration;

use flyball::budget::{Admission, Books, Limits, Operation, ScopeId, StoreError};
use flyball::ledger::{PostgresLedger, ReadLedger, verify};

use super::proxy::{Cut, Proxy};
use super::server::{Database, Line, Server, is_wanted, shared};
use crate::ledger::stand::{admitted, ask, charge, id, noon, open, pico, reserve, settle, usd};

/// As it goes to the server; what begins a transaction says `COMMITTED`.
const COMMIT: &str = "COMMIT\0";

/// A run with 1,000, of which `a` holds 100.
fn one_run(url: &str) -> (Books<PostgresLedger>, ScopeId) {
    let mut books = Books::new(PostgresLedger::open(url, noon).unwrap(), 8);
    let run = open(&mut books, &["run 1"], Limits::usd(pico(1_000)));
    admitted(&mut books, ask("a", run, 100));
    (books, run)
}

fn through(proxy: &Proxy, database: &Database<'_>) -> String {
    let port = |port: u16| format!("127.0.0.1:{port}/");
    database.network_url().replace(&port(shared().port()), &port(proxy.port()))
}

#[test]
fn a_line_cut_at_the_commit_leaves_nobody_knowing_and_nothing_spent_twice() {
    if !is_wanted() {
        return;
    }
    for (cut, kept) in [(Cut::After(COMMIT), true), (Cut::Before(COMMIT), false)] {
        let (proxy, database) = (Proxy::to(shared().port()), shared().database());
        let (mut books, run) = one_run(&through(&proxy, &database));
        assert!(matches!(reserve(&mut books, ask("b", run, 950)), Admission::Waiting(_)));
        proxy.cut(cut);
        let error = books.apply(&[Operation::Settle(id("a"), charge(50))]).unwrap_err();
        assert!(matches!(error, StoreError::Uncertain(_)), "{cut:?}: {error:?}");
        assert!(proxy.has_cut());
        // As another process sees it, once the server has noticed.
        let mut other = Books::new(PostgresLedger::open(&database.url(), noon).unwrap(), 8);
        other.apply(&[]).unwrap();
        assert_eq!(usd(&mut other, run), if kept { (50, 950) } else { (0, 100) });
        // The same process goes on, and is told what became of who waited.
        assert_eq!(settle(&mut books, "a", 50), kept);
        assert_eq!(books.waiting(), 0);
        assert_eq!(usd(&mut books, run), (50, 950));
        verify(books.store()).unwrap();
    }
}

#[test]
fn a_line_cut_before_the_commit_keeps_nothing() {
    if !is_wanted() {
        return;
    }
    // What a batch writes of its scopes and of its entries; the statements themselves are known to
    // the server by then.
    let (scopes, entries) = ("\"settled_usd_pico\"", "\"at_milliseconds\"");
    let cuts = [Cut::Before(scopes), Cut::After(scopes), Cut::After(entries)];
    for cut in cuts {
        let (proxy, database) = (Proxy::to(shared().port()), shared().database());
        let (mut books, run) = one_run(&through(&proxy, &database));
        proxy.cut(cut);
        let error = books.apply(&[Operation::Settle(id("a"), charge(50))]).unwrap_err();
        assert!(proxy.has_cut());
        let lost = |error: &StoreError| matches!(error, StoreError::Unusable(reason) if reason.contains("was lost"));
        assert!(lost(&error), "{cut:?}: {error:?}");
        assert_eq!(usd(&mut books, run), (0, 100));
        // Before anything was decided, another connection does as well.
        proxy.cut(Cut::Before("FOR UPDATE"));
        assert!(!settle(&mut books, "a", 50));
        assert!(proxy.has_cut());
        assert_eq!(usd(&mut books, run), (50, 0));
        verify(books.store()).unwrap();
    }
}

#[test]
fn a_scope_that_somebody_holds_is_waited_for_and_then_busy() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let (books, run) = one_run(&database.url());
    let ledger = books.into_store().with_wait(Duration::from_millis(50));
    let mut books = Books::new(ledger, 8);
    let holder = Line::open(&database.url());
    holder.sql("BEGIN; SELECT id FROM flyball.scopes FOR UPDATE");
    for operation in [Operation::Reserve(ask("b", run, 10)), Operation::Settle(id("a"), charge(9))]
    {
        let error = books.apply(&[operation]).unwrap_err();
        assert!(
            matches!(&error, StoreError::Busy(reason) if reason.contains("it stayed locked")),
            "{error:?}"
        );
    }
    // Reading goes on meanwhile, and so does who needs other scopes.
    assert_eq!((usd(&mut books, run), books.waiting()), ((0, 100), 0));
    open(&mut books, &["run 2"], Limits::NONE);
    holder.sql("ROLLBACK");
    assert!(!settle(&mut books, "a", 9));
    // Who numbers entries.
    holder.sql("BEGIN; SELECT name FROM flyball.locks WHERE name = 'entries' FOR UPDATE");
    let error = books.apply(&[Operation::Reserve(ask("c", run, 10))]).unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    holder.sql("ROLLBACK");
    verify(books.store()).unwrap();
}

#[test]
fn who_opens_scopes_at_once_opens_each_of_them_once() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    drop(PostgresLedger::open(&database.url(), noon).unwrap());
    let work = |thread: usize| {
        let ledger = PostgresLedger::open(&database.url(), noon).unwrap();
        let mut books = Books::new(ledger.with_wait(Duration::from_secs(30)), 8);
        for round in 0..10 {
            let shared = format!("run {round}");
            let own = format!("agent {thread}");
            // Siblings are asked for in another order by each.
            let first = open(&mut books, &["org", &shared, &own], Limits::NONE);
            let second =
                open(&mut books, &[&format!("day {}", (round + thread) % 10)], Limits::NONE);
            let asked = flyball::budget::Ask {
                windows: vec![second],
                ..ask(&format!("{thread}/{round}"), first, 10)
            };
            admitted(&mut books, asked);
            assert!(!settle(&mut books, &format!("{thread}/{round}"), 7));
        }
    };
    std::thread::scope(|threads| {
        let started: Vec<_> = (0..6).map(|thread| threads.spawn(move || work(thread))).collect();
        for thread in started {
            thread.join().unwrap();
        }
    });
    let ledger = PostgresLedger::open(&database.url(), noon).unwrap();
    let scopes = ledger.scopes().unwrap();
    assert_eq!(scopes.len(), 1 + 10 + 60 + 10);
    assert_eq!(scopes[0].settled.usd, pico(6 * 10 * 7));
    verify(&ledger).unwrap();
}

#[test]
fn a_server_that_crashes_and_comes_back_has_all_that_was_acknowledged() {
    if !is_wanted() {
        return;
    }
    let server = Server::start("", &[]);
    let database = server.database();
    let (mut books, run) = one_run(&database.url());
    let (told, news) = channel();
    let (stop, stopped) = channel::<()>();
    let worker = std::thread::spawn(move || {
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for number in 0.. {
            let name = format!("w/{number}");
            let batch =
                [Operation::Reserve(ask(&name, run, 10)), Operation::Settle(id(&name), charge(0))];
            let done = books.apply(&batch);
            let is_fine = match done {
                Ok(applied) => {
                    assert!(applied.answers.iter().all(Result::is_ok), "{applied:?}");
                    kept.push(name);
                    true
                }
                Err(StoreError::Uncertain(_)) => false,
                Err(StoreError::Unusable(_) | StoreError::Busy(_)) => {
                    lost.push(name);
                    false
                }
                Err(other) => panic!("{other:?}"),
            };
            // Whoever listens may have heard enough.
            let _gone = told.send(is_fine);
            if stopped.try_recv().is_ok() {
                return (books, kept, lost);
            }
        }
        unreachable!("it ends when it is told to")
    });
    let wait_for = |is_fine: bool| {
        let mut seen = 0;
        while seen < 5 {
            seen += usize::from(news.recv().unwrap() == is_fine);
        }
    };
    for how in ["crash", "stop"] {
        wait_for(true);
        server.order(how);
        wait_for(false);
        server.order("start");
        wait_for(true);
    }
    stop.send(()).unwrap();
    let (books, kept, lost) = worker.join().unwrap();
    let ledger = books.reader();
    verify(ledger).unwrap();
    for name in kept {
        assert!(ledger.attempt(&id(&name)).unwrap().is_some(), "{name} was acknowledged and lost");
    }
    // Those that were refused for certain; all of them would take long.
    for name in lost.iter().take(50).chain(lost.iter().rev().take(50)) {
        assert!(ledger.attempt(&id(name)).unwrap().is_none(), "{name} was refused and kept");
    }
}

#[test]
fn a_ledger_that_was_read_may_be_dropped_where_nobody_may_wait() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let ledger = PostgresLedger::open(&database.url(), noon).unwrap();
    assert_eq!(ledger.scopes().unwrap(), []);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move { drop(ledger) });
}
