//! All natural trials of a plan on one table of stages: roles, token ratios, factors.
//! Owns what is true over samples; prices nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::band;
use crate::plan::call_spot::CallSpot;
use crate::plan::setup::{Setup, StageTraits};
use crate::plan::stage::StageIdentity;
use crate::plan::synth::FactorKind;
use crate::plan::trial::{CallRecord, Trial};
use crate::ports::script::{ExecutionNotes, Finish};
use crate::role::Role;

/// The trials of a plan.
pub struct Frame {
    /// Every stage met, in first-call order over samples.
    pub stages: Vec<FrameStage>,
    /// One per sample, in order.
    pub samples: Vec<Recorded>,
    /// What was noticed in the first sample.
    pub notes: ExecutionNotes,
    /// What the first samples say of stages.
    pub scouted: Scouted,
    /// Lines of the script itself from which a sample called `agent()`.
    pub lines: BTreeSet<u32>,
    /// What it took to make the samples: see [`Trial::work`].
    pub work: u64,
    /// The samples in the time that routes and pins make of them, stages by frame index; empty where
    /// they change nothing.
    retimed: Vec<Recorded>,
}

/// One stage over all samples.
#[derive(Clone, Debug)]
pub struct FrameStage {
    /// What its calls have in common.
    pub identity: StageIdentity,
    /// Its traits as written, with the role set over all samples.
    pub traits: StageTraits,
    /// o200k tokens per byte of its prompts.
    pub tokens_per_byte: f64,
    /// From where its agents are called.
    pub spots: BTreeSet<CallSpot>,
}

/// One sample's record.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The sample's number.
    pub number: u32,
    /// Its calls in call order, stages by frame index.
    pub calls: Vec<CallRecord>,
    /// Means of what was invented: by stage name and property.
    pub factors: BTreeMap<(Arc<str>, Arc<str>), (FactorKind, f64)>,
    /// How it ended.
    pub finish: Finish,
    /// Failures lines and swallowed throws, if any.
    pub swallowed: u32,
    /// First swallowed message.
    pub swallowed_first: Option<String>,
    /// From first start to last end, virtual milliseconds.
    pub wall_milliseconds: u64,
    /// Most agents at once.
    pub peak: u32,
    works: Arc<[u64]>,
}

impl Recorded {
    /// The work of a frame stage: see [`StageIdentity::work`].
    pub fn work_of(&self, stage: usize) -> u64 {
        self.works.get(stage).copied().unwrap_or(0)
    }
}

/// Where no prompt is counted: English prose and code on o200k.
pub const TOKENS_PER_BYTE: f64 = 0.24;
/// Calls per run from which a stage fans out.
const FAN_OUT_CALLS: u64 = 4;
/// Quoted agents from which a stage reduces.
const REDUCE_QUOTES: u16 = 3;

impl Frame {
    /// Joins trials. `scouted` is what the first of them say of stages.
    pub fn join(setup: &Setup, trials: Vec<Trial>, scouted: &Scouted) -> Self {
        let mut stages: Vec<FrameStage> = Vec::new();
        let mut by_key: BTreeMap<u64, usize> = BTreeMap::new();
        for identity in trials.iter().flat_map(|trial| &trial.stages) {
            by_key.entry(identity.key.0).or_insert_with(|| {
                let prompt = scouted.prompts.get(&identity.work).map_or("", String::as_str);
                stages.push(FrameStage {
                    identity: identity.clone(),
                    traits: setup.stage_traits(identity, prompt),
                    tokens_per_byte: scouted
                        .tokens_per_byte
                        .get(&identity.work)
                        .copied()
                        .unwrap_or(TOKENS_PER_BYTE),
                    spots: BTreeSet::new(),
                });
                stages.len() - 1
            });
        }
        for (stage, spots) in trials.iter().flat_map(Trial::spots_by_key) {
            let known = by_key.get(&stage).and_then(|index| stages.get_mut(*index));
            let Some(known) = known else { continue };
            known.spots.extend(spots.iter().cloned());
        }
        let works: Arc<[u64]> = stages.iter().map(|stage| stage.identity.work).collect();
        let notes = trials.first().map(|first| first.notes.clone()).unwrap_or_default();
        let lines = trials.iter().flat_map(|trial| trial.lines.iter().copied()).collect();
        let work = trials.iter().map(|trial| trial.work).sum();
        let samples: Vec<Recorded> =
            trials.into_iter().map(|trial| record(trial, &by_key, &works)).collect();
        let scouted = scouted.clone();
        let retimed = Vec::new();
        let mut frame = Self { stages, samples, notes, scouted, lines, work, retimed };
        let roles = frame.roles();
        for (stage, role) in frame.stages.iter_mut().zip(roles) {
            stage.traits.role = role;
        }
        frame
    }

