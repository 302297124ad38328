//! Executions whose results are at their extremes. Owns which of them are made: lists as long as
//! their schemas allow, numbers at both ends, texts in many lines, and what has no bound at two
//! reaches that no slice in the script comes to. A count that does not grow with them is bounded
//! by the script.

use std::collections::BTreeSet;

use crate::plan::PlanError;
use crate::plan::setup::Setup;
use crate::plan::synth::{Booleans, Extremes, Numbers, Pushed, Reach};
use crate::plan::trial::{Trial, TrialMode, TrialSpec};
use crate::plan::workers::Workers;
use crate::ports::script::Finish;
use crate::workflow::WorkflowFacts;

const LENGTH_MIN: usize = 12;
/// Lines of each kind by which a text shows whether they start agents.
const TEXT_LINES: usize = 4;
/// Words of an enum that are tried.
const ENUM_WORDS: usize = 4;
const SLICE_MAX: u64 = 200;
/// What is stretched alone, at most: one kind of value of one stage each.
const STRETCHED_MAX: usize = 8;

/// Extreme executions, and what each answered.
pub(super) struct Probes {
    /// What was answered.
    pub(super) tries: Vec<Extremes>,
    /// What became of it, in that order.
    pub(super) trials: Vec<Trial>,
    /// The widest again with what has no bound pushed further, where all of them stayed within
    /// bounds.
    pub(super) longer: Option<Trial>,
}

impl Probes {
    /// Batches of probes until one leaves no doubt that the run is open: such probes are the dear
    /// ones, and others like it would say the same.
    pub(super) fn explore(
        setup: &Setup,
        facts: &WorkflowFacts,
        workers: &mut dyn Workers,
    ) -> Result<Self, PlanError> {
        let slices = facts.slices.iter().map(|slice| slice.limit);
        let longest = slices.filter(|limit| *limit <= SLICE_MAX).max();
        let longest = longest.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
        let length = LENGTH_MIN.max(longest + 3);
        let reach = Reach { lists: length, numbers: length, texts: 1 };
        let of = |booleans| {
            let numbers = Numbers::Drawn;
            Extremes { reach, booleans, enum_index: 0, numbers, marked: false }
        };
        let mut probes = Self { tries: Vec::new(), trials: Vec::new(), longer: None };
        let mut go_on = |vary: &dyn Fn(&Self) -> Vec<Extremes>| {
            let tries = if probes.is_settled(setup) { Vec::new() } else { vary(&probes) };
            let trials = run(setup, workers, tries.iter().cloned().map(TrialMode::Extreme))?;
            probes.tries.extend(tries);
            probes.trials.extend(trials);
            Ok::<(), PlanError>(())
        };
        go_on(&|_| vec![of(Booleans::MoreWork)])?;
        go_on(&|_| [Booleans::True, Booleans::False, Booleans::LessWork].map(of).to_vec())?;
        // The widest so far, with one kind of value otherwise at a time. Words decide too.
        go_on(&|probes| {
            let word = |enum_index| probes.widest_with(|to| to.enum_index = enum_index);
            (1..ENUM_WORDS).filter_map(word).collect()
        })?;
        go_on(&Self::other_numbers)?;
        go_on(&|probes| {
            // What a script looks for in a text may also be what it stops at.
            let texts = |marked| {
                probes.widest_with(|to| {
                    to.reach.texts = TEXT_LINES;
                    to.marked = marked;
                })
            };
            let marked = (!facts.text_marks.is_empty()).then_some(true);
            std::iter::once(false).chain(marked).filter_map(texts).collect()
        })?;
        // Many agents answer many texts: only where lines start agents are there so many of them.
        go_on(&|probes| {
            // Lines of all kinds together are more than any slice keeps.
            let lines = LENGTH_MIN.max(length / TEXT_LINES);
            let longer = probes.widest_with(|to| to.reach.texts = lines);
            longer.into_iter().filter(|_| probes.is_wider_by_texts()).collect()
        })?;
        if !probes.is_settled(setup) {
            probes.longer = probes.push_further(setup, workers)?;
        }
        Ok(probes)
    }

