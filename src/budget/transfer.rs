//! An account that lived in memory, as rows for a store: how a run that paid nothing is kept whole
//! once it is over, without a transaction for every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::account::{Account, AccountError};
use crate::budget::entry::EntryKind;
use crate::budget::rows::{AttemptRow, Changes, ScopeRow};
use crate::budget::scope::ScopeId;
use crate::id::AttemptId;

/// Where rows go in the store.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The number of the first scope.
    pub first_scope: u32,
    /// The path of the root scope there.
    pub root: &'a str,
    /// What attempts and agents are called by: the part before the first `/` of their ids.
    pub run: &'a str,
}

impl Account {
    /// Everything under `root` as rows and entries; what is beside it stays behind.
    pub fn transferred(&self, root: ScopeId, to: Destination<'_>) -> Result<Changes, AccountError> {
        let old_root = self.scope(root)?.path.to_string();
        let own: Vec<ScopeId> =
            self.scopes.keys().copied().filter(|id| self.lies_under(*id, root)).collect();
        let mut ids = BTreeMap::new();
        for (number, id) in own.iter().enumerate() {
            let number = u32::try_from(number).ok().and_then(|n| to.first_scope.checked_add(n));
            ids.insert(
                *id,
                ScopeId(number.ok_or_else(|| AccountError::TooDeep(old_root.clone()))?),
            );
        }
        let moved = Moved { account: self, ids, old_root, to };
        Ok(Changes {
            scopes: own.iter().filter_map(|id| moved.scope(*id)).collect(),
            attempts: self.attempts.keys().filter_map(|id| moved.attempt(id)).collect(),
            counted: moved.counted(),
            // A run in memory has its account for itself and borrows nothing.
            leases: Vec::new(),
            entries: self.entries.iter().filter_map(|entry| moved.entry(&entry.kind)).collect(),
        })
    }

    fn lies_under(&self, id: ScopeId, root: ScopeId) -> bool {
        let mut next = Some(id);
        while let Some(id) = next {
            if id == root {
                return true;
            }
            next = self.scopes.get(&id).and_then(|scope| scope.parent);
        }
        false
    }
}

struct Moved<'a> {
    account: &'a Account,
    ids: BTreeMap<ScopeId, ScopeId>,
    old_root: String,
    to: Destination<'a>,
}

impl Moved<'_> {
    fn id(&self, id: ScopeId) -> Option<ScopeId> {
        self.ids.get(&id).copied()
    }

    fn path(&self, path: &str) -> String {
        format!("{}{}", self.to.root, path.strip_prefix(&self.old_root).unwrap_or(""))
    }

    /// `run-1/7/2` under the run's name in the store.
    fn named(&self, id: &str) -> String {
        let rest = id.split_once('/').map_or(id, |(_, rest)| rest);
        format!("{}/{rest}", self.to.run)
    }

    fn attempt_id(&self, id: &AttemptId) -> AttemptId {
        AttemptId::from(self.named(&id.0))
    }

    fn agent(&self, agent: Option<&Arc<str>>) -> Option<Arc<str>> {
        agent.map(|agent| self.named(agent).into())
    }

    fn scope(&self, id: ScopeId) -> Option<ScopeRow> {
        let row = self.account.scopes.get(&id)?.row(self.id(id)?);
        let parent = row.parent.and_then(|parent| self.id(parent));
        Some(ScopeRow { parent, path: self.path(&row.path).into(), ..row })
    }

    fn attempt(&self, id: &AttemptId) -> Option<AttemptRow> {
        let row = self.account.attempts.get(id)?.row(self.attempt_id(id));
        Some(AttemptRow {
            scope: self.id(row.scope)?,
            windows: Vec::new(),
            path: row.path.iter().filter_map(|id| self.id(*id)).collect(),
            agent: self.agent(row.agent.as_ref()),
            lease: None,
            ..row
        })
    }

    fn counted(&self) -> Vec<(ScopeId, Arc<str>)> {
        let mut counted = Vec::new();
        for (old, new) in &self.ids {
            let Some(scope) = self.account.scopes.get(old) else { continue };
            let settled = scope.agents.iter().filter(|(_, count)| count.settled);
            counted.extend(settled.map(|(agent, _)| (*new, Arc::from(self.named(agent)))));
        }
        counted
    }

    fn entry(&self, kind: &EntryKind) -> Option<EntryKind> {
        let mut kind = kind.clone();
        match &mut kind {
            EntryKind::Open { scope, parent, name, .. } => {
                if parent.is_none() {
                    self.to.root.clone_into(name);
                }
                *scope = self.id(*scope)?;
                *parent = parent.and_then(|parent| self.id(parent));
            }
            EntryKind::Limit { scope, .. } | EntryKind::Pause { scope, .. } => {
                *scope = self.id(*scope)?;
            }
            EntryKind::Reserve { attempt, scope, windows, agent, .. } => {
                *scope = self.id(*scope)?;
                windows.clear();
                *agent = self.agent(agent.as_ref());
                *attempt = self.attempt_id(attempt);
            }
            EntryKind::Correct { attempt, scope, windows, .. } => {
                *scope = self.id(*scope)?;
                windows.clear();
                *attempt = self.attempt_id(attempt);
            }
            EntryKind::Lease { .. } | EntryKind::Return { .. } => return None,
            EntryKind::Extend { attempt, .. }
            | EntryKind::Shrink { attempt, .. }
            | EntryKind::Settle { attempt, .. }
            | EntryKind::Overrun { attempt, .. }
            | EntryKind::Release { attempt }
            | EntryKind::Expire { attempt, .. } => *attempt = self.attempt_id(attempt),
        }
        Some(kind)
    }
}
