//! Every interleaving of a few processes that lend, draw, send, crash, come late and are reconciled,
//! within small numbers. The books and the slices are the real ones.

mod process;
mod tables;

use std::hash::{Hash, Hasher};

use flyball::budget::{Admission, Answer, Charge, Drawn, Limits, Operation, Slice};
use stateright::{Checker, Model, Property};

use self::process::{Process, Request};
use self::tables::{Tables, usd};
use super::borrower::unwritten;
use super::stand::{ask, id, pico};

const LIMIT_USD: i128 = 4_000;
/// More than is free while a slice is out, and little enough to fit once it is back.
const PLAIN_USD: i128 = 3_600;
/// The bounds of a process's requests: both fit into its slice of 500 once the first has shrunk.
const BOUNDS_USD: [i128; 2] = [400, 300];
const SHRUNK_USD: i128 = 150;
const USED_USD: i128 = 100;

fn dollars(usd: i128) -> Charge {
    Charge { usd: pico(usd), ..Charge::ZERO }
}

/// Which rule of the protocol is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Kept,
    /// Balance comes back because its borrower is gone.
    ReturnsByExpiry,
    /// Requests are drawn that the journal never promised.
    DrawsUnpromised,
    /// What is sent again is taken down again.
    TakesDownAgain,
    /// A slice is given back before all that was drawn from it is sent.
    ReturnsBeforeTheRest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Plain {
    Silent,
    Waits,
    Admitted,
    Done,
}

#[derive(Clone, Debug)]
struct State {
    tables: Tables,
    processes: Vec<Process>,
    plain: Plain,
    /// A batch that was given up for lost and may still arrive.
    late: Option<(usize, Vec<Operation>)>,
    crashes: u8,
    fences: u8,
    faults: u8,
    /// What was admitted by who was taken for dead, and nobody paid for.
    unpaid: i128,
}

impl State {
    fn key(&self) -> Vec<i128> {
        let mut key = Vec::with_capacity(128);
        self.tables.key(&mut key);
        self.processes.iter().for_each(|process| process.key(&mut key));
        key.push(self.plain as i128);
        key.extend([self.crashes, self.fences, self.faults].map(i128::from));
        key.push(self.unpaid);
        if let Some((process, batch)) = &self.late {
            key.extend([*process as i128, batch.len() as i128]);
            for operation in batch {
                if let Operation::TakeDown(_, from, records) = operation {
                    key.extend([i128::from(*from), records.len() as i128]);
                }
            }
        }
        key
    }

