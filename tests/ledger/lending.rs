//! Slices on every kind of ledger: lent, drawn from, recalled, given back, and taken from the dead.

use flyball::budget::{
    Admission, Answer, HEADROOM_BOUNDS_MIN, LeaseAsk, LeaseStanding, Limits, Operation,
};
use flyball::ledger::{ReadLedger, verify};

use super::borrower::{Borrower, left};
use super::slices::{
    RUN, decisions, dollars, entries, for_dollars, lends, lent_1_000, one_run, taken, wanted,
};
use super::stand::{
    Stand, admitted, answer, apply, ask, by_agent, charge, id, on_every_stand, open, pico, reserve,
    row,
};

on_every_stand!(
    a_slice_is_lent_only_with_ample_headroom,
    nothing_is_lent_where_agents_are_limited_or_nothing_is_admitted,
    nothing_is_lent_of_what_somebody_waits_for,
    a_scope_above_its_limit_lends_nothing,
    a_limit_below_what_is_taken_recalls_every_slice,
    a_limit_of_agents_recalls_every_slice,
    a_slice_is_taken_from_every_scope_and_window_or_none,
    what_is_lent_others_cannot_reserve_until_it_is_recalled_and_given_back,
    a_draw_moves_from_leased_to_reserved_to_settled_once,
    a_slice_pays_for_an_overrun_as_far_as_it_reaches,
    a_drawn_attempt_is_extended_through_the_ledger,
    a_batch_that_is_sent_twice_is_taken_down_once,
);

fn a_slice_is_lent_only_with_ample_headroom<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, HEADROOM_BOUNDS_MIN - 1);
    assert!(!lends(&mut books, wanted(run, 1)));
    answer(&mut books, Operation::SetLimits(run, Limits::usd(pico(HEADROOM_BOUNDS_MIN))));
    let borrower = Borrower::lent(&mut books, wanted(run, u64::MAX)).unwrap();
    // An eighth, so that others find some too.
    assert_eq!(borrower.slice.left(), charge(1).scaled(125, 1));
    assert_eq!(left(&books, borrower.lease()), Some(borrower.slice.left()));
    assert!(!lends(&mut books, wanted(run, 1)), "875 bounds are left");
    let more = Operation::LendMore(borrower.lease(), charge(1), 1);
    assert_eq!(answer(&mut books, more.clone()), Answer::Lent(None));
    answer(&mut books, Operation::SetLimits(run, Limits::usd(pico(1_125))));
    let Answer::Lent(Some(lent)) = answer(&mut books, more) else { panic!("not lent") };
    assert_eq!((lent.lease, lent.slice), (borrower.lease(), charge(1)));
    assert_eq!(taken(&mut books, run), [0, 0, 126]);
    assert!(!lends(&mut books, wanted(run, 0)), "a slice of nothing");
    let unknown = serde_json::from_str("99").unwrap();
    for operation in [Operation::GiveBack(unknown), Operation::LendMore(unknown, charge(1), 1)] {
        assert!(!matches!(apply(&mut books, operation).answers[0], Ok(Answer::Done { .. })));
    }
    let standing = answer(&mut books, Operation::LeaseStanding(unknown));
    assert_eq!(standing, Answer::Standing(LeaseStanding::Ended));
    verify(books.store()).unwrap();
}

fn nothing_is_lent_where_agents_are_limited_or_nothing_is_admitted<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 8_000);
    let project = books.store().scope_by_path(RUN[0]).unwrap().unwrap().id;
    let agents = Limits { agents: Some(1_000_000), ..Limits::NONE };
    answer(&mut books, Operation::SetLimits(project, agents));
    assert!(!lends(&mut books, wanted(run, 1)));
    answer(&mut books, Operation::SetLimits(project, Limits::NONE));
    answer(&mut books, Operation::SetPaused(project, true));
    assert!(!lends(&mut books, wanted(run, 1)));
    answer(&mut books, Operation::SetPaused(project, false));
    let mut borrower = Borrower::lent(&mut books, wanted(run, 1)).unwrap();
    answer(&mut books, Operation::SetPaused(project, true));
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Recalled);
    answer(&mut books, Operation::SetPaused(project, false));
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Held);
    verify(books.store()).unwrap();
}

