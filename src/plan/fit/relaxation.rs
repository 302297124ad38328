//! Upper bounds on the capability that a partial routing can still reach.
//!
//! A routing within the amount passes it in at most `excess` samples. So in any set of `m` samples
//! at least `m - excess` totals are within, and the `m - excess` smallest of them sum to at most
//! `(m - excess) × amount`. That sum is at least the sum over stages of each stage's own
//! `m - excess` smallest costs: a constraint that is additive over stages, hence a multiple-choice
//! knapsack, whose fractional optimum is read off the concave hulls of its stages.

use super::{Row, Table};

/// One additive constraint and the steps of its fractional optimum.
struct Relaxation {
    capacity: i128,
    /// Per stage (in table order) and choice: what it takes.
    loads: Vec<Vec<i128>>,
    /// Per stage: load and capability of the lightest point of its hull.
    bases: Vec<(i128, u64)>,
    /// Every hull step of every stage, most capability per load first.
    steps: Vec<Step>,
}

struct Step {
    stage: usize,
    load: i128,
    gain: u64,
}

/// Several relaxations; each is valid, the least bound counts.
pub(super) struct Relaxations(Vec<Relaxation>);

impl Relaxations {
    pub(super) fn of(table: &Table) -> Self {
        let dear_first = samples_dearest_first(table);
        let kept_all = table.samples - table.excess_max;
        // All samples see the bulk; the dearest ones see the quantile itself.
        let mut kept = vec![kept_all, (table.samples / 20).max(1), (table.samples / 100).max(1)];
        kept.dedup();
        let relaxations = kept.into_iter().filter(|kept| *kept <= kept_all).map(|kept| {
            let set = dear_first.get(..table.excess_max + kept).unwrap_or(&dear_first);
            Relaxation::of(table, set, kept)
        });
        Self(relaxations.collect())
    }

    /// The most that any routing can reach.
    pub(super) fn bound_at_root(&self) -> u64 {
        self.bound(0, &[], 0).unwrap_or(0)
    }

    /// The most that a routing can reach whose first `chosen.len()` stages are set and have
    /// `capability` together; `None` where none can be within the amount. `depth` is
    /// `chosen.len()`.
    pub(super) fn bound(&self, depth: usize, chosen: &[usize], capability: u64) -> Option<u64> {
        self.0
            .iter()
            .map(|relaxation| relaxation.bound(depth, chosen, capability))
            .reduce(|a, b| Some(a?.min(b?)))?
    }
}

/// Sample numbers, those with the dearest sum over all candidates first.
fn samples_dearest_first(table: &Table) -> Vec<usize> {
    let mut totals: Vec<(i128, usize)> = (0..table.samples).map(|sample| (0, sample)).collect();
    for costs in table.stages.iter().flat_map(|row| &row.options).map(|option| &option.costs) {
        for (total, cost) in totals.iter_mut().zip(costs) {
            total.0 += cost;
        }
    }
    totals.sort_by_key(|(total, sample)| (std::cmp::Reverse(*total), *sample));
    totals.into_iter().map(|(_, sample)| sample).collect()
}

impl Relaxation {
    fn of(table: &Table, set: &[usize], kept: usize) -> Self {
        let load = |costs: &[i128]| {
            let mut within: Vec<i128> =
                set.iter().filter_map(|sample| costs.get(*sample).copied()).collect();
            if kept < within.len() {
                within.select_nth_unstable(kept);
            }
            within.iter().take(kept).sum::<i128>()
        };
        let loads: Vec<Vec<i128>> = table
            .stages
            .iter()
            .map(|row| row.options.iter().map(|option| load(&option.costs)).collect())
            .collect();
        let mut bases = Vec::with_capacity(table.stages.len());
        let mut steps = Vec::new();
        for (stage, (row, loads)) in table.stages.iter().zip(&loads).enumerate() {
            let hull = hull(row, loads);
            bases.push(hull.first().copied().unwrap_or((0, 0)));
            for pair in hull.windows(2) {
                if let [(light, low), (heavy, high)] = pair {
                    steps.push(Step { stage, load: heavy - light, gain: high - low });
                }
            }
        }
        steps.sort_by(|a, b| {
            let (ab, ba) = (i128::from(a.gain) * b.load, i128::from(b.gain) * a.load);
            ba.cmp(&ab).then(a.stage.cmp(&b.stage))
        });
        let kept = i128::try_from(kept).unwrap_or(i128::MAX);
        Self { capacity: table.amount.saturating_mul(kept), loads, bases, steps }
    }

    fn bound(&self, depth: usize, chosen: &[usize], capability: u64) -> Option<u64> {
        let taken: i128 =
            self.loads.iter().zip(chosen).filter_map(|(loads, choice)| loads.get(*choice)).sum();
        let (base_load, base_capability) =
            self.bases.iter().skip(depth).fold((0, 0), |(load, gain), (l, g)| (load + l, gain + g));
        let mut room = self.capacity.saturating_sub(taken + base_load);
        if room < 0 {
            return None;
        }
        let mut reached = capability + base_capability;
        for step in self.steps.iter().filter(|step| step.stage >= depth) {
            if step.load > room {
                // `room < load` keeps the quotient below the gain.
                let part = i128::from(step.gain) * room / step.load.max(1);
                return Some(reached + u64::try_from(part).unwrap_or(step.gain));
            }
            room -= step.load;
            reached += step.gain;
        }
        Some(reached)
    }
}

/// The upper concave hull of a stage's (load, capability) points, lightest first.
fn hull(row: &Row, loads: &[i128]) -> Vec<(i128, u64)> {
    let mut points: Vec<(i128, u64)> =
        row.options.iter().zip(loads).map(|(option, load)| (*load, option.capability)).collect();
    points.sort_by_key(|(load, capability)| (*load, std::cmp::Reverse(*capability)));
    let mut hull: Vec<(i128, u64)> = Vec::new();
    for point in points {
        if hull.last().is_some_and(|(_, capability)| point.1 <= *capability) {
            continue;
        }
        while let [.., before, last] = hull.as_slice() {
            let rise = |from: &(i128, u64), to: &(i128, u64)| {
                (to.0 - from.0, i128::from(to.1) - i128::from(from.1))
            };
            let ((run_a, rise_a), (run_b, rise_b)) = (rise(before, last), rise(last, &point));
            if rise_b * run_a < rise_a * run_b {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}
