//! Random operations against an integer reference model that knows nothing but sums.

use std::collections::BTreeSet;

use flyball::budget::{
    Account, Admission, Ask, Balance, Bound, Charge, Decision, DenialKind, Effects, Limits,
    OutputCap, ScopeId,
};
use flyball::id::AttemptId;
use flyball::money::{Picodollars, Rate};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    Reserve { agent: usize, order: u64, prompt: u16, rate: u8, standing: u16, floor: u16 },
    Settle { pick: usize, per_mille: u16 },
    Shrink { pick: usize, per_mille: u16 },
    Extend { pick: usize, by: u16 },
    Expire { pick: usize },
    Release { pick: usize },
    Withdraw { pick: usize },
    Limit { scope: usize, limits: [Option<u16>; 5] },
}

fn op() -> impl Strategy<Value = Op> {
    let pick = 0_usize..64;
    prop_oneof![
        6 => (0..AGENTS, 0_u64..4, 0_u16..400, 0_u8..4, 1_u16..200, 1_u16..200).prop_map(
            |(agent, order, prompt, rate, standing, floor)| Op::Reserve {
                agent, order, prompt, rate, standing, floor
            }
        ),
        // Up to 1,000 keeps the promise; above is an overrun.
        4 => (pick.clone(), 0_u16..1_050).prop_map(|(pick, m)| Op::Settle { pick, per_mille: m }),
        2 => (pick.clone(), 0_u16..1_200).prop_map(|(pick, m)| Op::Shrink { pick, per_mille: m }),
        1 => (pick.clone(), 0_u16..100).prop_map(|(pick, by)| Op::Extend { pick, by }),
        1 => pick.clone().prop_map(|pick| Op::Expire { pick }),
        1 => pick.clone().prop_map(|pick| Op::Release { pick }),
        1 => pick.prop_map(|pick| Op::Withdraw { pick }),
        1 => (0..SCOPES, limits()).prop_map(|(scope, limits)| Op::Limit { scope, limits }),
    ]
}

/// Dollars, billed tokens, output tokens, requests, agents.
fn limits() -> impl Strategy<Value = [Option<u16>; 5]> {
    let maybe = |range: std::ops::Range<u16>| proptest::option::weighted(0.3, range);
    (
        proptest::option::weighted(0.7, 0_u16..3_000),
        maybe(0..3_000),
        maybe(0..1_000),
        maybe(0..12),
        maybe(0..5),
    )
        .prop_map(|(usd, billed, output, requests, agents)| [usd, billed, output, requests, agents])
}

/// One run, two phases, six agents; agent i belongs to phase i % 2.
const AGENTS: usize = 6;
const SCOPES: usize = 3 + AGENTS;

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    Reserved(Charge),
    Closed(Charge),
    Gone,
}

struct Known {
    id: AttemptId,
    agent: usize,
    bound: Bound,
    cap: OutputCap,
    place: (u64, usize),
    state: State,
}

struct Model {
    account: Account,
    ids: Vec<ScopeId>,
    limits: Vec<[Option<u16>; 5]>,
    attempts: Vec<Known>,
}

fn path(agent: usize) -> [usize; 3] {
    [0, 1 + agent % 2, 3 + agent]
}

fn to_limits(limits: [Option<u16>; 5]) -> Limits {
    Limits {
        usd: limits[0].map(|n| Picodollars::from_pico(n.into())),
        billed_tokens: limits[1].map(u64::from),
        output_tokens: limits[2].map(u64::from),
        requests: limits[3].map(u64::from),
        agents: limits[4].map(u64::from),
    }
}

fn numbers(charge: &Charge) -> [i128; 4] {
    [
        charge.usd.pico(),
        charge.billed_tokens.into(),
        charge.output_tokens.into(),
        charge.requests.into(),
    ]
}

