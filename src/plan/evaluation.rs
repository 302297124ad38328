//! One evaluation of a job: trials run, stages known, routed and priced. What the command line
//! shows for one set of assumptions; interventions are evaluations with one more.
#![expect(clippy::cast_precision_loss, reason = "a ratio of text lengths")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::band;
use crate::plan::PlanError;
use crate::plan::costing::{AgentCost, Choice, SampleCost, cost_samples, recost_samples};
use crate::plan::fitting::{self, FitOutcome};
use crate::plan::frame::{Frame, FrameStage, Scouted, TOKENS_PER_BYTE, role_of};
use crate::plan::routing::{self, Routed, Written};
use crate::plan::setup::{Guess, RunsOn, Setup};
use crate::plan::synth::without_filler;
use crate::plan::trial::{Trial, TrialMode, TrialSpec};
use crate::plan::workers::Workers;
use crate::policy::Policy;
use crate::ports::script::Finish;
use crate::usage::Pins;

/// How many first samples are inspected for roles and token ratios.
const SCOUTS: u32 = 12;
/// How many of those are run before the others. Nothing is drawn before the first agent, so one
/// that fails before it fails for all; a second one costs no time and leaves no doubt.
const VANGUARD: u32 = 2;
/// How many prompts of a stage are counted.
const PROMPTS_COUNTED: usize = 3;
/// A plan with little time has at least so many samples, if so many were asked for, and inspects at
/// least so many.
const HASTY_SAMPLES_MIN: u32 = 12;
const HASTY_SCOUTS_MIN: u32 = 4;
/// Texts of at least so many bytes are counted by the vocabulary.
const COUNTED_BYTES_MIN: usize = 4 << 10;
/// Also those of which one byte in so many is not ASCII: other scripts take more tokens per byte.
const FOREIGN_SHARE: usize = 8;

/// Runs the trials of a job and joins them. Sets the setup's guess from its first samples.
///
/// A script that reaches a limit before its first agent would pay that limit in every sample: then
/// the frame has the first ones only.
pub fn sample(setup: &mut Setup, workers: &mut dyn Workers) -> Result<Frame, PlanError> {
    let mut samples = setup.job.samples;
    let mut scouts = samples.min(SCOUTS);
    setup.guess = Guess::default();
    let mut scouted_trials = workers.trials(setup, &natural(0..scouts.min(VANGUARD), true))?;
    if scouted_trials.iter().all(is_stopped_before_agents) {
        return Ok(Frame::join(setup, scouted_trials, &Scouted::default()));
    }
    if let Some(work_max) = setup.job.work_max {
        let within = affordable(&scouted_trials, work_max);
        scouts = scouts.min(within.max(HASTY_SCOUTS_MIN));
        samples = samples.min(within.max(HASTY_SAMPLES_MIN));
    }
    scouted_trials.extend(workers.trials(setup, &natural(scouts.min(VANGUARD)..scouts, true))?);
    let (mut scouted, guess) = scout(&scouted_trials);
    setup.guess = guess;
    let prompts = StagePrompts::of(&scouted_trials);
    let specs = natural(0..samples, false);
    let (trials, counts) = workers.trials_while_counting(setup, &specs, &prompts.to_count)?;
    prompts.into_scouted(&counts, &mut scouted);
    Ok(Frame::join(setup, trials, &scouted))
}

/// A job's samples with their prices.
pub struct Evaluation {
    /// The samples.
    pub frame: Frame,
    /// Unique names of its stages.
    pub names: Vec<String>,
    /// What they cost.
    pub priced: Priced,
}