fn nothing_is_lent_of_what_somebody_waits_for<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 8_000);
    admitted(&mut a, ask("a", run, 5_000));
    assert!(matches!(reserve(&mut a, ask("b", run, 4_000)), Admission::Waiting(_)));
    assert!(!lends(&mut a, wanted(run, 1)), "3,000 are free, and waited for");
    // Another process does not know who waits here; what it is lent is recalled at the next word.
    let mut b = stand.books();
    let mut borrower = Borrower::lent(&mut b, wanted(run, 1)).unwrap();
    assert_eq!(borrower.send(&mut b).0, LeaseStanding::Held);
    assert!(decisions(a.apply(&[]).unwrap()).is_empty());
    assert_eq!(borrower.send(&mut b).0, LeaseStanding::Recalled);
    let more = Operation::LendMore(borrower.lease(), charge(1), 1);
    assert_eq!(answer(&mut b, more), Answer::Lent(None));
    assert!(!lends(&mut b, wanted(run, 1)));
    borrower.give_back(&mut b);
    answer(&mut b, Operation::Settle(id("a"), charge(100)));
    assert_eq!(decisions(a.apply(&[]).unwrap()).len(), 1);
    assert_eq!(taken(&mut a, run), [100, 4_000, 0]);
    verify(a.store()).unwrap();
}

fn a_scope_above_its_limit_lends_nothing<S: Stand>() {
    let stand = S::new();
    let mut books = stand.books();
    let limits = Limits { usd: Some(pico(10)), requests: Some(1_000_000), ..Limits::NONE };
    let run = open(&mut books, &RUN, limits);
    admitted(&mut books, ask("a", run, 10));
    answer(&mut books, Operation::Settle(id("a"), charge(11)));
    // Not even what costs nothing.
    assert!(matches!(reserve(&mut books, ask("b", run, 0)), Admission::Refused(_)));
    let free = LeaseAsk { bound: charge(0), ..wanted(run, 1) };
    assert!(!lends(&mut books, free));
}

/// Of the scope itself, one above it, or a window; who is stopped is held to what it has settled.
fn a_limit_below_what_is_taken_recalls_every_slice<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 8_000);
    let project = books.store().scope_by_path(RUN[0]).unwrap().unwrap().id;
    let day = open(&mut books, &["day 2026-11-24"], Limits::NONE);
    let dated = LeaseAsk { windows: vec![day], ..wanted(run, 1_000) };
    let mut borrower = Borrower::lent(&mut books, dated).unwrap();
    for scope in [run, project, day] {
        answer(&mut books, Operation::SetLimits(scope, Limits::usd(pico(1_000))));
        assert_eq!(borrower.send(&mut books).0, LeaseStanding::Held, "it fits");
        answer(&mut books, Operation::SetLimits(scope, Limits::usd(pico(999))));
        assert_eq!(borrower.send(&mut books).0, LeaseStanding::Recalled);
        answer(&mut books, Operation::SetLimits(scope, Limits::usd(pico(9_000))));
        assert_eq!(borrower.send(&mut books).0, LeaseStanding::Held);
    }
    let tokens = Limits { output_tokens: Some(999), ..Limits::NONE };
    answer(&mut books, Operation::SetLimits(project, tokens));
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Recalled, "1,000 of each unit are lent");
    answer(&mut books, Operation::SetLimits(project, Limits::NONE));
    // All of it is drawn, and would come back to the slice as it settles.
    assert!(borrower.draw(&for_dollars("a", run, 1_000)));
    borrower.write();
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Held);
    assert_eq!(taken(&mut books, run), [0, 1_000, 0]);
    answer(&mut books, Operation::SetLimits(run, Limits::usd(pico(0))));
    borrower.settle(&id("a"), dollars(10));
    borrower.write();
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Recalled);
    borrower.give_back(&mut books);
    assert_eq!(taken(&mut books, run), [10, 0, 0]);
    assert!(matches!(reserve(&mut books, for_dollars("b", run, 1)), Admission::Refused(_)));
    verify(books.store()).unwrap();
}

