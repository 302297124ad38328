//! Admission without asking the ledger, where headroom is ample: this process borrows slices, one
//! per path that is asked for often, and admits from them. Everything else goes through the group
//! commit as before, and so does everything near a limit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::budget::{
    Answer, Ask, Charge, Denial, Grant, LeaseAsk, Lent, Operation, Record, ScopeId, Slice,
};
use crate::id::AttemptId;
use crate::ledger::borrowed::Borrowed;
use crate::ledger::group_commit::{BooksError, Decided, GroupCommit};
use crate::ledger::keeping::{KeepError, Keeping, Kept};
use crate::ledger::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// How slices are borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A path is lent for once so many asks for it came within a second.
    pub asks_min: u32,
    /// How many bounds the first slice of a path holds at most; later ones hold twice as many.
    pub bounds_first: u64,
    /// For how long a slice is used without a word from the ledger that it is still held; at most
    /// [`SILENCE_MAX`].
    pub silence_max: Duration,
    /// A slice that nobody drew from for so long goes back.
    pub idle_max: Duration,
    /// How many bytes of a journal may wait for the ledger before asks go there directly.
    pub backlog_bytes_max: u64,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self {
            asks_min: 32,
            bounds_first: 256,
            silence_max: SILENCE_MAX,
            idle_max: Duration::from_secs(2),
            backlog_bytes_max: 1 << 30,
        }
    }
}

/// No slice is used for longer in silence: a process that cannot be reached is taken for dead after
/// twice as long.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// After a refusal, a path is not asked for again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Beyond so many scopes, paths that are not in use are forgotten: a gateway sees new ones with
/// every run.
const PATHS_MAX: usize = 4_096;
/// How often slices are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// A request that may be sent, until it is settled, released or expired.
#[derive(Debug)]
#[must_use = "what was reserved stays so until it is settled, released or expired"]
pub struct Ticket {
    /// Its attempt.
    pub attempt: AttemptId,
    /// On which terms.
    pub grant: Grant,
    slice: Option<Arc<Borrowed>>,
}

/// Admission for the threads of one process, from slices where it can.
pub struct LeaseDesk {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    commit: GroupCommit,
    folder: PathBuf,
    terms: LeaseTerms,
    paths: RwLock<HashMap<ScopeId, Vec<LeasePath>>>,
    closing: Mutex<bool>,
    woken: Condvar,
    on_trouble: Box<dyn Fn(&str) + Send + Sync>,
}

/// One path that was asked for: a scope and the windows open now.
struct LeasePath {
    windows: Vec<ScopeId>,
    state: Arc<Mutex<PathState>>,
}

/// How a path stands with the ledger.
struct PathState {
    asks: u32,
    since: Instant,
    refused_until: Option<Instant>,
    slice: Option<Arc<Keeping>>,
}

