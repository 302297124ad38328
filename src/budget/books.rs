//! An account that a store keeps: many processes can hold one each, and none can overspend.
//!
//! Every batch is one transaction in which rows are read, the account's rules decide, and what they
//! changed is written. Only the queue lives in this process; whatever else it knows, it forgets.

use std::sync::Arc;

use crate::amount::Amount;
use crate::budget::account::{Account, AccountError, Attempt, AttemptState};
use crate::budget::admission::{Admission, Ask, Grant};
use crate::budget::charge::Charge;
use crate::budget::denial::{Denial, DenialKind, Shortage};
use crate::budget::effects::{Decision, Effects};
use crate::budget::lease::{Drawn, Lease, LeaseAsk, LeaseId, LeaseStanding, Lent};
use crate::budget::path::{plain_name, prefixes};
use crate::budget::rows::{
    AttemptEnd, AttemptRow, Changes, LeaseRow, Rows, ScopeRow, Store, StoreError, Touched, Wanted,
};
use crate::budget::scope::{AgentCount, Limits, Scope, ScopeId};
use crate::budget::slice::Record;
use crate::id::AttemptId;

/// One thing to do to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The scope at this path of names, outermost first; opened where it is missing, and what is
    /// above it too.
    Open {
        /// Names from the outermost scope on.
        path: Vec<String>,
        /// Its limits, where it is new.
        limits: Limits,
    },
    /// [`Account::set_limits`].
    SetLimits(ScopeId, Limits),
    /// [`Account::raise_limits`].
    RaiseLimits(ScopeId, Amount),
    /// [`Account::pause`] or [`Account::resume`].
    SetPaused(ScopeId, bool),
    /// [`Account::reserve`].
    Reserve(Ask),
    /// [`Account::shorten`].
    Shorten(AttemptId, ScopeId),
    /// [`Account::withdraw`].
    Withdraw(AttemptId),
    /// [`Account::extend`].
    Extend(AttemptId, Charge),
    /// [`Account::shrink`].
    Shrink(AttemptId, Charge),
    /// [`Account::settle`].
    Settle(AttemptId, Charge),
    /// [`Account::release`].
    Release(AttemptId),
    /// [`Account::expire`].
    Expire(AttemptId),
    /// [`Account::correct`].
    Correct(AttemptId, Charge),
    /// [`Account::lend`].
    Lend(LeaseAsk),
    /// [`Account::lend_more`].
    LendMore(LeaseId, Charge, u64),
    /// [`Account::lease_standing`].
    LeaseStanding(LeaseId),
    /// [`Account::draw`].
    Draw(LeaseId, Drawn),
    /// [`Account::take_down`].
    TakeDown(LeaseId, u64, Vec<Record>),
    /// [`Account::give_back`].
    GiveBack(LeaseId),
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A scope.
    Scope(ScopeId),
    /// What an ask was told.
    Admission(Admission),
    /// Whether a reservation could not grow.
    Extended(Option<Denial>),
    /// A slice, or that none is lent.
    Lent(Option<Lent>),
    /// Whether a borrower may go on.
    Standing(LeaseStanding),
    /// A journal was taken down, save for records that made no sense.
    TakenDown(Vec<AccountError>),
    /// Done; the effects on who waits are told with the batch.
    Done {
        /// The attempt had been closed before.
        already_closed: bool,
    },
}

/// What a batch brought about.
#[derive(Debug)]
pub struct Applied {
    /// One answer per operation, in order.
    pub answers: Vec<Result<Answer, AccountError>>,
    /// What it meant for others: who waits, warnings, overruns.
    pub effects: Vec<Effects>,
}

/// An account in a store, with the queue of this process before it.
pub struct Books<S> {
    account: Account,
    store: S,
}

impl<S: Store> Books<S> {
    /// The account that `store` keeps, with room for `waiting_max` waiting requests.
    pub fn new(store: S, waiting_max: usize) -> Self {
        let account = Account::new().with_waiting_max(waiting_max);
        Self { account: account.kept(), store }
    }

