//! The ends of slices on every kind of ledger: given back, fenced off, and taken from the dead.

use flyball::budget::{
    AccountError, Admission, Answer, AttemptEnd, EntryKind, LeaseStanding, Limits, Operation,
    Record,
};
use flyball::ledger::{EntryFilter, Liveness, ReadLedger, verify};

use super::borrower::{Borrower, last_words, left, reconcile, unwritten};
use super::slices::{decisions, dollars, entries, for_dollars, lends, lent_1_000, taken, wanted};
use super::stand::{
    Stand, admitted, answer, apply, ask, id, noon, on_every_stand, pico, reserve, row,
};

on_every_stand!(
    a_slice_is_given_back_with_requests_in_flight,
    a_return_that_is_sent_twice_keeps_what_is_in_flight,
    a_journal_with_a_gap_is_refused,
    a_draw_on_an_ended_slice_is_an_overrun_in_full,
    a_settling_that_comes_after_the_reconciling_corrects_it,
    a_shrinking_after_the_return_serves_who_waits,
    a_shrinking_tells_who_waits_for_what_others_freed,
    what_was_promised_and_not_written_is_written_off,
    an_extension_through_the_ledger_outlives_the_reconciling,
    the_dead_can_be_reconciled_again_after_any_step,
    leases_survive_reopening_and_no_number_comes_twice,
    a_process_is_dead_once_its_ledger_is_dropped,
);

fn a_slice_is_given_back_with_requests_in_flight<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    assert!(borrower.draw(&for_dollars("b", run, 300)));
    borrower.give_back(&mut books);
    assert!(!borrower.draw(&for_dollars("c", run, 1)));
    assert_eq!(taken(&mut books, run), [0, 700, 0]);
    // What is in flight goes on and settles as if the ledger had admitted it.
    borrower.shrink(&id("a"), dollars(200));
    borrower.settle(&id("b"), dollars(310));
    borrower.write();
    let (standing, applied) = borrower.send(&mut books);
    assert_eq!(standing, LeaseStanding::Ended);
    let overruns = applied.effects.iter().filter(|effects| effects.overrun.is_some()).count();
    assert_eq!((overruns, taken(&mut books, run)), (1, [310, 200, 0]));
    assert_eq!(answer(&mut books, Operation::Extend(id("a"), dollars(50))), Answer::Extended(None));
    borrower.slice.extended_elsewhere(&id("a"), dollars(50));
    borrower.settle(&id("a"), dollars(250));
    borrower.write();
    borrower.send(&mut books);
    assert_eq!(taken(&mut books, run), [560, 0, 0]);
    assert_eq!(borrower.slice.in_flight(), 0);
    verify(books.store()).unwrap();
}

fn a_return_that_is_sent_twice_keeps_what_is_in_flight<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    borrower.shrink(&id("a"), dollars(100));
    assert!(borrower.extend(&id("a"), dollars(500)));
    borrower.write_out();
    let batch = [borrower.unsent(), Operation::GiveBack(borrower.lease())];
    for _ in 0..2 {
        books.apply(&batch).unwrap();
        assert_eq!(taken(&mut books, run), [0, 600, 0]);
    }
    verify(books.store()).unwrap();
}

fn a_journal_with_a_gap_is_refused<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    for attempt in ["a", "b"] {
        assert!(borrower.draw(&for_dollars(attempt, run, 100)));
    }
    let records = borrower.journal.clone();
    let lease = borrower.lease();
    let take_down = |from: usize| Operation::TakeDown(lease, from as u64, records[from..].to_vec());
    let told = apply(&mut books, take_down(1)).answers.remove(0).unwrap_err();
    assert_eq!(told, AccountError::JournalGap { lease: lease.number(), taken: 0, from: 1 });
    assert_eq!(taken(&mut books, run), [0, 0, 1_000]);
    // A record that makes no sense does not keep the others back.
    let mut damaged = records.clone();
    damaged.insert(1, Record::Settle(id("nobody"), dollars(1)));
    let answered = answer(&mut books, Operation::TakeDown(lease, 0, damaged));
    assert_eq!(answered, Answer::TakenDown(vec![AccountError::UnknownAttempt(id("nobody"))]));
    assert_eq!(taken(&mut books, run), [0, 200, 800]);
    verify(books.store()).unwrap();
}

fn a_draw_on_an_ended_slice_is_an_overrun_in_full<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    // An operator takes the slice back while its borrower lives on.
    answer(&mut books, Operation::GiveBack(borrower.lease()));
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    assert!(borrower.draw(&for_dollars("b", run, 100)));
    borrower.settle(&id("a"), dollars(300));
    borrower.write();
    let (standing, applied) = borrower.send(&mut books);
    assert_eq!(standing, LeaseStanding::Ended);
    let beyond: Vec<_> =
        applied.effects.iter().filter_map(|effects| effects.overrun.clone()).collect();
    assert_eq!(beyond.iter().map(|told| told.beyond).collect::<Vec<_>>(), [400, 100].map(dollars));
    assert_eq!(taken(&mut books, run), [300, 100, 0]);
    assert!(!borrower.draw(&for_dollars("c", run, 1)), "it knows now");
    let fenced = books.store().attempt(&id("b")).unwrap().unwrap();
    assert_eq!(
        (fenced.end, fenced.lease, fenced.charge),
        (AttemptEnd::Reserved, None, dollars(100))
    );
    // Nobody knows what it took: it takes all that it was admitted with.
    borrower.expire(&id("b"));
    borrower.write();
    borrower.send(&mut books);
    assert_eq!(taken(&mut books, run), [400, 0, 0]);
    verify(books.store()).unwrap();
}

