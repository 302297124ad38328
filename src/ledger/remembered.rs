//! Rows as one connection last read or wrote them. They stay true for as long as no other
//! connection has written, which SQLite tells; a batch that finds them true need not read them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::Connection;

use crate::budget::{AttemptEnd, AttemptRow, Changes, LeaseId, LeaseRow, ScopeId, ScopeRow};
use crate::id::{AttemptId, OwnerId};
use crate::ledger::failure::Fault;
use crate::ledger::gather::Source;
use crate::ledger::upsert::Written;

/// Beyond so many rows everything is forgotten and read anew.
const ROWS_MAX: usize = 200_000;

/// What is remembered between transactions.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// SQLite's count of what others wrote.
    version: Option<i64>,
    rows: RefCell<Remembrance>,
    /// The number of this process, once it is kept.
    own: Option<OwnerId>,
}

#[derive(Debug, Default)]
struct Remembrance {
    scopes: HashMap<ScopeId, ScopeRow>,
    /// Those in flight.
    attempts: HashMap<AttemptId, AttemptRow>,
    /// Under which numbers those are kept that this connection wrote.
    numbers: HashMap<AttemptId, i64>,
    agents: HashMap<Arc<str>, Agent>,
    leases: HashMap<LeaseId, LeaseRow>,
    next_scope: Option<u32>,
    next_lease: Option<u64>,
    next_sequence: Option<i64>,
}

/// Where an agent counts.
#[derive(Clone, Debug, Default)]
struct Agent {
    in_flight: BTreeSet<AttemptId>,
    counted: Vec<ScopeId>,
}

impl Remembered {
    /// Keeps what is still true, at the beginning of a transaction.
    pub(super) fn look(&mut self, connection: &Connection) -> Result<(), Fault> {
        let mut statement = connection.prepare_cached("PRAGMA data_version")?;
        let version: i64 = statement.query_row([], |row| row.get(0))?;
        if self.version != Some(version) || self.rows.get_mut().is_large() {
            self.forget();
            self.version = Some(version);
        }
        Ok(())
    }

    /// Forgets everything: nobody knows what a transaction that failed has left.
    pub(super) fn forget(&mut self) {
        *self = Self { own: self.own, ..Self::default() };
    }

    /// The number of this process, where it is kept.
    pub(super) const fn own(&self) -> Option<OwnerId> {
        self.own
    }

    /// The number of the next entry, where it is known.
    pub(super) fn next_sequence(&self) -> Option<i64> {
        self.rows.borrow().next_sequence
    }

    /// The number that an attempt in flight is kept under, where it is known.
    pub(super) fn number_of(&self, attempt: &AttemptId) -> Option<i64> {
        self.rows.borrow().numbers.get(attempt).copied()
    }

    /// Takes over what a transaction has kept.
    pub(super) fn learn(&mut self, changes: Changes, own: Option<OwnerId>, written: Written) {
        let Written { next_sequence, numbers } = written;
        let rows = self.rows.get_mut();
        self.own = self.own.or(own);
        rows.next_sequence = Some(next_sequence);
        for row in changes.scopes {
            let after = row.id.0.checked_add(1);
            rows.next_scope = rows.next_scope.max(after).filter(|_| rows.next_scope.is_some());
            rows.scopes.insert(row.id, row);
        }
        for row in changes.leases {
            let after = row.id.0.checked_add(1);
            rows.next_lease = rows.next_lease.max(after).filter(|_| rows.next_lease.is_some());
            rows.leases.insert(row.id, LeaseRow { owner: row.owner.or(own), ..row });
        }
        for (row, number) in changes.attempts.into_iter().zip(numbers) {
            rows.learn_attempt(AttemptRow { owner: row.owner.or(own), ..row }, number);
        }
        for (scope, agent) in changes.counted {
            if let Some(agent) = rows.agents.get_mut(&agent)
                && !agent.counted.contains(&scope)
            {
                agent.counted.push(scope);
            }
        }
    }

