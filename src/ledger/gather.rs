//! What a batch needs of a ledger, closed: everything above a scope, everything an attempt is
//! charged to, everything in flight of an agent. The same for every kind of ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::budget::{AttemptRow, LeaseId, LeaseRow, Rows, ScopeId, ScopeRow, Wanted};
use crate::id::AttemptId;
use crate::ledger::check::checked;
use crate::ledger::failure::Fault;

/// Finds rows one by one, within a transaction.
pub(super) trait Source {
    fn scope(&self, id: ScopeId) -> Result<Option<ScopeRow>, Fault>;
    fn scope_at(&self, path: &str) -> Result<Option<ScopeRow>, Fault>;
    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, Fault>;
    /// Its attempts in flight.
    fn in_flight(&self, agent: &str) -> Result<Vec<AttemptRow>, Fault>;
    /// The scopes in which it was counted for good.
    fn counted(&self, agent: &str) -> Result<Vec<ScopeId>, Fault>;
    fn lease(&self, id: LeaseId) -> Result<Option<LeaseRow>, Fault>;
    /// The number of the next scope.
    fn next_scope(&self) -> Result<u32, Fault>;
    /// The number of the next slice.
    fn next_lease(&self) -> Result<u64, Fault>;
}

/// Finds what is `wanted`, and checks what can be checked.
pub(super) fn gather(source: &dyn Source, wanted: &Wanted) -> Result<Rows, Fault> {
    let mut attempts: BTreeMap<AttemptId, AttemptRow> = BTreeMap::new();
    let mut agents: BTreeSet<Arc<str>> = wanted.agents.clone();
    let mut charged: BTreeSet<ScopeId> = BTreeSet::new();
    let mut wanted_leases: BTreeSet<LeaseId> = wanted.leases.clone();
    for id in &wanted.attempts {
        if let Some(row) = source.attempt(id)? {
            charged.extend(row.path.iter());
            agents.extend(row.agent.clone());
            wanted_leases.extend(row.lease);
            attempts.insert(row.id.clone(), row);
        }
    }
    let mut counted = Vec::new();
    for agent in &agents {
        for row in source.in_flight(agent)? {
            attempts.insert(row.id.clone(), row);
        }
        counted.extend(source.counted(agent)?.into_iter().map(|id| (id, Arc::clone(agent))));
    }
    let mut leases = Vec::new();
    for id in wanted_leases {
        if let Some(row) = source.lease(id)? {
            charged.extend(row.path.iter());
            leases.push(row);
        }
    }
    let rows = Rows {
        scopes: scopes(source, wanted, &charged)?,
        attempts: attempts.into_values().collect(),
        counted,
        leases,
        next_scope: source.next_scope()?,
        next_lease: source.next_lease()?,
    };
    checked(rows)
}

/// The wanted scopes that exist, those that attempts are `charged` to, and all above them.
fn scopes(
    source: &dyn Source,
    wanted: &Wanted,
    charged: &BTreeSet<ScopeId>,
) -> Result<Vec<ScopeRow>, Fault> {
    let mut found: BTreeMap<ScopeId, ScopeRow> = BTreeMap::new();
    for path in &wanted.paths {
        if let Some(row) = source.scope_at(path)? {
            found.insert(row.id, row);
        }
    }
    for id in &wanted.scopes {
        if let Some(row) = source.scope(*id)? {
            found.insert(*id, row);
        }
    }
    let parents = found.values().filter_map(|row| row.parent);
    let mut needed: BTreeSet<ScopeId> = parents.chain(charged.iter().copied()).collect();
    // A parent has a lower number than its child, so this ends: see `check`.
    while let Some(id) = needed.pop_last() {
        if found.contains_key(&id) {
            continue;
        }
        let Some(row) = source.scope(id)? else {
            return Err(Fault::Damaged(format!("scope {} is referred to and missing", id.0)));
        };
        needed.extend(row.parent.filter(|parent| *parent < id));
        found.insert(id, row);
    }
    Ok(found.into_values().collect())
}