fn part(charge: Charge, per_mille: u16) -> Charge {
    let scale = |n: u64| n * u64::from(per_mille) / 1_000;
    Charge {
        usd: Picodollars::from_pico(charge.usd.pico() * i128::from(per_mille) / 1_000),
        billed_tokens: scale(charge.billed_tokens),
        output_tokens: scale(charge.output_tokens),
        requests: charge.requests,
    }
}

impl Model {
    fn new(limits: Vec<[Option<u16>; 5]>) -> Self {
        let mut account = Account::new();
        let mut ids = vec![account.open(None, "run", to_limits(limits[0])).unwrap()];
        for scope in 1..SCOPES {
            let parent = if scope < 3 { 0 } else { 1 + (scope - 3) % 2 };
            let limits = to_limits(limits[scope]);
            ids.push(account.open(Some(ids[parent]), &format!("scope {scope}"), limits).unwrap());
        }
        Self { account, ids, limits, attempts: Vec::new() }
    }

    /// Settled and reserved of a scope by unit, summed up from nothing.
    fn sums(&self, scope: usize) -> ([i128; 5], [i128; 5]) {
        let (mut settled, mut reserved) = ([0; 5], [0; 5]);
        let (mut spent, mut flying) = (BTreeSet::new(), BTreeSet::new());
        for known in self.attempts.iter().filter(|known| path(known.agent).contains(&scope)) {
            let (sum, agents, charge) = match known.state {
                State::Reserved(charge) => (&mut reserved, &mut flying, charge),
                State::Closed(charge) => (&mut settled, &mut spent, charge),
                State::Waiting | State::Gone => continue,
            };
            agents.insert(known.agent);
            for (unit, number) in numbers(&charge).into_iter().enumerate() {
                sum[unit] += number;
            }
        }
        settled[4] = spent.len() as i128;
        reserved[4] = flying.difference(&spent).count() as i128;
        (settled, reserved)
    }

    fn new_agent(&self, scope: usize, agent: usize) -> i128 {
        let is_known = |known: &Known| {
            known.agent == agent
                && path(agent).contains(&scope)
                && matches!(known.state, State::Reserved(_) | State::Closed(_))
        };
        i128::from(!self.attempts.iter().any(is_known))
    }

    /// Whether a charge of that agent fits on its whole path: now, or ever.
    fn fits(&self, agent: usize, charge: &Charge, ever: bool) -> bool {
        path(agent).into_iter().all(|scope| {
            let (settled, reserved) = self.sums(scope);
            let mut needed = [0; 5];
            needed[..4].copy_from_slice(&numbers(charge));
            needed[4] = self.new_agent(scope, agent);
            (0..5).all(|unit| {
                let taken = settled[unit] + if ever { 0 } else { reserved[unit] };
                self.limits[scope][unit].is_none_or(|limit| taken + needed[unit] <= limit.into())
            })
        })
    }

    fn pick(&self, pick: usize, wanted: impl Fn(&State) -> bool) -> Option<usize> {
        let those: Vec<usize> =
            (0..self.attempts.len()).filter(|i| wanted(&self.attempts[*i].state)).collect();
        (!those.is_empty()).then(|| those[pick % those.len()])
    }

    fn in_flight(&self, pick: usize) -> Option<(usize, AttemptId, Charge)> {
        let index = self.pick(pick, |state| matches!(state, State::Reserved(_)))?;
        let State::Reserved(charge) = self.attempts[index].state else { return None };
        Some((index, self.attempts[index].id.clone(), charge))
    }