impl LeaseDesk {
    /// Borrows through `commit`; journals lie in `folder`. `on_trouble` is told, in words, of
    /// whatever could not be written down.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        commit: GroupCommit,
        folder: &Path,
        terms: LeaseTerms,
        on_trouble: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let mut desk = Self::driven(commit, folder, terms, on_trouble);
        let kept = Arc::clone(&desk.shared);
        let keeper =
            thread::Builder::new().name("lease keeper".to_owned()).spawn(move || kept.run())?;
        desk.keeper = Some(keeper);
        Ok(desk)
    }

    /// The same without a thread that looks after slices: somebody has to call
    /// [`look`](Self::look) again and again.
    pub fn driven(
        commit: GroupCommit,
        folder: &Path,
        terms: LeaseTerms,
        on_trouble: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let terms = LeaseTerms { silence_max: terms.silence_max.min(SILENCE_MAX), ..terms };
        let shared = Arc::new(Shared {
            commit,
            folder: folder.to_owned(),
            terms,
            paths: RwLock::default(),
            closing: Mutex::new(false),
            woken: Condvar::new(),
            on_trouble: Box::new(on_trouble),
        });
        Self { shared, keeper: None }
    }

    /// Looks after every slice once: tells the ledger what happened, and gives back what nobody
    /// draws from or others want.
    pub fn look(&self) {
        let closing = *self.shared.closing();
        self.shared.look(closing);
    }

    /// The group commit behind it.
    pub fn commit(&self) -> &GroupCommit {
        &self.shared.commit
    }

    /// Asks for a reservation, like [`GroupCommit::reserve`].
    pub fn reserve(
        &self,
        ask: Ask,
        hold: Option<Duration>,
    ) -> Result<Result<Ticket, Box<Denial>>, BooksError> {
        let attempt = ask.attempt.clone();
        if let Some((grant, slice)) = self.shared.draw(&ask)? {
            return Ok(Ok(Ticket { attempt, grant, slice: Some(slice) }));
        }
        let decided: Decided = self.shared.commit.reserve(ask, hold)?;
        Ok(decided.map(|grant| Ticket { attempt, grant, slice: None }))
    }

    /// Ends a request that took `used`.
    pub fn settle(&self, ticket: &Ticket, used: Charge) -> Result<(), BooksError> {
        let here = self.change(ticket, |slice| slice.settle(&ticket.attempt, used));
        if here { Ok(()) } else { self.commit().settle(ticket.attempt.clone(), used).map(drop) }
    }

    /// Ends a request that never left.
    pub fn release(&self, ticket: &Ticket) -> Result<(), BooksError> {
        let here = self.change(ticket, |slice| slice.release(&ticket.attempt));
        if here { Ok(()) } else { self.commit().release(ticket.attempt.clone()).map(drop) }
    }

    /// Ends a request whose cost is unknown: it takes its full reservation.
    pub fn expire(&self, ticket: &Ticket) -> Result<(), BooksError> {
        let here = self.change(ticket, |slice| slice.expire(&ticket.attempt));
        if here { Ok(()) } else { self.commit().expire(ticket.attempt.clone()).map(drop) }
    }

    /// Lowers a reservation to at most `to`.
    pub fn shrink(&self, ticket: &Ticket, to: Charge) -> Result<(), BooksError> {
        let here = self.change(ticket, |slice| slice.shrink(&ticket.attempt, to));
        let is_low_already = || ticket.slice.as_ref().is_some_and(|s| s.holds(&ticket.attempt));
        if here || is_low_already() {
            return Ok(());
        }
        self.commit().shrink(ticket.attempt.clone(), to).map(drop)
    }

    /// Raises a reservation by `by`, at once or not at all.
    pub fn extend(&self, ticket: &Ticket, by: Charge) -> Result<Option<Denial>, BooksError> {
        let Some(slice) = &ticket.slice else {
            return self.commit().extend(ticket.attempt.clone(), by);
        };
        match slice.extend(&ticket.attempt, by, Instant::now()) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(error) => self.shared.tell(slice, &error),
        }
        // The ledger has to know the request before it can give it more.
        self.shared.write_down(slice)?;
        let denial = self.commit().extend(ticket.attempt.clone(), by)?;
        if denial.is_none() {
            slice.extended_elsewhere(&ticket.attempt, by);
        }
        Ok(denial)
    }

    /// How many slices are out.
    pub fn slices(&self) -> usize {
        self.shared.kept().len()
    }

    /// Gives every slice back and stops. What is in flight stays reserved and is settled through
    /// the ledger.
    pub fn close(mut self) {
        self.stop();
    }

    fn change(&self, ticket: &Ticket, step: impl FnOnce(&mut Slice) -> Option<Record>) -> bool {
        let Some(slice) = &ticket.slice else { return false };
        let done = slice.change(step);
        if done && let Err(error) = slice.flush_if_due(Instant::now()) {
            self.shared.tell(slice, &error);
        }
        done
    }

    fn stop(&mut self) {
        *self.shared.closing() = true;
        self.shared.woken.notify_all();
        match self.keeper.take() {
            Some(keeper) => drop(keeper.join()),
            None => self.shared.run(),
        }
    }
}