    fn apply(&mut self, batch: &[Operation]) -> Vec<Option<Answer>> {
        let applied = self.tables.apply(batch);
        let overruns = applied.effects.iter().filter_map(|effects| effects.overrun.as_ref());
        self.unpaid += overruns.map(|overrun| usd(overrun.beyond)).sum::<i128>();
        applied.answers.into_iter().map(Result::ok).collect()
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Lend(usize),
    /// It promises what it wants to draw, or draws what is promised.
    Draw(usize, usize),
    Shrink(usize, usize),
    Settle(usize, usize),
    Write(usize),
    WriteOut(usize),
    /// It sends what is written and hears the answer.
    Send(usize),
    /// It is taken down, and its sender does not hear so.
    SendUnheard(usize),
    /// Its sender gives it up before it arrives.
    SendLate(usize),
    Arrive,
    End(usize),
    Crash(usize),
    Fence(usize),
    Reconcile(usize),
    ReconcileAgain(usize),
    /// The plain process asks, or asks whether it is served.
    Ask,
    SettlePlain,
}

/// How much may happen.
#[derive(Clone, Copy, Debug)]
struct Lives {
    rule: Rule,
    /// Requests of each process.
    requests: [usize; 2],
    /// Whether a process without a slice asks.
    plain: bool,
    crashes: u8,
    fences: u8,
    faults: u8,
}

impl Lives {
    fn steps_of(&self, state: &State, its: &Process, steps: &mut Vec<Step>) {
        let number = its.number;
        if (its.dead.is_some() || its.fenced) && its.slice.is_some() && its.reconciled < 2 {
            steps.push(Step::Reconcile(number));
            if its.reconciled == 1 && state.faults < self.faults {
                steps.push(Step::ReconcileAgain(number));
            }
        }
        if its.dead.is_some() {
            return;
        }
        let Some(slice) = &its.slice else {
            if !its.requests.is_empty() {
                steps.push(Step::Lend(number));
            }
            return;
        };
        for (request, stands) in its.requests.iter().enumerate() {
            match stands {
                // One after the other: which comes first makes no difference.
                Request::None if !slice.has_ended() && its.may_begin(request) => {
                    steps.push(Step::Draw(number, request));
                }
                Request::Open => {
                    steps.push(Step::Settle(number, request));
                    // Room for the second.
                    if request + 1 < its.requests.len() {
                        steps.push(Step::Shrink(number, request));
                    }
                }
                Request::Shrunk => steps.push(Step::Settle(number, request)),
                Request::None | Request::Ended => {}
            }
        }
        if its.written < its.journal.len() {
            steps.push(Step::Write(number));
        }
        let wants_to_return = slice.has_ended() && !its.over && its.written == its.journal.len();
        if its.sent < its.written
            || wants_to_return
            || (!its.recalled && state.plain == Plain::Waits)
        {
            steps.push(Step::Send(number));
            if state.faults < self.faults {
                steps.extend([Step::SendUnheard(number), Step::SendLate(number)]);
            }
        }
        if slice.has_ended() && its.written == its.journal.len() {
            steps.push(Step::WriteOut(number));
        }
        if !slice.has_ended() {
            steps.push(Step::End(number));
        }
        // Whichever dies, the other one lives: they are the same.
        if state.crashes < self.crashes && number == 0 {
            steps.push(Step::Crash(number));
        }
        if state.fences < self.fences {
            steps.push(Step::Fence(number));
        }
    }

    fn act(&self, state: &mut State, step: Step) -> bool {
        match step {
            Step::Lend(number) => {
                let State { tables, processes, .. } = state;
                processes[number].lend(tables);
                return processes[number].slice.is_some();
            }
            Step::Draw(number, request) => {
                let State { tables, processes, .. } = state;
                return processes[number].draw(request, tables, self.rule);
            }
            Step::Shrink(number, request) => state.processes[number].shrink(request),
            Step::Settle(number, request) => state.processes[number].settle(request),
            Step::Write(number) => {
                let its = &mut state.processes[number];
                its.written = its.journal.len();
            }
            Step::WriteOut(number) => return state.processes[number].write_out(),
            Step::End(number) => {
                state.processes[number].slice.iter_mut().for_each(Slice::end);
            }
            Step::Crash(number) => {
                state.crashes += 1;
                let its = &mut state.processes[number];
                let lost = its.journal.len() - its.written;
                its.journal.truncate(its.written);
                (its.dead, its.read) = (Some(lost), its.written);
                // One that was taken for dead is reconciled once more, with all that is written.
                its.reconciled = 0;
            }
            Step::Fence(number) => {
                state.fences += 1;
                let its = &mut state.processes[number];
                (its.fenced, its.read) = (true, its.written);
            }
            Step::Reconcile(number) => self.reconcile(state, number),
            Step::ReconcileAgain(number) => {
                state.faults += 1;
                state.processes[number].reconciled = 0;
            }
            Step::Ask => return Self::ask(state),
            Step::SettlePlain => {
                state.plain = Plain::Done;
                state.apply(&[Operation::Settle(id("plain"), dollars(USED_USD))]);
            }
            Step::Send(_) | Step::SendUnheard(_) | Step::SendLate(_) | Step::Arrive => {
                self.send(state, step);
            }
        }
        true
    }

    fn send(&self, state: &mut State, step: Step) {
        match step {
            Step::Send(number) => {
                let batch = state.processes[number].batch(self.rule, &state.tables);
                let answers = state.apply(&batch);
                state.processes[number].heard(answers.last().and_then(Option::as_ref));
            }
            Step::SendUnheard(number) => {
                state.faults += 1;
                let its = &state.processes[number];
                let batch = its.batch(self.rule, &state.tables);
                state.apply(&batch);
            }
            Step::SendLate(number) => {
                state.faults += 1;
                let batch = state.processes[number].batch(self.rule, &state.tables);
                state.late = Some((number, batch));
            }
            _ => {
                if let Some((_, batch)) = state.late.take() {
                    state.apply(&batch);
                }
            }
        }
    }

