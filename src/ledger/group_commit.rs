//! Group commit: one thread writes for all callers of this process, a batch a transaction, so that
//! the disk is waited for once per batch and not once per request.
//!
//! Callers block until their batch is kept, and whoever waits for balance until it is decided.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::budget::{
    AccountError, Admission, Answer, Ask, Books, Charge, Denial, DenialKind, Effects, Grant,
    Limits, Operation, ScopeId, Shortage, Store, StoreError,
};
use crate::id::AttemptId;

/// The most operations in one transaction.
const BATCH_MAX: usize = 512;
/// How often balance that other processes set free is looked for while somebody waits.
const LOOK: Duration = Duration::from_millis(20);

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// It makes no sense, or the books do not balance.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The ledger could not keep it. What is not kept is denied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal of the slice that it is about cannot be written; the reason.
    #[error("the journal of its slice cannot be written: {0}")]
    Journal(String),
    /// The writer has ended.
    #[error("the ledger's writer has ended")]
    Closed,
}

/// How a request was decided, in the end.
pub type Decided = Result<Grant, Box<Denial>>;

enum Message {
    Do(Request),
    /// Asks what a waiting request lacks.
    Lacks(AttemptId, TellShortage),
}

type TellShortage = Box<dyn FnOnce(Option<Shortage>) + Send>;

/// What somebody asks for, and where the answer goes.
struct Request {
    operations: Operations,
    /// Until when it may wait for balance; `None` for as long as it takes.
    waits_until: Option<Instant>,
    reply: Reply,
}

enum Operations {
    One(Operation),
    /// Kept together or not at all; none of them waits.
    Together(Vec<Operation>),
}

/// Called with the answer, on the thread that wakes callers: it may not wait for anything.
type Tell<T> = Box<dyn FnOnce(Result<T, BooksError>) + Send>;

enum Reply {
    One(Tell<Answer>),
    Together(Tell<Answers>),
}

/// An answer on its way to whoever asked.
enum Delivery {
    One(Tell<Answer>, Result<Answer, BooksError>),
    Together(Tell<Answers>, Result<Answers, BooksError>),
}

/// One answer per operation, in order.
pub(super) type Answers = Vec<Result<Answer, AccountError>>;

/// Somebody who waits for balance.
struct Waiting {
    until: Option<Instant>,
    shortage: Shortage,
    reply: Tell<Answer>,
}

/// The account of this process, for any number of threads. The writer ends with its last caller.
#[derive(Clone)]
pub struct GroupCommit {
    messages: Sender<Message>,
}