    /// Does every operation of a batch, in order, in one transaction; then serves who waits.
    ///
    /// # Errors
    /// Nothing of the batch happened, unless the error says that nobody knows.
    pub fn apply(&mut self, batch: &[Operation]) -> Result<Applied, StoreError> {
        let wanted = self.wanted(batch);
        let account = &mut self.account;
        let waiting = account.waiters.clone();
        let (mut answers, mut effects) = (Vec::with_capacity(batch.len()), Vec::new());
        let kept = self.store.transact(&wanted, &mut |rows| {
            account.absorb(rows);
            effects.extend(account.recognise());
            for operation in batch {
                answers.push(perform(account, operation, &mut effects));
            }
            let mut freed_by_others = Effects::default();
            if account.pump(&mut freed_by_others).is_ok() {
                effects.push(freed_by_others);
            }
            account.take_changes()
        });
        // The store knows better from now on: others write to it too.
        account.forget();
        if let Err(error) = kept {
            account.waiters = waiting;
            return Err(error);
        }
        effects.retain(|effects| *effects != Effects::default());
        Ok(Applied { answers, effects })
    }

    /// Takes a waiting request out of the queue without asking the store; for when it is out of
    /// reach. Whether it waited.
    pub fn abandon(&mut self, attempt: &AttemptId) -> bool {
        self.account.waiters.remove(attempt).is_some()
    }

    /// What a waiting request lacks, as of the last batch; `None` where it does not wait.
    pub fn lacks(&self, attempt: &AttemptId) -> Option<&Shortage> {
        self.account.waiters.of(attempt).map(|waiter| &waiter.shortage)
    }

    /// How many requests of this process wait.
    pub fn waiting(&self) -> usize {
        self.account.waiting()
    }

    /// The store, to be read.
    pub const fn reader(&self) -> &S {
        &self.store
    }

    /// The store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// The store, once nothing is to be asked any more.
    pub fn into_store(self) -> S {
        self.store
    }

    fn wanted(&self, batch: &[Operation]) -> Wanted {
        let mut wanted = Wanted::default();
        for waiter in self.account.waiters.iter() {
            wanted.ask(&waiter.ask);
        }
        for operation in batch {
            match operation {
                Operation::Open { path, .. } => wanted.paths.extend(prefixes(path)),
                Operation::SetLimits(scope, _)
                | Operation::RaiseLimits(scope, _)
                | Operation::SetPaused(scope, _) => {
                    wanted.scopes.insert(*scope);
                }
                Operation::Reserve(ask) => wanted.ask(ask),
                Operation::Withdraw(attempt)
                | Operation::Shorten(attempt, _)
                | Operation::Extend(attempt, _)
                | Operation::Shrink(attempt, _)
                | Operation::Settle(attempt, _)
                | Operation::Release(attempt)
                | Operation::Expire(attempt)
                | Operation::Correct(attempt, _) => {
                    wanted.attempts.insert(attempt.clone());
                }
                Operation::Lend(ask) => {
                    wanted.scopes.insert(ask.scope);
                    wanted.scopes.extend(&ask.windows);
                }
                Operation::LendMore(lease, ..)
                | Operation::LeaseStanding(lease)
                | Operation::GiveBack(lease) => {
                    wanted.leases.insert(*lease);
                }
                Operation::TakeDown(lease, _, records) => {
                    wanted.leases.insert(*lease);
                    for record in records {
                        wanted.record(record);
                    }
                }
                Operation::Draw(lease, drawn) => {
                    wanted.leases.insert(*lease);
                    wanted.attempts.insert(drawn.attempt.clone());
                    wanted.agents.extend(drawn.agent.clone());
                }
            }
        }
        wanted
    }
}

impl Wanted {
    fn ask(&mut self, ask: &Ask) {
        self.scopes.insert(ask.scope);
        self.scopes.extend(&ask.windows);
        self.attempts.insert(ask.attempt.clone());
        self.agents.extend(ask.agent.clone());
    }

    fn record(&mut self, record: &Record) {
        self.attempts.extend(record.attempt().cloned());
        if let Record::Draw(drawn) = record {
            self.agents.extend(drawn.agent.clone());
        }
    }
}

