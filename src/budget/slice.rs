//! A slice of balance in the hands of the process that borrowed it: requests are admitted from it
//! without asking the ledger. The borrower's side of [`Account::lend`](crate::budget::Account::lend).
//!
//! Everything that happens becomes a [`Record`] for a journal. Before a request is admitted, the
//! journal has to have promised it: *so much more may be drawn than is written here*. Records may
//! then be written late, and whoever finds the journal of a dead process knows what it can have
//! spent at most.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::budget::admission::{Ask, Grant};
use crate::budget::books::Operation;
use crate::budget::charge::Charge;
use crate::budget::lease::{Drawn, LeaseId};
use crate::id::AttemptId;

/// One thing that happened to a slice, as its journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// So much more than before may be drawn beyond what is written.
    Promise(Charge),
    /// A request was admitted, or its reservation is another now.
    Draw(Drawn),
    /// It ended and took so much.
    Settle(AttemptId, Charge),
    /// It never left.
    Release(AttemptId),
    /// What it took is unknown: it takes its reservation.
    Expire(AttemptId),
    /// Everything is written, and nothing more is admitted before the next promise.
    WrittenOut,
}

impl Record {
    /// The attempt that it is about.
    pub const fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Promise(_) | Self::WrittenOut => None,
            Self::Draw(Drawn { attempt, .. })
            | Self::Settle(attempt, _)
            | Self::Release(attempt)
            | Self::Expire(attempt) => Some(attempt),
        }
    }
}

/// What a slice says to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceAnswer {
    /// It may be sent.
    Admitted(Grant),
    /// The journal has to promise at least so much first.
    Unpromised(Charge),
    /// It does not fit: ask for more, or the ledger.
    Short,
}

/// What one process still has of a slice.
#[derive(Clone, Debug)]
pub struct Slice {
    lease: LeaseId,
    left: Charge,
    /// What overruns took beyond what was left; paid by what comes free first.
    owed: Charge,
    /// What may be drawn before the journal has to promise more.
    promised: Charge,
    open: HashMap<AttemptId, Charge>,
    ended: bool,
}

impl Slice {
    /// A slice that was lent under this number.
    pub fn new(lease: LeaseId, slice: Charge) -> Self {
        Self {
            lease,
            left: slice,
            owed: Charge::ZERO,
            promised: Charge::ZERO,
            open: HashMap::new(),
            ended: false,
        }
    }

    /// Its number.
    pub const fn lease(&self) -> LeaseId {
        self.lease
    }

    /// What may still be drawn.
    pub const fn left(&self) -> Charge {
        self.left
    }

    /// How many requests drawn from it are in flight.
    pub fn in_flight(&self) -> usize {
        self.open.len()
    }

    /// Whether nothing is admitted from it any more.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Admits nothing from now on; what is in flight goes on.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Whether this attempt is in flight here.
    pub fn holds(&self, attempt: &AttemptId) -> bool {
        self.open.contains_key(attempt)
    }

    /// Whether the journal's promise covers `charge`.
    pub fn has_promised(&self, charge: Charge) -> bool {
        charge.minus(self.promised).is_zero()
    }

    /// The slice is back: what is in flight is settled in the ledger from now on.
    pub fn hand_over(&mut self) {
        self.ended = true;
        self.open.clear();
    }

    /// More was lent.
    pub fn add(&mut self, slice: Charge) {
        let paid = self.owed.min(slice);
        self.owed = self.owed.minus(paid);
        self.left += slice.minus(paid);
    }

    /// The journal has promised so much more, where it cannot be lost.
    pub fn promise(&mut self, charge: Charge) {
        self.promised += charge;
    }

    /// Takes back what was promised and not drawn, once all records are written; `None` where there
    /// is nothing to take back.
    pub fn write_out(&mut self) -> Option<Record> {
        (!self.promised.is_zero()).then(|| {
            self.promised = Charge::ZERO;
            Record::WrittenOut
        })
    }

    /// An attempt's reservation grew by `by` out of the ledger instead of out of the slice.
    pub fn extended_elsewhere(&mut self, attempt: &AttemptId, by: Charge) {
        if let Some(reserved) = self.open.get_mut(attempt) {
            *reserved += by;
        }
    }

