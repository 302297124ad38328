//! Where requests ask for money: bounds, reserves, shrinks and settles them. Knows requests and
//! prices, not agents or scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::{
    Account, AccountError, Admission, Ask, Balance, Bound, Charge, Effects, Limits, OutputCap,
    PhaseLimits, ScopeId, Share, Unit,
};
use crate::id::{AttemptId, CallId, RunId};
use crate::ports::agent::{RequestId, RequestWanted};
use crate::ports::price::{NoPrice, RequestPrice};
use crate::run::setup::{RunSetup, WiderBudget};
use crate::tokens::TokenUsage;

pub(crate) struct RequestDesk {
    account: Account,
    run_id: RunId,
    run: ScopeId,
    windows: Vec<ScopeId>,
    /// Agents of others, by the name of a wider budget.
    agents_taken: BTreeMap<String, u64>,
    phases: BTreeMap<Arc<str>, ScopeId>,
    phase_limits: PhaseLimits,
    agent_limits: Limits,
    requests: BTreeMap<RequestId, RequestAtWork>,
    by_attempt: BTreeMap<AttemptId, RequestId>,
}

struct RequestAtWork {
    agent: CallId,
    attempt: AttemptId,
    price: Arc<dyn RequestPrice>,
    /// The output cap it was sent with; `None` while it waits.
    cap: Option<u64>,
}

/// Why the desk could not do its work.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    NoPrice(#[from] NoPrice),
    #[error("the backend speaks of request {0}, which is not open")]
    UnknownRequest(u64),
}

/// A request that ended, and what that brought about.
pub(crate) struct Closed {
    pub(crate) agent: CallId,
    /// What it took.
    pub(crate) charge: Charge,
    pub(crate) effects: Effects,
}