impl Drop for LeaseDesk {
    fn drop(&mut self) {
        if !*self.shared.closing() {
            self.stop();
        }
    }
}

impl Shared {
    /// Admits from a slice; `None` where the ledger has to be asked.
    fn draw(&self, ask: &Ask) -> Result<Option<(Grant, Arc<Borrowed>)>, BooksError> {
        let now = Instant::now();
        let path = self.path(ask);
        let mut state = lock(&path);
        let Some(kept) = state.slice.clone() else {
            let Some(kept) = self.borrow(&mut state, ask, now)? else { return Ok(None) };
            state.slice = Some(Arc::clone(&kept));
            return Ok(self.admit(&kept, ask, now));
        };
        drop(state);
        if kept.backlog_bytes() > self.terms.backlog_bytes_max {
            return Ok(None);
        }
        if let Some(admitted) = self.admit(&kept, ask, now) {
            return Ok(Some(admitted));
        }
        // One thread asks for more; the others wait for what it gets.
        let mut state = lock(&path);
        if !state.slice.as_ref().is_some_and(|slice| Arc::ptr_eq(slice, &kept)) {
            return Ok(None);
        }
        if let Some(admitted) = self.admit(&kept, ask, now) {
            return Ok(Some(admitted));
        }
        if kept.slice().sight().ended {
            return Ok(None);
        }
        if kept.top_up(&self.commit)? {
            return Ok(self.admit(&kept, ask, now));
        }
        state.refused_until = Some(now + REFUSED_FOR);
        kept.slice().end();
        Ok(None)
    }

    fn admit(&self, kept: &Keeping, ask: &Ask, now: Instant) -> Option<(Grant, Arc<Borrowed>)> {
        let slice = kept.slice();
        let troubled = |error: std::io::Error| {
            self.tell(slice, &error);
            slice.end();
        };
        let grant = slice.draw(ask, now).map_err(troubled).ok()??;
        // A record that is late is covered by the promise.
        let _told = slice.flush_if_due(now).map_err(troubled);
        Some((grant, Arc::clone(slice)))
    }

    /// Borrows a first slice for a path that is asked for often.
    fn borrow(
        &self,
        state: &mut PathState,
        ask: &Ask,
        now: Instant,
    ) -> Result<Option<Arc<Keeping>>, BooksError> {
        if now.saturating_duration_since(state.since) > REFUSED_FOR {
            (state.asks, state.since) = (0, now);
        }
        state.asks = state.asks.saturating_add(1);
        let refused = state.refused_until.is_some_and(|until| now < until);
        if refused || state.asks < self.terms.asks_min || *self.closing() {
            return Ok(None);
        }
        let bound = ask.bound.charge(ask.cap.standing_tokens);
        let (scope, windows) = (ask.scope, ask.windows.clone());
        let lend = LeaseAsk { scope, windows, bound, bounds: self.terms.bounds_first };
        let answers = self.commit.together(vec![Operation::Lend(lend)])?;
        let Some(Ok(Answer::Lent(Some(Lent { lease, slice })))) = answers.into_iter().next() else {
            state.refused_until = Some(now + REFUSED_FOR);
            return Ok(None);
        };
        let until = now + self.terms.silence_max;
        let slice = Slice::new(lease, slice);
        match Keeping::open(&self.folder, slice, (bound, self.terms.bounds_first), (now, until)) {
            Ok(kept) => Ok(Some(Arc::new(kept))),
            Err(error) => {
                (self.on_trouble)(&format!("no journal for lease {}: {error}", lease.number()));
                state.refused_until = Some(now + REFUSED_FOR);
                self.commit.together(vec![Operation::GiveBack(lease)])?;
                Ok(None)
            }
        }
    }

