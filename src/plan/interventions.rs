//! How the cost answers to what drives it: the strongest drivers are pinned, and the samples made
//! or priced again with the same luck. Owns which drivers are listed, and how much work their
//! answers may take.

use std::sync::OnceLock;

use crate::band::Band;
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::assemble;
use crate::plan::costing::SampleCost;
use crate::plan::drivers::{Candidate, Measure};
use crate::plan::evaluation::{self, Priced};
use crate::plan::frame::Frame;
use crate::plan::report::{Driver, DriverPoint};
use crate::plan::setup::Setup;
use crate::plan::stage::agent_of;
use crate::plan::workers::Workers;

/// How many drivers are answered by intervention, and how many are listed.
const DRIVERS_ANSWERED: usize = 3;
const DRIVERS_LISTED: usize = 5;
/// How many are tried for that, since some turn out to move nothing.
const DRIVERS_TRIED_MAX: usize = 6;
/// All interventions together may cost as much as so many samplings of the plan.
const SAMPLINGS_MAX: u64 = 3;
/// So much work is always affordable (about a second's), and no more than so much ever is: see
/// [`crate::plan::trial::Trial::work`].
const WORK_FREE: u64 = 128 << 20;
const WORK_MAX: u64 = 512 << 20;
/// A driver whose answers differ by less than one part in so many of P90 - P10 moves nothing.
const FLAT_SHARE: u128 = 20;

/// What interventions are made on.
pub struct Base<'a> {
    /// The job.
    pub setup: &'a Setup,
    /// Its samples.
    pub frame: &'a Frame,
    /// What they cost.
    pub priced: &'a Priced,
    /// Names of its stages.
    pub names: &'a [String],
}

/// The drivers of `ranked`, strongest first; the first three that can be pinned with the cost measured at
/// three pins, as `--assume` would measure it. What explains the spread and does not move the cost
/// when pinned only goes along with what does: it is left out.
pub fn drivers(
    base: &Base<'_>,
    ranked: &[Candidate],
    workers: &mut dyn Workers,
) -> Result<Vec<Driver>, PlanError> {
    let dollars = assemble::dollars(base.priced).and_then(|dollars| Band::of(&dollars));
    let mut work_left = base.frame.work.saturating_mul(SAMPLINGS_MAX).clamp(WORK_FREE, WORK_MAX);
    let (mut answered, mut tried) = (0, 0);
    let mut listed = Vec::new();
    for candidate in ranked {
        if listed.len() == DRIVERS_LISTED {
            break;
        }
        let mut response = Vec::new();
        if let Some(band) = &dollars
            && candidate.measure != Measure::Presence
            && base.setup.job.work_max.is_none()
            && answered < DRIVERS_ANSWERED
            && tried < DRIVERS_TRIED_MAX
        {
            tried += 1;
            let share = work_left / (DRIVERS_ANSWERED - answered) as u64;
            let (points, work) = answer(base, candidate, share, workers)?;
            work_left = work_left.saturating_sub(work);
            if is_flat(&points, band.p90 - band.p10) {
                continue;
            }
            answered += 1;
            response = points;
        }
        listed.push(driver(candidate, response));
    }
    Ok(listed)
}

fn driver(candidate: &Candidate, response: Vec<DriverPoint>) -> Driver {
    let [p10, p50, p90] = three_values(candidate);
    let is_presence = candidate.measure == Measure::Presence;
    Driver {
        key: if is_presence { String::new() } else { candidate.key() },
        name: in_words(candidate),
        share_per_mille: candidate.share_per_mille(),
        p10,
        p50,
        p90,
        response,
    }
}

/// Whether the points say that the cost does not depend on the value.
fn is_flat(points: &[DriverPoint], spread: Picodollars) -> bool {
    let costs = points.iter().filter_map(|point| point.cost_usd_p50);
    match (costs.clone().min(), costs.max()) {
        (Some(least), Some(most)) => {
            (most - least).pico().unsigned_abs() * FLAT_SHARE < spread.pico().unsigned_abs()
        }
        _ => points.len() < 2,
    }
}

