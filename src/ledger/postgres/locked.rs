//! What a batch needs, locked and read in one go, so that it stays true until the batch is kept.
//!
//! Locks are taken in one order by everybody, so that nobody waits in a circle: the right to open
//! scopes where the batch may open some, then scope rows from root to leaf (a parent has a lower
//! number than its child), then, with the writes, the right to number entries. Every question after
//! the locks sees what their last holders have kept: `READ COMMITTED` takes a new look per
//! statement, and a row that was waited for is read as it is by then.
//!
//! An attempt or a slice is changed only by who holds every scope it is charged to, and what an agent has in
//! flight or counted under a scope only by who holds that scope. So their rows need no locks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use crate::budget::{AttemptEnd, AttemptRow, LeaseId, LeaseRow, Rows, ScopeId, ScopeRow, Wanted};
use crate::id::AttemptId;
use crate::ledger::columns::{count_of, lease_number, scope_id};
use crate::ledger::failure::Fault;
use crate::ledger::gather::{Source, gather};
use crate::ledger::postgres::schema::{not_newer, version_question};
use crate::ledger::postgres::select::{self, attempts, leases, scopes};
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;

pub(super) const LOCK_OPENING: &str =
    "SELECT name FROM flyball.locks WHERE name = 'scopes' FOR UPDATE";

/// The wanted scopes, those of the wanted paths, those that wanted attempts are charged to, and all
/// above them.
const LOCK_SCOPES: &str = scopes!(
    "WHERE id = ANY (ARRAY( \
         WITH RECURSIVE needed (id) AS ( \
             (SELECT unnest($1::bigint[]) \
              UNION SELECT id FROM flyball.scopes WHERE path = ANY ($2) \
              UNION SELECT unnest(path) FROM flyball.attempts WHERE id = ANY ($3) \
              UNION SELECT unnest(path) FROM flyball.leases WHERE id = ANY ($4) OR id = ANY (ARRAY( \
                  SELECT lease FROM flyball.attempts WHERE id = ANY ($3)))) \
             UNION SELECT s.parent FROM flyball.scopes s JOIN needed ON s.id = needed.id \
                 WHERE s.parent IS NOT NULL \
         ) SELECT id FROM needed)) \
     ORDER BY id FOR UPDATE"
);

/// The wanted attempts, and those in flight of their agents and of the wanted agents.
const ATTEMPTS: &str = concat!(
    attempts!("WHERE id = ANY ($1)"),
    " UNION ALL ",
    attempts!(
        "WHERE state = 0 AND id <> ALL ($1) AND agent = ANY (ARRAY( \
             SELECT unnest($2::text[]) \
             UNION SELECT agent FROM flyball.attempts WHERE id = ANY ($1)))"
    )
);

/// The wanted slices, and those that wanted attempts were drawn from.
const LEASES: &str = leases!(
    "WHERE id = ANY ($2) OR id = ANY (ARRAY( \
         SELECT lease FROM flyball.attempts WHERE id = ANY ($1)))"
);

/// A block of numbers for slices that the batch may lend.
const NEXT_LEASE: &str = "SELECT nextval('flyball.lease_numbers')";

/// Where these agents, and those of the wanted attempts, were counted for good.
const COUNTED: &str = "
SELECT agent, scope FROM flyball.counted WHERE agent = ANY (ARRAY(
    SELECT unnest($2::text[]) UNION SELECT agent FROM flyball.attempts WHERE id = ANY ($1)))";

const LAST_SCOPE: &str = "SELECT max(id) FROM flyball.scopes";

/// What was locked and read.
#[derive(Default)]
pub(super) struct Locked {
    scopes: BTreeMap<ScopeId, ScopeRow>,
    by_path: BTreeMap<Arc<str>, ScopeId>,
    attempts: BTreeMap<AttemptId, AttemptRow>,
    leases: BTreeMap<LeaseId, LeaseRow>,
    next_lease: u64,
    in_flight: BTreeMap<Arc<str>, Vec<AttemptId>>,
    counted: BTreeMap<Arc<str>, Vec<ScopeId>>,
    last_scope: Option<ScopeId>,
    may_open: bool,
}

impl Locked {
    /// Begins a transaction with `begin`, locks and reads.
    pub(super) fn take(
        session: &Session,
        begin: &str,
        wanted: &Wanted,
        wait: Duration,
    ) -> Result<Self, Trouble> {
        let may_open = !wanted.paths.is_empty();
        let attempts: Vec<String> = wanted.attempts.iter().map(|id| id.0.to_string()).collect();
        let agents = texts(&wanted.agents);
        let leases: Result<Vec<i64>, Fault> =
            wanted.leases.iter().copied().map(lease_number).collect();
        let leases = leases?;
        let mut questions = vec![version_question()];
        if may_open {
            questions.push(Question::new(LOCK_OPENING));
        }
        questions.push(
            Question::new(LOCK_SCOPES)
                .numbers(wanted.scopes.iter().map(|id| id.0.into()).collect())
                .texts(texts(&wanted.paths))
                .texts(attempts.clone())
                .numbers(leases.clone()),
        );
        questions.push(Question::new(ATTEMPTS).texts(attempts.clone()).texts(agents.clone()));
        questions.push(Question::new(COUNTED).texts(attempts.clone()).texts(agents));
        questions.push(Question::new(LEASES).texts(attempts).numbers(leases));
        questions.push(Question::new(NEXT_LEASE));
        questions.push(Question::new(LAST_SCOPE));
        let mut answers = session.ask(Some(begin), questions, wait)?.into_iter();
        let mut rows = || answers.next().map_or_else(Vec::new, |answer| answer.rows);
        not_newer(&rows())?;
        if may_open && rows().is_empty() {
            return Err(Trouble::damaged("its row to lock before scopes are opened is missing"));
        }
        let mut locked = Self { may_open, ..Self::default() };
        locked.read(&rows(), &rows(), &rows())?;
        locked.read_leases(&rows(), &rows(), &rows())?;
        locked.covers(wanted)?;
        Ok(locked)
    }

