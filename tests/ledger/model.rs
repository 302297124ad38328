//! A reference for several processes on one ledger that knows nothing but sums of integers.

use std::collections::BTreeSet;

use flyball::budget::{
    Admission, Answer, Applied, Ask, Books, Bound, Charge, DenialKind, Effects, Operation,
    OutputCap, ScopeId,
};
use flyball::id::AttemptId;
use flyball::ledger::{ReadLedger, verify};
use flyball::money::{Picodollars, Rate};

use super::operations::{FIRST_WINDOW, HANDS, Op, SCOPES, name, numbers, part, path_of, to_limits};
use super::stand::{Stand, open};

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// In the queue of this process.
    Waiting(usize),
    Reserved(Charge),
    Closed(Charge),
    Released(Charge),
    Gone,
}

struct Known {
    id: AttemptId,
    agent: usize,
    /// Everything it is charged to.
    scopes: Vec<usize>,
    bound: Bound,
    cap: OutputCap,
    place: (u64, usize),
    state: State,
}

pub(super) struct Model<S: Stand> {
    stand: S,
    hands: Vec<Books<S::Ledger>>,
    ids: Vec<ScopeId>,
    limits: Vec<[Option<u16>; 5]>,
    paused: [bool; SCOPES],
    /// The open window of either kind.
    windows: [usize; 2],
    attempts: Vec<Known>,
    /// Whether the last step reached the ledger.
    spoke: bool,
}

impl<S: Stand> Model<S> {
    pub(super) fn new(limits: Vec<[Option<u16>; 5]>) -> Self {
        let stand = S::new();
        let mut hands: Vec<_> = (0..HANDS).map(|_| stand.books()).collect();
        let mut ids = Vec::new();
        for scope in 0..SCOPES {
            let names: Vec<String> = path_of(scope).into_iter().map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            ids.push(open(&mut hands[scope % HANDS], &names, to_limits(limits[scope])));
        }
        let windows = [FIRST_WINDOW, FIRST_WINDOW + 2];
        Self {
            stand,
            hands,
            ids,
            limits,
            paused: [false; SCOPES],
            windows,
            attempts: Vec::new(),
            spoke: false,
        }
    }

