//! One borrower in the model: its slice, its journal, and what its requests truly take.

use flyball::budget::{
    Answer, Ask, LeaseAsk, LeaseStanding, Operation, Record, Remains, Slice, SliceAnswer,
};
use flyball::id::AttemptId;

use super::tables::{Tables, key_of, usd};
use super::{BOUNDS_USD, Rule, SHRUNK_USD, USED_USD, dollars};
use crate::ledger::stand::{ask, id};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Request {
    None,
    Open,
    Shrunk,
    Ended,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) slice: Option<Slice>,
    pub(super) journal: Vec<Record>,
    pub(super) written: usize,
    pub(super) sent: usize,
    /// What it was lent.
    pub(super) lent: i128,
    pub(super) requests: Vec<Request>,
    /// What each request truly took, or may take.
    pub(super) took: Vec<i128>,
    /// So many records were lost when it died.
    pub(super) dead: Option<usize>,
    /// It was told that somebody waits.
    pub(super) recalled: bool,
    /// An operator took it for dead.
    pub(super) fenced: bool,
    /// It knows that its slice has ended.
    pub(super) over: bool,
    /// How far whoever reconciles it has come, and how much of the journal that one read.
    pub(super) reconciled: u8,
    pub(super) read: usize,
}

impl Process {
    pub(super) fn new(number: usize, requests: usize) -> Self {
        let requests = vec![Request::None; requests];
        Self { number, took: vec![0; requests.len()], requests, ..Self::default() }
    }

    pub(super) fn attempt(&self, request: usize) -> AttemptId {
        id(&format!("{}{request}", self.number))
    }

    fn ask(&self, request: usize, tables: &Tables) -> Ask {
        let mut ask = ask(&self.attempt(request).0, tables.run().id, 0);
        ask.bound.fixed = dollars(BOUNDS_USD[request]);
        (ask.cap.standing_tokens, ask.cap.floor_tokens) = (0, 0);
        ask
    }

    pub(super) fn lend(&mut self, tables: &mut Tables) {
        let scope = tables.run().id;
        let ask = LeaseAsk { scope, windows: Vec::new(), bound: dollars(1), bounds: 500 };
        let applied = tables.apply(&[Operation::Lend(ask)]);
        if let Ok(Answer::Lent(Some(lent))) = applied.answers[0] {
            self.slice = Some(Slice::new(lent.lease, lent.slice));
            self.lent = usd(lent.slice);
        }
    }

    pub(super) fn may_begin(&self, request: usize) -> bool {
        request.checked_sub(1).is_none_or(|before| self.requests[before] != Request::None)
    }

    /// Draws, or promises first: the promise is on the disk before it counts.
    pub(super) fn draw(&mut self, request: usize, tables: &Tables, rule: Rule) -> bool {
        let ask = self.ask(request, tables);
        let Some(slice) = &mut self.slice else { return false };
        let (answer, record) = match slice.draw(&ask) {
            (SliceAnswer::Unpromised(charge), _) if rule == Rule::DrawsUnpromised => {
                slice.promise(charge);
                slice.draw(&ask)
            }
            said => said,
        };
        match (answer, record) {
            (SliceAnswer::Unpromised(charge), _) => {
                slice.promise(charge);
                self.journal.push(Record::Promise(charge));
                self.written = self.journal.len();
            }
            (_, Some(record)) => {
                self.journal.push(record);
                (self.requests[request], self.took[request]) = (Request::Open, BOUNDS_USD[request]);
            }
            _ => return false,
        }
        true
    }

    /// Whether the ledger has taken down more than it knows to have sent.
    pub(super) fn sent_again(&self, tables: &Tables) -> bool {
        let its = self.slice.as_ref().map(|slice| tables.leases[&slice.lease()].taken);
        self.dead.is_none() && !self.fenced && its.is_some_and(|taken| taken > self.sent as u64)
    }

