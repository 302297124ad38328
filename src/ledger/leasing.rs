//! Admission without asking the ledger, where headroom is ample: this process borrows slices, one
//! per path that is asked for often, and admits from them. Everything else goes through the group
//! commit as before, and so does everything near a limit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::budget::{
    Answer, Ask, Charge, Denial, Grant, LeaseAsk, Lent, Operation, ScopeId, Slice,
};
use crate::ledger::borrowed::Borrowed;
use crate::ledger::group_commit::{BooksError, Decided, GroupCommit};
use crate::ledger::keeping::{KeepError, Keeping, Kept};
use crate::ledger::lease_terms::{LeaseTerms, SILENCE_MAX};
use crate::ledger::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use crate::ledger::ticket::{Now, Step, Ticket};

/// After a refusal, a path is not asked for again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Beyond so many scopes, paths that are not in use are forgotten: a gateway sees new ones with
/// every run.
const PATHS_MAX: usize = 4_096;
/// How often slices are looked after.
const LOOK: Duration = Duration::from_millis(20);

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

    /// Admits without ever waiting for a disk, a server or another thread, where that can be done.
    pub fn reserve_now(&self, ask: &Ask) -> Now {
        self.shared.draw_now(ask)
    }

    /// Admits from a slice, which may be borrowed for it: that waits for the ledger. `None` where
    /// the ledger itself has to be asked for the reservation.
    pub fn reserve_from_slice(&self, ask: &Ask) -> Result<Option<Ticket>, BooksError> {
        let attempt = ask.attempt.clone();
        let drawn = self.shared.draw(ask)?;
        Ok(drawn.map(|(grant, slice)| Ticket { attempt, grant, slice: Some(slice) }))
    }

    /// Has the journal of `ticket`'s slice promise more, where it [runs low](Now::Admitted): waits for
    /// the disk.
    pub fn promise_ahead(&self, ticket: &Ticket) {
        let Some(slice) = &ticket.slice else { return };
        if let Err(error) = slice.promise_ahead(Instant::now()) {
            self.shared.tell(slice, &error);
        }
    }

    /// Ends a request that took `used`.
    pub fn settle(&self, ticket: &Ticket, used: Charge) -> Result<(), BooksError> {
        let here = self.change_and_write(ticket, Step::Settle(used));
        if here { Ok(()) } else { self.commit().settle(ticket.attempt.clone(), used).map(drop) }
    }

    /// Ends a request that never left.
    pub fn release(&self, ticket: &Ticket) -> Result<(), BooksError> {
        let here = self.change_and_write(ticket, Step::Release);
        if here { Ok(()) } else { self.commit().release(ticket.attempt.clone()).map(drop) }
    }

    /// Ends a request whose cost is unknown: it takes its full reservation.
    pub fn expire(&self, ticket: &Ticket) -> Result<(), BooksError> {
        let here = self.change_and_write(ticket, Step::Expire);
        if here { Ok(()) } else { self.commit().expire(ticket.attempt.clone()).map(drop) }
    }

    /// Lowers a reservation to at most `to`.
    pub fn shrink(&self, ticket: &Ticket, to: Charge) -> Result<(), BooksError> {
        if self.change_and_write(ticket, Step::Shrink(to)) {
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

    /// Does `step` to a request within its slice, without waiting for the ledger or the disk: what
    /// happened is written down when slices are looked after next. `false` where it
    /// was not drawn from a slice, or its slice is back: then the ledger has to be told.
    pub fn within_slice(&self, ticket: &Ticket, step: Step) -> bool {
        let (id, Some(slice)) = (&ticket.attempt, &ticket.slice) else { return false };
        let here = slice.change(|slice| match step {
            Step::Shrink(to) => slice.shrink(id, to),
            Step::Settle(used) => slice.settle(id, used),
            Step::Release => slice.release(id),
            Step::Expire => slice.expire(id),
        });
        // One that is as low already stays as it is.
        here || (matches!(step, Step::Shrink(_)) && slice.holds(id))
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

    /// Does `step` within the slice of `ticket` and has its journal written, now and then.
    fn change_and_write(&self, ticket: &Ticket, step: Step) -> bool {
        let here = self.within_slice(ticket, step);
        if here
            && let Some(slice) = &ticket.slice
            && let Err(error) = slice.flush_if_due(Instant::now())
        {
            self.shared.tell(slice, &error);
        }
        here
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

    /// The part of [`draw`](Self::draw) that waits for nothing.
    fn draw_now(&self, ask: &Ask) -> Now {
        let now = Instant::now();
        let path = self.path(ask);
        let Ok(mut state) = path.try_lock() else { return Now::MayWait };
        let Some(kept) = state.slice.clone() else {
            // Whoever counts last asks again, and is counted once more: a slice comes no later.
            let borrows = self.counts(&mut state, now);
            return if borrows { Now::MayWait } else { Now::AskLedger };
        };
        drop(state);
        if kept.backlog_bytes() > self.terms.backlog_bytes_max {
            return Now::AskLedger;
        }
        match kept.slice().draw_promised(ask, now) {
            Some((grant, runs_low)) => {
                let slice = Some(Arc::clone(kept.slice()));
                let ticket = Ticket { attempt: ask.attempt.clone(), grant, slice };
                Now::Admitted { ticket, runs_low }
            }
            None => Now::MayWait,
        }
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
        if !self.counts(state, now) {
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

    /// Counts an ask for a path without a slice; whether one is to be borrowed.
    fn counts(&self, state: &mut PathState, now: Instant) -> bool {
        if now.saturating_duration_since(state.since) > REFUSED_FOR {
            (state.asks, state.since) = (0, now);
        }
        state.asks = state.asks.saturating_add(1);
        let refused = state.refused_until.is_some_and(|until| now < until);
        !refused && state.asks >= self.terms.asks_min && !*self.closing()
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
        let mut heard_at = Instant::now();
        loop {
            let closing = {
                let closing = self.closing();
                let waited = self.woken.wait_timeout_while(closing, LOOK, |closing| !*closing);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            };
            if !closing && heard_at.elapsed() >= self.terms.heard_every {
                // One that is out of reach is heard of with the next request.
                let _out_of_reach = self.commit.together(Vec::new());
                heard_at = Instant::now();
            }
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