impl GroupCommit {
    /// Starts the writer. `on_effects` is told of soft thresholds and overruns, on its thread.
    pub fn start<S: Store + Send + 'static>(
        books: Books<S>,
        on_effects: impl FnMut(&Effects) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<S>)> {
        let (messages, inbox) = channel();
        let (answers, outbox) = channel();
        // Waking callers takes about as long as deciding for them, so the next batch begins
        // meanwhile. It ends with the writer.
        thread::Builder::new().name("ledger answers".to_owned()).spawn(move || deliver(&outbox))?;
        let deliveries = Vec::new();
        let writer = Writer { books, waiting: HashMap::new(), on_effects, answers, deliveries };
        let thread = thread::Builder::new()
            .name("ledger writer".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok((Self { messages }, thread))
    }

    /// Asks for a reservation; blocks until it is decided, at most `hold` where it has to wait for
    /// balance (`None`: as long as it takes). One that waited too long is refused as busy.
    pub fn reserve(&self, ask: Ask, hold: Option<Duration>) -> Result<Decided, BooksError> {
        let waits_until = hold.map(|hold| Instant::now() + hold);
        match self.ask(Operation::Reserve(ask), waits_until)? {
            Answer::Admission(Admission::Admitted(grant)) => Ok(Ok(grant)),
            Answer::Admission(Admission::Refused(denial)) => Ok(Err(Box::new(denial))),
            _ => Err(BooksError::Closed),
        }
    }

    /// The same without waiting: `tell` is called with the decision, on a thread that has others to
    /// wake, so it may not wait for anything itself. It is dropped where the writer has ended, and
    /// where the request is released while it waits.
    pub fn reserve_then(
        &self,
        ask: Ask,
        hold: Option<Duration>,
        tell: impl FnOnce(Result<Decided, BooksError>) + Send + 'static,
    ) {
        let waits_until = hold.map(|hold| Instant::now() + hold);
        self.ask_then(Operation::Reserve(ask), waits_until, move |answer| {
            tell(match answer {
                Ok(Answer::Admission(Admission::Admitted(grant))) => Ok(Ok(grant)),
                Ok(Answer::Admission(Admission::Refused(denial))) => Ok(Err(Box::new(denial))),
                Ok(_) => Err(BooksError::Closed),
                Err(error) => Err(error),
            });
        });
    }

    /// Does `operation`, which may not be a reservation, and calls `tell` like
    /// [`reserve_then`](Self::reserve_then).
    pub fn do_then(
        &self,
        operation: Operation,
        tell: impl FnOnce(Result<Answer, BooksError>) + Send + 'static,
    ) {
        self.ask_then(operation, None, tell);
    }

    /// Tells what the request of `attempt` waits for, `None` where it does not wait; like
    /// [`reserve_then`](Self::reserve_then).
    pub fn lacks_then(
        &self,
        attempt: AttemptId,
        tell: impl FnOnce(Option<Shortage>) + Send + 'static,
    ) {
        let _gone = self.messages.send(Message::Lacks(attempt, Box::new(tell)));
    }

    /// Ends an attempt that took `used`; whether it had been closed before.
    pub fn settle(&self, attempt: AttemptId, used: Charge) -> Result<bool, BooksError> {
        self.done(Operation::Settle(attempt, used))
    }

    /// Ends an attempt that never left.
    pub fn release(&self, attempt: AttemptId) -> Result<bool, BooksError> {
        self.done(Operation::Release(attempt))
    }

    /// Ends an attempt whose cost is unknown: it takes its full reservation.
    pub fn expire(&self, attempt: AttemptId) -> Result<bool, BooksError> {
        self.done(Operation::Expire(attempt))
    }

    /// Lowers a reservation.
    pub fn shrink(&self, attempt: AttemptId, to: Charge) -> Result<bool, BooksError> {
        self.done(Operation::Shrink(attempt, to))
    }

    /// Raises a reservation, at once or not at all.
    pub fn extend(&self, attempt: AttemptId, by: Charge) -> Result<Option<Denial>, BooksError> {
        match self.ask(Operation::Extend(attempt, by), None)? {
            Answer::Extended(denial) => Ok(denial),
            _ => Err(BooksError::Closed),
        }
    }

    /// The scope at `path`, outermost name first; opened with `limits` where it is missing.
    pub fn open(&self, path: Vec<String>, limits: Limits) -> Result<ScopeId, BooksError> {
        match self.ask(Operation::Open { path, limits }, None)? {
            Answer::Scope(scope) => Ok(scope),
            _ => Err(BooksError::Closed),
        }
    }

    /// Sets the limits of a live scope; who waits for it is served at once.
    pub fn set_limits(&self, scope: ScopeId, limits: Limits) -> Result<(), BooksError> {
        self.ask(Operation::SetLimits(scope, limits), None).map(drop)
    }

    /// Does all of `operations` in one transaction. None may be a reservation, which could wait.
    pub(super) fn together(&self, operations: Vec<Operation>) -> Result<Answers, BooksError> {
        let (reply, answers) = sync_channel(1);
        let operations = Operations::Together(operations);
        // One who went away has nobody to tell.
        let tell = Box::new(move |answers| drop(reply.send(answers)));
        let request = Request { operations, waits_until: None, reply: Reply::Together(tell) };
        self.messages.send(Message::Do(request)).map_err(|_| BooksError::Closed)?;
        answers.recv().map_err(|_| BooksError::Closed)?
    }

    fn done(&self, operation: Operation) -> Result<bool, BooksError> {
        match self.ask(operation, None)? {
            Answer::Done { already_closed } => Ok(already_closed),
            _ => Err(BooksError::Closed),
        }
    }

    fn ask(
        &self,
        operation: Operation,
        waits_until: Option<Instant>,
    ) -> Result<Answer, BooksError> {
        let (reply, answer) = sync_channel(1);
        self.ask_then(operation, waits_until, move |told| drop(reply.send(told)));
        answer.recv().map_err(|_| BooksError::Closed)?
    }

    fn ask_then(
        &self,
        operation: Operation,
        waits_until: Option<Instant>,
        tell: impl FnOnce(Result<Answer, BooksError>) + Send + 'static,
    ) {
        let operations = Operations::One(operation);
        let request = Request { operations, waits_until, reply: Reply::One(Box::new(tell)) };
        // A writer that has ended drops it, which whoever waits for the answer notices.
        let _gone = self.messages.send(Message::Do(request));
    }
}