/// The cost at the candidate's three values, and the work that it took.
fn answer(
    base: &Base<'_>,
    candidate: &Candidate,
    work_max: u64,
    workers: &mut dyn Workers,
) -> Result<(Vec<DriverPoint>, u64), PlanError> {
    let mut values = three_values(candidate).to_vec();
    values.dedup();
    if values.len() < 2 {
        return Ok((Vec::new(), 0));
    }
    // What agents spend of the turn's budget decides which calls there are.
    let is_bounded = base.setup.job.start.budget_total_tokens.is_some();
    if candidate.measure.is_token_use() && !is_bounded {
        return Ok((repriced(base, candidate, &values, workers)?, 0));
    }
    resampled(base, candidate, &values, work_max, workers)
}

/// A driver's P10, P50 and P90 as `--assume` takes them.
fn three_values(candidate: &Candidate) -> [String; 3] {
    [100, 500, 900].map(|per_mille| match candidate.measure {
        Measure::Presence => format!("in {:.0} % of runs", candidate.mean() * 100.0),
        measure => measure.write(candidate.quantile(per_mille)),
    })
}

/// The cost with a quantity of token use pinned: the same calls, priced anew.
fn repriced(
    base: &Base<'_>,
    candidate: &Candidate,
    values: &[String],
    workers: &mut dyn Workers,
) -> Result<Vec<DriverPoint>, PlanError> {
    let measured: Vec<OnceLock<Result<DriverPoint, PlanError>>> =
        values.iter().map(|_| OnceLock::new()).collect();
    let measure = |value: &String| {
        let pinned = base.setup.with_assumption(&candidate.key(), value)?;
        let Base { setup, frame, priced, names } = *base;
        let costs = evaluation::price_pinned(setup, &pinned, frame, priced, names)?;
        Ok(point(value, &costs, None))
    };
    workers.side_by_side(values.len(), &|number| {
        if let (Some(value), Some(cell)) = (values.get(number), measured.get(number)) {
            cell.get_or_init(|| measure(value));
        }
    });
    measured.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The cost with a quantity pinned that decides which calls there are: the script runs anew.
fn resampled(
    base: &Base<'_>,
    candidate: &Candidate,
    values: &[String],
    work_max: u64,
    workers: &mut dyn Workers,
) -> Result<(Vec<DriverPoint>, u64), PlanError> {
    let is_bounded = base.setup.job.start.budget_total_tokens.is_some();
    let pin = |value: &String| -> Result<Setup, PlanError> {
        let mut pinned = base.setup.with_assumption(&candidate.key(), value)?;
        pinned.runs_on = is_bounded.then(|| pinned.runs_on.unwrap_or_default());
        Ok(pinned)
    };
    let mut pinned: Vec<Setup> = values.iter().map(pin).collect::<Result<_, _>>()?;
    let frames = evaluation::resample(&mut pinned, base.frame, work_max, workers)?;
    let work = frames.iter().map(|frame| frame.work).sum();
    let mut points = Vec::new();
    for ((value, setup), frame) in values.iter().zip(&pinned).zip(frames) {
        let names = evaluation::unique_names(&frame);
        let costs = evaluation::price(setup, &frame, &setup.policy, &names)?.costs;
        let fewer = frame.samples.len() < base.frame.samples.len();
        let samples = u32::try_from(frame.samples.len()).ok().filter(|_| fewer);
        points.push(point(value, &costs, samples));
    }
    Ok((points, work))
}

fn point(value: &str, costs: &[SampleCost], samples: Option<u32>) -> DriverPoint {
    let agents: Vec<u32> = costs.iter().map(|sample| sample.total().agents).collect();
    DriverPoint {
        value: value.to_owned(),
        cost_usd_p50: assemble::dollars_of(costs)
            .and_then(|dollars| Band::of(&dollars))
            .map(|band| band.p50),
        agents_p50: Band::of(&agents).map_or(0, |band| u64::from(band.p50)),
        samples,
    }
}

fn in_words(candidate: &Candidate) -> String {
    let (stage, property) = (&candidate.stage, &candidate.property);
    match candidate.measure {
        Measure::Requests => format!("requests per {}", agent_of(stage)),
        Measure::OutputPerRequest => format!("output tokens per request of {stage}"),
        Measure::FirstContext => format!("first context of {}s", agent_of(stage)),
        Measure::Growth => format!("context growth of {}s", agent_of(stage)),
        Measure::Length => format!("{stage}: {property} per agent"),
        Measure::Lines => format!("{stage}: {property} in its text"),
        Measure::Share => format!("{stage}: share of {property}"),
        Measure::Number => format!("{stage}: {property}"),
        Measure::Presence => format!("whether {stage} runs"),
    }
}