    fn decided(&mut self, attempt: &AttemptId, admission: &Admission) {
        let index = self.attempts.iter().position(|known| known.id == *attempt).unwrap();
        let (agent, cap) = (self.attempts[index].agent, self.attempts[index].cap);
        match admission {
            Admission::Admitted(grant) => {
                assert!(grant.output_cap_tokens >= cap.floor_tokens);
                assert!(grant.output_cap_tokens <= cap.standing_tokens);
                let bound = self.attempts[index].bound;
                assert_eq!(grant.reserved, bound.charge(grant.output_cap_tokens));
                assert!(self.fits(agent, &grant.reserved, false), "admitted above a limit");
                if grant.clamped {
                    let standing = bound.charge(cap.standing_tokens);
                    assert!(!self.fits(agent, &standing, true), "clamped though it could wait");
                }
                self.attempts[index].state = State::Reserved(grant.reserved);
            }
            Admission::Refused(denial) => {
                assert_eq!(denial.kind, DenialKind::Exhausted);
                let least = self.attempts[index].bound.charge(cap.floor_tokens);
                assert!(!self.fits(agent, &least, true), "exhausted though it could fit");
                self.attempts[index].state = State::Gone;
            }
            Admission::Waiting(_) => {}
        }
    }

    fn apply(&mut self, effects: Effects) {
        for Decision { attempt, admission } in effects.decisions {
            self.decided(&attempt, &admission);
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Reserve { agent, order, prompt, rate, standing, floor } => {
                let fixed = Charge {
                    usd: Picodollars::from_pico(prompt.into()),
                    billed_tokens: u64::from(prompt) / 2,
                    output_tokens: 0,
                    requests: 1,
                };
                let bound = Bound { fixed, output_rate: Rate::from_pico_per_token(rate.into()) };
                let standing_tokens = u64::from(standing);
                let floor_tokens = u64::from(floor.min(standing));
                let cap = OutputCap { standing_tokens, floor_tokens };
                let number = self.attempts.len();
                let id = AttemptId::from(format!("{number}"));
                let place = (order, number);
                let state = State::Waiting;
                self.attempts.push(Known { id: id.clone(), agent, bound, cap, place, state });
                let ask = Ask {
                    windows: Vec::new(),
                    price: None,
                    attempt: id.clone(),
                    scope: self.ids[3 + agent],
                    agent: Some(format!("{agent}").into()),
                    order,
                    bound,
                    cap,
                };
                let admission = self.account.reserve(ask).unwrap();
                self.decided(&id, &admission);
            }
            Op::Settle { pick, per_mille } => {
                let Some((index, id, charge)) = self.in_flight(pick) else { return };
                let used = part(charge, per_mille);
                self.attempts[index].state = State::Closed(used);
                let effects = self.account.settle(&id, used).unwrap();
                let over = numbers(&used).iter().zip(numbers(&charge)).any(|(u, r)| *u > r);
                assert_eq!(effects.overrun.is_some(), over);
                self.apply(effects);
            }
            Op::Shrink { pick, per_mille } => {
                let Some((index, id, charge)) = self.in_flight(pick) else { return };
                let to = part(charge, per_mille);
                self.attempts[index].state = State::Reserved(charge.min(to));
                let effects = self.account.shrink(&id, to).unwrap();
                self.apply(effects);
            }
            Op::Extend { pick, by } => {
                let Some((index, id, charge)) = self.in_flight(pick) else { return };
                let by = Charge {
                    usd: Picodollars::from_pico(by.into()),
                    output_tokens: u64::from(by) / 10,
                    ..Charge::ZERO
                };
                if self.account.extend(&id, by).unwrap().is_none() {
                    self.attempts[index].state = State::Reserved(charge + by);
                    for scope in path(self.attempts[index].agent) {
                        self.within(scope);
                    }
                }
            }
            Op::Expire { pick } => {
                let Some((index, id, charge)) = self.in_flight(pick) else { return };
                self.attempts[index].state = State::Closed(charge);
                let effects = self.account.expire(&id).unwrap();
                self.apply(effects);
            }
            Op::Release { pick } => {
                let Some((index, id, _)) = self.in_flight(pick) else { return };
                self.attempts[index].state = State::Gone;
                let effects = self.account.release(&id).unwrap();
                self.apply(effects);
            }
            Op::Withdraw { pick } => {
                let Some(index) = self.pick(pick, |state| *state == State::Waiting) else {
                    return;
                };
                self.attempts[index].state = State::Gone;
                let id = self.attempts[index].id.clone();
                let (withdrawn, effects) = self.account.withdraw(&id).unwrap();
                assert!(withdrawn);
                self.apply(effects);
            }
            Op::Limit { scope, limits } => {
                self.limits[scope] = limits;
                let effects = self.account.set_limits(self.ids[scope], to_limits(limits)).unwrap();
                self.apply(effects);
            }
        }
    }

