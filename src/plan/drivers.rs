//! Which quantity explains the spread of the cost, and how the cost answers to it.
//! Owns the ranking; interventions are made by whoever can run trials.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "statistics over samples; nothing here is billed"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::band;
use crate::plan::costing::{SampleCost, StageCost};
use crate::plan::frame::Frame;
use crate::plan::synth::FactorKind;
use crate::plan::trial::CallRecord;

/// A candidate driver: one value per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The stage's name.
    pub stage: Arc<str>,
    /// The property that `--assume` takes.
    pub property: Arc<str>,
    /// What it measures.
    pub measure: Measure,
    /// By sample; `None` where the stage did not run. Of a presence: 1 where it did, else 0.
    pub values: Vec<Option<f64>>,
    /// Share of the variance of the cost it explains alone, 0 to 1.
    pub share: f64,
}

/// What a driver measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Requests per agent.
    Requests,
    /// Output tokens per request.
    OutputPerRequest,
    /// Tokens of the first context.
    FirstContext,
    /// Tokens a context grows by.
    Growth,
    /// An invented list's length.
    Length,
    /// The same of a list that is a text.
    Lines,
    /// An invented share of `true`, or how good the words were.
    Share,
    /// An invented number.
    Number,
    /// Whether the stage runs: a consequence of other results, so nothing that can be pinned.
    Presence,
}

impl Measure {
    /// The usage pin of that name, where it is one.
    pub const fn pin_name(self) -> Option<&'static str> {
        match self {
            Self::Requests => Some("requests"),
            Self::OutputPerRequest => Some("output_per_request"),
            Self::FirstContext => Some("first_context"),
            Self::Growth => Some("growth"),
            Self::Length | Self::Lines | Self::Share | Self::Number | Self::Presence => None,
        }
    }

    /// Whether pinning it leaves the script's path as it was, unless that hangs on the turn's budget.
    pub const fn is_token_use(self) -> bool {
        self.pin_name().is_some()
    }

    /// Whether most results have some that decide nothing.
    pub const fn is_incidental(self) -> bool {
        matches!(self, Self::Number | Self::Lines)
    }

    /// `value` as `--assume` takes it, at the grain people would type.
    pub fn write(self, value: f64) -> String {
        let to_grain = |grain: f64| format!("{:.0}", (value / grain).round().max(1.0) * grain);
        match self {
            Self::Requests => to_grain(1.0),
            Self::Length | Self::Lines => format!("{:.0}", value.round().max(0.0)),
            Self::OutputPerRequest => to_grain(10.0),
            Self::FirstContext | Self::Growth => to_grain(100.0),
            Self::Number if value >= 10.0 => format!("{value:.0}"),
            // Whole numbers without a point, others as short as two digits behind it allow.
            Self::Number => format!("{}", (value * 100.0).round() / 100.0),
            Self::Share | Self::Presence => format!("{:.2}", value.clamp(0.0, 1.0)),
        }
    }
}

impl Candidate {
    /// What `--assume` takes before the `=`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.stage, self.property)
    }

    /// Its share in thousandths.
    pub fn share_per_mille(&self) -> u32 {
        (self.share * 1000.0).round() as u32
    }

    /// Its mean over the samples in which it is defined.
    pub fn mean(&self) -> f64 {
        let count = self.values.iter().flatten().count().max(1);
        self.values.iter().flatten().sum::<f64>() / count as f64
    }

    /// Its quantile over the samples in which it is defined.
    pub fn quantile(&self, per_mille: usize) -> f64 {
        let mut values: Vec<f64> = self.values.iter().copied().flatten().collect();
        values.sort_unstable_by(f64::total_cmp);
        band::quantile(&values, per_mille).unwrap_or(0.0)
    }
}

/// What the spread is of: the cost of each sample.
fn outcomes(costs: &[SampleCost]) -> Vec<f64> {
    let sums: Vec<StageCost> = costs.iter().map(SampleCost::total).collect();
    // Without a price the tokens tell what drives the run; part of the dollars would mislead.
    let unpriced = sums.iter().any(|sum| sum.unpriced);
    let size = |sum: &StageCost| {
        if unpriced { sum.billed_tokens as f64 } else { band::statistic_from_money(sum.cost) }
    };
    sums.iter().map(size).collect()
}