    fn reconcile(&self, state: &mut State, number: usize) {
        let Some(remains) = state.processes[number].remains() else { return };
        let Some(lease) = state.processes[number].slice.as_ref().map(Slice::lease) else { return };
        let come = &mut state.processes[number].reconciled;
        *come += 1;
        let first = *come == 1;
        if self.rule == Rule::ReturnsByExpiry {
            state.apply(&[Operation::GiveBack(lease)]);
        } else if first {
            state.apply(&remains.operations);
        } else {
            let left = state.tables.leases[&lease].left;
            let charge = remains.unwritten.min(left);
            let attempt = unwritten(lease);
            let drawn = Drawn { attempt: attempt.clone(), agent: None, price: None, charge };
            let mut batch = vec![Operation::Draw(lease, drawn), Operation::Expire(attempt)];
            batch.extend(remains.in_flight.keys().cloned().map(Operation::Expire));
            batch.push(Operation::GiveBack(lease));
            state.apply(&batch);
        }
    }

    fn ask(state: &mut State) -> bool {
        let mut ask = ask("plain", state.tables.run().id, 0);
        ask.bound.fixed = dollars(PLAIN_USD);
        (ask.cap.standing_tokens, ask.cap.floor_tokens) = (0, 0);
        let recalled = state.tables.run().recalled;
        let answers = state.apply(&[Operation::Reserve(ask)]);
        let Some(Some(Answer::Admission(admission))) = answers.first() else { return false };
        match admission {
            Admission::Admitted(_) => state.plain = Plain::Admitted,
            Admission::Waiting(_) => {
                let waited = std::mem::replace(&mut state.plain, Plain::Waits) == Plain::Waits;
                return !waited || recalled != state.tables.run().recalled;
            }
            Admission::Refused(_) => state.plain = Plain::Done,
        }
        true
    }
}

impl Model for Lives {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut tables = Tables::default();
        let (path, limits) = (vec!["run".to_owned()], Limits::usd(pico(LIMIT_USD)));
        tables.apply(&[Operation::Open { path, limits }]);
        let processes = self.requests.iter().enumerate();
        let processes = processes.map(|(number, requests)| Process::new(number, *requests));
        vec![State {
            tables,
            processes: processes.collect(),
            plain: Plain::Silent,
            late: None,
            crashes: 0,
            fences: 0,
            faults: 0,
            unpaid: 0,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        state.processes.iter().for_each(|its| self.steps_of(state, its, steps));
        match state.plain {
            _ if !self.plain => {}
            Plain::Silent | Plain::Waits => steps.push(Step::Ask),
            Plain::Admitted => steps.push(Step::SettlePlain),
            Plain::Done => {}
        }
        if state.late.is_some() {
            steps.push(Step::Arrive);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        let happens = self.act(&mut next, step);
        // What is not written matters to who dies.
        if let Some(lives) = next.processes.get_mut(1) {
            lives.written = lives.journal.len();
        }
        happens.then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WITHIN_LIMITS, |_, state: &State| {
                state.tables.taken() <= LIMIT_USD + state.unpaid
            }),
            Property::always(NOTHING_HIDDEN, |_, state: &State| {
                let took: i128 = state.processes.iter().flat_map(|its| &its.took).sum();
                let unheard: i128 =
                    state.processes.iter().map(|its| its.unheard(&state.tables)).sum();
                took <= state.tables.taken() - state.tables.charged(&id("plain")) + unheard
            }),
            Property::always(CHARGED_ONCE, |_, state: &State| state.tables.balances()),
            Property::always(NOTHING_FROM_NOTHING, |_, state: &State| {
                state.processes.iter().all(|its| its.pays_within(&state.tables))
            }),
            Property::always(ALL_SERVED, |model: &Self, state: &State| {
                !model.is_quiet(state) || model.is_settled(state)
            }),
            Property::sometimes(
                "a borrower is recalled and who waits is served",
                |model: &Self, state: &State| {
                    let recalled = state.processes.iter().any(|its| its.recalled);
                    !model.plain || (recalled && state.plain == Plain::Admitted)
                },
            ),
            Property::sometimes("records are lost", |model: &Self, state: &State| {
                model.crashes == 0
                    || state.processes.iter().any(|its| its.dead.is_some_and(|lost| lost > 0))
            }),
            Property::sometimes(
                "who lives is fenced off and draws on",
                |model: &Self, state: &State| model.fences == 0 || state.unpaid > 0,
            ),
            Property::sometimes(
                "what was taken down is sent again",
                |model: &Self, state: &State| {
                    let again = |its: &Process| its.sent_again(&state.tables);
                    model.faults == 0 || state.processes.iter().any(again)
                },
            ),
        ]
    }
}

const WITHIN_LIMITS: &str = "no limit is passed but by who was fenced off";
const NOTHING_HIDDEN: &str = "what was taken is in the ledger";
const CHARGED_ONCE: &str = "every attempt is charged once";
const NOTHING_FROM_NOTHING: &str = "a slice pays for no more than was lent";
const ALL_SERVED: &str = "in the end nobody waits, nothing is held, and what was taken is settled";

impl Lives {
    /// Whether nothing happens any more.
    fn is_quiet(&self, state: &State) -> bool {
        let mut steps = Vec::new();
        self.actions(state, &mut steps);
        let idle = |step: &Step| {
            matches!(step, Step::Ask | Step::Lend(_) | Step::WriteOut(_))
                && self.next_state(state, *step).is_none()
        };
        // Dying and being taken for dead are no way forward.
        let forced = |step: &Step| matches!(step, Step::Crash(_) | Step::Fence(_));
        steps.iter().all(|step| forced(step) || idle(step))
    }

