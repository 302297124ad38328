//! A reference for borrowers on one ledger that knows what requests truly took, and sums up.

mod ends;

use std::collections::BTreeMap;

use flyball::budget::{
    Admission, Answer, Applied, Ask, Books, Bound, Charge, LeaseAsk, LeaseId, Operation, OutputCap,
    Record, ScopeId,
};
use flyball::id::AttemptId;
use flyball::money::Rate;

use super::borrower::{Borrower, left};
use super::operations::part;
use super::stand::{Stand, id, open};

/// One thing that happens. `pick` chooses among the requests that it can happen to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// A slice, or more of the one at hand.
    Lend {
        hand: usize,
        bound: u16,
    },
    Draw {
        hand: usize,
        usd: u16,
    },
    Settle {
        pick: usize,
        per_mille: u16,
    },
    Shrink {
        pick: usize,
        per_mille: u16,
    },
    Extend {
        pick: usize,
        by: u16,
    },
    ExtendInLedger {
        pick: usize,
        by: u16,
    },
    Release {
        pick: usize,
    },
    Expire {
        pick: usize,
    },
    Write {
        hand: usize,
    },
    WriteOut {
        hand: usize,
    },
    Send {
        hand: usize,
        twice: bool,
    },
    GiveBack {
        hand: usize,
    },
    /// The process dies with what it had not written; whoever reconciles it dies after some steps
    /// and begins again.
    Crash {
        hand: usize,
        steps: usize,
    },
    /// An operator takes a living process for dead.
    Fence {
        hand: usize,
    },
    Reserve {
        usd: u16,
    },
    SettlePlain {
        pick: usize,
        per_mille: u16,
    },
    Limit {
        scope: usize,
        usd: u16,
    },
    Poll,
}

/// A project, two runs in it, and a day that the first run is charged to besides.
const PATHS: [&[&str]; 4] = [&["project"], &["project", "a"], &["project", "b"], &["day"]];
/// What the requests of each process are charged to: two borrowers, and one that asks each time.
const CHARGED: [&[usize]; 3] = [&[0, 1, 3], &[0, 2], &[0, 1, 3]];
const PLAIN: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open(Charge),
    Closed(Charge),
    Released,
}

/// What the ledger is to hold of an attempt.
#[derive(Clone, Debug)]
struct Kept {
    hand: usize,
    lease: Option<LeaseId>,
    state: State,
    /// Whether somebody decided about it who could not know what it took.
    written_off: bool,
}

/// What an attempt truly took, or may still take.
#[derive(Clone, Copy, Debug)]
struct Truth {
    hand: usize,
    lease: Option<LeaseId>,
    charge: Charge,
    open: bool,
}

/// What the ledger is to hold of a slice.
#[derive(Clone, Copy, Debug)]
struct Out {
    hand: usize,
    left: Charge,
    held: bool,
    /// Records that were taken down.
    taken: usize,
    /// Ended while its borrower lived.
    fenced: bool,
}

impl Out {
    /// What is left once so much came back.
    fn paid_back(self, charge: Charge) -> Charge {
        if self.held { self.left + charge } else { self.left }
    }
}

pub(super) struct World<S: Stand> {
    books: Vec<Books<S::Ledger>>,
    stand: S,
    scopes: Vec<ScopeId>,
    limits: [u16; 4],
    borrowers: [Option<Borrower>; 2],
    /// Borrowers that gave their slice back, or found it ended, with requests in flight.
    retired: Vec<(usize, Borrower)>,
    kept: BTreeMap<AttemptId, Kept>,
    truth: BTreeMap<AttemptId, Truth>,
    slices: BTreeMap<LeaseId, Out>,
    /// Settled above the reservation and not sent yet: in which record, and by how much.
    unsent_beyond: Vec<(LeaseId, usize, Charge)>,
    /// The same, lost with a process for good.
    lost_beyond: Vec<(usize, Charge)>,
    /// What this step took beyond reservations.
    beyond: Charge,
    attempts: usize,
}

impl<S: Stand> World<S> {
    pub(super) fn new(limits: [u16; 4]) -> Self {
        let stand = S::new();
        let mut books: Vec<_> = (0..3).map(|_| stand.books()).collect();
        let scopes =
            (0..4).map(|scope| open(&mut books[0], PATHS[scope], ends::usd(limits[scope])));
        let scopes = scopes.collect();
        Self {
            books,
            stand,
            scopes,
            limits,
            borrowers: [None, None],
            retired: Vec::new(),
            kept: BTreeMap::new(),
            truth: BTreeMap::new(),
            slices: BTreeMap::new(),
            unsent_beyond: Vec::new(),
            lost_beyond: Vec::new(),
            beyond: Charge::ZERO,
            attempts: 0,
        }
    }

