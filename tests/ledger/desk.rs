//! Many threads that admit from borrowed slices: nobody overspends, everything reaches the ledger,
//! and what is lent comes back when others want it.

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flyball::budget::{
    Books, Changes, Charge, DenialKind, Limits, Operation, Rows, ScopeId, Store, StoreError, Wanted,
};
use flyball::ledger::{
    BooksError, GroupCommit, LeaseDesk, LeaseTerms, Ledger, ReadLedger, SqliteLedger, Ticket,
    holdings, verify,
};
use tempfile::TempDir;

use super::stand::{OnDisk, Stand, ask, charge, on_every_stand, pico};

on_every_stand!(
    threads_draw_from_slices_and_the_ledger_learns_all_of_it,
    near_a_limit_nobody_overspends_and_the_budget_is_used,
    who_waits_elsewhere_gets_what_was_lent,
    a_limit_that_is_lowered_elsewhere_holds_for_a_slice_that_is_drawn_from,
    an_idle_slice_goes_back_by_itself,
    what_is_in_flight_when_the_desk_closes_is_settled_in_the_ledger,
    a_reservation_grows_beyond_its_slice,
    agents_that_are_counted_are_never_leased,
);

/// A desk of its own process, so to speak.
struct Office<L> {
    desk: LeaseDesk,
    writer: thread::JoinHandle<L>,
    folder: TempDir,
    trouble: Arc<Mutex<Vec<String>>>,
}

fn at_once() -> LeaseTerms {
    LeaseTerms { asks_min: 1, bounds_first: 64, ..LeaseTerms::default() }
}

impl<L: Ledger + Send + 'static> Office<L> {
    fn open(ledger: L, terms: LeaseTerms) -> Self {
        let (commit, writer) = GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let trouble = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&trouble);
        let tell = move |what: &str| told.lock().unwrap().push(what.to_owned());
        let desk = LeaseDesk::start(commit, folder.path(), terms, tell).unwrap();
        Self { desk, writer, folder, trouble }
    }

    fn scope(&self, name: &str, limits: Limits) -> ScopeId {
        self.desk.commit().open(vec!["org".to_owned(), name.to_owned()], limits).unwrap()
    }

    fn take(&self, attempt: &str, scope: ScopeId, usd: i128) -> Ticket {
        self.desk.reserve(ask(attempt, scope, usd), None).unwrap().unwrap()
    }

    /// Closes it; nothing is left behind.
    fn close(self) -> L {
        self.desk.close();
        let ledger = self.writer.join().unwrap();
        assert_eq!(*self.trouble.lock().unwrap(), Vec::<String>::new());
        assert_eq!(files_in(self.folder.path()), 0);
        assert_eq!(ledger.leases().unwrap(), []);
        verify(&ledger).unwrap();
        ledger
    }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Settled, reserved and leased dollars of a scope.
fn usd(ledger: &dyn ReadLedger, scope: ScopeId) -> (i128, i128, i128) {
    let row = ledger.scopes().unwrap().into_iter().find(|row| row.id == scope).unwrap();
    (row.settled.usd.pico(), row.reserved.usd.pico(), row.leased.usd.pico())
}

/// Looks again and again, for at most half a minute.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        thread::yield_now();
    }
}

