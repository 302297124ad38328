//! What the dead hold, and how it comes free: their reservations and slices stay taken until
//! somebody says what became of them.

use std::path::Path;

use crate::budget::{
    AccountError, Answer, AttemptRow, Books, Charge, Drawn, LeaseRow, Operation, Remains, ScopeId,
    StoreError,
};
use crate::id::{AttemptId, OwnerId};
use crate::ledger::access::{HeldRows, Ledger, ReadLedger};
use crate::ledger::journal;
use crate::ledger::owner::{Liveness, OwnerRow};

/// What one process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Who; `None` where the ledger does not know.
    pub owner: Option<OwnerRow>,
    /// Requests in flight, as the ledger knows them.
    pub attempts: Vec<AttemptRow>,
    /// Slices, the requests drawn from which the ledger may not know yet.
    pub leases: Vec<LeaseRow>,
}

impl Holding {
    /// What it has of `scope`; of all scopes where that is `None`.
    pub fn charge(&self, scope: Option<ScopeId>) -> Charge {
        let attempts = self.attempts.iter().map(|row| (&row.path, row.charge));
        let leases = self.leases.iter().map(|row| (&row.path, row.left));
        let is_its = |path: &[ScopeId]| scope.is_none_or(|scope| path.contains(&scope));
        let its = attempts.chain(leases).filter(|(path, _)| is_its(path));
        its.fold(Charge::ZERO, |sum, (_, charge)| sum + charge)
    }

    /// Whether its process cannot spend any more.
    pub fn is_dead(&self) -> bool {
        self.owner.as_ref().is_none_or(|owner| owner.liveness == Liveness::Dead)
    }
}

/// What becomes of requests of which nobody knows how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They took their full reservation.
    Spent,
    /// They never left, as somebody has made sure of.
    Unsent,
}

/// What came of reconciling one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Requests that were ended.
    pub attempts: usize,
    /// Slices that were ended.
    pub leases: usize,
    /// What may have been drawn beyond what journals say, and counts as spent.
    pub written_off: Charge,
    /// What was left of slices, and is free again.
    pub given_back: Charge,
}

/// Why something could not be reconciled. What was done before stays done, and doing it again
/// changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger refused; a bug.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The journal of a slice could not be read.
    #[error("the journal of lease {0} cannot be read: {1}")]
    Journal(u64, std::io::Error),
    /// There is none.
    #[error("lease {0} has no journal here; it lies on the machine that borrowed it")]
    NoJournal(u64),
}

/// What each process holds, those that nobody knows first.
///
/// # Errors
/// The ledger cannot be read.
pub fn holdings(ledger: &dyn ReadLedger) -> Result<Vec<Holding>, StoreError> {
    let before = ledger.owners()?;
    let HeldRows { mut owners, attempts, leases } = ledger.held()?;
    // Who ended only now gave back what it held: who is dead was so before that was read.
    let was_dead =
        |id: OwnerId| before.iter().any(|owner| owner.id == id && owner.liveness == Liveness::Dead);
    for owner in &mut owners {
        if owner.liveness == Liveness::Dead && !was_dead(owner.id) {
            owner.liveness = Liveness::Silent;
        }
    }
    let of = |owner: Option<&OwnerRow>| {
        let id = owner.map(|owner| owner.id);
        let is_known = |id: Option<OwnerId>| owners.iter().any(|owner| Some(owner.id) == id);
        let its = |holder: Option<OwnerId>| holder == id || (id.is_none() && !is_known(holder));
        Holding {
            owner: owner.cloned(),
            attempts: attempts.iter().filter(|row| its(row.owner)).cloned().collect(),
            leases: leases.iter().filter(|row| its(row.owner)).cloned().collect(),
        }
    };
    let mut all: Vec<Holding> =
        std::iter::once(None).chain(owners.iter().map(Some)).map(of).collect();
    all.retain(|holding| !holding.attempts.is_empty() || !holding.leases.is_empty());
    Ok(all)
}

/// Ends everything that a dead process holds. Journals are read from `journals`, where this machine
/// has a place for them; where `or_whole`, a slice without one counts as spent as a whole.
///
/// # Errors
/// See [`ReconcileError`].
pub fn reconcile<S: Ledger>(
    books: &mut Books<S>,
    holding: &Holding,
    verdict: Verdict,
    journals: Option<&Path>,
    or_whole: bool,
) -> Result<Reconciled, ReconcileError> {
    let mut done = Reconciled::default();
    let mut in_flight: Vec<AttemptId> = holding.attempts.iter().map(|row| row.id.clone()).collect();
    for lease in &holding.leases {
        let number = lease.id.number();
        let records = journals.map_or(Ok(None), |folder| journal::read_all(folder, lease.id));
        let records = records.map_err(|error| ReconcileError::Journal(number, error))?;
        let remains = match records {
            Some(records) => Remains::of(lease.id, records),
            None if or_whole => Remains { unwritten: lease.left, ..Remains::default() },
            None => return Err(ReconcileError::NoJournal(number)),
        };
        in_flight.extend(remains.in_flight.keys().cloned());
        take_back(books, lease, &remains, &mut done)?;
        // Reconciled twice, it is missed once.
        let _gone = journals.map(|folder| journal::remove(folder, lease.id));
    }
    in_flight.sort_unstable();
    in_flight.dedup();
    for attempt in in_flight {
        let operation = match verdict {
            Verdict::Spent => Operation::Expire(attempt),
            Verdict::Unsent => Operation::Release(attempt),
        };
        if let [Answer::Done { already_closed: false }] = apply(books, &[operation])?.as_slice() {
            done.attempts += 1;
        }
    }
    Ok(done)
}

/// Writes down what a journal says, counts what it may not say as spent, and frees the rest.
fn take_back<S: Ledger>(
    books: &mut Books<S>,
    lease: &LeaseRow,
    remains: &Remains,
    done: &mut Reconciled,
) -> Result<(), ReconcileError> {
    for operations in remains.operations.chunks(OPERATIONS_MAX) {
        apply(books, operations)?;
    }
    let still_out = |books: &Books<S>| -> Result<Option<Charge>, StoreError> {
        let leases = books.reader().leases()?;
        Ok(leases.into_iter().find(|row| row.id == lease.id).map(|row| row.left))
    };
    let Some(left) = still_out(books)? else { return Ok(()) };
    let unknown = remains.unwritten.min(left);
    let mut last = Vec::new();
    if !unknown.is_zero() {
        let attempt = AttemptId::from(format!("lease-{}/unwritten", lease.id.number()));
        let drawn = Drawn { attempt: attempt.clone(), agent: None, price: None, charge: unknown };
        last.extend([Operation::Draw(lease.id, drawn), Operation::Expire(attempt)]);
    }
    last.push(Operation::GiveBack(lease.id));
    apply(books, &last)?;
    done.written_off += unknown;
    done.given_back += left.minus(unknown);
    done.leases += 1;
    Ok(())
}

/// The most that one transaction takes down.
const OPERATIONS_MAX: usize = 512;

fn apply<S: Ledger>(
    books: &mut Books<S>,
    operations: &[Operation],
) -> Result<Vec<Answer>, ReconcileError> {
    let answers = books.apply(operations)?.answers;
    Ok(answers.into_iter().collect::<Result<_, _>>()?)
}