fn perform(
    account: &mut Account,
    operation: &Operation,
    all: &mut Vec<Effects>,
) -> Result<Answer, AccountError> {
    let mut done = |effects: Effects| {
        let already_closed = effects.already_closed;
        all.push(effects);
        Answer::Done { already_closed }
    };
    match operation {
        Operation::Open { path, limits } => open(account, path, *limits).map(Answer::Scope),
        Operation::SetLimits(scope, limits) => account.set_limits(*scope, *limits).map(done),
        Operation::RaiseLimits(scope, by) => account.raise_limits(*scope, *by).map(done),
        Operation::SetPaused(scope, true) => account.pause(*scope).map(|()| Answer::Scope(*scope)),
        Operation::SetPaused(scope, false) => account.resume(*scope).map(done),
        Operation::Reserve(ask) => account.reserve(ask.clone()).map(Answer::Admission),
        Operation::Shorten(attempt, scope) => account.shorten(attempt, *scope).map(done),
        Operation::Withdraw(attempt) => account.withdraw(attempt).map(|(_, effects)| done(effects)),
        Operation::Extend(attempt, by) => account.extend(attempt, *by).map(Answer::Extended),
        Operation::Shrink(attempt, to) => account.shrink(attempt, *to).map(done),
        Operation::Settle(attempt, used) => account.settle(attempt, *used).map(done),
        Operation::Release(attempt) => account.release(attempt).map(done),
        Operation::Expire(attempt) => account.expire(attempt).map(done),
        Operation::Correct(attempt, used) => account.correct(attempt, *used).map(done),
        Operation::Lend(ask) => account.lend(ask).map(Answer::Lent),
        Operation::LendMore(lease, bound, bounds) => {
            account.lend_more(*lease, *bound, *bounds).map(Answer::Lent)
        }
        Operation::LeaseStanding(lease) => Ok(Answer::Standing(account.lease_standing(*lease))),
        Operation::Draw(lease, drawn) => account.draw(*lease, drawn).map(done),
        Operation::GiveBack(lease) => account.give_back(*lease).map(done),
        Operation::TakeDown(lease, from, records) => {
            let mut senseless = Vec::new();
            for taken in account.take_down(*lease, *from, records)? {
                taken.map_or_else(|error| senseless.push(error), |effects| all.push(effects));
            }
            Ok(Answer::TakenDown(senseless))
        }
    }
}

fn open(account: &mut Account, path: &[String], limits: Limits) -> Result<ScopeId, AccountError> {
    let mut parent = None;
    let last = path.len().saturating_sub(1);
    for (position, (name, whole)) in path.iter().zip(prefixes(path)).enumerate() {
        let known = account.scopes.iter().find(|(_, scope)| scope.path == whole).map(|(id, _)| *id);
        let limits = if position == last { limits } else { Limits::NONE };
        parent = Some(match known {
            Some(id) => id,
            None => account.open(parent, &plain_name(name), limits)?,
        });
    }
    parent.ok_or_else(|| AccountError::TooDeep(String::new()))
}

/// What an account takes from a store and gives back.
impl Account {
    fn kept(mut self) -> Self {
        self.touched = Some(Touched::default());
        self
    }

    fn absorb(&mut self, rows: Rows) {
        self.next_scope = rows.next_scope;
        self.next_lease = rows.next_lease;
        for row in rows.leases {
            self.leases.insert(row.id, Lease::of(row));
        }
        for row in rows.scopes {
            self.scopes.insert(row.id, Scope::of(row));
        }
        for row in rows.attempts {
            if row.end == AttemptEnd::Reserved
                && let Some(agent) = &row.agent
            {
                for id in row.path.iter() {
                    self.agent(*id, agent, |count| count.in_flight += 1);
                }
            }
            self.attempts.insert(row.id.clone(), Attempt::of(row));
        }
        for (id, agent) in rows.counted {
            self.agent(id, &agent, |count| count.settled = true);
        }
    }

    /// Decides those who wait though the store knows them: a commit admitted them of which nobody
    /// could say whether it was kept. Admitting them again would reserve twice.
    fn recognise(&mut self) -> Option<Effects> {
        let known = |ask: &Ask| self.attempts.get(&ask.attempt).map(|attempt| attempt.state);
        let waiters = self.waiters.iter();
        let found: Vec<Decision> = waiters
            .filter_map(|waiter| {
                let admission = match known(&waiter.ask)? {
                    AttemptState::Reserved(reserved) => {
                        Admission::Admitted(Grant::found(&waiter.ask, reserved))
                    }
                    // Somebody ended it meanwhile; another attempt can be made.
                    AttemptState::Closed(_) | AttemptState::Released => {
                        let shortage = waiter.shortage.clone();
                        Admission::Refused(Denial { kind: DenialKind::Busy, shortage })
                    }
                };
                Some(Decision { attempt: waiter.ask.attempt.clone(), admission })
            })
            .collect();
        for decision in &found {
            self.waiters.remove(&decision.attempt);
        }
        (!found.is_empty()).then(|| Effects { decisions: found, ..Effects::default() })
    }

