//! Looking after one borrowed slice: telling the ledger what its journal says, asking whether it is
//! still held, and giving it back.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::budget::{Answer, Charge, LeaseStanding, Lent, Operation, Record, Slice};
use crate::ledger::borrowed::Borrowed;
use crate::ledger::group_commit::{BooksError, GroupCommit};
use crate::ledger::journal::{self, JournalReader};
use crate::ledger::lease_terms::LeaseTerms;
use crate::ledger::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// The most records that one transaction takes down.
const RECORDS_MAX: usize = 2_048;
/// Where a ledger is too slow for so many it is given fewer, and these at least.
const RECORDS_MIN: usize = 64;
/// How often the ledger is asked whether a slice that has nothing to tell is still held.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A slice that is used up sooner was too small by far.
const SHORT: Duration = Duration::from_millis(100);
/// Nobody drew for so long: then everything is written out.
const CALM: Duration = Duration::from_millis(20);

/// A slice and how far the ledger knows of it.
#[derive(Debug)]
pub(super) struct Keeping {
    slice: Arc<Borrowed>,
    folder: PathBuf,
    progress: Mutex<Progress>,
    /// How far the ledger knows the journal, to be read without the lock.
    known_bytes: AtomicU64,
    /// How many bounds are asked for next.
    bounds: AtomicU64,
    topped_up_at: Mutex<Instant>,
    /// What was lent in all.
    lent: Mutex<Charge>,
}

#[derive(Debug)]
struct Progress {
    reader: JournalReader,
    /// Records that the ledger has not acknowledged.
    pending: Vec<Record>,
    /// How many of them it is given at once.
    at_once: usize,
    /// How many it has.
    taken: u64,
    asked_at: Instant,
    given_back: bool,
}

/// Where a slice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// With us.
    Out,
    /// With the ledger, which knows everything that happened to it.
    Back,
}

/// Why a slice could not be looked after.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error("its journal cannot be used: {0}")]
    Journal(#[from] io::Error),
}

impl Keeping {
    pub(super) fn open(
        folder: &Path,
        slice: Slice,
        (bound, bounds): (Charge, u64),
        (now, until): (Instant, Instant),
    ) -> io::Result<Self> {
        let lent = slice.left();
        let slice = Borrowed::new(folder, slice, bound, (now, until))?;
        let reader = JournalReader::open(&slice.path())?;
        let progress = Progress {
            reader,
            pending: Vec::new(),
            at_once: RECORDS_MAX,
            taken: 0,
            asked_at: now,
            given_back: false,
        };
        Ok(Self {
            slice: Arc::new(slice),
            folder: folder.to_owned(),
            progress: Mutex::new(progress),
            known_bytes: AtomicU64::new(0),
            bounds: AtomicU64::new(bounds),
            topped_up_at: Mutex::new(now),
            lent: Mutex::new(lent),
        })
    }

    pub(super) const fn slice(&self) -> &Arc<Borrowed> {
        &self.slice
    }

    /// How much of the journal the ledger does not know.
    pub(super) fn backlog_bytes(&self) -> u64 {
        self.slice.written_bytes().saturating_sub(self.known_bytes.load(Ordering::Acquire))
    }

    /// Asks for more than the last time, much more where that did not last; whether any was lent.
    pub(super) fn top_up(&self, commit: &GroupCommit) -> Result<bool, BooksError> {
        let now = Instant::now();
        let lasted = {
            let mut topped_up_at = lock(&self.topped_up_at);
            now.saturating_duration_since(std::mem::replace(&mut *topped_up_at, now))
        };
        let growth = if lasted < SHORT { 8 } else { 2 };
        let bounds = self.bounds.load(Ordering::Relaxed).saturating_mul(growth);
        let lease = self.slice.lease();
        let more = Operation::LendMore(lease, self.slice.bound(), bounds);
        let answers = commit.together(vec![more])?;
        let Some(Ok(Answer::Lent(Some(Lent { slice, .. })))) = answers.into_iter().next() else {
            return Ok(false);
        };
        self.bounds.store(bounds, Ordering::Relaxed);
        self.slice.add(slice);
        *self.lent() += slice;
        Ok(true)
    }

