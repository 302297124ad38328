//! Holds siblings back until the first of them has written their common prompt prefix.

use std::collections::BTreeMap;

use crate::effort::Effort;
use crate::id::{CallId, ModelId};
use crate::ports::script::AgentCall;
use crate::seed::{key_of, key_of_parts};

/// Prefix groups by what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Stagger {
    groups: BTreeMap<u64, Group>,
    hold_milliseconds: u64,
}

#[derive(Debug)]
enum Group {
    /// Its first agent is on the way; siblings wait for its answer to begin, or until then.
    Leading { agent: CallId, until: u64 },
    /// Written.
    Warm,
}

/// What a group means for an agent that wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Go. `prefix_written` says whether it finds the prefix in the cache.
    Now { prefix_written: bool },
    /// Wait for the first sibling.
    Hold,
}

impl Stagger {
    pub(crate) fn new(hold_milliseconds: u64) -> Self {
        Self { groups: BTreeMap::new(), hold_milliseconds }
    }

    pub(crate) fn ask(&mut self, group: u64, agent: CallId, now: u64) -> Start {
        let until = now.saturating_add(self.hold_milliseconds);
        match self.groups.get(&group) {
            Some(Group::Warm) => Start::Now { prefix_written: true },
            Some(Group::Leading { until, .. }) if *until > now => Start::Hold,
            Some(Group::Leading { .. }) => Start::Now { prefix_written: false },
            None => {
                self.groups.insert(group, Group::Leading { agent, until });
                Start::Now { prefix_written: false }
            }
        }
    }

    /// The answer of a request of `group` has begun.
    pub(crate) fn warm(&mut self, group: u64) {
        self.groups.insert(group, Group::Warm);
    }

    /// An agent ended; if it led without an answer, the next one leads.
    pub(crate) fn ended(&mut self, group: u64, agent: CallId) {
        let led =
            matches!(self.groups.get(&group), Some(Group::Leading { agent: a, .. }) if *a == agent);
        if led {
            self.groups.remove(&group);
        }
    }

    /// When held agents have to be asked again at the latest.
    pub(crate) fn deadline(&self, now: u64) -> Option<u64> {
        let deadlines = self.groups.values().filter_map(|group| match group {
            Group::Leading { until, .. } if *until > now => Some(*until),
            _ => None,
        });
        deadlines.min()
    }
}

/// Agents share a prefix when model, effort, agent type, schema and working directory agree.
pub(crate) fn prefix_group(call: &AgentCall, model: &ModelId, effort: Option<Effort>) -> u64 {
    let own = if call.worktree { u64::from(call.id.0) } else { 0 };
    key_of_parts(&[
        key_of(&model.0),
        effort.map_or(0, |effort| key_of(effort.name())),
        call.agent_type.as_deref().map_or(0, key_of),
        call.schema.as_deref().map_or(0, key_of),
        own,
    ])
}