fn threads_draw_from_slices_and_the_ledger_learns_all_of_it<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    const THREADS: i128 = 8;
    const EACH: i128 = 200;
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits::usd(pico(100_000_000)));
    let most = thread::scope(|threads| {
        let office = &office;
        let work = |thread: i128| {
            move || {
                let mut slices = 0;
                for turn in 0..EACH {
                    let ticket = office.take(&format!("run/{thread}/{turn}"), scope, 100);
                    slices = slices.max(office.desk.slices());
                    match turn % 4 {
                        0 => office.desk.release(&ticket).unwrap(),
                        1 => office.desk.expire(&ticket).unwrap(),
                        2 => office.desk.shrink(&ticket, charge(80)).unwrap(),
                        _ => {}
                    }
                    if turn % 4 > 1 {
                        office.desk.settle(&ticket, charge(70)).unwrap();
                    }
                }
                slices
            }
        };
        let handles: Vec<_> = (0..THREADS).map(|thread| threads.spawn(work(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).max()
    });
    assert_eq!(most, Some(1), "no slice was borrowed");
    let ledger = office.close();
    let spent = THREADS * EACH / 4 * (100 + 70 + 70);
    assert_eq!(usd(&ledger, scope), (spent, 0, 0));
}

fn near_a_limit_nobody_overspends_and_the_budget_is_used<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    // Ample at first, and then less and less.
    let limit = 150_000;
    let offices = [(); 2].map(|()| Office::open(stand.open(), at_once()));
    let scope = offices[0].scope("run", Limits::usd(pico(limit)));
    thread::scope(|threads| {
        for (number, office) in offices.iter().enumerate() {
            for thread in 0..4 {
                threads.spawn(move || {
                    for turn in 0.. {
                        let attempt = format!("{number}/{thread}/{turn}");
                        match office.desk.reserve(ask(&attempt, scope, 100), None).unwrap() {
                            Ok(ticket) => office.desk.settle(&ticket, charge(100)).unwrap(),
                            Err(denial) => {
                                assert_eq!(denial.kind, DenialKind::Exhausted);
                                return;
                            }
                        }
                    }
                });
            }
        }
    });
    let [first, second] = offices.map(Office::close);
    assert_eq!(usd(&first, scope), (limit, 0, 0));
    assert_eq!(usd(&second, scope), (limit, 0, 0));
}

fn who_waits_elsewhere_gets_what_was_lent<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits::usd(pico(100_000)));
    let ticket = office.take("a", scope, 10);
    let other = Office::open(stand.open(), LeaseTerms { asks_min: u32::MAX, ..at_once() });
    let reader = stand.open();
    assert!(usd(&reader, scope).2 > 0, "nothing was lent");
    // More than the slice leaves; it is called back, though the desk is not idle yet.
    let big = other.desk.reserve(ask("b", scope, 99_990), None).unwrap().unwrap();
    assert_eq!(usd(&reader, scope), (0, 100_000, 0));
    other.desk.settle(&big, charge(5)).unwrap();
    office.desk.settle(&ticket, charge(10)).unwrap();
    other.close();
    assert_eq!(usd(&office.close(), scope), (15, 0, 0));
}

fn a_limit_that_is_lowered_elsewhere_holds_for_a_slice_that_is_drawn_from<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits::usd(pico(100_000_000)));
    let ticket = office.take("first", scope, 100);
    office.desk.settle(&ticket, charge(100)).unwrap();
    assert_eq!(office.desk.slices(), 1);
    // So much may be spent in all, and all of it was.
    let mut elsewhere = stand.books();
    super::stand::answer(&mut elsewhere, Operation::SetLimits(scope, Limits::usd(pico(100))));
    let mut turn = 0;
    until("what was lent is recalled", || {
        turn += 1;
        // Nothing of it is used up, so the slice would last for ever.
        match office.desk.reserve(ask(&format!("{turn}"), scope, 100), None).unwrap() {
            Ok(ticket) => office.desk.release(&ticket).unwrap(),
            Err(denial) => {
                assert_eq!(denial.kind, DenialKind::Exhausted);
                return true;
            }
        }
        false
    });
    assert_eq!(usd(&office.close(), scope), (100, 0, 0));
}

fn an_idle_slice_goes_back_by_itself<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let terms = LeaseTerms { idle_max: Duration::from_millis(1), ..at_once() };
    let office = Office::open(stand.open(), terms);
    let scope = office.scope("run", Limits::usd(pico(100_000)));
    let ticket = office.take("a", scope, 10);
    office.desk.settle(&ticket, charge(7)).unwrap();
    let reader = stand.open();
    until("the slice is back", || usd(&reader, scope) == (7, 0, 0));
    until("its journal is gone", || files_in(office.folder.path()) == 0);
    office.close();
}

fn what_is_in_flight_when_the_desk_closes_is_settled_in_the_ledger<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits::usd(pico(100_000)));
    let ticket = office.take("a", scope, 10);
    let commit = office.desk.commit().clone();
    office.desk.close();
    let reader = stand.open();
    assert_eq!(usd(&reader, scope), (0, 10, 0));
    commit.settle(ticket.attempt.clone(), charge(8)).unwrap();
    drop(commit);
    office.writer.join().unwrap();
    assert_eq!(usd(&reader, scope), (8, 0, 0));
    assert_eq!(holdings(&reader).unwrap(), []);
    verify(&reader).unwrap();
}

