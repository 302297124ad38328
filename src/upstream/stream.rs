//! An answer on its way: what is sent when, and how it can end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Sleep;

use super::bill::Ending;
use super::fault::Fault;
use super::limits::{BATCH_BYTES, SILENCE_SECONDS_MAX};
use super::meter::Meter;
use super::pieces::Pieces;
use super::reply::Cut;
use super::socket::ResetSwitch;
use super::wire::BAD_EVENT;

/// The longest piece of an answer that drips, bytes.
const DRIP_BYTES_MAX: usize = 7;

/// What is sent, in order.
#[derive(Debug)]
pub(super) struct Script {
    /// Before the pieces.
    pub(super) head: Bytes,
    /// The pieces.
    pub(super) pieces: Pieces,
    /// After them.
    pub(super) tail: Bytes,
    /// What is sent where an error ends it.
    pub(super) error: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Pieces,
    Tail,
    /// Where a fault ends it; what was written goes out first.
    Flushing,
    Broken,
    Silent,
    Over,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct AnswerStream {
    script: Script,
    fault: Option<Fault>,
    meter: Meter,
    reset: ResetSwitch,
    stage: Stage,
    next: usize,
    timer: Option<Pin<Box<Sleep>>>,
    dripping: Bytes,
    dripped: usize,
}

type Piece = Poll<Option<Result<Bytes, Cut>>>;

impl AnswerStream {
    pub(super) const fn new(
        script: Script,
        fault: Option<Fault>,
        meter: Meter,
        reset: ResetSwitch,
    ) -> Self {
        Self {
            script,
            fault,
            meter,
            reset,
            stage: Stage::Head,
            next: 0,
            timer: None,
            dripping: Bytes::new(),
            dripped: 0,
        }
    }

    /// The next bytes.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Piece {
        if self.fault != Some(Fault::Drip) {
            return self.poll_batch(context);
        }
        if self.dripping.is_empty() {
            match ready!(self.poll_batch(context)) {
                Some(Ok(batch)) => self.dripping = batch,
                other => return Poll::Ready(other),
            }
        }
        self.dripped = self.dripped.wrapping_add(1);
        if self.dripped.is_multiple_of(2) {
            // What was sent goes out before more is.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes = 1 + (self.dripped / 2) % DRIP_BYTES_MAX;
        Poll::Ready(Some(Ok(self.dripping.split_to(bytes.min(self.dripping.len())))))
    }

    fn poll_batch(&mut self, context: &mut Context<'_>) -> Piece {
        loop {
            match self.stage {
                Stage::Head => {
                    self.stage = Stage::Pieces;
                    if !self.script.head.is_empty() {
                        return Poll::Ready(Some(Ok(std::mem::take(&mut self.script.head))));
                    }
                }
                Stage::Pieces => {
                    let batch = ready!(self.poll_pieces(context));
                    if !batch.is_empty() {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Stage::Tail => {
                    ready!(self.poll_wait(self.meter.output(), context));
                    self.meter.end(Ending::Complete);
                    self.stage = Stage::Over;
                    if !self.script.tail.is_empty() {
                        return Poll::Ready(Some(Ok(std::mem::take(&mut self.script.tail))));
                    }
                }
                Stage::Flushing => {
                    self.stage = Stage::Broken;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Broken if self.fault == Some(Fault::Stall) => {
                    let silence = Duration::from_secs(SILENCE_SECONDS_MAX);
                    self.timer = Some(Box::pin(tokio::time::sleep(silence)));
                    self.stage = Stage::Silent;
                }
                Stage::Broken => return Poll::Ready(self.break_off()),
                Stage::Silent => {
                    ready!(self.poll_timer(context));
                    self.meter.end(Ending::Broken);
                    self.stage = Stage::Over;
                    return Poll::Ready(Some(Err(Cut)));
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    /// The pieces that are due, at least one; none where their end is reached.
    fn poll_pieces(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let count = self.script.pieces.count();
        let half = count.div_ceil(2);
        let breaks = self.fault.is_some_and(breaks_off);
        let end = if breaks { half } else { count };
        let mut batch = BytesMut::new();
        while self.next < end && batch.len() < BATCH_BYTES {
            let waited = self.poll_wait(self.tokens_before(self.next + 1, count), context);
            if waited.is_pending() {
                return if batch.is_empty() { Poll::Pending } else { Poll::Ready(batch.freeze()) };
            }
            self.script.pieces.write(self.next, &mut batch);
            self.next += 1;
            if self.next == half && self.fault == Some(Fault::BadSse) {
                batch.put_slice(BAD_EVENT);
            }
            if self.meter.is_paced() {
                break;
            }
        }
        if self.next >= end {
            self.stage = if breaks { Stage::Flushing } else { Stage::Tail };
        }
        Poll::Ready(batch.freeze())
    }

    /// How many tokens the first `pieces` of `count` stand for.
    fn tokens_before(&self, pieces: usize, count: usize) -> u64 {
        let share = u128::from(self.meter.output()) * pieces as u128 / count.max(1) as u128;
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// Waits until so many tokens exist.
    fn poll_wait(&mut self, tokens: u64, context: &mut Context<'_>) -> Poll<()> {
        let left = self.meter.time_until(tokens);
        if left.is_zero() {
            self.timer = None;
            return Poll::Ready(());
        }
        if self.timer.is_none() {
            self.timer = Some(Box::pin(tokio::time::sleep(left)));
        }
        self.poll_timer(context)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
            self.timer = None;
        }
        Poll::Ready(())
    }

    /// How a fault ends it.
    fn break_off(&mut self) -> Option<Result<Bytes, Cut>> {
        self.meter.end(Ending::Broken);
        self.stage = Stage::Over;
        match self.fault {
            Some(Fault::ErrorMidStream) => Some(Ok(std::mem::take(&mut self.script.error))),
            Some(Fault::Reset) => {
                self.reset.turn_on();
                Some(Err(Cut))
            }
            _ => None,
        }
    }
}

/// Whether a fault ends an answer before its end.
const fn breaks_off(fault: Fault) -> bool {
    matches!(fault, Fault::ErrorMidStream | Fault::Reset | Fault::Truncate | Fault::Stall)
}