impl RequestDesk {
    pub(crate) fn new(setup: &RunSetup) -> Result<Self, AccountError> {
        let mut account = Account::new().with_thresholds(setup.thresholds_per_mille.clone());
        let run = account.open(None, &format!("run {}", setup.run_id), setup.limits)?;
        let open = |wider: &WiderBudget| {
            account.open_carrying(None, &wider.name, wider.limits, wider.taken)
        };
        let agents = |wider: &WiderBudget| (wider.name.clone(), wider.agents_taken);
        let windows = setup.wider.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self {
            account,
            run_id: setup.run_id.clone(),
            run,
            windows,
            agents_taken: setup.wider.iter().map(agents).collect(),
            phases: BTreeMap::new(),
            phase_limits: setup.phase_limits.clone(),
            agent_limits: setup.agent_limits,
            requests: BTreeMap::new(),
            by_attempt: BTreeMap::new(),
        })
    }

    /// Opens the scope of an agent, and that of its phase where it is the first.
    pub(crate) fn open_agent(
        &mut self,
        agent: CallId,
        phase: &Arc<str>,
    ) -> Result<ScopeId, AccountError> {
        let phase = self.phase_limits.spelled(phase);
        let phase = if let Some(scope) = self.phases.get(phase) {
            *scope
        } else {
            let limits = self.phase_limits.of(phase).unwrap_or(Limits::NONE);
            let name = if phase.is_empty() { "no phase" } else { phase };
            let scope = self.account.open(Some(self.run), &format!("phase {name}"), limits)?;
            self.phases.insert(Arc::from(phase), scope);
            scope
        };
        self.account.open(Some(phase), &format!("agent {}", agent.0), self.agent_limits)
    }

    /// The bound of a request at its standing cap.
    pub(crate) fn bound(
        wanted: &RequestWanted,
        price: &dyn RequestPrice,
        cap_tokens: u64,
    ) -> Result<Charge, DeskError> {
        let cap = OutputCap::new(wanted.asked_output_tokens, cap_tokens, wanted.thinking_tokens);
        let (prompt, most) = (wanted.prompt_tokens_max, cap.standing_tokens);
        Ok(Bound::of(price, prompt, most, wanted.cache_write)?.charge(most))
    }

    /// Asks for the reservation of a request, whose answer its stage caps at `cap_tokens`.
    pub(crate) fn ask(
        &mut self,
        wanted: &RequestWanted,
        scope: ScopeId,
        price: &Arc<dyn RequestPrice>,
        cap_tokens: u64,
    ) -> Result<Admission, DeskError> {
        let cap = OutputCap::new(wanted.asked_output_tokens, cap_tokens, wanted.thinking_tokens);
        let bound = Bound::of(
            price.as_ref(),
            wanted.prompt_tokens_max,
            cap.standing_tokens,
            wanted.cache_write,
        )?;
        let (run, agent, request) = (&self.run_id, wanted.agent.0, wanted.request.0);
        let attempt = AttemptId::from(format!("{run}/{agent}/{request}"));
        let ask = Ask {
            attempt: attempt.clone(),
            scope,
            windows: self.windows.clone(),
            agent: Some(format!("{run}/{agent}").into()),
            order: agent.into(),
            price: Some(price.id()),
            bound,
            cap,
        };
        let admission = self.account.reserve(ask)?;
        if !matches!(admission, Admission::Refused(_)) {
            let agent = wanted.agent;
            let known =
                RequestAtWork { agent, attempt: attempt.clone(), price: price.clone(), cap: None };
            self.requests.insert(wanted.request, known);
            self.by_attempt.insert(attempt, wanted.request);
        }
        Ok(admission)
    }

    /// Which request an attempt belongs to, and whose it is.
    pub(crate) fn request_of(&self, attempt: &AttemptId) -> Option<(RequestId, CallId)> {
        let request = self.by_attempt.get(attempt)?;
        self.requests.get(request).map(|known| (*request, known.agent))
    }

    /// A request leaves with that output cap.
    pub(crate) fn sent(&mut self, request: RequestId, cap: u64) {
        if let Some(known) = self.requests.get_mut(&request) {
            known.cap = Some(cap);
        }
    }

    /// The true prompt of a request is known: its reservation shrinks to that and its output cap.
    pub(crate) fn begun(
        &mut self,
        request: RequestId,
        prompt: &TokenUsage,
    ) -> Result<(CallId, Effects), DeskError> {
        let known = self.requests.get(&request).ok_or(DeskError::UnknownRequest(request.0))?;
        let most = TokenUsage { output: known.cap.unwrap_or(0), ..*prompt };
        let to = Charge::of_request(&most, known.price.cost(&most)?);
        Ok((known.agent, self.account.shrink(&known.attempt, to)?))
    }

    /// A request ended.
    pub(crate) fn done(
        &mut self,
        request: RequestId,
        usage: &TokenUsage,
    ) -> Result<Closed, DeskError> {
        let known = self.requests.get(&request).ok_or(DeskError::UnknownRequest(request.0))?;
        let cost = known.price.cost(usage)?;
        let charge = Charge::of_request(usage, cost);
        let effects = self.account.settle(&known.attempt, charge)?;
        Ok(self.close(request, charge, effects))
    }

    /// What a request cost will never be known: it takes its full reservation.
    pub(crate) fn lost(&mut self, request: RequestId) -> Result<Closed, DeskError> {
        let known = self.requests.get(&request).ok_or(DeskError::UnknownRequest(request.0))?;
        let charge = self.account.reservation(&known.attempt).unwrap_or_default();
        let effects = self.account.expire(&known.attempt)?;
        Ok(self.close(request, charge, effects))
    }

    /// A request did not leave, or was waiting and will not.
    pub(crate) fn unsent(&mut self, request: RequestId) -> Result<Closed, DeskError> {
        let known = self.requests.get(&request).ok_or(DeskError::UnknownRequest(request.0))?;
        let effects = self.account.release(&known.attempt)?;
        Ok(self.close(request, Charge::ZERO, effects))
    }

    /// A waiting request was refused by the account itself.
    pub(crate) fn forget(&mut self, request: RequestId) {
        if let Some(known) = self.requests.remove(&request) {
            self.by_attempt.remove(&known.attempt);
        }
    }

    fn close(&mut self, request: RequestId, charge: Charge, effects: Effects) -> Closed {
        let agent = self.requests.get(&request).map_or(CallId(0), |known| known.agent);
        self.forget(request);
        Closed { agent, charge, effects }
    }

    /// Requests that wait for balance, last in the queue first.
    pub(crate) fn waiting(&self) -> Vec<RequestId> {
        let mut waiting: Vec<RequestId> =
            self.account.queue().filter_map(|(id, _)| self.by_attempt.get(id).copied()).collect();
        waiting.reverse();
        waiting
    }

    /// Requests of an agent that are waiting or in flight, and whether they have left.
    pub(crate) fn open_requests_of(&self, agent: CallId) -> Vec<(RequestId, bool)> {
        let open = self.requests.iter().filter(|(_, known)| known.agent == agent);
        open.map(|(request, known)| (*request, known.cap.is_some())).collect()
    }

    /// Requests that have left and not ended.
    pub(crate) fn in_flight(&self) -> Vec<RequestId> {
        let sent = self.requests.iter().filter(|(_, known)| known.cap.is_some());
        sent.map(|(request, _)| *request).collect()
    }

    /// What is taken of every limit that an agent with this scope is held to, the narrowest first.
    pub(crate) fn shares(&self, agent: ScopeId) -> Vec<Share> {
        let shares = self.account.shares(agent, &self.windows).unwrap_or_default();
        let carry = |share: Share| match self.agents_taken.get(&share.scope) {
            Some(others) if share.unit == Unit::Agents => share.carrying(*others),
            _ => share,
        };
        shares.into_iter().map(carry).collect()
    }

    pub(crate) fn run_balance(&self) -> Balance {
        self.account.balance(self.run).unwrap_or_default()
    }

    pub(crate) fn phase_balance(&self, phase: &str) -> Balance {
        let scope = self.phases.get(self.phase_limits.spelled(phase)).copied();
        scope.and_then(|scope| self.account.balance(scope).ok()).unwrap_or_default()
    }

    /// The account and the run's scope in it, to be kept.
    pub(crate) const fn account(&self) -> (&Account, ScopeId) {
        (&self.account, self.run)
    }

    /// Whether the books balance.
    pub(crate) fn verify(&self) -> Result<(), AccountError> {
        self.account.verify()
    }
}
