//! One trial: a tree, requests at random, and what must hold after every step of it.

use std::rc::Rc;

use flyball::budget::{Ask, Charge, Limits, Operation};
use flyball::id::AttemptId;
use flyball::seed::Stream;

use super::desk::Desk;
use super::tally::Sums;
use super::tree::Tree;
use super::upstream::{Market, Request};
use super::{Arm, Found};

const STEPS_MAX: u64 = 1_500;
/// Once so many were refused in a row, the budget has ended.
const REFUSED_MAX: u64 = 25;
pub(super) const LEAST_BOUNDS: i128 = 50;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Waiting,
    /// In flight; whether the upstream has begun to answer, and how long the answer may get.
    Flying {
        reserved: Charge,
        started: bool,
        cap_tokens: u64,
    },
    Closed(Charge),
    Gone,
}

pub(super) struct Known {
    pub(super) id: AttemptId,
    pub(super) path: Rc<[usize]>,
    pub(super) agent: u64,
    pub(super) process: usize,
    pub(super) request: Request,
    pub(super) state: State,
    pub(super) breaks: bool,
}

/// Something to do, with the position of its attempt or scope.
pub(super) enum Act {
    Ask(usize),
    Start(usize),
    Extend(usize, u64),
    Settle(usize, Charge),
    Expire(usize),
    Release(usize),
    /// What was released left after all.
    Left(usize, Charge),
    Withdraw(usize),
    Correct(usize, Charge),
    Limit(usize, Limits),
    Pause(usize, bool),
}

pub(super) struct Trial<'a> {
    pub(super) arm: &'a Arm,
    pub(super) market: &'a Market,
    pub(super) luck: Stream,
    pub(super) number: u64,
    pub(super) desk: Desk,
    pub(super) tree: Tree,
    pub(super) sums: Vec<Sums>,
    /// The request whose least bound the limits are multiples of.
    pub(super) usual: Request,
    pub(super) known: Vec<Known>,
    pub(super) waiting: Vec<usize>,
    pub(super) flying: Vec<usize>,
    pub(super) expired: Vec<usize>,
    pub(super) released: Vec<usize>,
    /// Refused as exhausted since a limit was last raised or a settle lowered.
    pub(super) refused: Vec<usize>,
    pub(super) refused_in_a_row: u64,
    pub(super) beyond: Charge,
    pub(super) found: Found,
}

impl<'a> Trial<'a> {
    pub(super) fn new(arm: &'a Arm, market: &'a Market, mut luck: Stream, number: u64) -> Self {
        let mut desk = Desk::new(arm.processes);
        let usual = market.draw(&mut luck);
        let least = usual.least();
        let tree = if arm.fifty_least {
            Tree::under_one_limit(&mut luck, &mut desk, least.usd.scale_ceil(LEAST_BOUNDS, 1))
        } else {
            Tree::draw(&mut luck, &mut desk, least)
        };
        let sums = tree.nodes.iter().map(|node| Sums::new(node.limits)).collect();
        Self {
            arm,
            market,
            luck,
            number,
            desk,
            tree,
            sums,
            usual,
            known: Vec::new(),
            waiting: Vec::new(),
            flying: Vec::new(),
            expired: Vec::new(),
            released: Vec::new(),
            refused: Vec::new(),
            refused_in_a_row: 0,
            beyond: Charge::ZERO,
            found: Found { trials: 1, ..Found::default() },
        }
    }

    pub(super) fn run(mut self) -> Found {
        for _ in 0..STEPS_MAX {
            if self.refused_in_a_row >= REFUSED_MAX {
                break;
            }
            let process = self.some_process();
            let batch = self.draw_batch(process);
            self.perform(process, batch);
            self.nobody_is_forgotten();
        }
        self.resume_all();
        self.drain();
        for leaf in self.tree.leaves.clone() {
            self.squeeze(leaf);
        }
        self.check_refused();
        self.check_end();
        self.found
    }

    fn some_process(&mut self) -> usize {
        self.luck.below(self.desk.processes() as u64) as usize
    }

    /// What waits must have something to wait for: a process that hears nothing asks again, and
    /// where nothing is in flight and nothing paused, nobody waits.
    fn nobody_is_forgotten(&mut self) {
        if !self.flying.is_empty() || self.waiting.is_empty() {
            return;
        }
        for process in 0..self.desk.processes() {
            self.perform(process, Vec::new());
        }
        if self.flying.is_empty() && !self.waiting.is_empty() {
            let paused = self.resume_all();
            assert!(paused, "all wait and nothing is in flight, trial {}", self.number);
        }
    }

