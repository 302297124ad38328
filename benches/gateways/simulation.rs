//! Streams against a governor in virtual time: who asks when, how answers flow, what it all costs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use flyball::budget::Charge;
use flyball::money::Picodollars;
use flyball::seed::Seed;
use flyball::tokens::TokenUsage;

use super::governors::{Attempt, Governor, Verdict};
use super::workload::{Conversation, Request, TOKENS_PER_SECOND_MAX, Workload};

type Microseconds = u64;
const SECOND: Microseconds = 1_000_000;
/// Until the first byte of an answer, and between an answer and the next request.
const FIRST_BYTE: Microseconds = 2 * SECOND;
const TOOLS: Microseconds = 2 * SECOND;
/// Streams begin within this.
const BEGINNING: Microseconds = 5 * SECOND;
/// How soon a process sees what others set free.
const LOOK: Microseconds = SECOND / 50;
/// How long a request may wait at a gateway before it is refused as busy.
const HOLD_MAX: Microseconds = 240 * SECOND;
/// A client tries again after 1, 2, 4 … 32 seconds, so many times.
const RETRIES_MAX: u32 = 10;
/// How often a stream that grows is looked at, and how long the upstream goes on once it is cut.
const TICK: Microseconds = SECOND;
const CUT_LAG: Microseconds = SECOND / 2;
/// What one extension asks for.
const EXTENSION_TOKENS: u64 = 2_000;

/// What became of one arm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) spent: Picodollars,
    pub(crate) served: u64,
    /// Refused though what was left, once everything in flight is settled, pays for the least.
    pub(crate) refused_with_room: u64,
    /// Answers that ended at a cap below the client's own.
    pub(crate) clamped: u64,
    pub(crate) cut: u64,
    pub(crate) makespan_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    Begin(u64),
    Tick(u64),
    End(u64),
    Look(usize),
    Late(u64),
}

struct Flight {
    attempt: Attempt,
    cap_tokens: u64,
    grows: bool,
    began: Microseconds,
    is_cut: bool,
}

struct Stream {
    conversation: Conversation,
    /// What was refused and is to be tried again.
    again: Option<Request>,
    refusals: u32,
}

pub(crate) struct Simulation<'a> {
    workload: &'a Workload,
    governor: &'a mut dyn Governor,
    processes: usize,
    cap: Picodollars,
    /// The least that a request can be admitted for, by which room is judged in every arm.
    least: &'a dyn Fn(&Request) -> Picodollars,
    /// Whether requests wait for as long as it takes.
    pub(crate) endless_queue: bool,
    now: Microseconds,
    events: BinaryHeap<Reverse<(Microseconds, u64, Event)>>,
    sequence: u64,
    streams: Vec<Stream>,
    asking: BTreeMap<u64, Attempt>,
    flights: BTreeMap<u64, Flight>,
    /// Processes that will look soon, and those that something has changed for since they did.
    looks: Vec<bool>,
    changed: Vec<bool>,
    attempts: u64,
    outcome: Outcome,
}

fn tokens_in(span: Microseconds, tokens_per_second: f64) -> u64 {
    (span as f64 / SECOND as f64 * tokens_per_second) as u64
}

fn span_of(tokens: u64, tokens_per_second: f64) -> Microseconds {
    (tokens as f64 / tokens_per_second * SECOND as f64).ceil() as Microseconds
}

impl<'a> Simulation<'a> {
    pub(crate) fn new(
        workload: &'a Workload,
        governor: &'a mut dyn Governor,
        (processes, streams): (usize, usize),
        cap: Picodollars,
        least: &'a dyn Fn(&Request) -> Picodollars,
        seed: Seed,
    ) -> Self {
        let stream = |stream| Stream {
            conversation: workload.conversation(seed, stream),
            again: None,
            refusals: 0,
        };
        let mut simulation = Self {
            workload,
            governor,
            processes,
            cap,
            least,
            endless_queue: false,
            now: 0,
            events: BinaryHeap::new(),
            sequence: 0,
            streams: (0..streams as u64).map(stream).collect(),
            asking: BTreeMap::new(),
            flights: BTreeMap::new(),
            looks: vec![false; processes],
            changed: vec![false; processes],
            attempts: 0,
            outcome: Outcome::default(),
        };
        let mut luck = seed.stream(u64::MAX - 1);
        for stream in 0..streams {
            simulation.after(luck.below(BEGINNING), Event::Ask(stream));
        }
        simulation
    }