    /// One look: writes, tells, asks, and gives back what is not needed or wanted elsewhere.
    pub(super) fn look(
        &self,
        commit: &GroupCommit,
        terms: &LeaseTerms,
        now: Instant,
    ) -> Result<Kept, KeepError> {
        let sight = self.slice.sight();
        let still_for = now.saturating_duration_since(sight.last_draw);
        if still_for > terms.idle_max {
            self.slice.end();
        }
        self.slice.flush(still_for > CALM)?;
        let mut progress = self.progress();
        while self.tell(&mut progress, commit, terms, now)? {}
        if !sight.ended {
            drop(progress);
            let low = self.lent().minus(sight.left).minus(sight.left);
            if !low.is_zero() && still_for < CALM {
                self.top_up(commit)?;
            }
            return Ok(Kept::Out);
        }
        if !progress.given_back {
            return Ok(Kept::Out);
        }
        if !self.slice.hand_over(progress.reader.position()) {
            return Ok(Kept::Out);
        }
        journal::remove(&self.folder, self.slice.lease())?;
        Ok(Kept::Back)
    }

    /// Tells the ledger everything that happened so far.
    pub(super) fn write_down(
        &self,
        commit: &GroupCommit,
        terms: &LeaseTerms,
    ) -> Result<(), KeepError> {
        self.slice.flush(false)?;
        let mut progress = self.progress();
        while self.tell(&mut progress, commit, terms, Instant::now())? {}
        Ok(())
    }

    /// Tells the ledger the next records; whether there may be more.
    fn tell(
        &self,
        progress: &mut Progress,
        commit: &GroupCommit,
        terms: &LeaseTerms,
        now: Instant,
    ) -> Result<bool, KeepError> {
        let lease = self.slice.lease();
        while progress.pending.len() < RECORDS_MAX
            && let Some(record) = progress.reader.next_record()?
        {
            progress.pending.push(record);
        }
        let told = progress.pending.len().min(progress.at_once);
        let is_full = progress.pending.len() > told || told >= RECORDS_MAX;
        let is_asked = now.saturating_duration_since(progress.asked_at) < ASK_EVERY;
        let goes_back = !is_full && !progress.given_back && self.slice.sight().ended;
        if progress.pending.is_empty() && is_asked && !goes_back {
            return Ok(false);
        }
        let mut operations = vec![Operation::LeaseStanding(lease)];
        if !progress.pending.is_empty() {
            let records = progress.pending.iter().take(told).cloned().collect();
            operations.push(Operation::TakeDown(lease, progress.taken, records));
        }
        if goes_back {
            operations.push(Operation::GiveBack(lease));
        }
        let asked_at = Instant::now();
        let answers = match commit.together(operations) {
            Ok(answers) => answers,
            Err(error) => {
                progress.at_once = (told / 2).max(RECORDS_MIN);
                return Err(error.into());
            }
        };
        progress.at_once = progress.at_once.saturating_mul(2).min(RECORDS_MAX);
        progress.asked_at = asked_at;
        progress.given_back |= goes_back;
        progress.taken += told as u64;
        progress.pending.drain(..told);
        if progress.pending.is_empty() {
            self.known_bytes.store(progress.reader.position(), Ordering::Release);
        }
        let mut senseless = None;
        for answer in answers {
            match answer.map_err(BooksError::Account)? {
                Answer::Standing(LeaseStanding::Held) => {
                    self.slice.renew(asked_at + terms.silence_max);
                }
                Answer::Standing(_) => self.slice.end(),
                Answer::TakenDown(errors) => senseless = errors.into_iter().next(),
                _ => {}
            }
        }
        senseless.map_or(Ok(is_full), |error| Err(BooksError::Account(error).into()))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    fn lent(&self) -> MutexGuard<'_, Charge> {
        lock(&self.lent)
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