impl Operations {
    const fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Together(operations) => operations.len(),
        }
    }
}

/// Wakes whoever is answered.
fn deliver(outbox: &Receiver<Vec<Delivery>>) {
    for delivery in outbox.iter().flatten() {
        match delivery {
            Delivery::One(tell, answer) => tell(answer),
            Delivery::Together(tell, answers) => tell(answers),
        }
    }
}

struct Writer<S, F> {
    books: Books<S>,
    waiting: HashMap<AttemptId, Waiting>,
    on_effects: F,
    answers: Sender<Vec<Delivery>>,
    /// Answers of the batch that is being written.
    deliveries: Vec<Delivery>,
}

/// Whom the answers to a part of a batch are for.
struct Slip {
    operations: usize,
    /// What is reserved for, where it can wait.
    attempt: Option<AttemptId>,
    /// What will never leave; it may be waiting.
    released: Option<AttemptId>,
    waits_until: Option<Instant>,
    reply: Reply,
}

impl<S: Store, F: FnMut(&Effects)> Writer<S, F> {
    fn run(mut self, inbox: &Receiver<Message>) -> S {
        let mut wrote_at = Instant::now();
        loop {
            let first = if self.waiting.is_empty() {
                let Ok(first) = inbox.recv() else { return self.books.into_store() };
                Some(first)
            } else {
                match inbox.recv_timeout(LOOK.saturating_sub(wrote_at.elapsed())) {
                    Ok(first) => Some(first),
                    Err(RecvTimeoutError::Timeout) => None,
                    // Nobody is left who could take an answer.
                    Err(RecvTimeoutError::Disconnected) => return self.books.into_store(),
                }
            };
            let (mut batch, mut operations) = (Vec::new(), 0);
            let mut next = first;
            while let Some(message) = next {
                match message {
                    Message::Do(request) => {
                        operations += request.operations.len();
                        batch.push(request);
                    }
                    Message::Lacks(attempt, tell) => tell(self.books.lacks(&attempt).cloned()),
                }
                next = if operations < BATCH_MAX { inbox.try_recv().ok() } else { None };
            }
            // Whoever only asks what it lacks is no reason to look again.
            let looks = !self.waiting.is_empty() && wrote_at.elapsed() >= LOOK;
            if batch.is_empty() && !looks {
                continue;
            }
            self.write(batch);
            wrote_at = Instant::now();
            let deliveries = std::mem::take(&mut self.deliveries);
            // The other end lives for as long as we do.
            let _gone = self.answers.send(deliveries);
        }
    }

