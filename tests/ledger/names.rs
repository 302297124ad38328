//! One file by several names: what lies beside it lies in one place.

use std::os::unix::fs::symlink;
use std::path::Path;

use flyball::budget::{Books, Limits};
use flyball::id::RunId;
use flyball::ledger::{Liveness, RunLock, SqliteLedger, holdings};

use super::stand::{admitted, ask, noon, open, pico};

fn at(path: &Path) -> SqliteLedger {
    SqliteLedger::open(path, noon).unwrap()
}

/// Whether who holds something of the ledger at `path` lives, as seen from there.
fn lives(ledger: &SqliteLedger) -> bool {
    let holdings = holdings(ledger).unwrap();
    assert_eq!(holdings.len(), 1);
    holdings[0].owner.as_ref().is_some_and(|owner| owner.liveness == Liveness::Alive)
}

#[test]
fn who_lives_is_seen_to_live_through_every_link() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("shared/ledger.db");
    let mut books = Books::new(at(&real), 0);
    let run = open(&mut books, &["run"], Limits::usd(pico(100)));
    admitted(&mut books, ask("a", run, 40));
    let (link, linked) = (folder.path().join("mine.db"), folder.path().join("linked"));
    symlink(&real, &link).unwrap();
    symlink(folder.path().join("shared"), &linked).unwrap();
    for name in [&link, &linked.join("ledger.db"), &folder.path().join("shared/../mine.db")] {
        assert!(lives(&at(name)), "{}", name.display());
        assert!(lives(&SqliteLedger::open_read_only(name, noon).unwrap()), "{}", name.display());
        assert_eq!(at(name).journals(), at(&real).journals());
    }
    drop(books);
    assert!(!lives(&at(&link)));
    // Nothing lies beside a link.
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    names.retain(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("db-"));
    assert_eq!(names.len(), 0, "{names:?}");
}

#[test]
fn a_link_may_be_there_before_its_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shared")).unwrap();
    let (real, link) = (folder.path().join("shared/ledger.db"), folder.path().join("mine.db"));
    symlink(&real, &link).unwrap();
    let first = at(&link);
    let lock = RunLock::take(&first.run_locks(), &RunId::from("r1".to_owned())).unwrap();
    let seen = RunLock::liveness(&at(&real).run_locks(), &RunId::from("r1".to_owned()));
    assert_eq!(seen, Liveness::Alive);
    drop(lock);
}