    fn read(&mut self, scopes: &[Row], attempts: &[Row], counted: &[Row]) -> Result<(), Fault> {
        for row in select::all(scopes, select::scope_row)? {
            self.by_path.insert(Arc::clone(&row.path), row.id);
            self.scopes.insert(row.id, row);
        }
        for row in select::all(attempts, select::attempt_row)? {
            if row.end == AttemptEnd::Reserved
                && let Some(agent) = &row.agent
            {
                self.in_flight.entry(Arc::clone(agent)).or_default().push(row.id.clone());
            }
            self.attempts.insert(row.id.clone(), row);
        }
        for row in counted {
            let (scope, agent) = select::counted_row(row)?;
            self.counted.entry(agent).or_default().push(scope);
        }
        Ok(())
    }

    fn read_leases(&mut self, leases: &[Row], next: &[Row], last: &[Row]) -> Result<(), Fault> {
        for row in select::all(leases, select::lease_row)? {
            self.leases.insert(row.id, row);
        }
        if let [row] = next {
            self.next_lease = count_of(select::get(row, 0)?)?;
        }
        if let [row] = last {
            self.last_scope = select::get::<Option<i64>>(row, 0)?.map(scope_id).transpose()?;
        }
        Ok(())
    }

    /// An attempt that appeared while we waited may be charged to scopes that we do not hold.
    fn covers(&self, wanted: &Wanted) -> Result<(), Trouble> {
        let rows = wanted.attempts.iter().filter_map(|id| self.attempts.get(id));
        let is_held = |id: &ScopeId| self.scopes.contains_key(id);
        let paths = rows.map(|row| &row.path).chain(self.leases.values().map(|row| &row.path));
        match paths.flat_map(|path| path.iter()).find(|id| !is_held(id)) {
            // Or it is missing altogether, which the next try finds out.
            Some(id) if self.last_scope.is_some_and(|last| *id <= last) => {
                Err(Trouble::Conflict(format!("scope {} came up while others wrote", id.0)))
            }
            _ => Ok(()),
        }
    }

    /// The rows, closed and checked like those of any ledger.
    pub(super) fn rows(&self, wanted: &Wanted) -> Result<Rows, Fault> {
        gather(self, wanted)
    }

    /// Whether it is one of the scopes that were read.
    pub(super) fn has_scope(&self, id: ScopeId) -> bool {
        self.scopes.contains_key(&id)
    }

    /// Whether it is one of the attempts that were read.
    pub(super) fn has_attempt(&self, id: &AttemptId) -> bool {
        self.attempts.contains_key(id)
    }

    /// Whether it is one of the slices that were read.
    pub(super) fn has_lease(&self, id: LeaseId) -> bool {
        self.leases.contains_key(&id)
    }

    /// Whether new scopes may be numbered.
    pub(super) fn may_open(&self) -> bool {
        self.may_open
    }
}

fn texts(texts: &BTreeSet<Arc<str>>) -> Vec<String> {
    texts.iter().map(|text| (**text).to_owned()).collect()
}

impl Source for Locked {
    fn scope(&self, id: ScopeId) -> Result<Option<ScopeRow>, Fault> {
        Ok(self.scopes.get(&id).cloned())
    }

    fn scope_at(&self, path: &str) -> Result<Option<ScopeRow>, Fault> {
        Ok(self.by_path.get(path).and_then(|id| self.scopes.get(id)).cloned())
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, Fault> {
        Ok(self.attempts.get(id).cloned())
    }

    fn in_flight(&self, agent: &str) -> Result<Vec<AttemptRow>, Fault> {
        let ids = self.in_flight.get(agent).map_or(&[][..], Vec::as_slice);
        Ok(ids.iter().filter_map(|id| self.attempts.get(id)).cloned().collect())
    }

    fn counted(&self, agent: &str) -> Result<Vec<ScopeId>, Fault> {
        Ok(self.counted.get(agent).map_or_else(Vec::new, Clone::clone))
    }

    fn lease(&self, id: LeaseId) -> Result<Option<LeaseRow>, Fault> {
        Ok(self.leases.get(&id).cloned())
    }

    fn next_lease(&self) -> Result<u64, Fault> {
        Ok(self.next_lease)
    }

    fn next_scope(&self) -> Result<u32, Fault> {
        let full = || Fault::Unusable("it has as many scopes as it can number".to_owned());
        self.last_scope.map_or(Ok(0), |id| id.0.checked_add(1).ok_or_else(full))
    }
}
