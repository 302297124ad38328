//! What an answer means for the sums, and what must hold of it.

use flyball::budget::{Admission, Answer, Charge, DenialKind, Effects, EntryKind, Grant};

use super::trial::{Act, LEAST_BOUNDS, State, Trial};

impl Trial<'_> {
    pub(super) fn absorb(
        &mut self,
        act: &Act,
        answer: Answer,
        touched: &mut Vec<usize>,
        admitted: &mut Vec<usize>,
    ) {
        match (act, answer) {
            (Act::Ask(index), Answer::Admission(admission)) => {
                self.found.asked += 1;
                self.decided(*index, admission, admitted);
            }
            (Act::Extend(index, more), Answer::Extended(None)) => {
                let (reserved, started, cap_tokens) = self.flight(*index);
                let to = reserved + self.more(*index, *more);
                let cap_tokens = cap_tokens + more;
                self.found.extended += 1;
                self.change(*index, State::Flying { reserved: to, started, cap_tokens });
                admitted.push(*index);
            }
            (Act::Start(index), Answer::Done { already_closed: false }) => {
                let (reserved, _, cap_tokens) = self.flight(*index);
                let to = reserved.min(self.known[*index].request.cost(cap_tokens));
                self.change(*index, State::Flying { reserved: to, started: true, cap_tokens });
            }
            (
                Act::Settle(index, used) | Act::Left(index, used),
                Answer::Done { already_closed: false },
            ) => self.close(*index, Some(*used)),
            (Act::Expire(index), Answer::Done { already_closed: false }) => {
                let (reserved, ..) = self.flight(*index);
                self.found.expired += 1;
                self.expired.push(*index);
                self.close(*index, Some(reserved));
            }
            (Act::Release(index), Answer::Done { already_closed: false }) => {
                self.released.push(*index);
                self.close(*index, None);
            }
            (Act::Correct(index, used), Answer::Done { .. }) => {
                let State::Closed(before) = self.known[*index].state else { panic!("not closed") };
                for scope in self.known[*index].path.iter() {
                    self.sums[*scope].correct(before, *used);
                }
                self.known[*index].state = State::Closed(*used);
            }
            (Act::Limit(scope, limits), Answer::Done { .. }) => {
                self.sums[*scope].set_limits(*limits);
            }
            (Act::Pause(scope, paused), _) => self.sums[*scope].paused = *paused,
            (Act::Withdraw(_), Answer::Done { .. }) | (Act::Extend(..), Answer::Extended(_)) => {}
            (_, answer) => panic!("unexpected {answer:?}, trial {}", self.number),
        }
        match act {
            Act::Limit(scope, _) | Act::Pause(scope, _) => touched.push(*scope),
            _ => touched.extend(act.attempt().iter().flat_map(|i| self.known[*i].path.iter())),
        }
    }

    pub(super) fn absorb_effects(&mut self, effects: Vec<Effects>, admitted: &mut Vec<usize>) {
        for effects in effects {
            for decision in effects.decisions {
                let index: usize = decision.attempt.0.parse().unwrap();
                assert_eq!(self.known[index].state, State::Waiting, "trial {}", self.number);
                self.stop_waiting(index);
                self.decided(index, decision.admission, admitted);
            }
            if let Some(overrun) = effects.overrun {
                self.found.overruns += 1;
                self.beyond += overrun.beyond;
            }
        }
    }

    fn decided(&mut self, index: usize, admission: Admission, admitted: &mut Vec<usize>) {
        match admission {
            Admission::Admitted(grant) => {
                self.grant(index, &grant);
                admitted.push(index);
            }
            Admission::Waiting(_) => {
                self.found.waited += 1;
                self.waiting.push(index);
                self.known[index].state = State::Waiting;
            }
            Admission::Refused(denial) if denial.kind == DenialKind::Exhausted => {
                self.known[index].state = State::Gone;
                assert!(self.can_never_fit(index), "exhausted in vain, trial {}", self.number);
                self.found.exhausted += 1;
                self.refused.push(index);
                self.refused_in_a_row += 1;
            }
            Admission::Refused(_) => self.found.busy += 1,
        }
    }

    fn grant(&mut self, index: usize, grant: &Grant) {
        let known = &mut self.known[index];
        let cap = known.request.cap;
        let allowed = cap.floor_tokens..=cap.standing_tokens;
        assert!(allowed.contains(&grant.output_cap_tokens), "trial {}", self.number);
        let cap_tokens = grant.output_cap_tokens;
        assert_eq!(grant.reserved, known.request.bound.charge(cap_tokens), "trial {}", self.number);
        let reserved = grant.reserved;
        known.state = State::Flying { reserved, started: false, cap_tokens };
        for scope in known.path.iter() {
            assert!(!self.sums[*scope].paused, "admitted by a paused scope, trial {}", self.number);
            self.sums[*scope].reserve(reserved, known.agent);
        }
        self.flying.push(index);
        self.found.admitted += 1;
        self.found.clamped += u64::from(grant.clamped);
        self.refused_in_a_row = 0;
    }

    pub(super) fn stop_waiting(&mut self, index: usize) {
        self.waiting.retain(|waiting| *waiting != index);
    }

    fn change(&mut self, index: usize, to: State) {
        let State::Flying { reserved: after, .. } = to else { panic!("not in flight") };
        let (before, ..) = self.flight(index);
        for scope in self.known[index].path.iter() {
            self.sums[*scope].change(before, after);
        }
        self.known[index].state = to;
    }

    fn close(&mut self, index: usize, used: Option<Charge>) {
        let known = &mut self.known[index];
        let reserved = match known.state {
            State::Flying { reserved, .. } => Some(reserved),
            // It was released, and left after all.
            _ => None,
        };
        for scope in known.path.iter() {
            self.sums[*scope].close(reserved, used, known.agent);
        }
        let broke =
            used.is_some_and(|used| !used.minus(reserved.unwrap_or(Charge::ZERO)).is_zero());
        self.found.broken += u64::from(broke);
        known.state = used.map_or(State::Gone, State::Closed);
        self.flying.retain(|flying| *flying != index);
    }

    /// Whether some scope could not pay for the least of it if nothing in flight cost anything.
    fn can_never_fit(&self, index: usize) -> bool {
        let known = &self.known[index];
        let least = known.request.least();
        known.path.iter().any(|scope| self.sums[*scope].can_never_pay(least, known.agent))
    }

    /// Whoever was refused as exhausted would be refused still.
    pub(super) fn check_refused(&self) {
        for index in &self.refused {
            assert!(self.can_never_fit(*index), "refused too early, trial {}", self.number);
        }
    }

    /// No scope has spent more than it ever allowed, save what upstreams took beyond their bounds.
    pub(super) fn check_spent(&mut self, touched: &[usize]) {
        for scope in touched {
            let sums = &mut self.sums[*scope];
            let over = sums.overspent();
            assert!(sums.is_excused(), "overspent by {over:?}, trial {}", self.number);
            self.found.overspent_usd_pico_max = self.found.overspent_usd_pico_max.max(over[0]);
            self.found.overspent |= over.iter().any(|over| *over > 0);
        }
        assert_eq!(self.desk.waiting(), self.waiting.len(), "waiting, trial {}", self.number);
    }

    /// Nothing is reserved, the entries add up to the balances and those to what was seen.
    pub(super) fn check_end(&mut self) {
        let ids: Vec<_> = self.tree.nodes.iter().map(|node| node.id).collect();
        let (balances, overruns) = self.desk.closed(&ids);
        for (sums, balance) in self.sums.iter().zip(&balances) {
            sums.assert_is(balance, self.number);
            assert_eq!(balance.reserved, Charge::ZERO, "still reserved, trial {}", self.number);
            assert_eq!(balance.agents_reserved, 0, "still reserved, trial {}", self.number);
        }
        let beyond = overruns.iter().filter_map(EntryKind::charge);
        let beyond = beyond.fold(Charge::ZERO, |sum, charge| sum + charge);
        assert_eq!(beyond, self.beyond, "overruns, trial {}", self.number);
        assert_eq!(overruns.len() as u64, self.found.broken, "overruns, trial {}", self.number);
        assert_eq!(self.found.overruns, self.found.broken, "overruns, trial {}", self.number);
        if self.arm.fifty_least {
            self.check_used();
        }
    }

    /// What is left of the limit is less than what was always waited for.
    fn check_used(&mut self) {
        let (least, limit) = (self.usual.least().usd, self.sums[0].limits.usd.unwrap());
        let settled = self.sums[0].settled_usd_pico();
        assert!(limit.pico() - settled < least.pico(), "too much is left, trial {}", self.number);
        let used_ppm = settled * 1_000_000 / limit.pico();
        let least_ppm = 1_000_000 - 1_000_000 / LEAST_BOUNDS;
        assert!(used_ppm >= least_ppm, "only {used_ppm} ppm used, trial {}", self.number);
        self.found.used_ppm_min = Some(used_ppm);
    }
}