fn a_settling_that_comes_after_the_reconciling_corrects_it<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    assert!(borrower.draw(&for_dollars("b", run, 400)));
    borrower.write();
    reconcile(&mut books, borrower.lease(), &borrower.remains());
    // More is promised beyond the two than the 200 that are left.
    assert_eq!(taken(&mut books, run), [1_000, 0, 0]);
    borrower.settle(&id("a"), dollars(100));
    borrower.settle(&id("b"), dollars(500));
    borrower.write();
    let (standing, _) = borrower.send(&mut books);
    assert_eq!(standing, LeaseStanding::Ended);
    assert_eq!(taken(&mut books, run), [800, 0, 0]);
    (borrower.sent, _) = (0, borrower.send(&mut books));
    assert_eq!(taken(&mut books, run), [800, 0, 0]);
    verify(books.store()).unwrap();
}

fn a_shrinking_after_the_return_serves_who_waits<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 900)));
    assert!(matches!(reserve(&mut books, ask("waits", run, 7_900)), Admission::Waiting(_)));
    borrower.give_back(&mut books);
    assert_eq!((books.waiting(), taken(&mut books, run)), (1, [0, 900, 0]));
    borrower.shrink(&id("a"), dollars(50));
    borrower.write();
    let (_, applied) = borrower.send(&mut books);
    assert_eq!((books.waiting(), taken(&mut books, run)), (0, [0, 7_950, 0]));
    let decided = decisions(applied);
    assert!(matches!(decided[0].admission, Admission::Admitted(_)));
    verify(books.store()).unwrap();
}

fn a_shrinking_tells_who_waits_for_what_others_freed<S: Stand>() {
    let stand = S::new();
    let (mut a, run, mut borrower) = lent_1_000(&stand);
    let mut b = stand.books();
    admitted(&mut b, ask("b", run, 5_000));
    assert!(matches!(reserve(&mut a, ask("waits", run, 3_000)), Admission::Waiting(_)));
    assert!(borrower.draw(&for_dollars("a", run, 900)));
    borrower.write();
    borrower.send(&mut a);
    answer(&mut b, Operation::Release(id("b")));
    borrower.shrink(&id("a"), dollars(50));
    borrower.write();
    let (_, applied) = borrower.send(&mut a);
    assert_eq!((a.waiting(), decisions(applied).len()), (0, 1));
    assert_eq!(taken(&mut a, run), [0, 3_050, 950]);
    verify(a.store()).unwrap();
}

fn what_was_promised_and_not_written_is_written_off<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    borrower.settle(&id("a"), dollars(100));
    borrower.write_out();
    borrower.send(&mut books);
    let written_out = borrower.remains();
    assert!(written_out.unwritten.is_zero() && written_out.in_flight.is_empty());
    // 450 are promised, of which `b` takes 300; then the process dies, and its last record with it.
    assert!(borrower.draw(&for_dollars("b", run, 300)));
    let remains = borrower.remains();
    assert_eq!((remains.unwritten, remains.in_flight.len()), (dollars(450), 0));
    reconcile(&mut books, borrower.lease(), &remains);
    assert_eq!(taken(&mut books, run), [550, 0, 0]);
    let written_off = books.store().attempt(&unwritten(borrower.lease())).unwrap().unwrap();
    assert_eq!((written_off.end, written_off.charge), (AttemptEnd::Closed, dollars(450)));
    // More was promised than the slice still holds.
    let mut borrower = Borrower::lent(&mut books, wanted(run, 500)).unwrap();
    assert!(borrower.draw(&for_dollars("c", run, 400)));
    borrower.write();
    assert!(borrower.draw(&for_dollars("d", run, 100)));
    let remains = borrower.remains();
    assert_eq!((remains.unwritten, remains.in_flight.len()), (dollars(200), 1));
    reconcile(&mut books, borrower.lease(), &remains);
    assert_eq!(taken(&mut books, run), [1_050, 0, 0]);
    verify(books.store()).unwrap();
}

fn an_extension_through_the_ledger_outlives_the_reconciling<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 1_000)));
    borrower.write();
    borrower.send(&mut books);
    answer(&mut books, Operation::Extend(id("a"), dollars(50)));
    borrower.slice.extended_elsewhere(&id("a"), dollars(50));
    // The process dies: whoever reads its journal repeats the draw.
    borrower.write_out();
    reconcile(&mut books, borrower.lease(), &borrower.remains());
    assert_eq!(taken(&mut books, run), [1_050, 0, 0], "a may have taken 1,050");
    verify(books.store()).unwrap();
}