    /// The widest again with its numbers at their ends, if it has any.
    fn other_numbers(&self) -> Vec<Extremes> {
        let number =
            |pushed: &Pushed| matches!(pushed, Pushed::Number(_) | Pushed::BoundedNumber(_));
        let met = |(_, trial): (usize, &Trial)| trial.pushed.iter().any(|(_, of)| number(of));
        if !self.widest().is_some_and(met) {
            return Vec::new();
        }
        let ends =
            [Numbers::High, Numbers::Low, Numbers::MoreWork, Numbers::AllHigh, Numbers::AllLow];
        ends.into_iter().filter_map(|to| self.widest_with(|widest| widest.numbers = to)).collect()
    }

    /// Whether the widest is one with texts in lines.
    fn is_wider_by_texts(&self) -> bool {
        let widest = self.widest().and_then(|(at, _)| self.tries.get(at));
        widest.is_some_and(|to| to.reach.texts > 1)
    }

    fn push_further(
        &self,
        setup: &Setup,
        workers: &mut dyn Workers,
    ) -> Result<Option<Trial>, PlanError> {
        let is_open = |trial: &Trial| trial.pushed.iter().any(|(_, pushed)| pushed.is_open());
        if !self.widest().is_some_and(|(_, trial)| is_open(trial)) {
            return Ok(None);
        }
        let further = |length: usize| if length > 1 { length * 2 + 1 } else { length };
        let longer = self.widest_with(|to| {
            let Reach { lists, numbers, texts } = to.reach;
            to.reach =
                Reach { lists: further(lists), numbers: further(numbers), texts: further(texts) };
        });
        Ok(run(setup, workers, longer.into_iter().map(TrialMode::Extreme))?.pop())
    }

    /// The first of those with the most calls, and where it stands.
    pub(super) fn widest(&self) -> Option<(usize, &Trial)> {
        self.trials
            .iter()
            .enumerate()
            .max_by_key(|(position, trial)| (trial.calls.len(), std::cmp::Reverse(*position)))
    }

    /// Whether the number of agents follows from numbers in results, as far as was tried.
    pub(super) fn numbers_decide(&self) -> bool {
        let Some((at, widest)) = self.widest() else { return false };
        let Some(to) = self.tries.get(at) else { return false };
        let other = |(like, trial): (&Extremes, &Trial)| {
            let alike = Extremes { numbers: to.numbers, ..like.clone() } == *to;
            alike && trial.calls.len() < widest.calls.len()
        };
        self.tries.iter().zip(&self.trials).any(other)
    }

    fn widest_with(&self, edit: impl FnOnce(&mut Extremes)) -> Option<Extremes> {
        let mut extremes = self.widest().and_then(|(at, _)| self.tries.get(at)).cloned()?;
        edit(&mut extremes);
        Some(extremes)
    }

    fn is_settled(&self, setup: &Setup) -> bool {
        self.trials.iter().any(|trial| is_over(trial, cap(setup)))
    }
}

/// Agents that a run may start.
pub(super) fn cap(setup: &Setup) -> usize {
    setup.job.start.limits.agents as usize
}

/// The limit that a probe was stopped at: a script that could not take results this long is not
/// known to be bounded.
pub(super) fn stopped_by(trial: &Trial) -> Option<String> {
    match &trial.finish {
        Finish::LimitReached { limit } => Some(limit.clone()),
        _ => trial.cut.then(|| "bytes of a result".to_owned()),
    }
}

fn is_over(trial: &Trial, cap: usize) -> bool {
    trial.calls.len() >= cap || stopped_by(trial).is_some()
}