    /// Settled and reserved of a scope by unit, summed up from nothing.
    fn sums(&self, scope: usize) -> ([i128; 5], [i128; 5]) {
        let (mut settled, mut reserved) = ([0; 5], [0; 5]);
        let (mut spent, mut flying) = (BTreeSet::new(), BTreeSet::new());
        for known in self.attempts.iter().filter(|known| known.scopes.contains(&scope)) {
            let (sum, agents, charge) = match known.state {
                State::Reserved(charge) => (&mut reserved, &mut flying, charge),
                State::Closed(charge) => (&mut settled, &mut spent, charge),
                State::Waiting(_) | State::Released(_) | State::Gone => continue,
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
                && known.scopes.contains(&scope)
                && matches!(known.state, State::Reserved(_) | State::Closed(_))
        };
        i128::from(!self.attempts.iter().any(is_known))
    }

    /// Whether a charge of that attempt fits on everything it is charged to: now, or ever.
    fn fits(&self, attempt: usize, charge: &Charge, ever: bool) -> bool {
        let Known { agent, scopes, .. } = &self.attempts[attempt];
        scopes.iter().all(|scope| {
            let (settled, reserved) = self.sums(*scope);
            let mut needed = [0; 5];
            needed[..4].copy_from_slice(&numbers(charge));
            needed[4] = self.new_agent(*scope, *agent);
            (0..5).all(|unit| {
                let taken = settled[unit] + if ever { 0 } else { reserved[unit] };
                self.limits[*scope][unit].is_none_or(|limit| taken + needed[unit] <= limit.into())
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
        let (bound, cap) = (self.attempts[index].bound, self.attempts[index].cap);
        match admission {
            Admission::Admitted(grant) => {
                assert!(grant.output_cap_tokens >= cap.floor_tokens);
                assert!(grant.output_cap_tokens <= cap.standing_tokens);
                assert_eq!(grant.reserved, bound.charge(grant.output_cap_tokens));
                assert!(self.fits(index, &grant.reserved, false), "admitted above a limit");
                let paused = self.attempts[index].scopes.iter().any(|scope| self.paused[*scope]);
                assert!(!paused, "admitted in a paused scope");
                if grant.clamped {
                    let standing = bound.charge(cap.standing_tokens);
                    assert!(!self.fits(index, &standing, true), "clamped though it could wait");
                }
                self.attempts[index].state = State::Reserved(grant.reserved);
            }
            Admission::Refused(denial) => {
                assert_eq!(denial.kind, DenialKind::Exhausted);
                let least = bound.charge(cap.floor_tokens);
                assert!(!self.fits(index, &least, true), "exhausted though it could fit");
                self.attempts[index].state = State::Gone;
            }
            Admission::Waiting(_) => {}
        }
    }

    /// Lets a process do one thing; what it brought about for others is taken note of.
    fn act(&mut self, hand: usize, operation: Operation) -> (Answer, Vec<Effects>) {
        self.spoke = true;
        let Applied { mut answers, effects } = self.hands[hand].apply(&[operation]).unwrap();
        (answers.remove(0).unwrap(), effects)
    }

    fn note(&mut self, effects: Vec<Effects>) {
        for decision in effects.into_iter().flat_map(|effects| effects.decisions) {
            self.decided(&decision.attempt, &decision.admission);
        }
    }

    pub(super) fn step(&mut self, hand: usize, op: Op) {
        match op {
            Op::Reserve { .. } => self.reserve(hand, op),
            Op::Limit { scope, limits } => {
                self.limits[scope] = limits;
                let operation = Operation::SetLimits(self.ids[scope], to_limits(limits));
                let (_, effects) = self.act(hand, operation);
                self.note(effects);
            }
            Op::Pause { scope, paused } => {
                self.paused[scope] = paused;
                let (_, effects) = self.act(hand, Operation::SetPaused(self.ids[scope], paused));
                self.note(effects);
            }
            Op::Window { nested } => {
                let window = &mut self.windows[usize::from(nested)];
                let first = FIRST_WINDOW + 2 * usize::from(nested);
                *window = first + (*window - first + 1) % 2;
            }
            Op::Reopen => {
                self.hands[hand] = self.stand.books();
                for known in &mut self.attempts {
                    if known.state == State::Waiting(hand) {
                        known.state = State::Gone;
                    }
                }
            }
            Op::Poll => {
                self.spoke = true;
                let effects = self.hands[hand].apply(&[]).unwrap().effects;
                self.note(effects);
            }
            _ => self.change(hand, op),
        }
    }

    fn reserve(&mut self, hand: usize, op: Op) {
        let Op::Reserve { agent, order, prompt, rate, standing, floor } = op else { return };
        let fixed = Charge {
            usd: Picodollars::from_pico(prompt.into()),
            billed_tokens: u64::from(prompt) / 2,
            output_tokens: 0,
            requests: 1,
        };
        let bound = Bound { fixed, output_rate: Rate::from_pico_per_token(rate.into()) };
        let standing_tokens = u64::from(standing);
        let cap = OutputCap { standing_tokens, floor_tokens: u64::from(floor.min(standing)) };
        let number = self.attempts.len();
        let id = AttemptId::from(format!("{number}"));
        let mut scopes = path_of(3 + agent);
        scopes.extend(self.windows);
        let (place, state) = ((order, number), State::Waiting(hand));
        self.attempts.push(Known { id: id.clone(), agent, scopes, bound, cap, place, state });
        let ask = Ask {
            price: None,
            windows: self.windows.iter().map(|window| self.ids[*window]).collect(),
            attempt: id.clone(),
            scope: self.ids[3 + agent],
            agent: Some(format!("{agent}").into()),
            order,
            bound,
            cap,
        };
        let (answer, effects) = self.act(hand, Operation::Reserve(ask));
        let Answer::Admission(admission) = answer else { panic!("{answer:?}") };
        self.decided(&id, &admission);
        self.note(effects);
    }

    /// What is done to an attempt that exists.
    fn change(&mut self, hand: usize, op: Op) {
        let waits = |state: &State| *state == State::Waiting(hand);
        let closed = |state: &State| matches!(state, State::Closed(_));
        let (index, charge) = match op {
            Op::Settle { pick, .. }
            | Op::Shrink { pick, .. }
            | Op::Extend { pick, .. }
            | Op::Expire { pick }
            | Op::Release { pick } => {
                let Some((index, _, charge)) = self.in_flight(pick) else { return };
                (index, charge)
            }
            Op::SettleAgain { pick } | Op::Correct { pick, .. } => {
                let Some(index) = self.pick(pick, closed) else { return };
                let State::Closed(charge) = self.attempts[index].state else { return };
                (index, charge)
            }
            Op::SettleReleased { pick, .. } => {
                let released = |state: &State| matches!(state, State::Released(_));
                let Some(index) = self.pick(pick, released) else { return };
                let State::Released(charge) = self.attempts[index].state else { return };
                (index, charge)
            }
            Op::Withdraw { pick } => {
                let Some(index) = self.pick(pick, waits) else { return };
                (index, Charge::ZERO)
            }
            _ => return,
        };
        let id = self.attempts[index].id.clone();
        let (operation, state) = changed(op, id, charge);
        let before = self.attempts[index].state;
        let (answer, effects) = self.act(hand, operation);
        let overrun = effects.iter().any(|effects| effects.overrun.is_some());
        let beyond = |held: &Charge, used: &Charge| {
            numbers(used).iter().zip(numbers(held)).any(|(used, held)| *used > held)
        };
        match (before, state) {
            (State::Reserved(held), State::Closed(used)) => {
                assert_eq!(overrun, beyond(&held, &used));
            }
            (State::Released(_), State::Closed(used)) => {
                assert_eq!(overrun, beyond(&Charge::ZERO, &used));
            }
            _ => assert!(!overrun),
        }
        let refused = matches!(answer, Answer::Extended(Some(_)));
        if !refused {
            self.attempts[index].state = state;
        }
        if let Answer::Done { already_closed } = answer {
            let unchanged = matches!(op, Op::Correct { .. }) && before == state;
            assert_eq!(already_closed, unchanged || matches!(op, Op::SettleAgain { .. }));
        }
        if matches!(op, Op::Extend { .. }) && !refused {
            self.attempts[index].scopes.iter().for_each(|scope| self.within(*scope));
        }
        self.note(effects);
    }

    fn within(&self, scope: usize) {
        let (settled, reserved) = self.sums(scope);
        for unit in 0..5 {
            if let Some(limit) = self.limits[scope][unit] {
                assert!(settled[unit] + reserved[unit] <= limit.into());
            }
        }
    }

    /// What holds after every step of a process.
    pub(super) fn check(&mut self, hand: usize) {
        // Only who just spoke to the ledger has heard of what others did.
        if !self.spoke {
            self.step(hand, Op::Poll);
        }
        self.spoke = false;
        let rows = self.hands[hand].store().scopes().unwrap();
        assert_eq!(rows.len(), SCOPES);
        for scope in 0..SCOPES {
            let row = rows.iter().find(|row| row.id == self.ids[scope]).unwrap();
            let (settled, reserved) = self.sums(scope);
            assert_eq!(numbers(&row.settled), settled[..4]);
            assert_eq!(numbers(&row.reserved), reserved[..4]);
            assert_eq!(i128::from(row.agents_settled), settled[4]);
            assert_eq!(i128::from(row.agents_reserved), reserved[4]);
            assert_eq!(
                (row.limits, row.paused),
                (to_limits(self.limits[scope]), self.paused[scope])
            );
        }
        let queue = |hand| {
            let waits = move |known: &&Known| known.state == State::Waiting(hand);
            self.attempts.iter().filter(waits).map(|known| known.place).collect::<BTreeSet<_>>()
        };
        for (hand, books) in self.hands.iter().enumerate() {
            assert_eq!(books.waiting(), queue(hand).len());
        }
        // Whoever is in front waits with reason, and for something that will end.
        let Some((_, front)) = queue(hand).first().copied() else { return };
        let Known { bound, cap, scopes, .. } = &self.attempts[front];
        let (least, standing) = (bound.charge(cap.floor_tokens), bound.charge(cap.standing_tokens));
        assert!(self.fits(front, &least, true), "the front is exhausted and was not told");
        if scopes.iter().any(|scope| self.paused[*scope]) {
            return;
        }
        assert!(!self.fits(front, &standing, false), "the front fits and still waits");
        let flying = self.attempts.iter().any(|k| matches!(k.state, State::Reserved(_)));
        assert!(flying, "deadlock: all wait and nothing is in flight");
    }

    pub(super) fn verify(&mut self) {
        verify(self.hands[0].store()).unwrap();
    }

    /// Ends everything; then nothing is reserved and nobody waits.
    pub(super) fn drain(&mut self) {
        for scope in 0..SCOPES {
            self.step(0, Op::Pause { scope, paused: false });
        }
        let mut turn = 0;
        loop {
            for hand in 0..HANDS {
                self.step(hand, Op::Poll);
                self.check(hand);
            }
            if self.in_flight(0).is_none() {
                break;
            }
            turn += 1;
            let op = match turn % 3 {
                0 => Op::Expire { pick: turn },
                1 => Op::Release { pick: turn },
                _ => Op::Settle { pick: turn, per_mille: 700 },
            };
            self.step(turn % HANDS, op);
        }
        assert_eq!(self.hands.iter().map(Books::waiting).sum::<usize>(), 0);
        for row in self.hands[0].store().scopes().unwrap() {
            assert_eq!((row.reserved, row.agents_reserved), (Charge::ZERO, 0));
        }
        assert_eq!(self.hands[0].store().in_flight().unwrap(), []);
        self.verify();
    }
}

/// What to ask of the books, and what the attempt becomes by it.
fn changed(op: Op, id: AttemptId, charge: Charge) -> (Operation, State) {
    match op {
        Op::Settle { per_mille, .. } | Op::SettleReleased { per_mille, .. } => {
            let used = part(charge, per_mille);
            (Operation::Settle(id, used), State::Closed(used))
        }
        Op::SettleAgain { .. } => (Operation::Settle(id, charge + charge), State::Closed(charge)),
        Op::Correct { per_mille, .. } => {
            let used = part(charge, per_mille);
            (Operation::Correct(id, used), State::Closed(used))
        }
        Op::Shrink { per_mille, .. } => {
            let to = part(charge, per_mille);
            (Operation::Shrink(id, to), State::Reserved(charge.min(to)))
        }
        Op::Extend { by, .. } => {
            let by = Charge {
                usd: Picodollars::from_pico(by.into()),
                output_tokens: u64::from(by) / 10,
                ..Charge::ZERO
            };
            (Operation::Extend(id, by), State::Reserved(charge + by))
        }
        Op::Expire { .. } => (Operation::Expire(id), State::Closed(charge)),
        Op::Release { .. } => (Operation::Release(id), State::Released(charge)),
        _ => (Operation::Withdraw(id), State::Gone),
    }
}