    /// Rows, remembered or read from `connection`.
    pub(super) fn over<'a>(&'a self, connection: &'a Connection) -> impl Source + 'a {
        Over { rows: &self.rows, connection }
    }
}

impl Remembrance {
    fn is_large(&self) -> bool {
        self.scopes.len() + self.attempts.len() + self.agents.len() + self.leases.len() > ROWS_MAX
    }

    fn learn_attempt(&mut self, row: AttemptRow, number: i64) {
        let in_flight = row.end == AttemptEnd::Reserved;
        if let Some(agent) = row.agent.as_ref().and_then(|agent| self.agents.get_mut(agent)) {
            if in_flight {
                agent.in_flight.insert(row.id.clone());
            } else {
                agent.in_flight.remove(&row.id);
            }
        }
        if in_flight {
            self.numbers.insert(row.id.clone(), number);
            self.attempts.insert(row.id.clone(), row);
        } else {
            self.numbers.remove(&row.id);
            self.attempts.remove(&row.id);
        }
    }
}

struct Over<'a> {
    rows: &'a RefCell<Remembrance>,
    connection: &'a Connection,
}

impl Over<'_> {
    fn agent(&self, name: &str) -> Result<Agent, Fault> {
        if let Some(agent) = self.rows.borrow().agents.get(name) {
            return Ok(agent.clone());
        }
        let found = Source::in_flight(self.connection, name)?;
        let counted = Source::counted(self.connection, name)?;
        let mut rows = self.rows.borrow_mut();
        let in_flight = found.iter().map(|row| row.id.clone()).collect();
        rows.attempts.extend(found.into_iter().map(|row| (row.id.clone(), row)));
        let agent = Agent { in_flight, counted };
        rows.agents.insert(Arc::from(name), agent.clone());
        Ok(agent)
    }
}

impl Source for Over<'_> {
    fn scope(&self, id: ScopeId) -> Result<Option<ScopeRow>, Fault> {
        if let Some(row) = self.rows.borrow().scopes.get(&id) {
            return Ok(Some(row.clone()));
        }
        let found = self.connection.scope(id)?;
        self.rows.borrow_mut().scopes.extend(found.clone().map(|row| (id, row)));
        Ok(found)
    }

    fn scope_at(&self, path: &str) -> Result<Option<ScopeRow>, Fault> {
        self.connection.scope_at(path)
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, Fault> {
        if let Some(row) = self.rows.borrow().attempts.get(id) {
            return Ok(Some(row.clone()));
        }
        Source::attempt(self.connection, id)
    }

    fn in_flight(&self, agent: &str) -> Result<Vec<AttemptRow>, Fault> {
        let agent = self.agent(agent)?;
        let rows = self.rows.borrow();
        Ok(agent.in_flight.iter().filter_map(|id| rows.attempts.get(id).cloned()).collect())
    }

    fn counted(&self, agent: &str) -> Result<Vec<ScopeId>, Fault> {
        self.agent(agent).map(|agent| agent.counted)
    }

    fn lease(&self, id: LeaseId) -> Result<Option<LeaseRow>, Fault> {
        if let Some(row) = self.rows.borrow().leases.get(&id) {
            return Ok(Some(row.clone()));
        }
        let found = self.connection.lease(id)?;
        self.rows.borrow_mut().leases.extend(found.clone().map(|row| (id, row)));
        Ok(found)
    }

    fn next_scope(&self) -> Result<u32, Fault> {
        if let Some(next) = self.rows.borrow().next_scope {
            return Ok(next);
        }
        let next = self.connection.next_scope()?;
        self.rows.borrow_mut().next_scope = Some(next);
        Ok(next)
    }

    fn next_lease(&self) -> Result<u64, Fault> {
        if let Some(next) = self.rows.borrow().next_lease {
            return Ok(next);
        }
        let next = self.connection.next_lease()?;
        self.rows.borrow_mut().next_lease = Some(next);
        Ok(next)
    }
}