fn the_dead_can_be_reconciled_again_after_any_step<S: Stand>() {
    for steps in 0..3 {
        let stand = S::new();
        let (mut books, run, mut borrower) = lent_1_000(&stand);
        assert!(borrower.draw(&for_dollars("a", run, 600)));
        borrower.shrink(&id("a"), dollars(200));
        borrower.write();
        borrower.send(&mut books);
        assert!(borrower.draw(&for_dollars("b", run, 300)));
        borrower.settle(&id("b"), dollars(250));
        assert!(borrower.draw(&for_dollars("c", run, 500)));
        borrower.shrink(&id("c"), dollars(100));
        borrower.write();
        let (lease, remains) = (borrower.lease(), borrower.remains());
        for step in 0..steps {
            let batch = match step {
                0 => remains.operations.clone(),
                _ => last_words(&books, lease, &remains),
            };
            books.apply(&batch).unwrap();
        }
        reconcile(&mut books, lease, &remains);
        // `a` for 200, `b`, `c` for 100, and 250 that were promised for what is not written.
        let promised = remains.unwritten.usd.pico();
        assert_eq!((promised, taken(&mut books, run)), (250, [800, 0, 0]), "after {steps} steps");
        let before = entries(&mut books);
        reconcile(&mut books, lease, &remains);
        assert_eq!(entries(&mut books), before);
        verify(books.store()).unwrap();
    }
}

fn leases_survive_reopening_and_no_number_comes_twice<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut first) = lent_1_000(&stand);
    assert!(first.draw(&for_dollars("a", run, 400)));
    first.write();
    first.send(&mut books);
    drop(books);
    let mut books = stand.books();
    let held = books.store().leases().unwrap();
    assert_eq!((held.len(), held[0].id, held[0].left), (1, first.lease(), first.slice.left()));
    assert_eq!(taken(&mut books, run), [0, 400, 600]);
    first.settle(&id("a"), dollars(300));
    first.give_back(&mut books);
    let second = Borrower::lent(&mut books, wanted(run, 10)).unwrap();
    drop(books);
    let mut books = stand.books();
    assert!(lends(&mut books, wanted(run, 10)));
    let numbers: Vec<u64> =
        books.store().leases().unwrap().iter().map(|row| row.id.number()).collect();
    assert!(first.lease().number() < numbers[0] && numbers[0] < numbers[1], "{numbers:?}");
    assert_eq!(second.lease().number(), numbers[0]);
    let entries = books.store().entries(&EntryFilter::default(), 100).unwrap();
    let about = |row: &&flyball::ledger::EntryRow| {
        matches!(row.kind, EntryKind::Lease { .. } | EntryKind::Return { .. })
    };
    let names: Vec<_> =
        entries.iter().filter(about).map(|row| (row.kind.name(), row.scope)).collect();
    assert_eq!(names, ["lease", "return", "lease", "lease"].map(|name| (name, Some(run))));
    verify(books.store()).unwrap();
}

fn a_process_is_dead_once_its_ledger_is_dropped<S: Stand>() {
    let stand = S::new();
    let reader = stand.open();
    let (mut a, run, mut borrower) = lent_1_000(&stand);
    let mut b = stand.books();
    assert!(borrower.draw(&for_dollars("a", run, 400)));
    borrower.write();
    borrower.send(&mut a);
    admitted(&mut b, ask("b", run, 10));
    answer(&mut b, Operation::SetLimits(run, Limits::usd(pico(9_000))));
    let alive = |reader: &S::Ledger| -> Vec<bool> {
        let owners = reader.owners().unwrap();
        let process = std::process::id();
        assert!(owners.iter().all(|row| row.process == process && !row.host.is_empty()));
        assert!(owners.iter().all(|row| row.since.as_second() == noon().as_second()));
        owners.iter().map(|row| row.liveness == Liveness::Alive).collect()
    };
    assert_eq!(alive(&reader), [true, true]);
    let (of_a, of_b) = (reader.attempt(&id("a")).unwrap(), reader.attempt(&id("b")).unwrap());
    let (of_a, of_b) = (of_a.unwrap().owner, of_b.unwrap().owner);
    assert_eq!(reader.leases().unwrap()[0].owner, of_a);
    assert!(of_a.is_some() && of_b.is_some() && of_a != of_b);
    drop(a);
    assert_eq!(alive(&reader), [false, true]);
    let dead = reader.owners().unwrap().remove(0);
    assert_eq!((Some(dead.id), dead.liveness), (of_a, Liveness::Dead));
    // What the dead held is found by whoever reconciles, and is nobody's afterwards.
    reconcile(&mut b, borrower.lease(), &borrower.remains());
    assert_eq!(alive(&reader), [true]);
    answer(&mut b, Operation::Release(id("b")));
    assert_eq!(alive(&reader), [false; 0]);
    assert_eq!((taken(&mut b, run), row(&mut b, run).recalled), ([600, 0, 0], false));
    assert_eq!(left(&b, borrower.lease()), None);
    verify(b.store()).unwrap();
}
