//! The gateway's till: reserves in the ledger, from slices where it can.
//!
//! Nothing here keeps a thread of the runtime waiting: what has to wait for a disk or a server is
//! told its answer, or goes to a thread that may wait.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::dead_holders::DeadHolders;
use super::progress::Progress;
use super::queue;
use super::scopes::Scopes;
use crate::budget::{Answer, Ask, Charge, Denial, DenialKind, Grant, Operation};
use crate::gateway::{Caller, ChargedTo, Ending, Held, Later, Refused, Till, Wanted};
use crate::id::AttemptId;
use crate::ledger::{BooksError, LeaseDesk, Now, Step, Ticket};

/// The till of one process.
pub(super) struct LedgerTill(Arc<Counter>);

/// What reservations share.
pub(super) struct Counter {
    desk: LeaseDesk,
    scopes: Scopes,
    /// Of this process; no other has the same.
    name: String,
    attempts: AtomicU64,
    unsettled: Mutex<Vec<(AttemptId, Ending)>>,
    trouble: Mutex<Option<String>>,
    progress: Progress,
    dead: DeadHolders,
    /// Whose turn it is to wait for a slice, by scope.
    turns: [tokio::sync::Mutex<()>; TURNS],
    runtime: Handle,
}

/// Scopes with the same remainder wait for each other's slices.
const TURNS: usize = 64;

impl LedgerTill {
    /// A till on `desk`, whose attempts begin with `name`.
    pub(super) fn new(desk: LeaseDesk, scopes: Scopes, name: String, runtime: Handle) -> Self {
        let dead = DeadHolders::new(scopes.reader(), runtime.clone());
        Self(Arc::new(Counter {
            desk,
            scopes,
            name,
            attempts: AtomicU64::new(0),
            unsettled: Mutex::default(),
            trouble: Mutex::default(),
            progress: Progress::default(),
            dead,
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            runtime,
        }))
    }

    /// What can be looked at and tried again.
    pub(super) fn counter(&self) -> Arc<Counter> {
        Arc::clone(&self.0)
    }
}

impl Till for LedgerTill {
    fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    fn help(&self, caller: &Caller, denial: &Denial) -> Option<String> {
        self.0.progress.note(caller, false);
        let mut help = self.0.dead.words(&denial.shortage);
        if denial.kind == DenialKind::Exhausted {
            let more = self.0.progress.help(caller, denial);
            help = match (help, more) {
                (Some(dead), Some(more)) => Some(format!("{dead}; or {more}")),
                (dead, more) => dead.or(more),
            };
        }
        help
    }

    fn charges(&self, caller: Arc<Caller>) -> Later<Result<ChargedTo, Refused>> {
        let counter = Arc::clone(&self.0);
        Box::pin(async move {
            let charged = counter.scopes.charged(&caller, &counter.name).await;
            charged.map_err(unavailable)
        })
    }

    fn reserve(&self, wanted: Wanted) -> Later<Result<Box<dyn Held>, Refused>> {
        let counter = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(why) = counter.trouble() {
                return Err(Refused::Unavailable(why));
            }
            let place = counter.scopes.place(&wanted.caller).await.map_err(unavailable)?;
            let ask = Ask {
                attempt: counter.new_attempt(),
                scope: place.scope,
                windows: place.windows,
                agent: place.agent,
                // Balance that comes free goes to whoever came first.
                order: 0,
                price: Some(wanted.price),
                bound: wanted.bound,
                cap: wanted.cap,
            };
            let drawn = match counter.now(&ask) {
                Now::Admitted { ticket, .. } => Some(ticket),
                Now::AskLedger => None,
                Now::MayWait => counter.of_slice(&ask).await?,
            };
            let ticket = if let Some(ticket) = drawn {
                ticket
            } else {
                let again = || counter.new_attempt();
                let commit = counter.desk.commit();
                queue::reserve(commit, &counter.dead, ask, wanted.hold, again).await?
            };
            counter.progress.note(&wanted.caller, true);
            let held = Reservation { counter, ticket: Some(ticket) };
            Ok(Box::new(held) as Box<dyn Held>)
        })
    }
}

pub(super) fn unavailable(error: impl fmt::Display) -> Refused {
    Refused::Unavailable(error.to_string())
}