fn a_limit_of_agents_recalls_every_slice<S: Stand>() {
    let stand = S::new();
    let (mut books, _, mut borrower) = lent_1_000(&stand);
    let project = books.store().scope_by_path(RUN[0]).unwrap().unwrap().id;
    let agents = Limits { agents: Some(1_000_000), ..Limits::NONE };
    answer(&mut books, Operation::SetLimits(project, agents));
    // It does not ask who draws.
    assert_eq!(borrower.send(&mut books).0, LeaseStanding::Recalled);
    borrower.give_back(&mut books);
    verify(books.store()).unwrap();
}

fn a_slice_is_taken_from_every_scope_and_window_or_none<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 80_000);
    let project = books.store().scope_by_path(RUN[0]).unwrap().unwrap().id;
    let day = open(&mut books, &["year 2026", "day 2026-11-24"], Limits::usd(pico(999)));
    let year = books.store().scope_by_path("year 2026").unwrap().unwrap().id;
    let dated = LeaseAsk { windows: vec![day], ..wanted(run, 1_000) };
    assert!(!lends(&mut books, dated.clone()));
    for scope in [project, run, day, year] {
        assert_eq!(taken(&mut books, scope), [0, 0, 0]);
    }
    answer(&mut books, Operation::SetLimits(day, Limits::usd(pico(4_000))));
    let mut borrower = Borrower::lent(&mut books, dated).unwrap();
    for scope in [project, run, day, year] {
        assert_eq!(taken(&mut books, scope), [0, 0, 500], "the day's eighth");
    }
    let held = books.store().leases().unwrap().remove(0);
    assert_eq!((held.scope, held.windows, held.path.len()), (run, vec![day], 4));
    assert!(borrower.draw(&for_dollars("a", run, 300)));
    borrower.write();
    borrower.send(&mut books);
    for scope in [project, run, day, year] {
        assert_eq!(taken(&mut books, scope), [0, 300, 200]);
    }
    let drawn = books.store().attempt(&id("a")).unwrap().unwrap();
    assert_eq!((drawn.scope, drawn.windows, drawn.path), (run, vec![day], held.path));
    verify(books.store()).unwrap();
}

fn what_is_lent_others_cannot_reserve_until_it_is_recalled_and_given_back<S: Stand>() {
    let stand = S::new();
    let (mut a, run, mut borrower) = lent_1_000(&stand);
    let mut b = stand.books();
    assert!(matches!(reserve(&mut b, ask("refused", run, 8_001)), Admission::Refused(_)));
    assert_eq!(borrower.send(&mut a).0, LeaseStanding::Held);
    let Admission::Waiting(shortage) = reserve(&mut b, ask("waits", run, 7_500)) else { panic!() };
    let said = shortage.to_string();
    assert!(said.contains("leased to processes"), "{said}");
    assert!(row(&mut a, run).recalled);
    assert_eq!(borrower.send(&mut a).0, LeaseStanding::Recalled);
    assert!(!lends(&mut a, wanted(run, 1)), "recalled");
    borrower.give_back(&mut a);
    let rows = (row(&mut a, run).recalled, a.store().leases().unwrap().len());
    assert_eq!((rows, left(&a, borrower.lease())), ((false, 0), None));
    let decided = decisions(b.apply(&[]).unwrap());
    assert!(matches!(decided[0].admission, Admission::Admitted(_)));
    assert_eq!(taken(&mut b, run), [0, 7_500, 0]);
    let again = apply(&mut a, Operation::GiveBack(borrower.lease()));
    assert_eq!(again.answers, [Ok(Answer::Done { already_closed: true })]);
    verify(b.store()).unwrap();
}

