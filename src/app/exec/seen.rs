//! What a gateway saw of one run: who sent what, what it was charged, what was refused and why.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::budget::Shortage;
use crate::claude::outcome::{Spent, SpentByAgent};
use crate::gateway::{Access, Fate};
use crate::report::exec::Failure;

/// Answers whose ids are remembered; of a run with more nobody can say what went around.
const MESSAGES_MAX: usize = 1_000_000;
/// Causes of failures that are told apart.
const CAUSES_MAX: usize = 32;

/// What was seen of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    run: String,
    /// By session and agent; a client without sessions is one without a name.
    pub(super) spent: SpentByAgent,
    /// Requests by how they ended.
    pub(super) fates: BTreeMap<Fate, u64>,
    /// What was short in refusals for good, by the scope that was short.
    pub(super) shortages: BTreeMap<String, Shortage>,
    /// Requests that neither were answered nor short of a budget, by what kept them from it.
    failures: BTreeMap<String, u64>,
    messages: HashSet<String>,
}

impl Seen {
    /// Nothing yet of `run`.
    pub(super) fn of(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    /// Takes down a request that is over.
    pub(super) fn take(&mut self, access: &Access) {
        let caller = &access.caller;
        if caller.run.as_deref() != Some(&self.run) {
            return;
        }
        *self.fates.entry(access.fate).or_default() += 1;
        if let Some(cause) = cause(access) {
            self.failed(cause);
        }
        let session = caller.session.as_deref().unwrap_or("").to_owned();
        let of = self.spent.entry((session, caller.agent.clone())).or_default();
        take(of, access);
        if let Some(message) = access.message.as_ref().filter(|_| self.knows_all()) {
            self.messages.insert(message.clone());
        }
        if let Some(denial) = access.denial.as_ref().filter(|_| access.fate == Fate::Exhausted) {
            self.short(&denial.shortage);
        }
    }

    /// Notes what a scope was short of: of several refusals that which needed most.
    fn short(&mut self, shortage: &Shortage) {
        let known = self.shortages.get(&shortage.scope);
        let is_more = |known: &Shortage| {
            known.unit == shortage.unit
                && known.limit == shortage.limit
                && known.needed > shortage.needed
        };
        if !known.is_some_and(is_more) {
            self.shortages.insert(shortage.scope.clone(), shortage.clone());
        }
    }

    fn failed(&mut self, cause: String) {
        let is_new = !self.failures.contains_key(&cause);
        let cause = if is_new && self.failures.len() >= CAUSES_MAX {
            "other causes".to_owned()
        } else {
            cause
        };
        *self.failures.entry(cause).or_default() += 1;
    }

    /// Requests that failed, by cause, the most frequent first.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let failures = self.failures.iter();
        let mut failures: Vec<Failure> = failures
            .map(|(cause, requests)| Failure { cause: cause.clone(), requests: *requests })
            .collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.requests));
        failures
    }

    /// Whether every answer is remembered.
    pub(super) fn knows_all(&self) -> bool {
        self.messages.len() < MESSAGES_MAX
    }

    /// Whether an answer with this id passed.
    pub(super) fn passed(&self, message: &str) -> bool {
        self.messages.contains(message)
    }

    /// The sessions that sent something.
    pub(super) fn sessions(&self) -> BTreeSet<String> {
        self.spent.keys().map(|(session, _)| session.clone()).collect()
    }

    /// Requests that were refused for good.
    pub(super) fn refused(&self) -> u64 {
        self.fates.iter().filter(|(fate, _)| fate.is_for_good()).map(|(_, count)| count).sum()
    }
}

/// What kept a request from an answer, where that was no budget and not its client.
fn cause(access: &Access) -> Option<String> {
    let note = access.note.as_deref().map(|note| note.trim_start_matches("flyball: "));
    let noted = |what: &str| match note {
        Some(note) => format!("{what}: {note}"),
        None => what.to_owned(),
    };
    Some(match access.fate {
        Fate::UpstreamRefused => format!("the upstream refused it with {}", access.status),
        Fate::Unreachable => noted("the upstream cannot be reached"),
        Fate::UpstreamBroke => noted("the upstream broke off"),
        Fate::ErrorInStream => noted("the answer broke off with an error"),
        Fate::TimedOut => "the upstream did not answer in time".to_owned(),
        Fate::Busy => "the budget was in use for too long".to_owned(),
        Fate::NoLedger => noted("the ledger cannot be used"),
        Fate::BadRequest => noted("it makes no sense"),
        Fate::Denied => noted("the policy denies it"),
        Fate::Complete
        | Fate::Drained
        | Fate::ClientGone
        | Fate::LeftQueue
        | Fate::Unmetered
        | Fate::Cut
        | Fate::Exhausted
        | Fate::Unpriced
        | Fate::GatewayEnded => return None,
    })
}

fn take(spent: &mut Spent, access: &Access) {
    spent.is_refused = access.fate.is_for_good();
    if access.fate.is_refused() {
        spent.refused_requests += 1;
        return;
    }
    if let Some(usd) = access.charged {
        // What broke off is charged, since nobody knows what it cost, and was not answered.
        spent.requests += u64::from(cause(access).is_none());
        spent.usd += usd;
    }
}
