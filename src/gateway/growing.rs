//! A reservation that grows with its answer: less is reserved at first than the answer may take, and
//! more while it comes.
//!
//! What an answer has taken so far is not on the wire: thinking can be hidden, the input of a tool can
//! be kept until it is whole, and counts come at the end. So it is bounded by the time since it began,
//! at the rate of the fastest model. An extension
//! is granted at once or not at all; where what is reserved is used up and no more is granted, the
//! answer is cut off.

use std::fmt;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::budget::Charge;
use crate::gateway::attempt::Attempt;
use crate::gateway::meter::Reading;
use crate::gateway::settings::MeteredTerms;
use crate::gateway::till::{Later, Refused};
use crate::money::Picodollars;

/// More is asked for so long before it is needed.
const AHEAD: Duration = Duration::from_secs(2);

/// More that was asked for, and the answer to that.
struct Asked {
    tokens: u64,
    usd: Picodollars,
    answer: Later<Result<(), Refused>>,
}

/// How far the reservation of one answer has grown.
pub(crate) struct Growing {
    terms: MeteredTerms,
    began: Instant,
    /// Output that is paid for, tokens.
    reserved_tokens: u64,
    /// The answer cannot be longer, tokens.
    most_tokens: u64,
    /// Whether all that it takes can be seen.
    shows_all: bool,
    asked: Option<Asked>,
    denied: Option<Refused>,
}

impl fmt::Debug for Growing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Growing")
            .field("reserved_tokens", &self.reserved_tokens)
            .finish_non_exhaustive()
    }
}

impl Growing {
    pub(crate) fn new(terms: MeteredTerms, attempt: &Attempt) -> Self {
        Self {
            terms,
            began: Instant::now(),
            reserved_tokens: attempt.granted_output_tokens,
            most_tokens: attempt.sent_output_tokens,
            shows_all: attempt.request.shows_all,
            asked: None,
            denied: None,
        }
    }

    /// The most that the answer has taken so far and that is reserved, tokens.
    pub(crate) fn taken_tokens(&self, reading: &Reading) -> u64 {
        self.taken_after(self.began.elapsed(), reading).min(self.reserved_tokens)
    }

    fn taken_after(&self, elapsed: Duration, reading: &Reading) -> u64 {
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let by_time = milliseconds.saturating_mul(self.terms.peak_tokens_per_second) / 1_000;
        let seen = if self.shows_all { reading.content_bytes } else { u64::MAX };
        by_time.min(seen).min(self.most_tokens)
    }

    /// Ready with `Ok` where the answer may go on, and with the reason where it has to be cut off.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &mut Attempt,
        reading: &Reading,
    ) -> Poll<Result<(), Refused>> {
        let elapsed = self.began.elapsed();
        let soon = self.taken_after(elapsed + AHEAD, reading);
        if self.asked.is_none() && soon >= self.reserved_tokens && !self.is_full() {
            let more = self.terms.output_tokens.min(self.most_tokens - self.reserved_tokens);
            let charge = attempt.bound.charge(self.reserved_tokens + more);
            let by =
                Charge { requests: 0, ..charge.minus(attempt.bound.charge(self.reserved_tokens)) };
            self.asked = Some(Asked { tokens: more, usd: by.usd, answer: attempt.extend(by) });
        }
        if let Some(Asked { tokens, usd, answer }) = &mut self.asked
            && let Poll::Ready(answer) = answer.as_mut().poll(cx)
        {
            match answer {
                Ok(()) => {
                    self.reserved_tokens = self.reserved_tokens.saturating_add(*tokens);
                    attempt.reserved_usd += *usd;
                    self.denied = None;
                }
                Err(refused) => self.denied = Some(refused),
            }
            self.asked = None;
        }
        if self.taken_after(elapsed, reading) < self.reserved_tokens || self.is_full() {
            return Poll::Ready(Ok(()));
        }
        // Whoever was denied a moment ago is cut off; whoever is being answered waits for that.
        match self.denied.take() {
            Some(refused) => Poll::Ready(Err(refused)),
            None => Poll::Pending,
        }
    }

    /// Whether everything that the answer can take is reserved.
    const fn is_full(&self) -> bool {
        self.reserved_tokens >= self.most_tokens
    }
}