    /// Keeps the time that `trials`, the same samples on what their stages run on, took.
    pub fn retime(&mut self, trials: Vec<Trial>) {
        let keys = self.stages.iter().enumerate();
        let by_key = keys.map(|(index, stage)| (stage.identity.key.0, index)).collect();
        let works: Arc<[u64]> = self.stages.iter().map(|stage| stage.identity.work).collect();
        self.retimed = trials.into_iter().map(|trial| record(trial, &by_key, &works)).collect();
    }

    /// The samples as their clocks go, in order.
    pub fn timed(&self) -> &[Recorded] {
        if self.retimed.is_empty() { &self.samples } else { &self.retimed }
    }

    /// How often the work of a stage is called, by sample: the calls of all stages that share it.
    pub fn calls_per_sample(&self, stage: usize) -> Vec<u64> {
        let Some(of) = self.stages.get(stage).map(|of| of.identity.work) else { return Vec::new() };
        let count = |sample: &Recorded| {
            let calls = sample.calls.iter();
            calls.filter(|call| sample.work_of(call.stage as usize) == of).count() as u64
        };
        self.samples.iter().map(count).collect()
    }

    fn roles(&self) -> Vec<Role> {
        let mut counts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (position, sample) in self.samples.iter().enumerate() {
            for call in &sample.calls {
                let work = sample.work_of(call.stage as usize);
                let row = counts.entry(work).or_insert_with(|| vec![0; self.samples.len()]);
                if let Some(count) = row.get_mut(position) {
                    *count += 1;
                }
            }
        }
        let role = |stage: &FrameStage| {
            let work = stage.identity.work;
            let quotes = self.scouted.quotes.get(&work).copied().unwrap_or(0);
            role_of(counts.get(&work).cloned().unwrap_or_default(), quotes)
        };
        self.stages.iter().map(role).collect()
    }
}

/// *Fan-out* from four calls in the median sample, *reduce* from three quoted agents.
pub fn role_of(mut calls_per_sample: Vec<u64>, quotes: u16) -> Role {
    calls_per_sample.sort_unstable();
    if band::quantile(&calls_per_sample, 500).unwrap_or(0) >= FAN_OUT_CALLS {
        Role::FanOut
    } else if quotes >= REDUCE_QUOTES {
        Role::Reduce
    } else {
        Role::Single
    }
}

/// What inspected trials say of stages, by [`StageIdentity::work`].
#[derive(Clone, Debug, Default)]
pub struct Scouted {
    /// o200k tokens per byte of prompt.
    pub tokens_per_byte: BTreeMap<u64, f64>,
    /// Median number of agents whose results a prompt quotes.
    pub quotes: BTreeMap<u64, u16>,
    /// The first prompt.
    pub prompts: BTreeMap<u64, String>,
}

fn record(trial: Trial, by_key: &BTreeMap<u64, usize>, works: &Arc<[u64]>) -> Recorded {
    let index: Vec<u32> = trial
        .stages
        .iter()
        .map(|identity| by_key.get(&identity.key.0))
        .map(|index| index.and_then(|index| u32::try_from(*index).ok()).unwrap_or(u32::MAX))
        .collect();
    let mut calls = trial.calls;
    for call in &mut calls {
        call.stage = index.get(call.stage as usize).copied().unwrap_or(0);
    }
    let swallowed = trial.notes.swallowed;
    Recorded {
        number: trial.sample,
        calls,
        factors: trial
            .factors
            .into_iter()
            .map(|factor| ((factor.stage, factor.property), (factor.kind, factor.mean)))
            .collect(),
        finish: trial.finish,
        swallowed: swallowed.as_ref().map_or(0, |swallowed| swallowed.count),
        swallowed_first: swallowed.map(|swallowed| swallowed.first),
        wall_milliseconds: trial.wall_milliseconds,
        peak: trial.peak,
        works: Arc::clone(works),
    }
}