    fn is_settled(&self, state: &State) -> bool {
        let row = state.tables.run();
        let held = [row.reserved, row.leased].map(usd);
        let known = |its: &Process| {
            let each = || its.took.iter().enumerate();
            let charged = |request| state.tables.charged(&its.attempt(request));
            its.dead.is_some() || each().all(|(request, took)| charged(request) == *took)
        };
        (state.plain == Plain::Done || !self.plain)
            && held == [0, 0]
            && state.processes.iter().all(known)
    }
}

const ONE: Lives =
    Lives { rule: Rule::Kept, requests: [2, 0], plain: false, crashes: 1, fences: 0, faults: 1 };

/// Walks all of it: at least so many states, so that a model that reaches less is noticed.
fn walk(lives: Lives, states: usize) {
    let checker = lives.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let walked = checker.unique_state_count();
    assert!(walked >= states, "{walked} states of {states}");
}

#[test]
fn a_borrower_that_dies_hides_nothing() {
    walk(ONE, 34_000);
}

#[test]
fn two_borrowers_of_whom_one_dies_pass_no_limit_and_serve_who_waits() {
    walk(Lives { requests: [1, 1], plain: true, faults: 0, ..ONE }, 107_000);
}

#[test]
fn a_borrower_that_is_taken_for_dead_hides_nothing() {
    walk(Lives { crashes: 0, fences: 1, faults: 0, ..ONE }, 13_000);
}

#[test]
fn a_borrower_that_is_taken_for_dead_and_dies_hides_nothing() {
    walk(Lives { requests: [1, 0], fences: 1, ..ONE }, 7_000);
}

/// The rule whose breach each property finds.
#[test]
fn each_rule_is_needed() {
    for (rule, broken) in [
        (Rule::ReturnsByExpiry, NOTHING_HIDDEN),
        (Rule::DrawsUnpromised, NOTHING_HIDDEN),
        (Rule::TakesDownAgain, NOTHING_FROM_NOTHING),
        (Rule::ReturnsBeforeTheRest, NOTHING_HIDDEN),
    ] {
        let checker = Lives { rule, ..ONE }.checker().threads(2).spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{rule:?} broke nothing");
    }
}
