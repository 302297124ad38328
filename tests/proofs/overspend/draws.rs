//! What happens next in a trial, by lot.

use flyball::budget::{Charge, Limits};
use flyball::id::AttemptId;

use super::tree::drawn_limits;
use super::trial::{Act, Known, State, Trial};
use super::upstream::Request;

const WAITING_MAX: usize = 24;
const FLYING_MAX: usize = 48;
const BATCH_MAX: u64 = 6;

impl Trial<'_> {
    /// One thing to do, or several of one process in one transaction.
    pub(super) fn draw_batch(&mut self, process: usize) -> Vec<Act> {
        let many = if self.arm.processes == 0 { 1 } else { 1 + self.luck.below(BATCH_MAX) };
        let mut batch: Vec<Act> = Vec::new();
        for _ in 0..many {
            let act = self.draw_act(process);
            // Limits are checked after a batch, so what moves them, or breaks them, comes alone.
            let alone = match act {
                Act::Limit(..) | Act::Pause(..) | Act::Correct(..) | Act::Left(..) => true,
                Act::Settle(index, _) => self.known[index].breaks,
                _ => false,
            };
            let again = |other: &Act| other.attempt() == act.attempt();
            if batch.iter().any(again) || (alone && !batch.is_empty()) {
                continue;
            }
            batch.push(act);
            if alone {
                break;
            }
        }
        batch
    }

    fn draw_act(&mut self, process: usize) -> Act {
        let dice = self.luck.below(100);
        let drawn = match dice {
            30..46 => self.some_flying(|started| !started).map(Act::Start),
            46..70 => self.some_flying(|_| true).map(|index| self.end_of(index)),
            70..77 => self.some_flying(|_| true).map(|index| self.death_of(index)),
            77..80 => self.some_flying(|started| !started).map(Act::Release),
            80..82 => self.some_waiting(process).map(Act::Withdraw),
            82..88 => self.some_flying(|started| started).and_then(|index| self.extension(index)),
            88..91 if !self.arm.fifty_least => self.new_limits(),
            91..93 if !self.arm.fifty_least => self.pause(),
            93..96 if !self.arm.fifty_least => self.correction(),
            96..98 if self.arm.breaks_promises => self.late_departure(),
            _ => None,
        };
        match drawn {
            Some(act) => act,
            None if self.waiting.len() < WAITING_MAX && self.flying.len() < FLYING_MAX => {
                self.new_ask(process)
            }
            // A full house waits for somebody to leave.
            None => match self.flying.first().copied() {
                Some(index) => self.end_of(index),
                None => self.new_ask(process),
            },
        }
    }

    fn new_ask(&mut self, process: usize) -> Act {
        let request = if self.arm.fifty_least || self.luck.chance(0.3) {
            self.usual.clone().alike(&mut self.luck)
        } else {
            self.market.draw(&mut self.luck)
        };
        let leaf = *self.luck.pick(&self.tree.leaves).unwrap();
        self.ask_of(process, leaf, request)
    }

    pub(super) fn ask_of(&mut self, process: usize, leaf: usize, request: Request) -> Act {
        let path = self.tree.path(leaf, &self.tree.windows);
        let id = AttemptId::from(format!("{}", self.known.len()));
        let breaks = self.arm.breaks_promises && self.luck.chance(0.05);
        // An agent belongs to a leaf.
        let agent = (leaf as u64) * 8 + self.luck.below(8);
        let state = State::Gone;
        self.known.push(Known { id, path, agent, process, request, state, breaks });
        Act::Ask(self.known.len() - 1)
    }

    fn some_flying(&mut self, wanted: impl Fn(bool) -> bool) -> Option<usize> {
        let index = *self.luck.pick(&self.flying)?;
        match self.known[index].state {
            State::Flying { started, .. } if wanted(started) => Some(index),
            _ => None,
        }
    }

    fn some_waiting(&mut self, process: usize) -> Option<usize> {
        let index = *self.luck.pick(&self.waiting)?;
        (self.known[index].process == process).then_some(index)
    }

    pub(super) fn flight(&self, index: usize) -> (Charge, bool, u64) {
        match self.known[index].state {
            State::Flying { reserved, started, cap_tokens } => (reserved, started, cap_tokens),
            other => panic!("not in flight: {other:?}, trial {}", self.number),
        }
    }

    /// The answer is as long as it may be; of one that breaks its promise, longer, or its prompt
    /// is.
    pub(super) fn end_of(&mut self, index: usize) -> Act {
        let (_, started, cap) = self.flight(index);
        let over = 1 + self.luck.below(3_000);
        let known = &self.known[index];
        let used = match (known.breaks, started) {
            (false, _) => known.request.cost(cap),
            (true, true) => known.request.cost(cap + over),
            (true, false) => known.request.cost_beyond_prompt(over, cap),
        };
        Act::Settle(index, used)
    }

    /// The stream breaks: nobody knows what it took, or somebody does.
    pub(super) fn death_of(&mut self, index: usize) -> Act {
        let (_, _, cap) = self.flight(index);
        if self.known[index].breaks {
            return self.end_of(index);
        }
        if self.luck.chance(0.6) {
            return Act::Expire(index);
        }
        let seen = self.luck.below(cap + 1);
        Act::Settle(index, self.known[index].request.cost(seen))
    }

    fn extension(&mut self, index: usize) -> Option<Act> {
        let (_, _, cap) = self.flight(index);
        let room = self.known[index].request.asked_tokens().saturating_sub(cap);
        let more = room.min(1 + self.luck.below(4_000));
        (more > 0).then_some(Act::Extend(index, more))
    }

    fn new_limits(&mut self) -> Option<Act> {
        let scope = self.luck.below(self.tree.nodes.len() as u64) as usize;
        let drawn = drawn_limits(&mut self.luck, self.usual.least(), true);
        // Limits go up in an arm whose overspending is excused by overruns alone.
        let up = self.arm.breaks_promises || self.luck.chance(0.5);
        let now = self.sums[scope].limits;
        let usd = match (now.usd, drawn.usd) {
            (Some(now), Some(more)) if up => Some(now + more.scale_ceil(1, 10)),
            _ if up => return None,
            (_, usd) => usd,
        };
        Some(Act::Limit(scope, if up { Limits { usd, ..now } } else { drawn }))
    }

    fn pause(&mut self) -> Option<Act> {
        let scope = self.luck.below(self.tree.nodes.len() as u64) as usize;
        let paused = self.sums[scope].paused;
        // Seldom paused, soon resumed.
        (paused || self.luck.chance(0.2)).then_some(Act::Pause(scope, !paused))
    }

    /// What an expired attempt really took is learned: at most its reservation.
    fn correction(&mut self) -> Option<Act> {
        let place = self.luck.below(self.expired.len() as u64) as usize;
        if self.expired.is_empty() {
            return None;
        }
        let index = self.expired.swap_remove(place);
        let State::Closed(taken) = self.known[index].state else { return None };
        let used = self.known[index].request.cost(0).min(taken);
        Some(Act::Correct(index, used))
    }

    fn late_departure(&mut self) -> Option<Act> {
        let index = self.released.pop()?;
        let used = self.known[index].request.cost(1);
        Some(Act::Left(index, used))
    }
}