    fn agent(&mut self, id: ScopeId, agent: &Arc<str>, change: impl FnOnce(&mut AgentCount)) {
        if let Some(scope) = self.scopes.get_mut(&id) {
            change(scope.agents.entry(Arc::clone(agent)).or_default());
        }
    }

    /// Nothing, where the books do not balance: then what is written stays as it was.
    fn take_changes(&mut self) -> Changes {
        let touched = self.touched.replace(Touched::default());
        let (Some(touched), None) = (touched, &self.broken) else { return Changes::default() };
        let scope = |id: &ScopeId| Some(self.scopes.get(id)?.row(*id));
        let attempt = |id: &AttemptId| Some(self.attempts.get(id)?.row(id.clone()));
        Changes {
            scopes: touched.scopes.iter().filter_map(scope).collect(),
            attempts: touched.attempts.iter().filter_map(attempt).collect(),
            counted: touched.counted,
            leases: touched
                .leases
                .iter()
                .filter_map(|id| Some(self.leases.get(id)?.row(*id)))
                .collect(),
            entries: std::mem::take(&mut self.entries)
                .into_iter()
                .map(|entry| entry.kind)
                .collect(),
        }
    }

    fn forget(&mut self) {
        self.scopes.clear();
        self.attempts.clear();
        self.leases.clear();
        self.entries.clear();
        self.touched = Some(Touched::default());
    }
}

impl Scope {
    fn of(row: ScopeRow) -> Self {
        Self {
            paused: row.paused,
            settled: row.settled,
            reserved: row.reserved,
            leased: row.leased,
            recalled: row.recalled,
            agents_settled: row.agents_settled,
            agents_reserved: row.agents_reserved,
            warned_per_mille: row.warned_per_mille,
            ..Self::new(row.parent, row.path, row.limits)
        }
    }

    pub(crate) fn row(&self, id: ScopeId) -> ScopeRow {
        ScopeRow {
            id,
            parent: self.parent,
            path: Arc::clone(&self.path),
            limits: self.limits,
            paused: self.paused,
            settled: self.settled,
            reserved: self.reserved,
            leased: self.leased,
            recalled: self.recalled,
            agents_settled: self.agents_settled,
            agents_reserved: self.agents_reserved,
            warned_per_mille: self.warned_per_mille,
        }
    }
}

impl Attempt {
    fn of(row: AttemptRow) -> Self {
        let state = match row.end {
            AttemptEnd::Reserved => AttemptState::Reserved(row.charge),
            AttemptEnd::Closed => AttemptState::Closed(row.charge),
            AttemptEnd::Released => AttemptState::Released,
        };
        let AttemptRow { scope, windows, path, agent, lease, owner, .. } = row;
        Self { scope, windows, path, agent, lease, owner, state }
    }

    pub(crate) fn row(&self, id: AttemptId) -> AttemptRow {
        let (end, charge) = match self.state {
            AttemptState::Reserved(charge) => (AttemptEnd::Reserved, charge),
            AttemptState::Closed(charge) => (AttemptEnd::Closed, charge),
            AttemptState::Released => (AttemptEnd::Released, Charge::ZERO),
        };
        AttemptRow {
            id,
            scope: self.scope,
            windows: self.windows.clone(),
            path: Arc::clone(&self.path),
            agent: self.agent.clone(),
            lease: self.lease,
            owner: self.owner,
            end,
            charge,
        }
    }
}

impl Lease {
    fn of(row: LeaseRow) -> Self {
        let LeaseRow { scope, windows, path, left, taken, held, owner, .. } = row;
        Self { scope, windows, path, left, taken, held, owner }
    }

    fn row(&self, id: LeaseId) -> LeaseRow {
        LeaseRow {
            id,
            scope: self.scope,
            windows: self.windows.clone(),
            path: Arc::clone(&self.path),
            left: self.left,
            taken: self.taken,
            held: self.held,
            owner: self.owner,
        }
    }
}