    /// Takes back what is promised and not drawn; `false` where there is nothing.
    pub(super) fn write_out(&mut self) -> bool {
        let record = self.slice.as_mut().and_then(Slice::write_out);
        let some = record.is_some();
        self.journal.extend(record);
        self.written = self.journal.len();
        some
    }

    /// Whether its slice holds, and paid for, no more than was lent.
    pub(super) fn pays_within(&self, tables: &Tables) -> bool {
        let Some(lease) = self.slice.as_ref().map(Slice::lease) else { return true };
        let its = tables.attempts.values().filter(|row| row.lease == Some(lease));
        let paid: i128 = its.map(|row| usd(row.charge)).sum();
        paid + usd(tables.leases[&lease].left) <= self.lent
    }

    pub(super) fn shrink(&mut self, request: usize) {
        let attempt = self.attempt(request);
        let record = self.slice.as_mut().and_then(|its| its.shrink(&attempt, dollars(SHRUNK_USD)));
        self.journal.extend(record);
        (self.requests[request], self.took[request]) = (Request::Shrunk, SHRUNK_USD);
    }

    pub(super) fn settle(&mut self, request: usize) {
        let attempt = self.attempt(request);
        let record = self.slice.as_mut().and_then(|its| its.settle(&attempt, dollars(USED_USD)));
        self.journal.extend(record);
        (self.requests[request], self.took[request]) = (Request::Ended, USED_USD);
    }

    /// What it sends next; with the return of its slice, once it has ended that.
    pub(super) fn batch(&self, rule: Rule, tables: &Tables) -> Vec<Operation> {
        let Some(slice) = &self.slice else { return Vec::new() };
        let lease = slice.lease();
        let from = match rule {
            // As if nobody had numbered the records.
            Rule::TakesDownAgain => tables.leases[&lease].taken,
            _ => self.sent as u64,
        };
        let records = self.journal[self.sent..self.written].to_vec();
        let mut batch = vec![Operation::TakeDown(lease, from, records)];
        let rest = self.written < self.journal.len() && rule != Rule::ReturnsBeforeTheRest;
        if slice.has_ended() && !rest {
            batch.push(Operation::GiveBack(lease));
        }
        batch.push(Operation::LeaseStanding(lease));
        batch
    }

    pub(super) fn heard(&mut self, standing: Option<&Answer>) {
        self.sent = self.written;
        match standing {
            Some(Answer::Standing(LeaseStanding::Recalled)) => self.recalled = true,
            Some(Answer::Standing(LeaseStanding::Ended)) => {
                self.over = true;
                self.slice.iter_mut().for_each(Slice::end);
            }
            _ => {}
        }
    }

    pub(super) fn remains(&self) -> Option<Remains> {
        let lease = self.slice.as_ref()?.lease();
        Some(Remains::of(lease, self.journal[..self.read].iter().cloned()))
    }

    /// What it took that the ledger cannot have heard of, because it was taken for dead.
    pub(super) fn unheard(&self, tables: &Tables) -> i128 {
        let known = |request: usize| tables.charged(&self.attempt(request));
        let beyond = (0..self.took.len()).map(|it| (self.took[it] - known(it)).max(0)).sum();
        if self.fenced { beyond } else { 0 }
    }

    pub(super) fn key(&self, key: &mut Vec<i128>) {
        let flags = [self.dead.is_some(), self.recalled, self.fenced, self.over];
        key.extend(flags.map(i128::from));
        key.extend([self.written, self.sent, self.read, self.journal.len()].map(|n| n as i128));
        key.extend([i128::from(self.reconciled), self.dead.is_some_and(|lost| lost > 0).into()]);
        key.extend(self.requests.iter().map(|request| *request as i128));
        key.extend(&self.took);
        self.journal.iter().for_each(|record| key_of(record, key));
        if let Some(slice) = &self.slice {
            key.extend([i128::from(slice.has_ended()), usd(slice.left())]);
        }
        key.push(-1);
    }
}