    fn ask(&mut self, hand: usize, charge: Charge) -> Ask {
        self.attempts += 1;
        Ask {
            attempt: id(&format!("{}-{hand}", self.attempts)),
            scope: self.scopes[CHARGED[hand][1]],
            windows: if hand == 1 { Vec::new() } else { vec![self.scopes[3]] },
            agent: Some(format!("agent {}", self.attempts % 3).into()),
            order: 0,
            price: None,
            bound: Bound { fixed: charge, output_rate: Rate::from_pico_per_token(0) },
            cap: OutputCap { standing_tokens: 0, floor_tokens: 0 },
        }
    }

    pub(super) fn step(&mut self, op: Op) {
        let before: Vec<[i128; 4]> = (0..4).map(|scope| self.taken(scope)).collect();
        self.beyond = Charge::ZERO;
        self.act(op);
        self.check(&before);
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Lend { hand, bound } => self.lend(hand, bound),
            Op::Draw { hand, usd } => self.draw(hand, usd),
            Op::Settle { pick, per_mille } => self.settle(pick, per_mille),
            Op::Shrink { pick, .. }
            | Op::Extend { pick, .. }
            | Op::ExtendInLedger { pick, .. }
            | Op::Release { pick }
            | Op::Expire { pick } => self.change(pick, op),
            Op::Write { hand } => self.with(hand, Borrower::write),
            Op::WriteOut { hand } => self.with(hand, Borrower::write_out),
            Op::Send { hand, twice } => self.send_one(hand, twice),
            Op::GiveBack { hand } => self.give_back(hand),
            Op::Crash { hand, steps } => self.crash(hand, steps),
            Op::Fence { hand } => self.fence(hand),
            Op::Reserve { usd } => self.reserve(usd),
            Op::SettlePlain { pick, per_mille } => self.settle_plain(pick, per_mille),
            Op::Limit { scope, usd: limit } => {
                self.limits[scope] = limit;
                let operation = Operation::SetLimits(self.scopes[scope], ends::usd(limit));
                self.apply(PLAIN, &[operation]);
            }
            Op::Poll => drop(self.apply(PLAIN, &[])),
        }
    }

    fn with(&mut self, hand: usize, act: impl FnOnce(&mut Borrower)) {
        if let Some(borrower) = &mut self.borrowers[hand] {
            act(borrower);
        }
    }

    fn apply(&mut self, hand: usize, batch: &[Operation]) -> Applied {
        let applied = self.books[hand].apply(batch).unwrap();
        for decision in applied.effects.iter().flat_map(|effects| &effects.decisions) {
            self.decided(&decision.attempt, &decision.admission);
        }
        applied
    }

    fn decided(&mut self, attempt: &AttemptId, admission: &Admission) {
        if let Admission::Admitted(grant) = admission {
            let (hand, lease, charge) = (PLAIN, None, grant.reserved);
            let state = State::Open(charge);
            self.kept.insert(attempt.clone(), Kept { hand, lease, state, written_off: false });
            self.truth.insert(attempt.clone(), Truth { hand, lease, charge, open: true });
        }
    }

    fn lend(&mut self, hand: usize, bound: u16) {
        let (bound, bounds) = (ends::all_units(bound), 700);
        if let Some(borrower) = &self.borrowers[hand] {
            let lease = borrower.lease();
            let applied = self.apply(hand, &[Operation::LendMore(lease, bound, bounds)]);
            let Ok(Answer::Lent(lent)) = applied.answers[0] else { panic!("no answer") };
            let Some(lent) = lent else { return };
            self.with(hand, |borrower| borrower.slice.add(lent.slice));
            let out = self.slices.get_mut(&lease).unwrap();
            out.left += lent.slice;
            return;
        }
        let scope = self.scopes[CHARGED[hand][1]];
        let windows = if hand == 1 { Vec::new() } else { vec![self.scopes[3]] };
        let ask = LeaseAsk { scope, windows, bound, bounds };
        let lent = Borrower::lent(&mut self.books[hand], ask);
        if let Some(borrower) = &lent {
            let out =
                Out { hand, left: borrower.slice.left(), held: true, taken: 0, fenced: false };
            assert!(self.slices.insert(borrower.lease(), out).is_none(), "a number came twice");
        }
        self.borrowers[hand] = lent;
    }

    fn draw(&mut self, hand: usize, usd: u16) {
        let charge = ends::all_units(usd);
        let ask = self.ask(hand, charge);
        let Some(borrower) = &mut self.borrowers[hand] else { return };
        if borrower.draw(&ask) {
            let lease = Some(borrower.lease());
            self.truth.insert(ask.attempt, Truth { hand, lease, charge, open: true });
        }
    }

    /// A borrower's request in flight, and whoever holds its slice.
    fn pick(&mut self, pick: usize) -> Option<(AttemptId, &mut Borrower, &mut Truth)> {
        let alive = self.borrowers.iter().flatten().map(Borrower::lease);
        let alive: Vec<LeaseId> =
            alive.chain(self.retired.iter().map(|(_, b)| b.lease())).collect();
        let its = |truth: &Truth| truth.open && truth.lease.is_some_and(|id| alive.contains(&id));
        let flying: Vec<AttemptId> =
            self.truth.iter().filter(|(_, truth)| its(truth)).map(|(id, _)| id.clone()).collect();
        let attempt = flying.get(pick % flying.len().max(1))?.clone();
        let truth = self.truth.get_mut(&attempt)?;
        let retired = self.retired.iter_mut().map(|(_, borrower)| borrower);
        let mut all = self.borrowers.iter_mut().flatten().chain(retired);
        let borrower = all.find(|borrower| Some(borrower.lease()) == truth.lease)?;
        Some((attempt, borrower, truth))
    }

    fn settle(&mut self, pick: usize, per_mille: u16) {
        let Some((attempt, borrower, truth)) = self.pick(pick) else { return };
        let used = part(truth.charge, per_mille);
        let beyond = used.minus(truth.charge);
        (truth.charge, truth.open) = (used, false);
        borrower.settle(&attempt, used);
        let (lease, record) = (borrower.lease(), borrower.journal.len());
        self.unsent_beyond.push((lease, record, beyond));
    }

    fn change(&mut self, pick: usize, op: Op) {
        let Some((attempt, borrower, truth)) = self.pick(pick) else { return };
        match op {
            Op::Shrink { per_mille, .. } => {
                truth.charge = part(truth.charge, per_mille).min(truth.charge);
                borrower.shrink(&attempt, truth.charge);
            }
            Op::Extend { by, .. } => {
                let granted = borrower.extend(&attempt, ends::all_units(by));
                truth.charge += if granted { ends::all_units(by) } else { Charge::ZERO };
            }
            Op::Release { .. } => {
                (truth.charge, truth.open) = (Charge::ZERO, false);
                borrower.release(&attempt);
            }
            Op::Expire { .. } => {
                truth.open = false;
                borrower.expire(&attempt);
            }
            Op::ExtendInLedger { by, .. } => self.extend_in_ledger(&attempt, ends::all_units(by)),
            _ => {}
        }
    }

    /// The ledger is asked once it knows all that its borrower does.
    fn extend_in_ledger(&mut self, attempt: &AttemptId, by: Charge) {
        let hand = self.truth[attempt].hand;
        self.send_all(hand);
        let applied = self.apply(hand, &[Operation::Extend(attempt.clone(), by)]);
        if applied.answers[0] != Ok(Answer::Extended(None)) {
            return;
        }
        let kept = self.kept.get_mut(attempt).unwrap();
        let State::Open(charge) = kept.state else { panic!("extended though it ended") };
        kept.state = State::Open(charge + by);
        let truth = self.truth.get_mut(attempt).unwrap();
        truth.charge += by;
        let lease = truth.lease;
        for borrower in self.borrowers.iter_mut().flatten() {
            if Some(borrower.lease()) == lease {
                borrower.slice.extended_elsewhere(attempt, by);
            }
        }
        for (_, borrower) in &mut self.retired {
            borrower.slice.extended_elsewhere(attempt, by);
        }
    }

    /// What a record changes in the ledger.
    fn take(&mut self, hand: usize, lease: LeaseId, record: &Record) {
        let Some(attempt) = record.attempt().cloned() else { return };
        let out = self.slices.get_mut(&lease).unwrap();
        if let (Record::Draw(drawn), None) = (record, self.kept.get(&attempt)) {
            let charge = drawn.charge;
            if out.held {
                out.left = out.left.minus(charge);
            } else {
                self.beyond += charge;
            }
            let (lease, state) = (out.held.then_some(lease), State::Open(charge));
            self.kept.insert(attempt, Kept { hand, lease, state, written_off: false });
            return;
        }
        let kept = self.kept.get_mut(&attempt).unwrap();
        let (before, after) = match (kept.state, record) {
            (State::Open(before), Record::Draw(drawn)) => {
                self.beyond += if out.held { Charge::ZERO } else { drawn.charge.minus(before) };
                (before, State::Open(drawn.charge))
            }
            (State::Closed(before), Record::Draw(drawn)) => {
                self.beyond += drawn.charge.minus(before);
                kept.state = State::Closed(before.max(drawn.charge));
                return;
            }
            (State::Open(before), Record::Settle(_, used)) => (before, State::Closed(*used)),
            (State::Open(before), Record::Release(_)) => (before, State::Released),
            (State::Open(before), Record::Expire(_)) => (before, State::Closed(before)),
            (State::Closed(before), Record::Settle(_, used)) => {
                self.beyond += used.minus(before);
                (kept.state, kept.written_off) = (State::Closed(*used), false);
                return;
            }
            (State::Closed(_), Record::Release(_)) => {
                (kept.state, kept.written_off) = (State::Closed(Charge::ZERO), false);
                return;
            }
            _ => return,
        };
        let (State::Open(now) | State::Closed(now)) = after else {
            (kept.state, out.left) = (after, out.paid_back(before));
            return;
        };
        if let State::Closed(used) = after {
            self.beyond += used.minus(before);
        }
        if out.held && kept.lease.is_some() {
            out.left = out.paid_back(before.minus(now)).minus(now.minus(before));
        }
        kept.state = after;
    }

    /// What is written and was not taken down yet.
    fn take_all(&mut self, hand: usize, borrower: &Borrower) {
        let out = self.slices.get_mut(&borrower.lease()).unwrap();
        let from = out.taken;
        out.taken = from.max(borrower.written);
        for record in borrower.journal.get(from..borrower.written).unwrap_or_default() {
            self.take(hand, borrower.lease(), record);
        }
    }

    /// Sends what is written of a slice.
    fn send(&mut self, hand: usize, borrower: &mut Borrower, twice: bool) {
        let lease = borrower.lease();
        self.take_all(hand, borrower);
        let batch = [borrower.unsent(), Operation::LeaseStanding(lease)];
        for _ in 0..=usize::from(twice) {
            let applied = self.apply(hand, &batch);
            assert_eq!(applied.answers[0], Ok(Answer::TakenDown(Vec::new())));
        }
        borrower.sent = borrower.written;
        self.unsent_beyond.retain(|(of, record, _)| *of != lease || *record > borrower.sent);
        let out = self.slices[&lease];
        let left = left(&self.books[hand], lease);
        assert_eq!(left, out.held.then_some(out.left), "lease {}", lease.number());
        // What came free here and is not sent yet is still reserved there.
        if out.held && borrower.sent == borrower.journal.len() {
            let more = borrower.slice.left().minus(out.left);
            assert!(more.is_zero(), "the borrower has {more:?} more than its lender");
        }
    }

    fn send_one(&mut self, hand: usize, twice: bool) {
        if let Some(mut borrower) = self.borrowers[hand].take() {
            self.send(hand, &mut borrower, twice);
            if self.slices[&borrower.lease()].held {
                self.borrowers[hand] = Some(borrower);
            } else {
                borrower.slice.end();
                self.retired.push((hand, borrower));
            }
        }
        for (of, mut borrower) in std::mem::take(&mut self.retired) {
            self.send(of, &mut borrower, twice);
            if borrower.slice.in_flight() > 0 || borrower.sent < borrower.journal.len() {
                self.retired.push((of, borrower));
            }
        }
    }

    fn send_all(&mut self, hand: usize) {
        self.with(hand, Borrower::write);
        self.retired.iter_mut().for_each(|(_, borrower)| borrower.write());
        self.send_one(hand, false);
    }

    fn give_back(&mut self, hand: usize) {
        let Some(mut borrower) = self.borrowers[hand].take() else { return };
        borrower.slice.end();
        borrower.write_out();
        self.send(hand, &mut borrower, true);
        let lease = borrower.lease();
        self.apply(hand, &[Operation::GiveBack(lease), Operation::GiveBack(lease)]);
        self.ended(lease);
        self.retired.push((hand, borrower));
    }

    fn ended(&mut self, lease: LeaseId) {
        let out = self.slices.get_mut(&lease).unwrap();
        (out.held, out.left) = (false, Charge::ZERO);
    }
}
