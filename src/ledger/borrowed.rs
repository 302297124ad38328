//! One slice that this process has borrowed, with its journal: what threads draw from at once.
//!
//! Two locks, the journal's before the slice's: who writes takes the journal, then the records that
//! have gathered, so that they stand in the file in the order in which they happened.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::budget::{Ask, Charge, Grant, LeaseId, Record, Slice, SliceAnswer};
use crate::id::AttemptId;
use crate::ledger::journal::{self, Journal};
use crate::ledger::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// A promise that lasts for less than this is followed by one of twice the size.
const PROMISE_SPAN_MIN: Duration = Duration::from_millis(20);
/// One that lasts for longer is followed by one of half the size.
const PROMISE_SPAN_MAX: Duration = Duration::from_millis(100);

/// Records wait for others for so long.
const FLUSH_EVERY: Duration = Duration::from_millis(1);

/// A borrowed slice.
#[derive(Debug)]
pub(super) struct Borrowed {
    lease: LeaseId,
    /// What headroom and promises are measured in.
    bound: Charge,
    drawing: Mutex<Drawing>,
    journal: Mutex<Journal>,
    /// How far its journal is written, to be read without its lock.
    written_bytes: AtomicU64,
}

#[derive(Debug)]
struct Drawing {
    slice: Slice,
    /// Records that are not written yet.
    frames: Vec<u8>,
    /// Nothing is admitted from then on, unless the ledger has said again that the slice is held.
    valid_until: Instant,
    last_draw: Instant,
    flushed_at: Instant,
    promised_at: Instant,
    /// How many bounds the last promise held.
    promised_bounds: u64,
    /// Somebody is about to promise more.
    promising: bool,
}

/// How a slice stands, as its keeper sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) left: Charge,
    pub(super) ended: bool,
    pub(super) last_draw: Instant,
}

impl Borrowed {
    pub(super) fn new(
        folder: &Path,
        slice: Slice,
        bound: Charge,
        (now, valid_until): (Instant, Instant),
    ) -> io::Result<Self> {
        let lease = slice.lease();
        let drawing = Drawing {
            slice,
            frames: Vec::new(),
            valid_until,
            last_draw: now,
            flushed_at: now,
            promised_at: now,
            promised_bounds: 1,
            promising: false,
        };
        Ok(Self {
            lease,
            bound,
            drawing: Mutex::new(drawing),
            journal: Mutex::new(Journal::create(folder, lease)?),
            written_bytes: AtomicU64::new(0),
        })
    }

    pub(super) const fn lease(&self) -> LeaseId {
        self.lease
    }

    pub(super) const fn bound(&self) -> Charge {
        self.bound
    }

    /// Admits an ask from the slice; `None` where it does not fit, or nothing is admitted any more.
    ///
    /// # Errors
    /// The journal could not promise it.
    pub(super) fn draw(&self, ask: &Ask, now: Instant) -> io::Result<Option<Grant>> {
        self.admit(now, |slice| slice.draw(ask))
    }

    /// The same where it is promised already, so that no disk is waited for; with whether more has
    /// to be [promised ahead](Self::promise_ahead) to keep it so.
    pub(super) fn draw_promised(&self, ask: &Ask, now: Instant) -> Option<(Grant, bool)> {
        let mut drawing = self.drawing();
        if now >= drawing.valid_until {
            return None;
        }
        let (answer, record) = drawing.slice.draw(ask);
        drawing.note(record);
        let SliceAnswer::Admitted(grant) = answer else { return None };
        drawing.last_draw = now;
        let half = self.bound.scaled(drawing.promised_bounds.div_ceil(2), 1);
        let is_low = !drawing.promising && !drawing.slice.has_promised(half);
        drawing.promising |= is_low;
        Some((grant, is_low))
    }

    /// Promises more before it is needed, so that nobody waits for the disk who draws meanwhile.
    ///
    /// # Errors
    /// The journal cannot be written; then the next to draw hears of it.
    pub(super) fn promise_ahead(&self, now: Instant) -> io::Result<()> {
        let promised = self.promise_more(&mut self.journal(), Charge::ZERO, now);
        self.drawing().promising = false;
        promised
    }

    /// Raises a reservation out of the slice; whether it fitted.
    ///
    /// # Errors
    /// The journal could not promise it.
    pub(super) fn extend(&self, id: &AttemptId, by: Charge, now: Instant) -> io::Result<bool> {
        self.admit(now, |slice| slice.extend(id, by)).map(|grant| grant.is_some())
    }

    fn admit(
        &self,
        now: Instant,
        step: impl Fn(&mut Slice) -> (SliceAnswer, Option<Record>),
    ) -> io::Result<Option<Grant>> {
        loop {
            let mut drawing = self.drawing();
            if now >= drawing.valid_until {
                return Ok(None);
            }
            let (answer, record) = step(&mut drawing.slice);
            drawing.note(record);
            match answer {
                SliceAnswer::Admitted(grant) => {
                    drawing.last_draw = now;
                    return Ok(Some(grant));
                }
                SliceAnswer::Short => return Ok(None),
                SliceAnswer::Unpromised(charge) => {
                    drop(drawing);
                    self.promise(charge, now)?;
                }
            }
        }
    }