/// Every candidate that explains something alone, strongest first.
pub fn rank(frame: &Frame, costs: &[SampleCost]) -> Vec<Candidate> {
    let totals = outcomes(costs);
    let agents: Vec<f64> = costs.iter().map(|sample| f64::from(sample.total().agents)).collect();
    let mut candidates = usage_candidates(frame, costs);
    candidates.extend(result_candidates(frame));
    for candidate in &mut candidates {
        candidate.share = share_of_variance(&candidate.values, &totals);
    }
    // A name with `=` in it cannot be typed as the key of an `--assume`.
    candidates.retain(|candidate| {
        let decides =
            || goes_with(&candidate.values, &totals) || goes_with(&candidate.values, &agents);
        candidate.share >= SHARE_MIN
            && !candidate.key().contains('=')
            && (!candidate.measure.is_incidental()
                || leads_on(frame, &candidate.stage) && decides())
    });
    candidates.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.key().cmp(&b.key())));
    candidates
}

/// Below this share a driver is not told from noise at a few hundred samples.
const SHARE_MIN: f64 = 0.03;
/// Whether any agent starts after one of this stage has answered: else its answers decide nothing.
pub fn leads_on(frame: &Frame, stage: &str) -> bool {
    let is_its = |call: &CallRecord| {
        let of = frame.stages.get(call.stage as usize);
        of.is_some_and(|of| *of.identity.name == *stage)
    };
    frame.samples.iter().any(|sample| {
        let answered = sample.calls.iter().filter(|call| is_its(call)).map(|call| call.ended).min();
        let started = |call: &CallRecord| call.started != u64::MAX;
        answered.is_some_and(|first| {
            sample.calls.iter().any(|call| started(call) && call.started >= first)
        })
    })
}

fn usage_candidates(frame: &Frame, costs: &[SampleCost]) -> Vec<Candidate> {
    let mut by_name: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for (index, stage) in frame.stages.iter().enumerate() {
        by_name.entry(Arc::clone(&stage.identity.name)).or_default().push(index);
    }
    let measures: [(Measure, Read); 4] = [
        (Measure::Requests, |cost| ratio(cost.requests, u64::from(cost.paid))),
        (Measure::OutputPerRequest, |cost| ratio(cost.output_tokens, cost.requests)),
        (Measure::FirstContext, |cost| ratio(cost.first_context_tokens, u64::from(cost.paid))),
        (Measure::Growth, |cost| {
            ratio(
                cost.context_tokens.saturating_sub(cost.first_context_tokens),
                u64::from(cost.paid),
            )
        }),
    ];
    let mut candidates: Vec<Candidate> = Vec::new();
    for (name, indices) in by_name {
        let sums: Vec<StageCost> = costs
            .iter()
            .map(|sample| {
                indices
                    .iter()
                    .filter_map(|index| sample.stages.get(*index))
                    .fold(StageCost::default(), |sum, cost| sum.plus(cost))
            })
            .collect();
        // Stages that run together are one decision, known by the first of them.
        let presence = presence(&name, &sums);
        if !candidates.iter().any(|other| other.values == presence.values) {
            candidates.push(presence);
        }
        for (measure, read) in measures {
            candidates.push(Candidate {
                stage: Arc::clone(&name),
                property: measure.pin_name().unwrap_or("").into(),
                measure,
                values: sums.iter().map(|sum| (sum.paid > 0).then(|| read(sum))).collect(),
                share: 0.0,
            });
        }
    }
    candidates
}

