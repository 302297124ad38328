//! The ways to hold a cap that others use, and what every way is asked.

use flyball::budget::{Bound, Charge};
use flyball::money::Picodollars;

use super::workload::{ASKED_TOKENS, CACHE, Request, Workload};

/// A request of one stream, under way or asking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    pub(crate) stream: usize,
    pub(crate) process: usize,
    pub(crate) request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It may be sent. The answer ends at `cap_tokens`; where `grows`, that much is paid for, and
    /// more is asked for while it flows.
    Go { cap_tokens: u64, grows: bool },
    /// It is decided later.
    Wait,
    /// Not now, or (`is_final`) never.
    Refuse { is_final: bool },
}

/// A way to hold a cap.
pub(crate) trait Governor {
    fn admit(&mut self, attempt: &Attempt) -> Verdict;

    /// The response has begun: its prompt is known.
    fn started(&mut self, _attempt: &Attempt, _cap_tokens: u64) {}

    /// Whether `more_tokens` of output are paid for besides.
    fn extend(&mut self, _attempt: &Attempt, _more_tokens: u64) -> bool {
        false
    }

    fn ended(&mut self, attempt: &Attempt, used: Charge);

    /// A process looks at what others set free.
    fn look(&mut self, _process: usize) {}

    /// It does not wait any more.
    fn withdraw(&mut self, _attempt: &Attempt) {}

    /// Those who waited and are decided now, each told once.
    fn take_decided(&mut self) -> Vec<(u64, Verdict)> {
        Vec::new()
    }

    fn waiting(&self, _process: usize) -> usize {
        0
    }
}

/// The response's cost is counted when it is known; who asks afterwards is refused.
pub(crate) struct CountAfter {
    pub(crate) cap: Picodollars,
    pub(crate) counted: Picodollars,
    /// What a request is taken to cost when it asks; nothing, where only what is spent counts.
    pub(crate) expected: Picodollars,
}

impl Governor for CountAfter {
    fn admit(&mut self, _attempt: &Attempt) -> Verdict {
        if self.counted >= self.cap || self.counted + self.expected > self.cap {
            return Verdict::Refuse { is_final: true };
        }
        Verdict::Go { cap_tokens: ASKED_TOKENS, grows: false }
    }

    fn ended(&mut self, _attempt: &Attempt, used: Charge) {
        self.counted += used.usd;
    }
}

/// The worst case of what the client asks for is held while the request is under way.
pub(crate) struct WorstCase<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) cap: Picodollars,
    pub(crate) settled: Picodollars,
    pub(crate) reserved: Picodollars,
}

impl WorstCase<'_> {
    fn bound(&self, attempt: &Attempt) -> Picodollars {
        let prompt = attempt.request.prompt_bound_tokens;
        let bound = Bound::of(&self.workload.price, prompt, ASKED_TOKENS, CACHE).unwrap();
        bound.charge(ASKED_TOKENS).usd
    }
}

impl Governor for WorstCase<'_> {
    fn admit(&mut self, attempt: &Attempt) -> Verdict {
        let bound = self.bound(attempt);
        if self.settled + self.reserved + bound > self.cap {
            // Its client cannot know whether it would fit later.
            return Verdict::Refuse { is_final: false };
        }
        self.reserved += bound;
        Verdict::Go { cap_tokens: ASKED_TOKENS, grows: false }
    }

    fn ended(&mut self, attempt: &Attempt, used: Charge) {
        self.reserved = self.reserved - self.bound(attempt);
        self.settled += used.usd;
    }
}