    fn path(&self, ask: &Ask) -> Arc<Mutex<PathState>> {
        let find = |paths: &HashMap<ScopeId, Vec<LeasePath>>| {
            let its = paths.get(&ask.scope)?.iter().find(|path| path.windows == ask.windows)?;
            Some(Arc::clone(&its.state))
        };
        let paths = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = find(&paths) {
            return state;
        }
        drop(paths);
        let mut paths = self.paths.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = find(&paths) {
            return state;
        }
        if paths.len() >= PATHS_MAX {
            forget_unused(&mut paths);
        }
        let state = PathState { asks: 0, since: Instant::now(), refused_until: None, slice: None };
        let state = Arc::new(Mutex::new(state));
        let path = LeasePath { windows: ask.windows.clone(), state: Arc::clone(&state) };
        paths.entry(ask.scope).or_default().push(path);
        state
    }

    /// Every slice that is out, with its path.
    fn kept(&self) -> Vec<(Arc<Mutex<PathState>>, Arc<Keeping>)> {
        let paths = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        let states = paths.values().flatten().map(|path| &path.state);
        states
            .filter_map(|state| Some((Arc::clone(state), Arc::clone(lock(state).slice.as_ref()?))))
            .collect()
    }

    /// Looks after every slice until the desk closes, and then until each is back or the ledger
    /// cannot be reached.
    fn run(&self) {
        loop {
            let closing = {
                let closing = self.closing();
                let waited = self.woken.wait_timeout_while(closing, LOOK, |closing| !*closing);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            };
            let failed = !self.look(closing);
            if closing && (failed || self.kept().is_empty()) {
                return;
            }
        }
    }

    /// Looks after every slice once; whether all of it could be done.
    fn look(&self, closing: bool) -> bool {
        let mut done = true;
        for (path, kept) in self.kept() {
            if closing {
                kept.slice().end();
            }
            match kept.look(&self.commit, &self.terms, Instant::now()) {
                Ok(Kept::Out) => {}
                Ok(Kept::Back) => {
                    let mut state = lock(&path);
                    state.slice = None;
                    // Who waited for it, perhaps in another process, comes first.
                    state.refused_until = Some(Instant::now() + REFUSED_FOR);
                }
                Err(error) => {
                    done = false;
                    let lease = kept.slice().lease().number();
                    (self.on_trouble)(&format!("lease {lease}: {error}"));
                }
            }
        }
        done
    }

    /// Tells the ledger everything that happened to a slice.
    fn write_down(&self, slice: &Arc<Borrowed>) -> Result<(), BooksError> {
        let mut all = self.kept().into_iter();
        let Some((_, kept)) = all.find(|(_, kept)| Arc::ptr_eq(kept.slice(), slice)) else {
            return Ok(());
        };
        kept.write_down(&self.commit, &self.terms).map_err(|error| match error {
            KeepError::Books(error) => error,
            KeepError::Journal(error) => {
                self.tell(slice, &error);
                BooksError::Journal(error.to_string())
            }
        })
    }

    fn tell(&self, slice: &Borrowed, error: &std::io::Error) {
        (self.on_trouble)(&format!(
            "the journal of lease {} cannot be written: {error}",
            slice.lease().number()
        ));
    }

    fn closing(&self) -> MutexGuard<'_, bool> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets paths that nobody asks for at this moment and that have no slice out.
fn forget_unused(paths: &mut HashMap<ScopeId, Vec<LeasePath>>) {
    let is_used =
        |path: &LeasePath| Arc::strong_count(&path.state) > 1 || lock(&path.state).slice.is_some();
    for its in paths.values_mut() {
        its.retain(is_used);
    }
    paths.retain(|_, its| !its.is_empty());
}

fn lock(state: &Mutex<PathState>) -> MutexGuard<'_, PathState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