/// Samples a job, routes its stages and prices them; then makes the samples again on what the stages
/// run on, where that changes how long agents take. A turn's budget makes other calls of that, so
/// those are what is priced then; else it makes other times, and the calls stay as they are, so that
/// routes are compared on the same calls. Sets what the setup's stages run on.
pub fn evaluate(setup: &mut Setup, workers: &mut dyn Workers) -> Result<Evaluation, PlanError> {
    let mut frame = sample(setup, workers)?;
    let mut names = unique_names(&frame);
    let mut priced = price(setup, &frame, &setup.policy, &names)?;
    let runs_on = runs_on(&frame, &priced);
    let is_pinned = pins(setup, &frame).iter().any(|pins| *pins != Pins::default());
    let is_bounded = setup.job.start.budget_total_tokens.is_some();
    // Who launches has no time for both, and is told no times.
    let is_hasty = setup.job.work_max.is_some() && !is_bounded;
    if is_hasty || (runs_on.is_empty() && !is_pinned) {
        return Ok(Evaluation { frame, names, priced });
    }
    setup.runs_on = Some(Arc::new(runs_on));
    if is_bounded {
        frame = sample(setup, workers)?;
        names = unique_names(&frame);
        priced = price(setup, &frame, &setup.policy, &names)?;
    } else {
        let samples = u32::try_from(frame.samples.len()).unwrap_or(u32::MAX);
        frame.retime(workers.trials(setup, &natural(0..samples, false))?);
    }
    Ok(Evaluation { frame, names, priced })
}

/// What stages run on that is not as written, by key.
fn runs_on(frame: &Frame, priced: &Priced) -> BTreeMap<u64, RunsOn> {
    let of = |(stage, routed): (&FrameStage, &Routed)| {
        let Choice { model, facts, effort, .. } = &routed.choice;
        let is_written = *facts == stage.traits.model && *effort == stage.traits.effort;
        let on = RunsOn { model: model.clone(), facts: *facts, effort: *effort };
        (!is_written).then_some((stage.identity.key.0, on))
    };
    frame.stages.iter().zip(&priced.routes).filter_map(of).collect()
}

/// How many trials like `trials` are about `work_max` of work.
fn affordable(trials: &[Trial], work_max: u64) -> u32 {
    let work: u64 = trials.iter().map(|trial| trial.work).sum();
    let each = (work / trials.len().max(1) as u64).max(1);
    u32::try_from(work_max / each).unwrap_or(u32::MAX)
}

/// Samples that an intervention is begun with, to see what one takes.
const BEGUN: u32 = 12;
/// An intervention is never measured on fewer samples, if the plan has as many.
const RESAMPLED_MIN: u32 = 24;

/// One frame for each of `pinned`, interventions on the job of `base`, with about `work_max` of
/// work in all: see [`Trial::work`].
///
/// Where that is enough, each is what [`sample`] makes of it, as if its pin had been given on the
/// command line. Else all have the same number of samples, fewer, and take from `base` what its
/// first samples say of stages.
pub fn resample(
    pinned: &mut [Setup],
    base: &Frame,
    work_max: u64,
    workers: &mut dyn Workers,
) -> Result<Vec<Frame>, PlanError> {
    let all = pinned.first().map_or(0, |setup| setup.job.samples);
    let mut begun: Vec<Vec<Trial>> = Vec::new();
    let mut affordable = all;
    if all > RESAMPLED_MIN {
        for setup in &*pinned {
            begun.push(workers.trials(setup, &natural(0..BEGUN, false))?);
        }
        let work: u64 = begun.iter().flatten().map(|trial| trial.work).sum();
        let each = (work / u64::from(BEGUN)).max(1);
        affordable = u32::try_from(work_max / each).unwrap_or(u32::MAX);
    }
    if affordable >= all {
        return pinned.iter_mut().map(|setup| sample(setup, workers)).collect();
    }
    let rest = natural(BEGUN..affordable.max(RESAMPLED_MIN), false);
    let join = |(setup, mut trials): (&mut Setup, Vec<Trial>)| {
        trials.extend(workers.trials(setup, &rest)?);
        Ok(Frame::join(setup, trials, &base.scouted))
    };
    pinned.iter_mut().zip(begun).map(join).collect()
}

fn natural(samples: Range<u32>, inspect: bool) -> Vec<TrialSpec> {
    samples.map(|sample| TrialSpec { sample, mode: TrialMode::Natural, inspect }).collect()
}

fn is_stopped_before_agents(trial: &Trial) -> bool {
    trial.calls.is_empty() && matches!(trial.finish, Finish::LimitReached { .. })
}

/// First prompts of each stage, and which of their texts need the vocabulary.
struct StagePrompts {
    by_work: BTreeMap<u64, StagePrompt>,
    to_count: Vec<String>,
}