fn run(
    setup: &Setup,
    workers: &mut dyn Workers,
    modes: impl Iterator<Item = TrialMode>,
) -> Result<Vec<Trial>, PlanError> {
    let specs: Vec<TrialSpec> =
        modes.map(|mode| TrialSpec { sample: 0, mode, inspect: false }).collect();
    Ok(workers.trials(setup, &specs)?)
}

/// What makes the run grow.
pub(super) enum Growing {
    /// These, by stage key; none of them has a bound.
    With(BTreeSet<(u64, Pushed)>),
    /// Something else: the run has no end even where everything is short.
    Loop,
    /// Nothing does it alone.
    Unknown,
}

/// What has no bound and makes the run longer as it grows: the lists, numbers or texts of a stage
/// that do so alone, with everything else short.
pub(super) fn growing(
    setup: &Setup,
    workers: &mut dyn Workers,
    extremes: &Extremes,
    trial: &Trial,
) -> Result<Growing, PlanError> {
    let short = Extremes { reach: Reach::LEAST, ..extremes.clone() };
    let plain = run(setup, workers, std::iter::once(TrialMode::Extreme(short.clone())))?;
    if plain.iter().any(|trial| is_over(trial, cap(setup))) {
        return Ok(Growing::Loop);
    }
    let mut found: BTreeSet<(u64, Pushed)> = BTreeSet::new();
    let open = trial.pushed.iter().filter(|(_, pushed)| pushed.is_open());
    let mut alone: Vec<(u64, Stretch)> =
        open.clone().filter_map(|(stage, pushed)| Some((*stage, Stretch::of(pushed)?))).collect();
    alone.dedup();
    alone.truncate(STRETCHED_MAX);
    let mut stretched = |alone: &[(u64, Stretch)], length: usize| {
        let mode = |(stage, kind): &(u64, Stretch)| TrialMode::Stretched {
            extremes: short.clone(),
            stage: *stage,
            reach: kind.reach(length),
        };
        run(setup, &mut *workers, alone.iter().map(mode))
    };
    let length = extremes.reach.lists;
    let long = stretched(&alone, length)?;
    let (over, within): (Vec<_>, Vec<_>) =
        alone.into_iter().zip(long).partition(|(_, long)| is_over(long, cap(setup)));
    let mut grow: Vec<(u64, Stretch)> = over.into_iter().map(|(one, _)| one).collect();
    // Only what starts agents at all can start more of them.
    let fewest = plain.iter().map(|trial| trial.calls.len()).max().unwrap_or(0);
    let within: Vec<_> = within.into_iter().filter(|(_, long)| long.calls.len() > fewest).collect();
    let left: Vec<(u64, Stretch)> = within.iter().map(|(one, _)| *one).collect();
    let longer = stretched(&left, length * 2 + 1)?;
    for ((one, long), longer) in within.iter().zip(&longer) {
        if longer.calls.len() > long.calls.len() {
            grow.push(*one);
        }
    }
    found.extend(
        open.filter(|(stage, pushed)| {
            Stretch::of(pushed).is_some_and(|kind| grow.contains(&(*stage, kind)))
        })
        .cloned(),
    );
    Ok(if found.is_empty() { Growing::Unknown } else { Growing::With(found) })
}

/// A kind of value that can be stretched alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stretch {
    Lists,
    Numbers,
    Texts,
}

impl Stretch {
    const fn of(pushed: &Pushed) -> Option<Self> {
        match pushed {
            Pushed::List(_) => Some(Self::Lists),
            Pushed::Number(_) => Some(Self::Numbers),
            Pushed::Text(_) => Some(Self::Texts),
            Pushed::BoundedNumber(_) => None,
        }
    }

    const fn reach(self, length: usize) -> Reach {
        match self {
            Self::Lists => Reach { lists: length, ..Reach::LEAST },
            Self::Numbers => Reach { numbers: length, ..Reach::LEAST },
            Self::Texts => Reach { texts: length, ..Reach::LEAST },
        }
    }
}
