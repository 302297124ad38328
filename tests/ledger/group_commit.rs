//! Many threads, one writer: nothing is lost, nobody overspends, and who waits is told in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use flyball::budget::{
    Books, Changes, DenialKind, Limits, Quantity, Rows, Store, StoreError, Wanted,
};
use flyball::ledger::{BooksError, GroupCommit, Ledger, ReadLedger, SqliteLedger, verify};

use super::stand::{OnDisk, Stand, ask, charge, id, on_every_stand, pico};

fn start<L: Ledger + Send + 'static>(ledger: L) -> (GroupCommit, thread::JoinHandle<L>) {
    GroupCommit::start(Books::new(ledger, usize::MAX), |_| {}).unwrap()
}

/// A ledger that counts its transactions.
struct Counted {
    ledger: SqliteLedger,
    transactions: Arc<AtomicU64>,
}

impl Store for Counted {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        self.transactions.fetch_add(1, Ordering::SeqCst);
        self.ledger.transact(wanted, work)
    }
}

/// Balance that others set free is looked for 50 times a second while somebody waits.
#[test]
fn asking_what_is_lacking_is_no_reason_for_a_transaction() {
    let stand = OnDisk::new();
    let transactions = Arc::new(AtomicU64::new(0));
    let counted = Counted { ledger: stand.open(), transactions: Arc::clone(&transactions) };
    let (commit, writer) = GroupCommit::start(Books::new(counted, 8), |_| {}).unwrap();
    let run = commit.open(path("run 1"), Limits::usd(pico(100))).unwrap();
    commit.reserve(ask("a", run, 90), None).unwrap().unwrap();
    let (tell, _told) = channel();
    commit.reserve_then(ask("b", run, 50), None, move |decided| drop(tell.send(decided)));
    let (began, before) = (Instant::now(), transactions.load(Ordering::SeqCst));
    let lacks = |attempt: &str| {
        let (tell, told) = channel();
        commit.lacks_then(id(attempt), move |lacks| drop(tell.send(lacks)));
        told.recv().unwrap()
    };
    while lacks("b").is_none() {}
    for _ in 0..500 {
        assert!(lacks("b").is_some_and(|shortage| shortage.scope.ends_with("run 1")));
    }
    assert_eq!(lacks("a"), None);
    let looks = began.elapsed().as_millis() / 20 + 3;
    let made = transactions.load(Ordering::SeqCst) - before;
    assert!(u128::from(made) <= looks, "{made} transactions in {looks} looks");
    drop(commit);
    writer.join().unwrap();
}

fn path(name: &str) -> Vec<String> {
    vec!["org".to_owned(), name.to_owned()]
}

on_every_stand!(
    threads_never_pass_a_limit_and_leave_nothing_reserved,
    who_waited_too_long_is_refused_as_busy_and_leaves_the_queue,
    what_another_process_sets_free_is_noticed,
    a_raised_limit_serves_who_waits,
    who_waited_too_long_is_told_what_it_lacks_by_then,
);

