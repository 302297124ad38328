//! Where the gateway asks for money, and says what became of it. Whoever starts a gateway brings
//! one: it knows scopes, ledgers and who pays.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::{Bound, Charge, Denial, Grant, OutputCap};
use crate::gateway::caller::Caller;
use crate::gateway::charged_run::ChargedTo;
use crate::id::{AttemptId, PriceId};

/// An answer that comes later, on any thread.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request that wants to be sent.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who sends it.
    pub caller: Arc<Caller>,
    /// The row of the price table that its bound is from.
    pub price: PriceId,
    /// What it can cost.
    pub bound: Bound,
    /// How long its answer may be.
    pub cap: OutputCap,
    /// How long it may wait for balance.
    pub hold: Duration,
}

/// Why a request may not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A budget denies it.
    Denied(Box<Denial>),
    /// Nobody can say whether it could be paid, in words: so it is not sent.
    Unavailable(String),
}

/// Reserves.
pub trait Till: Send + Sync {
    /// Why nothing can be reserved now, in words; `None` where it can.
    fn trouble(&self) -> Option<String>;

    /// How to go on after `denial`, in words for whoever sent the request; `None` where nobody knows.
    fn help(&self, _caller: &Caller, _denial: &Denial) -> Option<String> {
        None
    }

    /// Where a request of `caller` would be charged; nothing is opened for that. Refused where that
    /// cannot be said.
    fn charges(&self, _caller: Arc<Caller>) -> Later<Result<ChargedTo, Refused>> {
        let why = "nobody here knows a ledger".to_owned();
        Box::pin(std::future::ready(Err(Refused::Unavailable(why))))
    }

    /// Asks for the reservation of one attempt. Dropping the answer while it is on its way gives
    /// everything back.
    fn reserve(&self, wanted: Wanted) -> Later<Result<Box<dyn Held>, Refused>>;
}

/// What is reserved for one attempt. Dropped without an [`end`](Self::end), it expires: it takes its
/// full reservation.
pub trait Held: Send + Sync + fmt::Debug {
    /// The attempt.
    fn attempt(&self) -> &AttemptId;

    /// On which terms it may be sent.
    fn grant(&self) -> &Grant;

    /// Lowers the reservation to at most `to`.
    fn shrink(&self, to: Charge);

    /// Raises the reservation by `by`, at once or not at all.
    fn extend(&self, by: Charge) -> Later<Result<(), Refused>>;

    /// Ends the attempt. What cannot be written at once is tried again until it is.
    fn end(self: Box<Self>, ending: Ending);
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It took this.
    Settled(Charge),
    /// It never left.
    Released,
    /// What it took is unknown: it takes its full reservation.
    Expired,
}
