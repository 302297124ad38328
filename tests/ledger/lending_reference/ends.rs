//! How lives end in the reference, the process without a slice, and what holds after every step.

use flyball::budget::{Answer, Charge, LeaseId, Limits, Operation};
use flyball::ledger::{ReadLedger, verify};

use super::{Borrower, CHARGED, Kept, PLAIN, State, World};
use crate::ledger::borrower::{last_words, unwritten};
use crate::ledger::operations::{numbers, part};
use crate::ledger::stand::{Stand, pico};

pub(super) fn usd(limit: u16) -> Limits {
    Limits::usd(pico(limit.into()))
}

pub(super) fn all_units(usd: u16) -> Charge {
    let count = u64::from(usd);
    Charge { usd: pico(usd.into()), billed_tokens: 7 * count, output_tokens: count, requests: 1 }
}

impl<S: Stand> World<S> {
    pub(super) fn crash(&mut self, hand: usize, steps: usize) {
        let retired = std::mem::take(&mut self.retired);
        let (dead, retired) = retired.into_iter().partition(|(of, _)| *of == hand);
        self.retired = retired;
        let dead: Vec<(usize, Borrower)> = dead;
        for borrower in dead.into_iter().map(|(_, dead)| dead).chain(self.borrowers[hand].take()) {
            let lease = borrower.lease();
            for (of, record, beyond) in &self.unsent_beyond {
                if *of == lease && *record > borrower.written {
                    self.lost_beyond.push((hand, *beyond));
                }
            }
            self.unsent_beyond.retain(|(of, ..)| *of != lease);
            self.reconcile(hand, &borrower, steps);
        }
        self.books[hand] = self.stand.books();
    }

    pub(super) fn fence(&mut self, hand: usize) {
        let Some(borrower) = self.borrowers[hand].clone() else { return };
        if self.slices[&borrower.lease()].held {
            self.slices.get_mut(&borrower.lease()).unwrap().fenced = true;
            self.reconcile(hand, &borrower, 0);
        }
    }

    fn reconcile(&mut self, hand: usize, borrower: &Borrower, steps: usize) {
        let (lease, remains) = (borrower.lease(), borrower.remains());
        self.take_all(hand, borrower);
        let out = self.slices[&lease];
        let charge = if out.held { remains.unwritten.min(out.left) } else { Charge::ZERO };
        let (state, of) = (State::Closed(charge), out.held.then_some(lease));
        let written_off = Kept { hand, lease: of, state, written_off: true };
        self.kept.entry(unwritten(lease)).or_insert(written_off);
        for attempt in remains.in_flight.keys() {
            let kept = self.kept.get_mut(attempt).unwrap();
            if let State::Open(charge) = kept.state {
                (kept.state, kept.written_off) = (State::Closed(charge), true);
            }
        }
        self.ended(lease);
        for step in (0..steps).chain(0..2) {
            let batch = match step {
                0 => remains.operations.clone(),
                _ => last_words(&self.books[PLAIN], lease, &remains),
            };
            self.apply(PLAIN, &batch);
        }
    }

    pub(super) fn reserve(&mut self, usd: u16) {
        let ask = self.ask(PLAIN, all_units(usd));
        let attempt = ask.attempt.clone();
        let applied = self.apply(PLAIN, &[Operation::Reserve(ask)]);
        let Ok(Answer::Admission(admission)) = &applied.answers[0] else { panic!("no answer") };
        self.decided(&attempt, admission);
    }

    pub(super) fn settle_plain(&mut self, pick: usize, per_mille: u16) {
        let its = |kept: &Kept| kept.hand == PLAIN && matches!(kept.state, State::Open(_));
        let open: Vec<_> = self.kept.iter().filter(|(_, kept)| its(kept)).collect();
        let Some((attempt, kept)) = open.get(pick % open.len().max(1)) else { return };
        let (attempt, State::Open(charge)) = ((*attempt).clone(), kept.state) else { return };
        let used = part(charge, per_mille);
        self.beyond += used.minus(charge);
        self.kept.get_mut(&attempt).unwrap().state = State::Closed(used);
        let truth = self.truth.get_mut(&attempt).unwrap();
        (truth.charge, truth.open) = (used, false);
        self.apply(PLAIN, &[Operation::Settle(attempt, used)]);
    }

    /// Settled, reserved and leased of a scope, summed up from nothing.
    fn sums(&self, scope: usize) -> [[i128; 4]; 3] {
        let mut sums = [[0; 4]; 3];
        let mut add = |place: usize, charge: Charge| {
            sums[place].iter_mut().zip(numbers(&charge)).for_each(|(sum, more)| *sum += more);
        };
        for kept in self.kept.values().filter(|kept| CHARGED[kept.hand].contains(&scope)) {
            match kept.state {
                State::Closed(charge) => add(0, charge),
                State::Open(charge) => add(1, charge),
                State::Released => {}
            }
        }
        for out in self.slices.values().filter(|out| CHARGED[out.hand].contains(&scope)) {
            add(2, out.left);
        }
        sums
    }