    /// Whether anything was paused.
    fn resume_all(&mut self) -> bool {
        let mut any = false;
        for scope in 0..self.sums.len() {
            if self.sums[scope].paused {
                any = true;
                self.perform(0, vec![Act::Pause(scope, false)]);
            }
        }
        any
    }

    /// Ends everything; whoever waits is served or told that it is over.
    fn drain(&mut self) {
        loop {
            self.nobody_is_forgotten();
            let Some(index) = self.luck.pick(&self.flying).copied() else { break };
            let act = if self.luck.chance(0.5) { self.end_of(index) } else { self.death_of(index) };
            let process = self.some_process();
            self.perform(process, vec![act]);
        }
        assert!(self.waiting.is_empty(), "somebody still waits, trial {}", self.number);
    }

    /// Asks for the usual least bound until nothing of it is left.
    fn squeeze(&mut self, leaf: usize) {
        loop {
            let process = self.some_process();
            let request = self.usual.clone().alike(&mut self.luck);
            let act = self.ask_of(process, leaf, request);
            self.perform(process, vec![act]);
            let Some(index) = self.flying.first().copied() else { return };
            let act = self.end_of(index);
            self.perform(process, vec![act]);
        }
    }

    fn perform(&mut self, process: usize, batch: Vec<Act>) {
        if batch.iter().any(|act| matches!(act, Act::Limit(..) | Act::Correct(..))) {
            self.check_refused();
            self.refused.clear();
            self.refused_in_a_row = 0;
        }
        let operations: Vec<Operation> = batch.iter().map(|act| self.operation(act)).collect();
        self.found.operations += operations.len() as u64;
        let (answers, effects) = self.desk.apply(process, &operations);
        let mut touched = Vec::new();
        let mut admitted = Vec::new();
        for (act, answer) in batch.iter().zip(answers) {
            self.absorb(act, answer, &mut touched, &mut admitted);
        }
        self.absorb_effects(effects, &mut admitted);
        for act in batch {
            if let Act::Withdraw(index) = act
                && self.known[index].state == State::Waiting
            {
                self.stop_waiting(index);
                self.known[index].state = State::Gone;
            }
        }
        for index in admitted {
            let path = Rc::clone(&self.known[index].path);
            for scope in path.iter() {
                let sums = &self.sums[*scope];
                assert!(sums.is_within(), "admitted above a limit, trial {}", self.number);
            }
            touched.extend(path.iter());
        }
        self.check_spent(&touched);
    }

    fn operation(&self, act: &Act) -> Operation {
        let id = |index: &usize| self.known[*index].id.clone();
        match act {
            Act::Ask(index) => Operation::Reserve(self.ask(*index)),
            Act::Start(index) => {
                let (_, _, cap) = self.flight(*index);
                Operation::Shrink(id(index), self.known[*index].request.cost(cap))
            }
            Act::Extend(index, more) => Operation::Extend(id(index), self.more(*index, *more)),
            Act::Settle(index, used) | Act::Left(index, used) => {
                Operation::Settle(id(index), *used)
            }
            Act::Expire(index) => Operation::Expire(id(index)),
            Act::Release(index) => Operation::Release(id(index)),
            Act::Withdraw(index) => Operation::Withdraw(id(index)),
            Act::Correct(index, used) => Operation::Correct(id(index), *used),
            Act::Limit(scope, limits) => Operation::SetLimits(self.tree.nodes[*scope].id, *limits),
            Act::Pause(scope, paused) => Operation::SetPaused(self.tree.nodes[*scope].id, *paused),
        }
    }

    fn ask(&self, index: usize) -> Ask {
        let known = &self.known[index];
        let windows = &self.tree.windows;
        Ask {
            attempt: known.id.clone(),
            scope: self.tree.nodes[known.path[0]].id,
            windows: windows.iter().map(|window| self.tree.nodes[*window].id).collect(),
            agent: Some(format!("{}", known.agent).into()),
            order: known.agent % 3,
            price: None,
            bound: known.request.bound,
            cap: known.request.cap,
        }
    }

    /// What so much more output costs at most.
    pub(super) fn more(&self, index: usize, more_tokens: u64) -> Charge {
        let (_, _, cap) = self.flight(index);
        let request = &self.known[index].request;
        request.cost(cap + more_tokens).minus(request.cost(cap))
    }
}

impl Act {
    /// The attempt that it is about.
    pub(super) const fn attempt(&self) -> Option<usize> {
        match self {
            Self::Ask(index)
            | Self::Start(index)
            | Self::Extend(index, _)
            | Self::Settle(index, _)
            | Self::Expire(index)
            | Self::Release(index)
            | Self::Left(index, _)
            | Self::Withdraw(index)
            | Self::Correct(index, _) => Some(*index),
            Self::Limit(..) | Self::Pause(..) => None,
        }
    }
}