    /// Admits `ask` at its standing cap, if the slice holds its bound. The record goes to the
    /// journal.
    pub fn draw(&mut self, ask: &Ask) -> (SliceAnswer, Option<Record>) {
        let cap = ask.cap.standing_tokens;
        let charge = ask.bound.charge(cap);
        if self.ended || !charge.minus(self.left).is_zero() || self.open.contains_key(&ask.attempt)
        {
            return (SliceAnswer::Short, None);
        }
        if !self.has_promised(charge) {
            return (SliceAnswer::Unpromised(charge), None);
        }
        self.take(charge);
        self.open.insert(ask.attempt.clone(), charge);
        let record = Record::Draw(Drawn {
            attempt: ask.attempt.clone(),
            agent: ask.agent.clone(),
            price: ask.price.clone(),
            charge,
        });
        let grant = Grant { output_cap_tokens: cap, reserved: charge, clamped: false };
        (SliceAnswer::Admitted(grant), Some(record))
    }

    /// Lowers a reservation to at most `to`; `None` where it is not in flight here or lower already.
    pub fn shrink(&mut self, attempt: &AttemptId, to: Charge) -> Option<Record> {
        let reserved = self.open.get_mut(attempt)?;
        let kept = reserved.min(to);
        let freed = reserved.minus(kept);
        *reserved = kept;
        if freed.is_zero() {
            return None;
        }
        self.add(freed);
        Some(redrawn(attempt, kept))
    }

    /// Raises a reservation by `by`, if the slice holds that much and the journal has promised it.
    pub fn extend(&mut self, attempt: &AttemptId, by: Charge) -> (SliceAnswer, Option<Record>) {
        let Some(reserved) = self.open.get(attempt).copied() else {
            return (SliceAnswer::Short, None);
        };
        if self.ended || !by.minus(self.left).is_zero() {
            return (SliceAnswer::Short, None);
        }
        if !self.has_promised(by) {
            return (SliceAnswer::Unpromised(by), None);
        }
        self.take(by);
        let reserved = reserved + by;
        self.open.insert(attempt.clone(), reserved);
        let grant = Grant { output_cap_tokens: reserved.output_tokens, reserved, clamped: false };
        (SliceAnswer::Admitted(grant), Some(redrawn(attempt, reserved)))
    }

    /// Ends an attempt that took `used`, which may be above its reservation. `None` where it is not
    /// in flight here.
    pub fn settle(&mut self, attempt: &AttemptId, used: Charge) -> Option<Record> {
        let reserved = self.open.remove(attempt)?;
        self.add(reserved.minus(used));
        let beyond = used.minus(reserved);
        let short = beyond.minus(self.left);
        self.left = self.left.minus(beyond);
        self.owed += short;
        Some(Record::Settle(attempt.clone(), used))
    }

    /// Ends an attempt that never left.
    pub fn release(&mut self, attempt: &AttemptId) -> Option<Record> {
        let reserved = self.open.remove(attempt)?;
        self.add(reserved);
        Some(Record::Release(attempt.clone()))
    }

    /// Ends an attempt whose cost is unknown.
    pub fn expire(&mut self, attempt: &AttemptId) -> Option<Record> {
        self.open.remove(attempt)?;
        Some(Record::Expire(attempt.clone()))
    }

    fn take(&mut self, charge: Charge) {
        self.left = self.left.minus(charge);
        self.promised = self.promised.minus(charge);
    }
}

/// Who it is and by which price is written with its admission.
fn redrawn(attempt: &AttemptId, charge: Charge) -> Record {
    Record::Draw(Drawn { attempt: attempt.clone(), agent: None, price: None, charge })
}

/// Records that the ledger is told at once.
const AT_ONCE: usize = 1_000;

/// What the journal of a dead process says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// What the ledger is to be told, in order.
    pub operations: Vec<Operation>,
    /// Requests whose end is not written, and what each holds: nobody knows what they took.
    pub in_flight: BTreeMap<AttemptId, Charge>,
    /// What may have been drawn at most beyond what is written.
    pub unwritten: Charge,
}

impl Remains {
    /// Reads a journal, as far as it was written.
    pub fn of(lease: LeaseId, records: impl IntoIterator<Item = Record>) -> Self {
        let mut remains = Self::default();
        let records: Vec<Record> = records.into_iter().collect();
        let mut from = 0;
        for some in records.chunks(AT_ONCE) {
            remains.operations.push(Operation::TakeDown(lease, from, some.to_vec()));
            from += some.len() as u64;
        }
        for record in &records {
            match record {
                Record::Promise(charge) => remains.unwritten += *charge,
                Record::Draw(drawn) => {
                    let before = remains.in_flight.insert(drawn.attempt.clone(), drawn.charge);
                    let before = before.unwrap_or(Charge::ZERO);
                    remains.unwritten = remains.unwritten.minus(drawn.charge.minus(before));
                }
                Record::WrittenOut => remains.unwritten = Charge::ZERO,
                Record::Settle(attempt, _) | Record::Release(attempt) | Record::Expire(attempt) => {
                    remains.in_flight.remove(attempt);
                }
            }
        }
        remains
    }
}