    pub(super) fn taken(&self, scope: usize) -> [i128; 4] {
        let [settled, reserved, leased] = self.sums(scope);
        std::array::from_fn(|unit| settled[unit] + reserved[unit] + leased[unit])
    }

    /// What requests took or may take that the ledger cannot have heard of: above their
    /// reservation, or admitted by a process that was taken for dead.
    fn unheard(&self, scope: usize) -> [i128; 4] {
        let of = |hand: usize| CHARGED[hand].contains(&scope);
        let unsent = self.unsent_beyond.iter().filter(|(lease, ..)| of(self.slices[lease].hand));
        let lost = self.lost_beyond.iter().filter(|(hand, _)| of(*hand));
        let beyond = unsent.map(|(.., beyond)| *beyond).chain(lost.map(|(_, beyond)| *beyond));
        let fenced = |lease: Option<LeaseId>| lease.is_some_and(|id| self.slices[&id].fenced);
        let unknown = self.truth.iter().filter(|(_, its)| of(its.hand) && fenced(its.lease));
        let unknown = unknown.map(|(attempt, its)| match self.kept.get(attempt) {
            Some(Kept { state: State::Open(known) | State::Closed(known), .. }) => {
                its.charge.minus(*known)
            }
            _ => its.charge,
        });
        let all: Vec<[i128; 4]> = beyond.chain(unknown).map(|charge| numbers(&charge)).collect();
        std::array::from_fn(|unit| all.iter().map(|numbers| numbers[unit]).sum())
    }

    pub(super) fn check(&self, before: &[[i128; 4]]) {
        let ledger = self.books[PLAIN].reader();
        let rows = ledger.scopes().unwrap();
        for (scope, before) in before.iter().enumerate() {
            let row = rows.iter().find(|row| row.id == self.scopes[scope]).unwrap();
            let kept = [row.settled, row.reserved, row.leased].map(|charge| numbers(&charge));
            assert_eq!(kept, self.sums(scope), "{}", row.path);
            let (taken, limit) = (self.taken(scope), i128::from(self.limits[scope]));
            let explained = before[0] + self.beyond.usd.pico();
            assert!(taken[0] <= limit.max(explained), "{} passes its limit", row.path);
            let its = self.truth.values().filter(|truth| CHARGED[truth.hand].contains(&scope));
            let took: Vec<[i128; 4]> = its.map(|truth| numbers(&truth.charge)).collect();
            let unheard = self.unheard(scope);
            for unit in 0..4 {
                let truth: i128 = took.iter().map(|numbers| numbers[unit]).sum();
                assert!(truth <= taken[unit] + unheard[unit], "{} hides spending", row.path);
            }
        }
        verify(ledger).unwrap();
    }

    /// Ends everything; then nothing is held, and what is settled is what was taken.
    pub(in crate::ledger) fn drain(&mut self) {
        let finish = |hand| super::Op::GiveBack { hand };
        (0..2).for_each(|hand| self.step(finish(hand)));
        while self.pick(0).is_some() {
            self.step(super::Op::Settle { pick: 0, per_mille: 700 });
        }
        (0..2).for_each(|hand| self.send_all(hand));
        let mut steps = 0;
        while self.kept.values().any(|kept| matches!(kept.state, State::Open(_)))
            || self.books[PLAIN].waiting() > 0
        {
            self.step(super::Op::SettlePlain { pick: 0, per_mille: 900 });
            self.step(super::Op::Poll);
            steps += 1;
            assert!(steps < 1_000, "somebody waits for ever");
        }
        let ledger = self.books[PLAIN].reader();
        assert_eq!((ledger.leases().unwrap(), ledger.in_flight().unwrap()), (vec![], vec![]));
        assert_eq!(ledger.owners().unwrap(), []);
        for row in ledger.scopes().unwrap() {
            assert_eq!(
                (row.reserved, row.leased, row.recalled),
                (Charge::ZERO, Charge::ZERO, false)
            );
        }
        for (attempt, kept) in self.kept.iter().filter(|(_, kept)| !kept.written_off) {
            let truth = self.truth[attempt].charge;
            let charged = match kept.state {
                State::Closed(charge) | State::Open(charge) => charge,
                State::Released => Charge::ZERO,
            };
            assert_eq!(charged, truth, "{attempt}");
        }
    }
}