fn a_reservation_grows_beyond_its_slice<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits::usd(pico(100_000)));
    let ticket = office.take("a", scope, 10);
    let by = |usd| Charge { usd: pico(usd), ..Charge::ZERO };
    // From the slice, then from the ledger, then from nowhere.
    assert_eq!(office.desk.extend(&ticket, by(5)).unwrap(), None);
    assert_eq!(office.desk.extend(&ticket, by(90_000)).unwrap(), None);
    let denial = office.desk.extend(&ticket, by(20_000)).unwrap().unwrap();
    assert_eq!(denial.shortage.scope, "org / run");
    let reader = stand.open();
    until("the ledger knows", || usd(&reader, scope).1 == 90_015);
    verify(&reader).unwrap();
    office.desk.settle(&ticket, charge(90_001)).unwrap();
    assert_eq!(usd(&office.close(), scope), (90_001, 0, 0));
}

fn agents_that_are_counted_are_never_leased<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let office = Office::open(stand.open(), at_once());
    let scope = office.scope("run", Limits { agents: Some(2), ..Limits::usd(pico(100_000)) });
    let ticket = office.take("a", scope, 10);
    assert_eq!(office.desk.slices(), 0);
    office.desk.settle(&ticket, charge(7)).unwrap();
    assert_eq!(usd(&office.close(), scope), (7, 0, 0));
}

#[test]
fn a_folder_that_cannot_be_written_means_that_the_ledger_is_asked() {
    let stand = super::stand::InMemory::new();
    let (commit, writer) =
        GroupCommit::start(Books::new(stand.open(), usize::MAX), |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let desk = LeaseDesk::start(commit, &file, at_once(), move |what| {
        tell.lock().unwrap().send(what.to_owned()).unwrap();
    })
    .unwrap();
    let scope = desk.commit().open(vec!["run".to_owned()], Limits::usd(pico(100_000))).unwrap();
    let ticket = desk.reserve(ask("a", scope, 10), None).unwrap().unwrap();
    assert!(told.recv().unwrap().starts_with("no journal for lease 1: "));
    assert_eq!(desk.slices(), 0);
    let settled: Result<(), BooksError> = desk.settle(&ticket, charge(10));
    settled.unwrap();
    desk.close();
    let ledger = writer.join().unwrap();
    assert_eq!(usd(&ledger, scope), (10, 0, 0));
    verify(&ledger).unwrap();
}

/// A ledger that is too slow for transactions about more than 100 attempts.
struct Slow(SqliteLedger);

impl Store for Slow {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        if wanted.attempts.len() > 100 {
            return Err(StoreError::Busy("too slow".to_owned()));
        }
        self.0.transact(wanted, work)
    }
}

#[test]
fn a_ledger_that_is_too_slow_for_all_records_is_given_fewer() {
    const ATTEMPTS: i128 = 3_000;
    let (stand, folder) = (OnDisk::new(), tempfile::tempdir().unwrap());
    let books = Books::new(Slow(stand.open()), usize::MAX);
    let (commit, writer) = GroupCommit::start(books, |_| {}).unwrap();
    let scope = commit.open(vec!["org".to_owned()], Limits::usd(pico(100_000_000_000))).unwrap();
    let terms = LeaseTerms { bounds_first: 4_000, ..at_once() };
    let desk = LeaseDesk::driven(commit, folder.path(), terms, |_| {});
    for number in 0..ATTEMPTS {
        let ticket = desk.reserve(ask(&format!("{number}"), scope, 100), None).unwrap().unwrap();
        desk.settle(&ticket, charge(70)).unwrap();
    }
    assert_eq!(desk.slices(), 1);
    let reader = stand.open();
    until("the ledger learns of all", || {
        desk.look();
        usd(&reader, scope).0 == 70 * ATTEMPTS
    });
    desk.close();
    drop(writer.join().unwrap());
    verify(&reader).unwrap();
}
