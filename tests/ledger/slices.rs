//! What the tests of slices start from, and how they count.

use flyball::budget::{Applied, Ask, Books, Charge, Decision, LeaseAsk, Limits, ScopeId};
use flyball::ledger::{EntryFilter, Ledger, verify};

use super::borrower::Borrower;
use super::stand::{Stand, ask, charge, open, pico, row};

pub(super) const RUN: [&str; 2] = ["project shop", "run 7"];

/// One bound of dollars, and what comes with it.
pub(super) fn wanted(scope: ScopeId, bounds: u64) -> LeaseAsk {
    LeaseAsk { scope, windows: Vec::new(), bound: charge(1), bounds }
}

pub(super) fn one_run<S: Stand>(stand: &S, limit: i128) -> (Books<S::Ledger>, ScopeId) {
    let mut books = stand.books();
    let run = open(&mut books, &RUN, Limits::usd(pico(limit)));
    (books, run)
}

/// A run of 8,000 dollars of which 1,000 are lent.
pub(super) fn lent_1_000<S: Stand>(stand: &S) -> (Books<S::Ledger>, ScopeId, Borrower) {
    let (mut books, run) = one_run(stand, 8_000);
    let borrower = Borrower::lent(&mut books, wanted(run, 1_000)).unwrap();
    assert_eq!(taken(&mut books, run), [0, 0, 1_000]);
    (books, run, borrower)
}

/// A request whose bound is dollars only, so that what is settled is counted by hand.
pub(super) fn dollars(usd: i128) -> Charge {
    Charge { usd: pico(usd), ..Charge::ZERO }
}

pub(super) fn for_dollars(attempt: &str, scope: ScopeId, usd: i128) -> Ask {
    let mut ask = ask(attempt, scope, 0);
    ask.bound.fixed = dollars(usd);
    (ask.cap.standing_tokens, ask.cap.floor_tokens) = (0, 0);
    ask
}

/// Settled, reserved and leased dollars of a scope.
pub(super) fn taken<L: Ledger>(books: &mut Books<L>, scope: ScopeId) -> [i128; 3] {
    let row = row(books, scope);
    [row.settled, row.reserved, row.leased].map(|charge| charge.usd.pico())
}

pub(super) fn lends<L: Ledger>(books: &mut Books<L>, ask: LeaseAsk) -> bool {
    let lent = Borrower::lent(books, ask);
    verify(books.store()).unwrap();
    lent.is_some()
}

pub(super) fn decisions(applied: Applied) -> Vec<Decision> {
    applied.effects.into_iter().flat_map(|effects| effects.decisions).collect()
}

pub(super) fn entries<L: Ledger>(books: &mut Books<L>) -> usize {
    books.store().entries(&EntryFilter::default(), usize::MAX).unwrap().len()
}