impl Counter {
    /// Why nothing may be reserved now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn new_attempt(&self) -> AttemptId {
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        AttemptId::from(format!("{}-{number}", self.name))
    }

    /// Which scopes there are.
    pub(super) const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Draws without waiting, and has more promised where that runs low.
    fn now(self: &Arc<Self>, ask: &Ask) -> Now {
        let now = self.desk.reserve_now(ask);
        if let Now::Admitted { ticket, runs_low: true } = &now {
            let (counter, ticket) = (Arc::clone(self), ticket.again());
            self.runtime.spawn_blocking(move || counter.desk.promise_ahead(&ticket));
        }
        now
    }

    /// Borrows, on a thread that may wait; one request of a scope at a time, and what it is given
    /// usually serves those behind it.
    async fn of_slice(self: &Arc<Self>, ask: &Ask) -> Result<Option<Ticket>, Refused> {
        let position = ask.scope.0 as usize % TURNS;
        let _turn = match self.turns.get(position) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        match self.now(ask) {
            Now::Admitted { ticket, .. } => return Ok(Some(ticket)),
            Now::AskLedger => return Ok(None),
            Now::MayWait => {}
        }
        let (counter, ask) = (Arc::clone(self), ask.clone());
        let (tell, told) = oneshot::channel();
        self.runtime.spawn_blocking(move || {
            let drawn = counter.desk.reserve_from_slice(&ask);
            let unsent = |ticket| Unsent { counter: Arc::clone(&counter), ticket: Some(ticket) };
            drop(tell.send(drawn.map(|ticket| ticket.map(unsent))));
        });
        let drawn = told.await.map_err(|_| unavailable("the till is closed"))?;
        drawn.map_err(unavailable).map(|unsent| unsent.and_then(|mut unsent| unsent.ticket.take()))
    }

    fn end(self: &Arc<Self>, ticket: Ticket, ending: Ending) {
        let step = match ending {
            Ending::Settled(used) => Step::Settle(used),
            Ending::Released => Step::Release,
            Ending::Expired => Step::Expire,
        };
        if !self.desk.within_slice(&ticket, step) {
            self.tell_ledger(ticket.attempt, ending);
        }
    }

    /// Ends an attempt in the ledger; what fails is kept, and nothing is reserved until it is done.
    fn tell_ledger(self: &Arc<Self>, attempt: AttemptId, ending: Ending) {
        let operation = match ending {
            Ending::Settled(used) => Operation::Settle(attempt.clone(), used),
            Ending::Released => Operation::Release(attempt.clone()),
            Ending::Expired => Operation::Expire(attempt.clone()),
        };
        let counter = Arc::clone(self);
        self.desk.commit().do_then(operation, move |told| match told {
            Ok(_) => {}
            // Nothing is held for it, so nothing is lost.
            Err(BooksError::Account(_)) if ending == Ending::Released => {}
            Err(error) => {
                counter.set_trouble(Some(error.to_string()));
                counter.unsettled().push((attempt, ending));
            }
        });
    }

    fn unsettled(&self) -> std::sync::MutexGuard<'_, Vec<(AttemptId, Ending)>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries again what could not be written; how many there were.
    pub(super) fn try_again(self: &Arc<Self>) -> usize {
        let unsettled = std::mem::take(&mut *self.unsettled());
        let count = unsettled.len();
        self.set_trouble(None);
        for (attempt, ending) in unsettled {
            self.tell_ledger(attempt, ending);
        }
        count
    }
}

/// What was drawn for somebody who may have gone away, before it was told or just after.
struct Unsent {
    counter: Arc<Counter>,
    ticket: Option<Ticket>,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.counter.end(ticket, Ending::Released);
        }
    }
}

/// What is reserved for one attempt.
struct Reservation {
    counter: Arc<Counter>,
    /// Until it is ended.
    ticket: Option<Ticket>,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// Of a reservation that is over; nobody sees it.
static OVER: LazyLock<(AttemptId, Grant)> = LazyLock::new(|| {
    let grant = Grant { output_cap_tokens: 0, reserved: Charge::ZERO, clamped: false };
    (AttemptId::from(""), grant)
});

impl Held for Reservation {
    fn attempt(&self) -> &AttemptId {
        self.ticket.as_ref().map_or(&OVER.0, |ticket| &ticket.attempt)
    }

    fn grant(&self) -> &Grant {
        self.ticket.as_ref().map_or(&OVER.1, |ticket| &ticket.grant)
    }

    fn shrink(&self, to: Charge) {
        let Some(ticket) = &self.ticket else { return };
        if !self.counter.desk.within_slice(ticket, Step::Shrink(to)) {
            // Not to be told is not to be trusted with more: it stays reserved, which is safe.
            let operation = Operation::Shrink(ticket.attempt.clone(), to);
            self.counter.desk.commit().do_then(operation, |_| {});
        }
    }

    fn extend(&self, by: Charge) -> Later<Result<(), Refused>> {
        let Some(ticket) = &self.ticket else {
            return Box::pin(async { Err(unavailable("the attempt is over")) });
        };
        let (tell, told) = oneshot::channel::<Result<Option<Denial>, BooksError>>();
        if ticket.is_drawn() {
            let (counter, ticket) = (Arc::clone(&self.counter), ticket.again());
            self.counter
                .runtime
                .spawn_blocking(move || drop(tell.send(counter.desk.extend(&ticket, by))));
        } else {
            let operation = Operation::Extend(ticket.attempt.clone(), by);
            self.counter.desk.commit().do_then(operation, move |answer| {
                let _gone = tell.send(answer.map(|answer| match answer {
                    Answer::Extended(denial) => denial,
                    _ => None,
                }));
            });
        }
        Box::pin(async move {
            match told.await.unwrap_or(Err(BooksError::Closed)) {
                Ok(None) => Ok(()),
                Ok(Some(denial)) => Err(Refused::Denied(Box::new(denial))),
                Err(error) => Err(unavailable(error)),
            }
        })
    }

    fn end(mut self: Box<Self>, ending: Ending) {
        if let Some(ticket) = self.ticket.take() {
            self.counter.end(ticket, ending);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.counter.end(ticket, Ending::Expired);
        }
    }
}
