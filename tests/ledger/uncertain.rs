//! A commit of which nobody knows whether it was kept: whichever it was, nothing is spent twice.

use flyball::budget::{
    Admission, Books, Changes, Limits, Operation, Rows, ScopeId, Store, StoreError, Wanted,
};
use flyball::ledger::{MemoryLedger, ReadLedger, verify};

use super::stand::{ask, charge, id, noon, pico};

/// A ledger whose next commit breaks after it was kept, or before.
struct Broken {
    inner: MemoryLedger,
    next: Option<bool>,
}

impl Store for Broken {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        match self.next.take() {
            None => self.inner.transact(wanted, work),
            Some(kept) => {
                self.inner.transact(wanted, &mut |rows| {
                    let changes = work(rows);
                    if kept { changes } else { Changes::default() }
                })?;
                Err(StoreError::Uncertain("the line went dead".to_owned()))
            }
        }
    }
}

/// A run with 100, of which `a` holds 60 and for which `b` waits with 70.
fn waiting() -> (Books<Broken>, MemoryLedger, ScopeId) {
    let inner = MemoryLedger::new(noon);
    let mut books = Books::new(Broken { inner: inner.clone(), next: None }, 8);
    let limits = Limits::usd(pico(100));
    books.apply(&[Operation::Open { path: vec!["run".to_owned()], limits }]).unwrap();
    let run = inner.scopes().unwrap()[0].id;
    let asks = [("a", 60), ("b", 70)].map(|(name, usd)| Operation::Reserve(ask(name, run, usd)));
    books.apply(&asks).unwrap();
    assert_eq!(books.waiting(), 1);
    (books, inner, run)
}

fn usd(ledger: &MemoryLedger) -> (i128, i128) {
    verify(ledger).unwrap();
    let row = &ledger.scopes().unwrap()[0];
    (row.settled.usd.pico(), row.reserved.usd.pico())
}

fn breaks(books: &mut Books<Broken>, kept: bool, operation: Operation) {
    books.store().next = Some(kept);
    let error = books.apply(&[operation]).unwrap_err();
    assert!(matches!(error, StoreError::Uncertain(_)), "{error:?}");
}

#[test]
fn a_waiter_that_was_admitted_after_all_is_not_admitted_twice() {
    for kept in [false, true] {
        let (mut books, ledger, _) = waiting();
        breaks(&mut books, kept, Operation::Settle(id("a"), charge(20)));
        assert_eq!(usd(&ledger), if kept { (20, 70) } else { (0, 60) });
        assert_eq!(books.waiting(), 1);
        // Settling again is right in either case, and so is what the waiter is told.
        let applied = books.apply(&[Operation::Settle(id("a"), charge(20))]).unwrap();
        let decisions: Vec<_> =
            applied.effects.iter().flat_map(|effects| &effects.decisions).collect();
        assert_eq!(decisions.len(), 1);
        let Admission::Admitted(grant) = &decisions[0].admission else { panic!() };
        assert_eq!((grant.reserved.usd, grant.output_cap_tokens), (pico(70), 1));
        assert!(!grant.clamped);
        assert_eq!(books.waiting(), 0);
        assert_eq!(usd(&ledger), (20, 70));
    }
}

#[test]
fn a_waiter_that_was_admitted_after_all_can_be_released() {
    let (mut books, ledger, _) = waiting();
    breaks(&mut books, true, Operation::Settle(id("a"), charge(20)));
    books.apply(&[Operation::Release(id("b"))]).unwrap();
    assert_eq!((books.waiting(), usd(&ledger)), (0, (20, 0)));
}

#[test]
fn a_waiter_that_somebody_ended_meanwhile_is_refused() {
    let (mut books, ledger, _) = waiting();
    breaks(&mut books, true, Operation::Settle(id("a"), charge(20)));
    let mut operator = Books::new(ledger.clone(), 8);
    operator.apply(&[Operation::Expire(id("b"))]).unwrap();
    let applied = books.apply(&[]).unwrap();
    let decision = &applied.effects[0].decisions[0];
    assert!(matches!(decision.admission, Admission::Refused(_)), "{decision:?}");
    assert_eq!((books.waiting(), usd(&ledger)), (0, (90, 0)));
}

#[test]
fn an_ask_that_was_admitted_unheard_holds_its_money_until_it_is_expired() {
    let (mut books, ledger, run) = waiting();
    breaks(&mut books, true, Operation::Reserve(ask("c", run, 10)));
    // `b` is in front for the same money, so `c` waits unheard; nothing was written.
    assert_eq!((books.waiting(), usd(&ledger)), (1, (0, 60)));
    books.apply(&[Operation::Withdraw(id("b"))]).unwrap();
    breaks(&mut books, true, Operation::Reserve(ask("c", run, 10)));
    assert_eq!(usd(&ledger), (0, 70));
    assert!(books.apply(&[Operation::Reserve(ask("c", run, 10))]).unwrap().answers[0].is_err());
    books.apply(&[Operation::Release(id("c"))]).unwrap();
    assert_eq!(usd(&ledger), (0, 60));
}