fn a_draw_moves_from_leased_to_reserved_to_settled_once<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&by_agent("x", for_dollars("a", run, 600))));
    assert!(!borrower.draw(&for_dollars("a", run, 1)), "an attempt is drawn once");
    assert!(!borrower.draw(&for_dollars("b", run, 401)));
    assert_eq!(taken(&mut books, run), [0, 0, 1_000], "the ledger was not asked");
    for _ in 0..2 {
        borrower.write();
        (borrower.sent, _) = (0, borrower.send(&mut books));
        assert_eq!(taken(&mut books, run), [0, 600, 400]);
        assert_eq!(left(&books, borrower.lease()), Some(borrower.slice.left()));
    }
    let drawn = books.store().attempt(&id("a")).unwrap().unwrap();
    assert_eq!((drawn.lease, drawn.agent.as_deref()), (Some(borrower.lease()), Some("x")));
    assert_eq!(row(&mut books, run).agents_reserved, 1);
    borrower.settle(&id("a"), dollars(250));
    assert!(borrower.draw(&for_dollars("b", run, 750)));
    borrower.release(&id("b"));
    assert!(borrower.draw(&for_dollars("c", run, 100)));
    borrower.expire(&id("c"));
    let before = entries(&mut books);
    for _ in 0..2 {
        borrower.write();
        (borrower.sent, _) = (0, borrower.send(&mut books));
        assert_eq!(taken(&mut books, run), [350, 0, 650]);
        assert_eq!(entries(&mut books), before + 5);
        assert_eq!(left(&books, borrower.lease()), Some(borrower.slice.left()));
    }
    assert_eq!(row(&mut books, run).agents_settled, 1);
    borrower.give_back(&mut books);
    assert_eq!(taken(&mut books, run), [350, 0, 0]);
    verify(books.store()).unwrap();
}

fn a_slice_pays_for_an_overrun_as_far_as_it_reaches<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 600)));
    assert!(borrower.draw(&for_dollars("b", run, 200)));
    borrower.settle(&id("a"), dollars(700));
    borrower.write();
    let (_, applied) = borrower.send(&mut books);
    let overrun = applied.effects.iter().find_map(|effects| effects.overrun.clone()).unwrap();
    assert_eq!(overrun.beyond, dollars(100));
    assert_eq!(taken(&mut books, run), [700, 200, 100]);
    borrower.settle(&id("b"), dollars(400));
    borrower.write();
    borrower.send(&mut books);
    // 100 more than the slice had: they are spent all the same.
    assert_eq!(taken(&mut books, run), [1_100, 0, 0]);
    assert!(!borrower.draw(&for_dollars("c", run, 1)));
    borrower.give_back(&mut books);
    assert_eq!(taken(&mut books, run), [1_100, 0, 0]);
    verify(books.store()).unwrap();
}

fn a_drawn_attempt_is_extended_through_the_ledger<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 1_000)));
    assert!(!borrower.extend(&id("a"), dollars(50)));
    borrower.write();
    borrower.send(&mut books);
    let extend = Operation::Extend(id("a"), dollars(50));
    assert_eq!(answer(&mut books, extend), Answer::Extended(None));
    borrower.slice.extended_elsewhere(&id("a"), dollars(50));
    assert_eq!(taken(&mut books, run), [0, 1_050, 0]);
    let too_much = answer(&mut books, Operation::Extend(id("a"), dollars(7_000)));
    assert!(matches!(too_much, Answer::Extended(Some(_))), "{too_much:?}");
    borrower.shrink(&id("a"), dollars(1_020));
    borrower.write();
    borrower.send(&mut books);
    assert_eq!(taken(&mut books, run), [0, 1_020, 30]);
    borrower.settle(&id("a"), dollars(900));
    assert!(borrower.draw(&for_dollars("b", run, 150)));
    borrower.write();
    borrower.send(&mut books);
    assert_eq!(taken(&mut books, run), [900, 150, 0]);
    assert_eq!(left(&books, borrower.lease()), Some(borrower.slice.left()));
    verify(books.store()).unwrap();
}

/// Records of a shrinking and of what its balance was drawn for next: the batch is sent again after
/// a commit of which nobody knew whether it was kept.
fn a_batch_that_is_sent_twice_is_taken_down_once<S: Stand>() {
    let stand = S::new();
    let (mut books, run, mut borrower) = lent_1_000(&stand);
    assert!(borrower.draw(&for_dollars("a", run, 1_000)));
    borrower.shrink(&id("a"), dollars(400));
    assert!(borrower.draw(&for_dollars("b", run, 600)));
    borrower.settle(&id("b"), dollars(100));
    assert!(borrower.draw(&for_dollars("c", run, 500)));
    borrower.shrink(&id("c"), dollars(200));
    assert!(borrower.extend(&id("a"), dollars(300)));
    borrower.write();
    for _ in 0..3 {
        (borrower.sent, _) = (0, borrower.send(&mut books));
        assert_eq!(taken(&mut books, run), [100, 900, 0]);
        assert_eq!(left(&books, borrower.lease()), Some(borrower.slice.left()));
    }
    verify(books.store()).unwrap();
}