fn presence(stage: &Arc<str>, sums: &[StageCost]) -> Candidate {
    Candidate {
        stage: Arc::clone(stage),
        property: "runs or not".into(),
        measure: Measure::Presence,
        values: sums.iter().map(|sum| Some(f64::from(u8::from(sum.agents > 0)))).collect(),
        share: 0.0,
    }
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

/// A stage's name and a property of its results.
type ResultKey = (Arc<str>, Arc<str>);

/// Reads one measure of a stage's cost.
type Read = fn(&StageCost) -> f64;

/// What was invented, one candidate per stage name and property; shares are not set.
pub fn result_candidates(frame: &Frame) -> Vec<Candidate> {
    let mut found: BTreeMap<ResultKey, (FactorKind, Vec<Option<f64>>)> = BTreeMap::new();
    let samples = frame.samples.len();
    for (position, sample) in frame.samples.iter().enumerate() {
        for (key, (kind, mean)) in &sample.factors {
            let (_, row) = found.entry(key.clone()).or_insert_with(|| (*kind, vec![None; samples]));
            if let Some(slot) = row.get_mut(position) {
                *slot = Some(*mean);
            }
        }
    }
    // `--assume` takes no negative number.
    found.retain(|_, (_, values)| values.iter().flatten().all(|value| *value >= 0.0));
    let candidate = |((stage, property), (kind, values))| {
        let measure = match kind {
            FactorKind::Length => Measure::Length,
            FactorKind::Lines => Measure::Lines,
            FactorKind::Share => Measure::Share,
            FactorKind::Number => Measure::Number,
        };
        Candidate { stage, property, measure, values, share: 0.0 }
    };
    found.into_iter().map(candidate).collect()
}

/// The share of the variance of `outcomes` that `values` explain. Quantities that move
/// together explain the same part of it, so shares of several can add up to more than the whole.
pub fn share_of_variance(values: &[Option<f64>], outcomes: &[f64]) -> f64 {
    let total = squares(outcomes);
    if total <= 0.0 { 0.0 } else { explained(values, outcomes) / total }
}

/// Whether `outcomes` rise or fall with `values`, by their ranks. Asked of what most results have
/// without deciding anything: a mean over few agents lies further out than one over many, and so
/// explains how many there are, without going with it either way.
pub fn goes_with(values: &[Option<f64>], outcomes: &[f64]) -> bool {
    let both =
        values.iter().zip(outcomes).filter_map(|(value, outcome)| Some(((*value)?, *outcome)));
    let (values, outcomes): (Vec<f64>, Vec<f64>) = both.unzip();
    let (values, outcomes) = (ranks(&values), ranks(&outcomes));
    let count = values.len();
    let spread = (squares(&values) * squares(&outcomes)).sqrt();
    if count < SAMPLES_MIN || spread <= 0.0 {
        return false;
    }
    let middle = (count as f64 - 1.0) / 2.0;
    let common: f64 = values.iter().zip(&outcomes).map(|(a, b)| (a - middle) * (b - middle)).sum();
    (common / spread).powi(2) >= TOGETHER_MIN.max(TOGETHER_SAMPLES / count as f64)
}

/// The least square of a correlation of ranks that counts; among few samples chance makes more.
const TOGETHER_MIN: f64 = 0.05;
const TOGETHER_SAMPLES: f64 = 7.0;

/// Positions in the order of size, from 0; equals share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let up_to = sorted.partition_point(|other| other <= value);
        (below + up_to) as f64 / 2.0 - 0.5
    };
    values.iter().map(rank).collect()
}

/// The sum of the squared distances from the mean.
fn squares(outcomes: &[f64]) -> f64 {
    let mean = outcomes.iter().sum::<f64>() / outcomes.len().max(1) as f64;
    outcomes.iter().map(|outcome| (outcome - mean).powi(2)).sum()
}

/// The part of [`squares`] that lies between bins of `values`: the correlation ratio, adjusted for
/// the number of bins so that noise scores about 0.
///
/// Samples without a value count as not explained: that a stage ran at all is its presence, and
/// none of its quantities may claim it.
fn explained(values: &[Option<f64>], outcomes: &[f64]) -> f64 {
    let bins = Bins::of(values, outcomes);
    let of: Vec<f64> =
        values.iter().zip(outcomes).filter(|(v, _)| v.is_some()).map(|(_, o)| *o).collect();
    let total = squares(&of);
    let (count, kinds) = (of.len(), bins.sums.len());
    if count < SAMPLES_MIN || total <= 0.0 || kinds < 2 || kinds >= count {
        return 0.0;
    }
    let between: f64 = bins.sums.values().map(|(sum, n)| n * (sum / n - bins.mean).powi(2)).sum();
    let freedom = (count as f64 - 1.0) / (count - kinds) as f64;
    (1.0 - (1.0 - between / total) * freedom).clamp(0.0, 1.0) * total
}

/// Fewer samples explain nothing.
const SAMPLES_MIN: usize = 8;

/// Samples with about the same value.
struct Bins {
    /// The sum of the outcomes in a bin, and how many they are.
    sums: BTreeMap<usize, (f64, f64)>,
    /// Over all bins.
    mean: f64,
}

impl Bins {
    /// Equal values share a bin; about one bin per `sqrt(n)` values, at most twelve.
    fn of(values: &[Option<f64>], outcomes: &[f64]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().flatten().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let wanted = ((sorted.len() as f64).sqrt() as usize).clamp(2, 12);
        let bin = |value: f64| {
            sorted.partition_point(|other| *other < value) * wanted / sorted.len().max(1)
        };
        let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (value, outcome) in values.iter().zip(outcomes) {
            if let Some(value) = value {
                let sum = sums.entry(bin(*value)).or_insert((0.0, 0.0));
                sum.0 += outcome;
                sum.1 += 1.0;
            }
        }
        let (sum, count) = sums.values().fold((0.0, 0.0), |(s, n), (sum, of)| (s + sum, n + of));
        Self { sums, mean: if count > 0.0 { sum / count } else { 0.0 } }
    }
}
