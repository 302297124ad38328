//! A ledger small enough to be copied into every state of the model: rows, and nothing else.

use std::collections::BTreeMap;

use flyball::budget::{
    Applied, AttemptEnd, AttemptRow, Books, Changes, Charge, LeaseId, LeaseRow, Operation, Record,
    Rows, ScopeId, ScopeRow, Store, StoreError, Wanted,
};
use flyball::id::AttemptId;

#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) scopes: BTreeMap<ScopeId, ScopeRow>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    pub(super) leases: BTreeMap<LeaseId, LeaseRow>,
}

impl Store for Tables {
    fn transact(
        &mut self,
        _: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        let changes = work(Rows {
            scopes: self.scopes.values().cloned().collect(),
            attempts: self.attempts.values().cloned().collect(),
            counted: Vec::new(),
            leases: self.leases.values().cloned().collect(),
            next_scope: self.scopes.len() as u32,
            next_lease: self.leases.len() as u64 + 1,
        });
        self.scopes.extend(changes.scopes.into_iter().map(|row| (row.id, row)));
        self.attempts.extend(changes.attempts.into_iter().map(|row| (row.id.clone(), row)));
        self.leases.extend(changes.leases.into_iter().map(|row| (row.id, row)));
        Ok(())
    }
}

impl Tables {
    /// One transaction of the real books over these rows.
    pub(super) fn apply(&mut self, batch: &[Operation]) -> Applied {
        let mut books = Books::new(std::mem::take(self), usize::MAX);
        let applied = books.apply(batch).unwrap();
        *self = books.into_store();
        applied
    }

    /// The one scope that everything is charged to.
    pub(super) fn run(&self) -> &ScopeRow {
        self.scopes.values().next().unwrap()
    }

    /// Settled, reserved and leased.
    pub(super) fn taken(&self) -> i128 {
        let row = self.run();
        [row.settled, row.reserved, row.leased].map(usd).into_iter().sum()
    }

    /// What an attempt holds or took.
    pub(super) fn charged(&self, attempt: &AttemptId) -> i128 {
        self.attempts.get(attempt).map_or(0, |row| usd(row.charge))
    }

    /// Whether every scope holds what its attempts and slices do, each once.
    pub(super) fn balances(&self) -> bool {
        let sum = |end: AttemptEnd| -> i128 {
            let its = self.attempts.values().filter(|row| row.end == end);
            its.map(|row| usd(row.charge)).sum()
        };
        let leased: i128 = self.leases.values().map(|row| usd(row.left)).sum();
        let row = self.run();
        [usd(row.settled), usd(row.reserved), usd(row.leased)]
            == [sum(AttemptEnd::Closed), sum(AttemptEnd::Reserved), leased]
    }

    /// What tells two ledgers apart.
    pub(super) fn key(&self, key: &mut Vec<i128>) {
        let row = self.run();
        key.extend([row.settled, row.reserved, row.leased].map(usd));
        key.push(row.recalled.into());
        for row in self.attempts.values() {
            key.extend(row.id.0.bytes().map(i128::from));
            key.extend([row.end as i128, usd(row.charge), row.lease.is_some().into()]);
        }
        for row in self.leases.values() {
            key.extend([i128::from(row.taken), row.held.into(), usd(row.left)]);
        }
    }
}

pub(super) fn usd(charge: Charge) -> i128 {
    charge.usd.pico()
}

/// What tells two records apart.
pub(super) fn key_of(record: &Record, key: &mut Vec<i128>) {
    let (kind, charge) = match record {
        Record::Promise(charge) => (0, *charge),
        Record::Draw(drawn) => (1, drawn.charge),
        Record::Settle(_, used) => (2, *used),
        Record::Release(_) => (3, Charge::ZERO),
        Record::Expire(_) => (4, Charge::ZERO),
        Record::WrittenOut => (5, Charge::ZERO),
    };
    key.extend([kind, usd(charge)]);
    key.extend(record.attempt().iter().flat_map(|id| id.0.bytes()).map(i128::from));
}
