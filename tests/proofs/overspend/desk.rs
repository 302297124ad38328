//! Where operations go: an account of its own, or several processes that share a ledger.

use flyball::budget::{
    Account, Answer, Balance, Books, Effects, EntryKind, Limits, Operation, ScopeId,
};
use flyball::ledger::{EntryFilter, MemoryLedger, ReadLedger, verify};

const NOBODY_LEFT_OUT: usize = usize::MAX;

pub(crate) enum Desk {
    Own(Box<Account>),
    /// One book per process, and the ledger that they share.
    Shared(Vec<Books<MemoryLedger>>, MemoryLedger),
}

impl Desk {
    /// `processes` books on one ledger; an account in memory where there are none.
    pub(crate) fn new(processes: usize) -> Self {
        if processes == 0 {
            return Self::Own(Box::new(Account::new()));
        }
        let ledger = MemoryLedger::new(|| jiff::Timestamp::UNIX_EPOCH);
        let book = |_| Books::new(ledger.clone(), NOBODY_LEFT_OUT);
        Self::Shared((0..processes).map(book).collect(), ledger)
    }

    pub(crate) const fn processes(&self) -> usize {
        match self {
            Self::Own(_) => 1,
            Self::Shared(books, _) => books.len(),
        }
    }

    pub(crate) fn open(
        &mut self,
        parent: Option<ScopeId>,
        names: &[String],
        limits: Limits,
    ) -> ScopeId {
        match self {
            Self::Own(account) => account.open(parent, names.last().unwrap(), limits).unwrap(),
            Self::Shared(..) => {
                let open = Operation::Open { path: names.to_vec(), limits };
                match self.apply(0, &[open]).0.remove(0) {
                    Answer::Scope(scope) => scope,
                    other => panic!("opening a scope gave {other:?}"),
                }
            }
        }
    }

    /// A batch of one process. An operation that is refused as nonsense is a failure of the trial.
    pub(crate) fn apply(
        &mut self,
        process: usize,
        batch: &[Operation],
    ) -> (Vec<Answer>, Vec<Effects>) {
        match self {
            Self::Own(account) => {
                let mut effects = Vec::new();
                let mut one = |operation| perform(account, operation, &mut effects);
                (batch.iter().map(&mut one).collect(), effects)
            }
            Self::Shared(books, _) => {
                let applied = books[process].apply(batch).unwrap();
                (applied.answers.into_iter().map(Result::unwrap).collect(), applied.effects)
            }
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        match self {
            Self::Own(account) => account.waiting(),
            Self::Shared(books, _) => books.iter().map(Books::waiting).sum(),
        }
    }

    /// The balances of `scopes`, once they were found to follow from the entries; and the overruns
    /// among these.
    pub(crate) fn closed(&self, scopes: &[ScopeId]) -> (Vec<Balance>, Vec<EntryKind>) {
        let is_overrun = |kind: &EntryKind| matches!(kind, EntryKind::Overrun { .. });
        match self {
            Self::Own(account) => {
                account.verify().unwrap();
                let kinds = account.entries().iter().map(|entry| &entry.kind);
                let overruns = kinds.filter(|kind| is_overrun(kind)).cloned().collect();
                (scopes.iter().map(|id| account.balance(*id).unwrap()).collect(), overruns)
            }
            Self::Shared(_, ledger) => {
                verify(ledger).unwrap();
                let rows = ledger.scopes().unwrap();
                let balance =
                    |id: &ScopeId| rows.iter().find(|row| row.id == *id).unwrap().balance();
                let entries = ledger.entries(&EntryFilter::default(), usize::MAX).unwrap();
                let kinds = entries.into_iter().map(|entry| entry.kind);
                (scopes.iter().map(balance).collect(), kinds.filter(is_overrun).collect())
            }
        }
    }
}

fn perform(account: &mut Account, operation: &Operation, all: &mut Vec<Effects>) -> Answer {
    let effects = match operation {
        Operation::Reserve(ask) => {
            return Answer::Admission(account.reserve(ask.clone()).unwrap());
        }
        Operation::Extend(attempt, by) => {
            return Answer::Extended(account.extend(attempt, *by).unwrap());
        }
        Operation::SetPaused(scope, true) => {
            account.pause(*scope).unwrap();
            return Answer::Scope(*scope);
        }
        Operation::SetPaused(scope, false) => account.resume(*scope),
        Operation::SetLimits(scope, limits) => account.set_limits(*scope, *limits),
        Operation::Withdraw(attempt) => account.withdraw(attempt).map(|(_, effects)| effects),
        Operation::Shrink(attempt, to) => account.shrink(attempt, *to),
        Operation::Settle(attempt, used) => account.settle(attempt, *used),
        Operation::Release(attempt) => account.release(attempt),
        Operation::Expire(attempt) => account.expire(attempt),
        Operation::Correct(attempt, used) => account.correct(attempt, *used),
        other => panic!("a trial does no {other:?}"),
    };
    let effects = effects.unwrap();
    let already_closed = effects.already_closed;
    all.push(effects);
    Answer::Done { already_closed }
}