    pub(crate) fn run(mut self) -> Outcome {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = at;
            if !matches!(event, Event::Look(_)) {
                self.changed.fill(true);
            }
            self.happen(event);
            self.hear();
        }
        assert!(self.asking.is_empty() && self.flights.is_empty(), "somebody was forgotten");
        self.outcome
    }

    fn after(&mut self, span: Microseconds, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((self.now + span, self.sequence, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask(stream) => self.ask(stream),
            Event::Begin(number) => {
                let flight = self.flights.get_mut(&number).unwrap();
                flight.began = self.now;
                let Flight { attempt, cap_tokens, grows, .. } = *flight;
                let request = attempt.request;
                self.governor.started(&attempt, cap_tokens);
                let whole = request.usage.output;
                let output = if grows { whole } else { whole.min(cap_tokens) };
                self.after(span_of(output, request.tokens_per_second), Event::End(number));
                if grows {
                    self.after(TICK, Event::Tick(number));
                }
            }
            Event::Tick(number) => self.tick(number),
            Event::End(number) => self.end(number),
            Event::Look(process) => {
                self.looks[process] = false;
                self.changed[process] = false;
                self.governor.look(process);
            }
            Event::Late(number) => {
                let Some(attempt) = self.asking.get(&number).copied() else { return };
                self.governor.withdraw(&attempt);
                self.hear();
                if self.asking.contains_key(&number) {
                    self.decide(number, Verdict::Refuse { is_final: false });
                }
            }
        }
    }

    /// Tells whoever is decided, and lets the other processes look soon.
    fn hear(&mut self) {
        for (number, verdict) in self.governor.take_decided() {
            self.decide(number, verdict);
        }
        for process in 0..self.processes {
            let is_due = self.changed[process] && !self.looks[process];
            if is_due && self.governor.waiting(process) > 0 {
                self.looks[process] = true;
                self.after(LOOK, Event::Look(process));
            }
        }
    }

    fn ask(&mut self, stream: usize) {
        let asking = &mut self.streams[stream];
        let again = asking.again.take();
        let request = again.unwrap_or_else(|| self.workload.next(&mut asking.conversation));
        let number = self.attempts;
        self.attempts += 1;
        let attempt = Attempt { number, stream, process: stream % self.processes, request };
        self.asking.insert(number, attempt);
        match self.governor.admit(&attempt) {
            Verdict::Wait if self.endless_queue => {}
            Verdict::Wait => self.after(HOLD_MAX, Event::Late(number)),
            verdict => self.decide(number, verdict),
        }
    }

    fn decide(&mut self, number: u64, verdict: Verdict) {
        let attempt = self.asking.remove(&number).expect("it asked");
        match verdict {
            Verdict::Wait => {
                self.asking.insert(number, attempt);
            }
            Verdict::Go { cap_tokens, grows } => {
                let flight = Flight { attempt, cap_tokens, grows, began: 0, is_cut: false };
                self.flights.insert(number, flight);
                self.streams[attempt.stream].refusals = 0;
                self.after(FIRST_BYTE, Event::Begin(number));
            }
            Verdict::Refuse { is_final } => {
                let has_room = self.outcome.spent + (self.least)(&attempt.request) <= self.cap;
                self.outcome.refused_with_room += u64::from(has_room);
                let stream = &mut self.streams[attempt.stream];
                stream.refusals += 1;
                if !is_final && stream.refusals <= RETRIES_MAX {
                    stream.again = Some(attempt.request);
                    let seconds = 1 << (stream.refusals - 1).min(5);
                    self.after(seconds * SECOND, Event::Ask(attempt.stream));
                }
            }
        }
    }

    /// What a stream that grows has had at most, as far as its governor can count.
    fn counted(&self, flight: &Flight) -> u64 {
        let request = &flight.attempt.request;
        let rate =
            if request.is_hidden { TOKENS_PER_SECOND_MAX } else { request.tokens_per_second };
        tokens_in(self.now - flight.began, rate)
    }

    fn tick(&mut self, number: u64) {
        let Some(flight) = self.flights.get(&number) else { return };
        let (attempt, counted) = (flight.attempt, self.counted(flight));
        // Until the next look, and until a cut is felt.
        let ahead = tokens_in(TICK + CUT_LAG, TOKENS_PER_SECOND_MAX) + 1;
        let mut paid = flight.cap_tokens;
        while counted + ahead > paid && self.governor.extend(&attempt, EXTENSION_TOKENS) {
            paid += EXTENSION_TOKENS;
        }
        let flight = self.flights.get_mut(&number).unwrap();
        flight.cap_tokens = paid;
        if counted + ahead <= paid {
            self.after(TICK, Event::Tick(number));
        } else {
            flight.is_cut = true;
            self.after(CUT_LAG, Event::End(number));
        }
    }

    fn end(&mut self, number: u64) {
        // One that was cut ends before it would have by itself.
        let Some(flight) = self.flights.remove(&number) else { return };
        let Attempt { stream, request, .. } = flight.attempt;
        let whole = request.usage.output;
        let flowed = tokens_in(self.now - flight.began, request.tokens_per_second);
        let cap = if flight.grows { u64::MAX } else { flight.cap_tokens };
        let output = if flight.is_cut { flowed.min(whole) } else { whole.min(cap) };
        let is_cut = flight.is_cut && output < whole;
        let cost = |output| {
            let usage = TokenUsage { output, ..request.usage };
            Charge::of_request(&usage, self.workload.price.cost(&usage).unwrap())
        };
        let billed = cost(output);
        // Nobody tells what a stream that was cut had taken: it is what could be counted.
        let told = if is_cut { cost(self.counted(&flight).max(output)) } else { billed };
        self.outcome.spent += billed.usd;
        self.outcome.served += 1;
        self.outcome.clamped += u64::from(!flight.grows && output < whole);
        self.outcome.cut += u64::from(is_cut);
        self.outcome.makespan_seconds = self.now / SECOND;
        self.streams[stream].conversation.answered(output);
        self.after(TOOLS, Event::Ask(stream));
        self.governor.ended(&flight.attempt, told);
    }
}