    /// Promises at least `charge` more, more the faster promises are used up.
    fn promise(&self, charge: Charge, now: Instant) -> io::Result<()> {
        let mut journal = self.journal();
        if self.drawing().slice.has_promised(charge) {
            // Another thread was faster.
            return Ok(());
        }
        self.promise_more(&mut journal, charge, now)
    }

    fn promise_more(&self, journal: &mut Journal, least: Charge, now: Instant) -> io::Result<()> {
        let (promised, frames) = {
            let mut drawing = self.drawing();
            let lasted = now.saturating_duration_since(drawing.promised_at);
            if lasted < PROMISE_SPAN_MIN {
                drawing.promised_bounds = drawing.promised_bounds.saturating_mul(2);
            } else if lasted > PROMISE_SPAN_MAX {
                drawing.promised_bounds = (drawing.promised_bounds / 2).max(1);
            }
            drawing.promised_at = now;
            let promised = self.bound.scaled(drawing.promised_bounds, 1).max(least);
            drawing.note(Some(Record::Promise(promised)));
            (promised, std::mem::take(&mut drawing.frames))
        };
        self.write(journal, frames)?;
        // What is written and not on the disk promises nothing; a reader may take it for more.
        journal.sync()?;
        self.drawing().slice.promise(promised);
        Ok(())
    }

    /// Ends or lowers something; whether it was in flight here.
    pub(super) fn change(&self, step: impl FnOnce(&mut Slice) -> Option<Record>) -> bool {
        let mut drawing = self.drawing();
        let record = step(&mut drawing.slice);
        let done = record.is_some();
        drawing.note(record);
        done
    }

    /// Whether the attempt is in flight here.
    pub(super) fn holds(&self, attempt: &AttemptId) -> bool {
        self.drawing().slice.holds(attempt)
    }

    /// Hands what has gathered to the operating system. `calm`: what was promised and not used is
    /// taken back, so that a reader knows that nothing else was admitted.
    pub(super) fn flush(&self, calm: bool) -> io::Result<()> {
        self.flush_to(&mut self.journal(), calm)
    }

    fn flush_to(&self, journal: &mut Journal, calm: bool) -> io::Result<()> {
        let frames = {
            let mut drawing = self.drawing();
            if calm {
                let record = drawing.slice.write_out();
                drawing.note(record);
            }
            std::mem::take(&mut drawing.frames)
        };
        self.write(journal, frames)
    }

    /// The same, unless that was done a moment ago.
    pub(super) fn flush_if_due(&self, now: Instant) -> io::Result<()> {
        {
            let mut drawing = self.drawing();
            if now.saturating_duration_since(drawing.flushed_at) < FLUSH_EVERY {
                return Ok(());
            }
            drawing.flushed_at = now;
        }
        // Whoever writes now may be waiting for the disk; the records can wait for the next look.
        let Ok(mut journal) = self.journal.try_lock() else { return Ok(()) };
        self.flush_to(&mut journal, false)
    }

    /// Frames that cannot be written are tried again with the next ones.
    fn write(&self, journal: &mut Journal, frames: Vec<u8>) -> io::Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        if let Err(error) = journal.write(&frames) {
            self.drawing().put_back(frames);
            return Err(error);
        }
        self.written_bytes.store(journal.bytes(), Ordering::Release);
        Ok(())
    }

    /// The slice is back, and the ledger knows its journal up to `known_bytes`: what is in flight
    /// is settled there from now on. `false` where more has happened meanwhile.
    pub(super) fn hand_over(&self, known_bytes: u64) -> bool {
        // Whoever is writing has taken records that are not in the file yet.
        let _nobody_writes = self.journal();
        let mut drawing = self.drawing();
        let all = drawing.frames.is_empty() && known_bytes == self.written_bytes();
        if all {
            drawing.slice.hand_over();
        }
        all
    }

    /// A reservation grew out of the ledger instead of out of the slice.
    pub(super) fn extended_elsewhere(&self, attempt: &AttemptId, by: Charge) {
        self.drawing().slice.extended_elsewhere(attempt, by);
    }

    /// How far the journal is written.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Acquire)
    }

    pub(super) fn sight(&self) -> Sight {
        let drawing = self.drawing();
        Sight {
            left: drawing.slice.left(),
            ended: drawing.slice.has_ended(),
            last_draw: drawing.last_draw,
        }
    }

    /// Admits nothing from now on.
    pub(super) fn end(&self) {
        self.drawing().slice.end();
    }

    /// The ledger has said that the slice is held.
    pub(super) fn renew(&self, valid_until: Instant) {
        let mut drawing = self.drawing();
        drawing.valid_until = drawing.valid_until.max(valid_until);
    }

    /// More was lent.
    pub(super) fn add(&self, slice: Charge) {
        self.drawing().slice.add(slice);
    }

    /// The journal's file, for whoever reads along.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.journal().path().to_owned()
    }

    fn drawing(&self) -> MutexGuard<'_, Drawing> {
        // Every step leaves the slice whole, so a thread that died elsewhere has broken nothing.
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawing {
    fn note(&mut self, record: Option<Record>) {
        if let Some(record) = record {
            journal::append(&mut self.frames, &record);
        }
    }

    /// Frames that could not be written, before those that gathered meanwhile.
    fn put_back(&mut self, mut frames: Vec<u8>) {
        frames.append(&mut self.frames);
        self.frames = frames;
    }
}