#[derive(Default)]
struct StagePrompt {
    first: String,
    prompts: usize,
    bytes: usize,
    /// What is known or estimated.
    tokens: f64,
    /// Positions of what is to be counted.
    counted: Vec<usize>,
}

impl StagePrompts {
    fn of(trials: &[Trial]) -> Self {
        let mut found = Self { by_work: BTreeMap::new(), to_count: Vec::new() };
        for trial in trials {
            for (stage, prompt) in &trial.prompts {
                let work = trial.stages.get(*stage as usize).map_or(0, |of| of.work);
                let of = found.by_work.entry(work).or_default();
                if of.prompts == PROMPTS_COUNTED {
                    continue;
                }
                if of.prompts == 0 {
                    of.first.clone_from(prompt);
                }
                of.prompts += 1;
                of.bytes += prompt.len();
                let (own, invented_tokens) = without_filler(prompt);
                of.tokens += invented_tokens as f64;
                if is_worth_counting(&own) {
                    of.counted.push(found.to_count.len());
                    found.to_count.push(own.into_owned());
                } else {
                    of.tokens += own.len() as f64 * TOKENS_PER_BYTE;
                }
            }
        }
        found
    }

    /// Tokens per byte of each stage. `counts` are the tokens of what was to be counted.
    fn into_scouted(self, counts: &[u64], scouted: &mut Scouted) {
        for (key, of) in self.by_work {
            let counted: u64 = of.counted.iter().filter_map(|at| counts.get(*at)).sum();
            if of.bytes > 0 {
                let ratio = (of.tokens + counted as f64) / of.bytes as f64;
                scouted.tokens_per_byte.insert(key, ratio);
            }
            scouted.prompts.insert(key, of.first);
        }
    }
}

/// Whether an estimate would not do. A first context is 20,000 tokens and more: where at most a
/// thousand of them are in question, an estimate that is off by a fifth moves it by 1 %.
fn is_worth_counting(text: &str) -> bool {
    let foreign = text.bytes().filter(|byte| !byte.is_ascii()).count();
    text.len() >= COUNTED_BYTES_MIN || foreign * FOREIGN_SHARE >= text.len().max(1)
}

/// Roles and sizes from inspected trials.
fn scout(trials: &[Trial]) -> (Scouted, Guess) {
    let mut quotes: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
    let mut calls: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (position, trial) in trials.iter().enumerate() {
        let key = |stage: u32| trial.stages.get(stage as usize).map_or(0, |of| of.work);
        for call in &trial.calls {
            quotes.entry(key(call.stage)).or_default().push(call.quotes);
            let counts = calls.entry(key(call.stage)).or_insert_with(|| vec![0; trials.len()]);
            if let Some(count) = counts.get_mut(position) {
                *count += 1;
            }
        }
    }
    let mut scouted = Scouted::default();
    for (key, mut of) in quotes {
        of.sort_unstable();
        scouted.quotes.insert(key, band::quantile(&of, 500).unwrap_or(0));
    }
    let mut sizes: Vec<usize> = trials.iter().map(|trial| trial.calls.len()).collect();
    sizes.sort_unstable();
    let guess = Guess {
        roles: calls
            .into_iter()
            .map(|(key, of)| (key, role_of(of, scouted.quotes.get(&key).copied().unwrap_or(0))))
            .collect(),
        run_agents: band::quantile(&sizes, 500)
            .and_then(|size| u32::try_from(size).ok())
            .unwrap_or(1)
            .max(1),
    };
    (scouted, guess)
}

/// A frame with its routes and costs.
pub struct Priced {
    /// As the script was written; with the reason where a model has no price.
    pub written: Vec<(Choice, Option<String>)>,
    /// As routed.
    pub routes: Vec<Routed>,
    /// Costs as routed, by sample.
    pub costs: Vec<SampleCost>,
    /// Every paid agent as routed.
    pub agents: Vec<AgentCost>,
    /// What `--fit` did to the routes.
    pub fit: FitOutcome,
}

impl Priced {
    /// The choices as routed.
    pub fn choices(&self) -> Vec<Choice> {
        self.routes.iter().map(|routed| routed.choice.clone()).collect()
    }
}

