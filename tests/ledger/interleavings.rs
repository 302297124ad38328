//! Threads at one lease desk, in thousands of orders: whatever the order, everything that was
//! settled reaches the ledger once, and slices go back while others still draw from them.

use std::sync::Arc;
use std::time::Duration;

use flyball::budget::{Books, Charge, Limits, ScopeId};
use flyball::ledger::{GroupCommit, LeaseDesk, LeaseTerms, ReadLedger, verify};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};

use super::stand::{InMemory, Stand, ask, charge, pico};

const WORKERS: i128 = 3;
const EACH: i128 = 3;

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 19;
    Runner::new(scheduler, config).run(scenario);
}

#[test]
fn every_settle_arrives_in_random_orders() {
    run(RandomScheduler::new(600), draw_while_slices_go_back);
}

#[test]
fn every_settle_arrives_where_threads_are_preempted() {
    run(PctScheduler::new(3, 600), draw_while_slices_go_back);
}

#[test]
fn reservations_grow_while_slices_go_back() {
    run(RandomScheduler::new(300), extend_while_slices_go_back);
}

fn desk(
    stand: &InMemory,
    folder: &std::path::Path,
) -> (LeaseDesk, std::thread::JoinHandle<impl ReadLedger>) {
    let (commit, writer) =
        GroupCommit::start(Books::new(stand.open(), usize::MAX), |_| {}).unwrap();
    // Every look finds every slice idle, so they come and go.
    let idle_max = Duration::ZERO;
    let terms = LeaseTerms { asks_min: 1, bounds_first: 8, idle_max, ..LeaseTerms::default() };
    (LeaseDesk::driven(commit, folder, terms, |what| panic!("{what}")), writer)
}

fn scenario(work: fn(&LeaseDesk, ScopeId, i128)) -> (i128, usize) {
    let stand = InMemory::new();
    let folder = tempfile::tempdir().unwrap();
    let (desk, writer) = desk(&stand, folder.path());
    let run = vec!["run".to_owned()];
    let scope = desk.commit().open(run, Limits::usd(pico(1_000_000))).unwrap();
    let desk = Arc::new(desk);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let desk = Arc::clone(&desk);
            thread::spawn(move || work(&desk, scope, worker))
        })
        .collect();
    let keeper = {
        let desk = Arc::clone(&desk);
        thread::spawn(move || (0..6).for_each(|_| desk.look()))
    };
    for worker in workers {
        worker.join().unwrap();
    }
    keeper.join().unwrap();
    Arc::into_inner(desk).unwrap().close();
    let ledger = writer.join().unwrap();
    verify(&ledger).unwrap();
    assert_eq!(ledger.leases().unwrap(), []);
    let row = ledger.scopes().unwrap().remove(0);
    assert_eq!((row.reserved, row.leased), (Charge::ZERO, Charge::ZERO));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    (row.settled.usd.pico(), left)
}

fn draw_while_slices_go_back() {
    let (settled, left) = scenario(|desk, scope, worker| {
        for turn in 0..EACH {
            let ask = ask(&format!("{worker}/{turn}"), scope, 100);
            let ticket = desk.reserve(ask, None).unwrap().unwrap();
            desk.shrink(&ticket, charge(90)).unwrap();
            desk.settle(&ticket, charge(70)).unwrap();
        }
    });
    assert_eq!((settled, left), (WORKERS * EACH * 70, 0));
}

fn extend_while_slices_go_back() {
    let (settled, left) = scenario(|desk, scope, worker| {
        let by = |usd| Charge { usd: pico(usd), ..Charge::ZERO };
        let ticket = desk.reserve(ask(&format!("{worker}"), scope, 100), None).unwrap().unwrap();
        assert_eq!(desk.extend(&ticket, by(50)).unwrap(), None);
        // More than a slice has: out of the ledger.
        assert_eq!(desk.extend(&ticket, by(5_000)).unwrap(), None);
        desk.settle(&ticket, charge(5_100)).unwrap();
    });
    assert_eq!((settled, left), (WORKERS * 5_100, 0));
}