    fn within(&self, scope: usize) {
        let (settled, reserved) = self.sums(scope);
        for unit in 0..5 {
            if let Some(limit) = self.limits[scope][unit] {
                assert!(settled[unit] + reserved[unit] <= limit.into());
            }
        }
    }

    /// What holds after every step.
    fn check(&self) {
        for scope in 0..SCOPES {
            let balance: Balance = self.account.balance(self.ids[scope]).unwrap();
            let (settled, reserved) = self.sums(scope);
            assert_eq!(numbers(&balance.settled), settled[..4]);
            assert_eq!(numbers(&balance.reserved), reserved[..4]);
            assert_eq!(i128::from(balance.agents_settled), settled[4]);
            assert_eq!(i128::from(balance.agents_reserved), reserved[4]);
        }
        let waiting: BTreeSet<(u64, usize)> =
            self.attempts.iter().filter(|k| k.state == State::Waiting).map(|k| k.place).collect();
        assert_eq!(self.account.waiting(), waiting.len());
        // Whoever is in front waits with reason, and for something that will end.
        let Some(front) = waiting.first() else { return };
        let front = self.attempts.iter().find(|known| known.place == *front).unwrap();
        let least = front.bound.charge(front.cap.floor_tokens);
        let standing = front.bound.charge(front.cap.standing_tokens);
        assert!(self.fits(front.agent, &least, true), "the front is exhausted and was not told");
        assert!(!self.fits(front.agent, &standing, false), "the front fits and still waits");
        let flying = self.attempts.iter().any(|k| matches!(k.state, State::Reserved(_)));
        assert!(flying, "deadlock: all wait and nothing is in flight");
    }

    /// Ends everything; then nothing is reserved and nobody waits.
    fn drain(&mut self) {
        let mut turn = 0;
        while let Some((..)) = self.in_flight(0) {
            turn += 1;
            self.step(match turn % 3 {
                0 => Op::Expire { pick: turn },
                1 => Op::Release { pick: turn },
                _ => Op::Settle { pick: turn, per_mille: 700 },
            });
            self.check();
        }
        assert_eq!(self.account.waiting(), 0);
        for id in &self.ids {
            let balance = self.account.balance(*id).unwrap();
            assert_eq!(balance.reserved, Charge::ZERO);
            assert_eq!(balance.agents_reserved, 0);
        }
        self.account.verify().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_interleaving_passes_a_limit_deadlocks_or_loses_a_picodollar(
        limits in proptest::collection::vec(limits(), SCOPES),
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let mut model = Model::new(limits);
        for op in ops {
            model.step(op);
            model.check();
        }
        model.account.verify().unwrap();
        model.drain();
    }

    #[test]
    fn on_one_scope_nobody_is_passed_by_a_later_request(
        limit in 100_u16..3_000,
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let none = [None; 5];
        let mut limits = vec![none; SCOPES];
        limits[0] = [Some(limit), None, None, None, None];
        let mut model = Model::new(limits);
        for op in ops.into_iter().filter(|op| !matches!(op, Op::Limit { .. })) {
            let before: Vec<State> = model.attempts.iter().map(|known| known.state).collect();
            model.step(op);
            let waiting = model.attempts.iter().filter(|k| k.state == State::Waiting);
            let Some(front) = waiting.map(|known| known.place).min() else { continue };
            for (index, known) in model.attempts.iter().enumerate() {
                let waited = before.get(index).is_none_or(|state| *state == State::Waiting);
                let admitted = waited && matches!(known.state, State::Reserved(_));
                prop_assert!(!admitted || known.place < front, "{} was passed", front.1);
            }
        }
    }
}
