//! What one percent of a plan window is worth in dollars at list price.
//!
//! Sightings of one window are put in order; what lies between two is an interval with the percent
//! that the window moved and the dollars settled meanwhile. The estimate is the ratio of the sums. Its
//! band comes from how far the single intervals lie from it (the ratio estimator's standard error,
//! with Student's factor for few intervals) and is never narrower than what rounding to whole
//! percents leaves open.
//!
//! Others who use the same plan move the percent and not our dollars, so a percent is worth at least
//! what is learned, and what is forecast in dollars takes at most that share.

use serde::{Deserialize, Serialize};

use crate::amount::PlanWindow;
use crate::band::{money_from_statistic, statistic_from_money};
use crate::calibrate::sighting::Sighting;
use crate::money::Picodollars;

/// Below so many percent points seen nothing is claimed.
pub const POINTS_MIN: u64 = 3;
/// Below so many intervals in which the window moved nothing is claimed.
pub const INTERVALS_MIN: u32 = 5;

/// A percent in the unit of sightings.
const MILLI: f64 = 1_000.0;
/// A fall of more than this, in thousandths of a percent, is no rounding: the window was begun anew
/// before its end.
const ANEW_MILLI_PERCENT: u64 = 5_000;
/// Student's factor of a two-sided 90 % band by degrees of freedom, from four on.
const STUDENT: [f64; 9] = [2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81, 1.80, 1.78];
/// The same for more.
const STUDENT_MANY: f64 = 1.76;

/// What is known of a window's percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calibration {
    /// Enough was seen.
    Calibrated(WindowRate),
    /// Too little was seen to claim anything.
    TooLittle {
        /// Thousandths of a percent that windows moved while somebody looked.
        moved_milli_percent: u64,
        /// Intervals in which they moved.
        intervals: u32,
        /// Whether any dollars were settled meanwhile.
        paid: bool,
    },
}

/// Dollars at list price for one percent of a window: nine in ten such bands hold the truth, where
/// nobody else uses the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRate {
    /// Which window.
    pub window: PlanWindow,
    /// The lower end of the band; above zero.
    pub low: Picodollars,
    /// The estimate.
    pub likely: Picodollars,
    /// The upper end of the band.
    pub high: Picodollars,
    /// Thousandths of a percent that windows moved while somebody looked.
    pub moved_milli_percent: u64,
    /// Intervals in which they moved.
    pub intervals: u32,
}

/// What happened until the window was seen to move.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    percent: f64,
    usd: f64,
}

impl WindowRate {
    /// What a share of the window is worth at the lower end of the band, rounded down: whatever costs
    /// no more takes at most that share.
    pub fn worth(&self, milli_percent: u64) -> Picodollars {
        let pico = self.low.pico().saturating_mul(i128::from(milli_percent));
        Picodollars::from_pico(pico.div_euclid(1_000))
    }

    /// The share of the window that `usd` takes at most, in whole percents: thousandths of a percent.
    pub fn share(&self, usd: Picodollars) -> u64 {
        let low = self.low.pico().max(1).unsigned_abs();
        let percents = usd.pico().max(0).unsigned_abs().div_ceil(low);
        u64::try_from(percents).unwrap_or(u64::MAX).saturating_mul(1_000)
    }
}

/// What `sightings`, in any order, say of `window`; those of other windows are left aside. All are of
/// one account.
pub fn window_rate(window: PlanWindow, sightings: &[Sighting]) -> Calibration {
    let mut seen: Vec<&Sighting> = sightings.iter().filter(|seen| seen.window == window).collect();
    seen.sort_by_key(|seen| seen.resets_at);
    let mut moved_milli_percent = 0;
    let mut intervals = Vec::new();
    // The dollars of the tail belong to a step that is not seen yet.
    for series in seen.chunk_by_mut(|a, b| a.is_of_same_window(b)) {
        series.sort_by_key(|seen| (seen.at, seen.used_milli_percent, seen.settled));
        moved_milli_percent += add_intervals(series, &mut intervals);
    }
    let count = u32::try_from(intervals.len()).unwrap_or(u32::MAX);
    let too_little = Calibration::TooLittle {
        moved_milli_percent,
        intervals: count,
        paid: intervals.iter().any(|interval| interval.usd > 0.0),
    };
    if count < INTERVALS_MIN || moved_milli_percent < POINTS_MIN * 1_000 {
        return too_little;
    }
    let Some((low, likely, high)) = band(&intervals) else { return too_little };
    Calibration::Calibrated(WindowRate {
        window,
        low: money_from_statistic(low),
        likely: money_from_statistic(likely),
        high: money_from_statistic(high),
        moved_milli_percent,
        intervals: count,
    })
}

/// Takes the intervals of one window's sightings, in order; how far it moved.
fn add_intervals(series: &[&Sighting], intervals: &mut Vec<Interval>) -> u64 {
    let Some((first, rest)) = series.split_first() else { return 0 };
    let (mut most, mut moved) = (first.used_milli_percent, 0);
    let mut open = Interval::default();
    for seen in rest {
        if seen.used_milli_percent + ANEW_MILLI_PERCENT < most {
            (most, open) = (seen.used_milli_percent, Interval::default());
            continue;
        }
        open.usd += statistic_from_money(seen.settled);
        // Answers overtake each other, so what was seen last may be older.
        let step = seen.used_milli_percent.saturating_sub(most);
        if step > 0 {
            open.percent = percent_of(step);
            intervals.push(std::mem::take(&mut open));
            most = seen.used_milli_percent;
            moved += step;
        }
    }
    moved
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
fn percent_of(milli_percent: u64) -> f64 {
    milli_percent as f64 / MILLI
}

/// The ratio of the sums with its band, in dollars a percent; `None` where nothing was paid, or so
/// little is known that the band reaches down to nothing.
fn band(intervals: &[Interval]) -> Option<(f64, f64, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "a count of intervals")]
    let count = intervals.len() as f64;
    let percent: f64 = intervals.iter().map(|interval| interval.percent).sum();
    let usd: f64 = intervals.iter().map(|interval| interval.usd).sum();
    let likely = usd / percent;
    let squares: f64 =
        intervals.iter().map(|interval| (interval.usd - likely * interval.percent).powi(2)).sum();
    let error = (count / (count - 1.0) * squares).sqrt() / percent;
    let student = STUDENT.get(intervals.len().saturating_sub(5)).copied().unwrap_or(STUDENT_MANY);
    // Both ends of what was seen are rounded to a percent.
    let half = (student * error).max(likely / percent);
    (likely > 0.0 && half < likely).then_some((likely - half, likely, likely + half))
}