    fn write(&mut self, batch: Vec<Request>) {
        let now = Instant::now();
        let is_late = |waiting: &Waiting| waiting.until.is_some_and(|until| until <= now);
        let late: Vec<AttemptId> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| is_late(waiting))
            .map(|(attempt, _)| attempt.clone())
            .collect();
        for attempt in &late {
            // It is told what it lacks now, not what it lacked when it began to wait.
            let lacks = self.books.lacks(attempt).cloned();
            if let (Some(waiting), Some(shortage)) = (self.waiting.get_mut(attempt), lacks) {
                waiting.shortage = shortage;
            }
        }
        let mut operations = Vec::new();
        let slips: Vec<Slip> =
            batch.into_iter().map(|request| slip(request, &mut operations)).collect();
        operations.extend(late.iter().cloned().map(Operation::Withdraw));
        match self.books.apply(&operations) {
            Err(error) => self.fail(slips, &late, &error),
            Ok(applied) => {
                let mut answers = applied.answers.into_iter();
                for slip in slips {
                    self.answer(slip, &mut answers);
                }
                for effects in &applied.effects {
                    self.decide(effects);
                    (self.on_effects)(effects);
                }
                for attempt in late {
                    // Whoever was admitted in this very batch is not waiting any more.
                    if let Some(Waiting { shortage, reply, .. }) = self.waiting.remove(&attempt) {
                        let busy = Denial { kind: DenialKind::Busy, shortage };
                        let answer = Answer::Admission(Admission::Refused(busy));
                        self.deliveries.push(Delivery::One(reply, Ok(answer)));
                    }
                }
            }
        }
    }

    /// Hands out its share of `answers`.
    fn answer(
        &mut self,
        slip: Slip,
        answers: &mut impl Iterator<Item = Result<Answer, AccountError>>,
    ) {
        let reply = match slip.reply {
            Reply::One(reply) => reply,
            Reply::Together(reply) => {
                let share = answers.take(slip.operations).collect();
                self.deliveries.push(Delivery::Together(reply, Ok(share)));
                return;
            }
        };
        if let Some(released) = slip.released {
            self.waiting.remove(&released);
        }
        match (answers.next(), slip.attempt) {
            (Some(Ok(Answer::Admission(Admission::Waiting(shortage)))), Some(attempt)) => {
                let waiting = Waiting { until: slip.waits_until, shortage, reply };
                self.waiting.insert(attempt, waiting);
            }
            (Some(answer), _) => {
                self.deliveries.push(Delivery::One(reply, answer.map_err(BooksError::Account)));
            }
            (None, _) => {}
        }
    }

    fn decide(&mut self, effects: &Effects) {
        for decision in &effects.decisions {
            if let Some(waiting) = self.waiting.remove(&decision.attempt) {
                let answer = Answer::Admission(decision.admission.clone());
                self.deliveries.push(Delivery::One(waiting.reply, Ok(answer)));
            }
        }
    }

    /// What is not kept did not happen: every caller of the batch is told, and so is who has waited
    /// for long enough. The others go on waiting for a ledger that answers.
    fn fail(&mut self, slips: Vec<Slip>, late: &[AttemptId], error: &StoreError) {
        let failed = || BooksError::Store(error.clone());
        for slip in slips {
            self.deliveries.push(match slip.reply {
                Reply::One(reply) => Delivery::One(reply, Err(failed())),
                Reply::Together(reply) => Delivery::Together(reply, Err(failed())),
            });
        }
        for attempt in late {
            self.books.abandon(attempt);
            if let Some(waiting) = self.waiting.remove(attempt) {
                self.deliveries.push(Delivery::One(waiting.reply, Err(failed())));
            }
        }
    }
}

/// Puts what is asked for with the others' operations.
fn slip(request: Request, all: &mut Vec<Operation>) -> Slip {
    let Request { operations, waits_until, reply } = request;
    let count = operations.len();
    let attempt = match &operations {
        Operations::One(Operation::Reserve(ask)) => Some(ask.attempt.clone()),
        _ => None,
    };
    let released = match &operations {
        Operations::One(Operation::Release(attempt)) => Some(attempt.clone()),
        _ => None,
    };
    match operations {
        Operations::One(operation) => all.push(operation),
        Operations::Together(operations) => all.extend(operations),
    }
    Slip { operations: count, attempt, released, waits_until, reply }
}
