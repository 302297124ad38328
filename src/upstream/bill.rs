//! What a real upstream would charge, counted here and nowhere else.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;

use super::catalogue::Served;
use super::fault::Fault;
use crate::id::ModelId;
use crate::money::Picodollars;
use crate::tokens::TokenUsage;

/// What a real upstream would charge so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// Of this shape.
    pub version: u32,
    /// The day whose prices apply, UTC.
    pub prices_on: Date,
    /// Requests to `/v1/messages`, open ones included.
    pub requests: u64,
    /// How those that ended ended.
    pub endings: EndingCounts,
    /// Answers being generated. They are not charged yet.
    pub open: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Free requests to `/v1/messages/count_tokens`.
    pub token_counts: u64,
    /// Tokens of all requests that ended, by class.
    pub usage: TokenUsage,
    /// Dollars: each request priced in its own tier, then summed.
    pub usd: Picodollars,
    /// Requests that generated more than their `max_tokens`; only a fault does that.
    pub beyond_max_tokens: u64,
    /// Requests with tokens that the price table has no rate for. They are not in `usd`.
    pub unpriced: u64,
    /// The same by model.
    pub models: BTreeMap<ModelId, ModelBill>,
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndingCounts {
    /// The whole answer was given.
    pub complete: u64,
    /// The client went away first, or the server was stopped.
    pub aborted: u64,
    /// A fault cut the answer.
    pub broken: u64,
    /// An error instead of an answer; costs nothing.
    pub refused: u64,
}

/// One model's part of the bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelBill {
    /// Requests that ended and were charged.
    pub requests: u64,
    /// Their tokens by class.
    pub usage: TokenUsage,
    /// Their dollars.
    pub usd: Picodollars,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Aborted,
    Broken,
}

/// The bill as it grows.
#[derive(Debug)]
pub(super) struct Books {
    bill: Mutex<Bill>,
    idle: Condvar,
}

impl Books {
    pub(super) fn new(prices_on: Date) -> Self {
        let bill = Bill {
            version: 1,
            prices_on,
            requests: 0,
            endings: EndingCounts::default(),
            open: 0,
            faults: BTreeMap::new(),
            token_counts: 0,
            usage: TokenUsage::default(),
            usd: Picodollars::ZERO,
            beyond_max_tokens: 0,
            unpriced: 0,
            models: BTreeMap::new(),
        };
        Self { bill: Mutex::new(bill), idle: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Bill> {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bill(&self) -> Bill {
        self.lock().clone()
    }

    /// Waits until no answer is open; `false` where some still is after `limit`.
    pub(super) fn wait_until_idle(&self, limit: Duration) -> bool {
        let waited = self.idle.wait_timeout_while(self.lock(), limit, |bill| bill.open > 0);
        waited.is_ok_and(|(_, time_out)| !time_out.timed_out())
    }

    pub(super) fn refused(&self) {
        let mut bill = self.lock();
        bill.requests += 1;
        bill.endings.refused += 1;
    }

    pub(super) fn fault(&self, fault: Fault) {
        *self.lock().faults.entry(fault.to_string()).or_default() += 1;
    }

    pub(super) fn tokens_counted(&self) {
        self.lock().token_counts += 1;
    }

    pub(super) fn opened(&self) {
        let mut bill = self.lock();
        bill.requests += 1;
        bill.open += 1;
    }

    /// Ends a request that was opened and costs nothing, for its answer was recorded; without an
    /// ending, that was a refusal.
    pub(super) fn replayed(&self, ending: Option<Ending>) {
        let mut bill = self.lock();
        if let Some(ending) = ending {
            close(&mut bill, ending);
        } else {
            bill.open = bill.open.saturating_sub(1);
            bill.endings.refused += 1;
        }
        if bill.open == 0 {
            self.idle.notify_all();
        }
    }

    /// Charges a request that was opened.
    pub(super) fn ended(&self, ending: Ending, served: &Served, usage: &TokenUsage, beyond: bool) {
        let cost = served.price.cost(usage);
        let mut bill = self.lock();
        close(&mut bill, ending);
        bill.usage += *usage;
        bill.beyond_max_tokens += u64::from(beyond);
        if let Ok(usd) = cost {
            bill.usd += usd;
        } else {
            bill.unpriced += 1;
        }
        if !bill.models.contains_key(&served.id) {
            bill.models.insert(served.id.clone(), ModelBill::default());
        }
        if let Some(model) = bill.models.get_mut(&served.id) {
            model.requests += 1;
            model.usage += *usage;
            if let Ok(usd) = cost {
                model.usd += usd;
            }
        }
        if bill.open == 0 {
            self.idle.notify_all();
        }
    }
}

fn close(bill: &mut Bill, ending: Ending) {
    bill.open = bill.open.saturating_sub(1);
    match ending {
        Ending::Complete => bill.endings.complete += 1,
        Ending::Aborted => bill.endings.aborted += 1,
        Ending::Broken => bill.endings.broken += 1,
    }
}
