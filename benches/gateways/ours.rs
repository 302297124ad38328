//! The account as the gateway uses it: one book per process on a ledger that they share.

use flyball::budget::{
    Admission, Answer, Applied, Ask, Books, Bound, Charge, Limits, Operation, OutputCap, ScopeId,
};
use flyball::id::AttemptId;
use flyball::ledger::{MemoryLedger, ReadLedger, verify};
use flyball::money::Picodollars;
use flyball::tokens::TokenUsage;

use super::governors::{Attempt, Governor, Verdict};
use super::workload::{ASKED_TOKENS, CACHE, Request, Workload};

/// What is promised of a cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Guarantee {
    /// Answers end at a standing cap, which is reserved.
    Strict,
    /// The usual length is reserved, and more while the stream flows.
    Metered,
}

pub(crate) struct Ours<'a> {
    workload: &'a Workload,
    guarantee: Guarantee,
    output_tokens_p99: u64,
    books: Vec<Books<MemoryLedger>>,
    pub(crate) ledger: MemoryLedger,
    scope: ScopeId,
    decided: Vec<(u64, Verdict)>,
}

impl<'a> Ours<'a> {
    pub(crate) fn new(
        workload: &'a Workload,
        guarantee: Guarantee,
        output_tokens_p99: u64,
        processes: usize,
        cap: Picodollars,
    ) -> Self {
        let ledger = MemoryLedger::new(|| jiff::Timestamp::UNIX_EPOCH);
        let book = |_| Books::new(ledger.clone(), usize::MAX);
        let mut books: Vec<_> = (0..processes).map(book).collect();
        let path = vec!["project bench".to_owned()];
        let open = Operation::Open { path, limits: Limits::usd(cap) };
        let opened = books[0].apply(&[open]).unwrap().answers.remove(0).unwrap();
        let Answer::Scope(scope) = opened else { panic!("{opened:?}") };
        Self { workload, guarantee, output_tokens_p99, books, ledger, scope, decided: Vec::new() }
    }

    /// Whether the books balance, and that nothing is held any more.
    pub(crate) fn assert_balanced(&self) {
        verify(&self.ledger).unwrap();
        assert_eq!(self.ledger.in_flight().unwrap(), []);
    }

    fn cap(&self) -> OutputCap {
        let strict = OutputCap::new(ASKED_TOKENS, self.output_tokens_p99, 0);
        match self.guarantee {
            Guarantee::Strict => strict,
            Guarantee::Metered => {
                let standing_tokens = self.output_tokens_p99;
                let floor_tokens = strict.floor_tokens.min(standing_tokens);
                OutputCap { standing_tokens, floor_tokens }
            }
        }
    }

    pub(crate) fn bound(&self, request: &Request) -> Bound {
        let prompt = request.prompt_bound_tokens;
        Bound::of(&self.workload.price, prompt, ASKED_TOKENS, CACHE).unwrap()
    }

    pub(crate) fn least(&self, request: &Request) -> Picodollars {
        self.bound(request).charge(self.cap().floor_tokens).usd
    }

    fn verdict(&self, admission: &Admission) -> Verdict {
        match admission {
            Admission::Admitted(grant) => Verdict::Go {
                cap_tokens: grant.output_cap_tokens,
                grows: self.guarantee == Guarantee::Metered,
            },
            Admission::Waiting(_) => Verdict::Wait,
            Admission::Refused(_) => Verdict::Refuse { is_final: true },
        }
    }

    /// One operation of one process, or none. Every batch ends with a look at who waits.
    fn apply(&mut self, process: usize, operations: &[Operation]) -> Option<Answer> {
        let Applied { answers, effects } = self.books[process].apply(operations).unwrap();
        for decision in effects.iter().flat_map(|effects| &effects.decisions) {
            let number = decision.attempt.0.parse().unwrap();
            self.decided.push((number, self.verdict(&decision.admission)));
        }
        answers.into_iter().next().map(Result::unwrap)
    }
}

fn id(attempt: &Attempt) -> AttemptId {
    AttemptId::from(format!("{}", attempt.number))
}

impl Governor for Ours<'_> {
    fn admit(&mut self, attempt: &Attempt) -> Verdict {
        let ask = Ask {
            attempt: id(attempt),
            scope: self.scope,
            windows: Vec::new(),
            agent: None,
            order: 0,
            price: None,
            bound: self.bound(&attempt.request),
            cap: self.cap(),
        };
        match self.apply(attempt.process, &[Operation::Reserve(ask)]) {
            Some(Answer::Admission(admission)) => self.verdict(&admission),
            other => panic!("{other:?}"),
        }
    }

    fn started(&mut self, attempt: &Attempt, cap_tokens: u64) {
        let usage = TokenUsage { output: cap_tokens, ..attempt.request.usage };
        let usd = self.workload.price.cost(&usage).unwrap();
        let to = Charge::of_request(&usage, usd);
        self.apply(attempt.process, &[Operation::Shrink(id(attempt), to)]);
    }

    fn extend(&mut self, attempt: &Attempt, more_tokens: u64) -> bool {
        let rate = self.bound(&attempt.request).output_rate;
        let by = Charge {
            usd: rate.of(more_tokens),
            billed_tokens: more_tokens,
            output_tokens: more_tokens,
            requests: 0,
        };
        let extend = Operation::Extend(id(attempt), by);
        self.apply(attempt.process, &[extend]) == Some(Answer::Extended(None))
    }

    fn ended(&mut self, attempt: &Attempt, used: Charge) {
        self.apply(attempt.process, &[Operation::Settle(id(attempt), used)]);
    }

    fn look(&mut self, process: usize) {
        self.apply(process, &[]);
    }

    fn withdraw(&mut self, attempt: &Attempt) {
        self.apply(attempt.process, &[Operation::Withdraw(id(attempt))]);
    }

    fn take_decided(&mut self) -> Vec<(u64, Verdict)> {
        std::mem::take(&mut self.decided)
    }

    fn waiting(&self, process: usize) -> usize {
        self.books[process].waiting()
    }
}
