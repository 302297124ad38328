//! What a gateway saw of one run: who sent what, what it was charged, what was refused and why.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::budget::Shortage;
use crate::claude::outcome::{Spent, SpentByAgent};
use crate::gateway::{Access, Fate};

/// Answers whose ids are remembered; of a run with more nobody can say what went around.
const MESSAGES_MAX: usize = 1_000_000;

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
        self.fates.iter().filter(|(fate, _)| is_final(**fate)).map(|(_, count)| count).sum()
    }
}

/// Whether nothing but more budget, or a price, helps.
const fn is_final(fate: Fate) -> bool {
    matches!(fate, Fate::Exhausted | Fate::Unpriced | Fate::Cut)
}

fn take(spent: &mut Spent, access: &Access) {
    spent.is_refused = is_final(access.fate);
    if access.fate.is_refused() {
        spent.refused_requests += 1;
        return;
    }
    if let Some(usd) = access.charged {
        spent.requests += 1;
        spent.usd += usd;
    }
}