/// Routes the stages of `frame` by `policy` and `--fit`, and prices every sample.
pub fn price(
    setup: &Setup,
    frame: &Frame,
    policy: &Policy,
    names: &[String],
) -> Result<Priced, PlanError> {
    let pins = pins(setup, frame);
    let written = routing::as_written(setup, frame);
    let from = Written { choices: &written, pins: &pins, names };
    let mut routes = routing::route(setup, frame, policy, from);
    let amount = fitting::apply(setup, frame, &mut routes, &pins)?;
    let mut agents = Vec::new();
    let choices: Vec<Choice> = routes.iter().map(|routed| routed.choice.clone()).collect();
    let costs =
        cost_samples(setup, frame, &choices, &pins, &mut |agent| agents.push(AgentCost::of(agent)));
    let fit = FitOutcome::of(amount, &costs);
    Ok(Priced { written, routes, costs, agents, fit })
}

/// Adds to the routes what the policy's step-downs allow. No cost changes: what they will do depends
/// on budgets, which a plan does not know to their last dollar.
pub fn step_down(setup: &Setup, frame: &Frame, names: &[String], priced: &mut Priced) {
    if setup.policy.step_downs().is_empty() {
        return;
    }
    let pins = pins(setup, frame);
    let from = Written { choices: &priced.written, pins: &pins, names };
    routing::step_down(setup, frame, &setup.policy, from, &mut priced.routes);
}

/// Costs of the samples of `base` under the token use that `pinned` pins: what [`price`] would give,
/// with only those stages priced anew that it touches.
pub fn price_pinned(
    setup: &Setup,
    pinned: &Setup,
    frame: &Frame,
    base: &Priced,
    names: &[String],
) -> Result<Vec<SampleCost>, PlanError> {
    if setup.job.fit.is_some() {
        return Ok(price(pinned, frame, &pinned.policy, names)?.costs);
    }
    let pins = pins(pinned, frame);
    let changed: Vec<bool> =
        self::pins(setup, frame).iter().zip(&pins).map(|(before, now)| before != now).collect();
    let from = Written { choices: &base.written, pins: &pins, names };
    let mut choices = base.choices();
    let mut moved = false;
    // Without a rule, a stage stays as it is written whatever it takes.
    let routes = !pinned.policy.rules().is_empty();
    for (index, choice) in choices.iter_mut().enumerate() {
        if routes
            && changed.get(index) == Some(&true)
            && let Some(routed) = routing::route_stage(pinned, frame, &pinned.policy, from, index)
            && !routed.choice.costs_like(choice)
        {
            *choice = routed.choice;
            moved = true;
        }
    }
    Ok(if moved {
        cost_samples(pinned, frame, &choices, &pins, &mut |_| {})
    } else {
        recost_samples(pinned, frame, &choices, &pins, &changed, &base.costs)
    })
}

/// The pinned token use of each stage.
pub fn pins(setup: &Setup, frame: &Frame) -> Vec<Pins> {
    frame.stages.iter().map(|stage| setup.pins(&stage.identity.name)).collect()
}

/// Costs of the same samples on other models.
pub fn reprice(setup: &Setup, frame: &Frame, choices: &[Choice]) -> Vec<SampleCost> {
    cost_samples(setup, frame, choices, &pins(setup, frame), &mut |_| {})
}

/// Names of stages, unique in the plan: a repeated name gets a number that no other name has.
pub fn unique_names(frame: &Frame) -> Vec<String> {
    let mut taken: BTreeSet<String> =
        frame.stages.iter().map(|stage| stage.identity.name.to_string()).collect();
    let mut first: BTreeSet<&str> = BTreeSet::new();
    let mut name_of = |base: &'_ str, is_first: bool| {
        let mut name = base.to_owned();
        let mut number = 1;
        while !is_first && !taken.insert(name.clone()) {
            number += 1;
            name = format!("{base} {number}");
        }
        name
    };
    frame
        .stages
        .iter()
        .map(|stage| {
            let base: &str = &stage.identity.name;
            name_of(base, first.insert(base))
        })
        .collect()
}