fn threads_never_pass_a_limit_and_leave_nothing_reserved<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    const THREADS: usize = 16;
    const EACH: usize = 12;
    let stand = S::new();
    let (desk, writer) = start(stand.open());
    // Room for not quite all of them.
    let (bound, used) = (100, 70);
    let limit = used * i128::try_from(THREADS * EACH - 5).unwrap();
    let narrow = desk.open(path("narrow"), Limits::usd(pico(limit))).unwrap();
    let admitted: usize = thread::scope(|threads| {
        let work = |thread: usize| {
            let desk = desk.clone();
            move || {
                (0..EACH)
                    .filter(|turn| {
                        let name = format!("run/{thread}/{turn}");
                        match desk.reserve(ask(&name, narrow, bound), None).unwrap() {
                            Ok(grant) => {
                                assert_eq!(grant.reserved.usd, pico(bound));
                                assert!(!desk.settle(id(&name), charge(used)).unwrap());
                                true
                            }
                            Err(denial) => {
                                assert_eq!(denial.kind, DenialKind::Exhausted);
                                false
                            }
                        }
                    })
                    .count()
            }
        };
        let handles: Vec<_> = (0..THREADS).map(|thread| threads.spawn(work(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    drop(desk);
    let ledger = writer.join().unwrap();
    let row = ledger.scopes().unwrap().into_iter().find(|row| row.id == narrow).unwrap();
    assert_eq!(row.settled.usd, pico(used * i128::try_from(admitted).unwrap()));
    assert!(row.settled.usd <= pico(limit) && row.reserved.usd == pico(0));
    // Refused only once not even one more would have fitted.
    assert!(row.settled.usd + pico(bound) > pico(limit), "{admitted} of {}", THREADS * EACH);
    verify(&ledger).unwrap();
}

fn who_waited_too_long_is_refused_as_busy_and_leaves_the_queue<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let (desk, writer) = start(stand.open());
    let scope = desk.open(path("run"), Limits::usd(pico(100))).unwrap();
    desk.reserve(ask("r/1/1", scope, 80), None).unwrap().unwrap();
    let denial = desk.reserve(ask("r/2/1", scope, 80), Some(Duration::ZERO)).unwrap().unwrap_err();
    assert_eq!(denial.kind, DenialKind::Busy);
    assert_eq!(denial.shortage.scope, "org / run");
    desk.settle(id("r/1/1"), charge(10)).unwrap();
    // Nobody took what came free behind its back.
    desk.reserve(ask("r/3/1", scope, 90), Some(Duration::ZERO)).unwrap().unwrap();
    desk.release(id("r/3/1")).unwrap();
    drop(desk);
    verify(&writer.join().unwrap()).unwrap();
}

fn who_waited_too_long_is_told_what_it_lacks_by_then<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let (desk, writer) = start(stand.open());
    let run = desk.open(path("run"), Limits::usd(pico(100))).unwrap();
    desk.reserve(ask("a", run, 80), None).unwrap().unwrap();
    let (tell, told) = channel();
    let hold = Some(Duration::from_secs(1));
    desk.reserve_then(ask("b", run, 60), hold, move |decided| tell.send(decided).unwrap());
    desk.set_limits(run, Limits::usd(pico(110))).unwrap();
    let denial = told.recv().unwrap().unwrap().unwrap_err();
    assert_eq!((denial.kind, denial.shortage.limit), (DenialKind::Busy, Quantity::Usd(pico(110))));
    drop(desk);
    drop(writer.join().unwrap());
}

fn what_another_process_sets_free_is_noticed<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let (ours, our_writer) = start(stand.open());
    let (theirs, their_writer) = start(stand.open());
    let scope = ours.open(path("run"), Limits::usd(pico(100))).unwrap();
    assert_eq!(theirs.open(path("run"), Limits::NONE).unwrap(), scope);
    theirs.reserve(ask("t/1/1", scope, 80), None).unwrap().unwrap();
    let (asked, is_asked) = channel();
    let waiting = thread::spawn(move || {
        asked.send(()).unwrap();
        ours.reserve(ask("o/1/1", scope, 80), None).unwrap()
    });
    is_asked.recv().unwrap();
    theirs.settle(id("t/1/1"), charge(20)).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap().reserved.usd, pico(80));
    drop(theirs);
    their_writer.join().unwrap();
    let ledger = our_writer.join().unwrap();
    verify(&ledger).unwrap();
    assert_eq!(ledger.in_flight().unwrap().len(), 1);
}

fn a_raised_limit_serves_who_waits<S: Stand>()
where
    S::Ledger: Send + 'static,
{
    let stand = S::new();
    let (desk, writer) = start(stand.open());
    let scope = desk.open(path("run"), Limits::usd(pico(100))).unwrap();
    desk.reserve(ask("r/1/1", scope, 80), None).unwrap().unwrap();
    let other = desk.clone();
    let (asked, is_asked) = channel();
    let waiting = thread::spawn(move || {
        asked.send(()).unwrap();
        other.reserve(ask("r/2/1", scope, 80), None).unwrap()
    });
    is_asked.recv().unwrap();
    desk.set_limits(scope, Limits::usd(pico(160))).unwrap();
    waiting.join().unwrap().unwrap();
    drop(desk);
    let row = writer.join().unwrap().scopes().unwrap().pop().unwrap();
    assert_eq!(row.reserved.usd, pico(160));
}

#[test]
fn a_ledger_that_cannot_be_written_denies_and_goes_on_once_it_can() {
    let stand = OnDisk::new();
    let (desk, writer) = start(stand.open().with_wait(Duration::from_millis(1)).unwrap());
    let scope = desk.open(path("run"), Limits::usd(pico(1_000))).unwrap();
    let other = rusqlite::Connection::open(stand.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let denied = desk.reserve(ask("r/1/1", scope, 10), None);
    assert!(matches!(denied, Err(BooksError::Store(StoreError::Busy(_)))), "{denied:?}");
    other.execute_batch("ROLLBACK").unwrap();
    desk.reserve(ask("r/1/1", scope, 10), None).unwrap().unwrap();
    drop(desk);
    let ledger = writer.join().unwrap();
    assert_eq!(ledger.in_flight().unwrap().len(), 1);
    verify(&ledger).unwrap();
}
