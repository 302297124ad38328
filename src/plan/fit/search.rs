//! Depth-first branch and bound over the stages of a table.

use super::relaxation::Relaxations;
use super::{Table, WORK_MAX};

/// A routing: the place of one option per stage, in table order.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) choices: Vec<usize>,
    pub(super) quantile: i128,
    pub(super) capability: u64,
    /// Whether nothing better exists.
    pub(super) exact: bool,
}

/// Sums of the cheapest cost per sample over the stages from each depth on: no routing of them
/// costs less in any sample.
fn floors(table: &Table) -> Vec<Vec<i128>> {
    let mut floor = vec![0; table.samples];
    let mut floors = vec![floor.clone()];
    for row in table.stages.iter().rev() {
        let mut least: Option<Vec<i128>> = None;
        for option in &row.options {
            match &mut least {
                None => least = Some(option.costs.clone()),
                Some(least) => {
                    for (least, cost) in least.iter_mut().zip(&option.costs) {
                        *least = (*least).min(*cost);
                    }
                }
            }
        }
        for (total, cost) in floor.iter_mut().zip(least.iter().flatten()) {
            *total += cost;
        }
        floors.push(floor.clone());
    }
    floors.reverse();
    floors
}

/// What both searches share: sums so far by depth, the floors below, the work left.
struct Walk<'t> {
    table: &'t Table,
    floors: Vec<Vec<i128>>,
    /// Per depth: cost per sample of the stages chosen above.
    sums: Vec<Vec<i128>>,
    chosen: Vec<usize>,
    scratch: Vec<i128>,
    work: u64,
    best: Found,
}

impl<'t> Walk<'t> {
    fn new(table: &'t Table, best: Found) -> Self {
        let depth = table.stages.len();
        Self {
            table,
            floors: floors(table),
            sums: vec![vec![0; table.samples]; depth + 1],
            chosen: Vec::with_capacity(depth),
            scratch: Vec::with_capacity(table.samples),
            work: 0,
            best,
        }
    }

    /// Chooses `option` at the current depth. Returns how many samples pass the amount even if
    /// everything below is cheapest.
    fn descend(&mut self, option: usize) -> usize {
        let depth = self.chosen.len();
        self.chosen.push(option);
        self.work += self.table.samples as u64;
        let costs = self.table.stages.get(depth).and_then(|row| row.options.get(option));
        let floor = self.floors.get(depth + 1);
        let Some(([above, ..], [below, ..])) = self
            .sums
            .split_at_mut_checked(depth + 1)
            .map(|(upper, lower)| (upper.get(depth..).unwrap_or(&[]), lower))
        else {
            return usize::MAX;
        };
        let (Some(option), Some(floor)) = (costs, floor) else { return usize::MAX };
        let mut excess = 0;
        let amount = self.table.amount;
        for (((below, above), cost), floor) in
            below.iter_mut().zip(above).zip(&option.costs).zip(floor)
        {
            *below = above + cost;
            excess += usize::from(*below + floor > amount);
        }
        excess
    }

    /// The least quantile that any completion of the current choice can have.
    fn quantile_floor(&mut self) -> i128 {
        let depth = self.chosen.len();
        self.work += self.table.samples as u64;
        self.scratch.clear();
        if let (Some(sums), Some(floor)) = (self.sums.get(depth), self.floors.get(depth)) {
            self.scratch.extend(sums.iter().zip(floor).map(|(sum, floor)| sum + floor));
        }
        self.table.quantile(&mut self.scratch)
    }

    fn capability(&self) -> u64 {
        let rows = self.table.stages.iter().zip(&self.chosen);
        rows.filter_map(|(row, choice)| Some(row.options.get(*choice)?.capability)).sum()
    }

    fn is_complete(&self) -> bool {
        self.chosen.len() == self.table.stages.len()
    }

    fn is_exhausted(&self) -> bool {
        self.work > WORK_MAX
    }
}

/// A complete routing, measured.
fn measured(table: &Table, choices: Vec<usize>) -> Found {
    let mut totals = vec![0; table.samples];
    let mut capability = 0;
    for (row, choice) in table.stages.iter().zip(&choices) {
        let Some(option) = row.options.get(*choice) else { continue };
        capability += option.capability;
        for (total, cost) in totals.iter_mut().zip(&option.costs) {
            *total += cost;
        }
    }
    Found { choices, quantile: table.quantile(&mut totals), capability, exact: false }
}

/// The routing with the least quantile; of equals, the most capable one met first.
pub(super) fn cheapest(table: &Table) -> Found {
    let by_sum = |row: &super::Row| {
        let sums = row.options.iter().enumerate().map(|(index, option)| (option.sum, index));
        sums.min().map_or(0, |(_, index)| index)
    };
    let start = measured(table, table.stages.iter().map(by_sum).collect());
    let mut walk = Walk::new(table, start);
    walk_cheapest(&mut walk);
    walk.best.exact = !walk.is_exhausted();
    walk.best
}

fn walk_cheapest(walk: &mut Walk<'_>) {
    if walk.is_exhausted() {
        return;
    }
    if walk.is_complete() {
        let (quantile, capability) = (walk.quantile_floor(), walk.capability());
        let best = &walk.best;
        if quantile < best.quantile || quantile == best.quantile && capability > best.capability {
            walk.best = Found { choices: walk.chosen.clone(), quantile, capability, exact: false };
        }
        return;
    }
    let Some(row) = walk.table.stages.get(walk.chosen.len()) else { return };
    let mut order: Vec<usize> = (0..row.options.len()).collect();
    order.sort_by_key(|index| row.options.get(*index).map(|option| option.sum));
    for option in order {
        walk.descend(option);
        let floor = walk.quantile_floor();
        // Equals are walked too where they may be more capable.
        let most: u64 = walk.capability() + top_capability(walk.table, walk.chosen.len());
        let best = &walk.best;
        if floor < best.quantile || floor == best.quantile && most > best.capability {
            walk_cheapest(walk);
        }
        walk.chosen.pop();
    }
}

/// The capability of the stages from `depth` on, each at its most capable option.
fn top_capability(table: &Table, depth: usize) -> u64 {
    let rows = table.stages.iter().skip(depth);
    rows.filter_map(|row| row.options.iter().map(|option| option.capability).max()).sum()
}

/// The most capable routing within the amount, given one that is within.
pub(super) fn most_capable(table: &Table, within: Vec<usize>) -> Found {
    let start = climb(table, within);
    let relaxations = Relaxations::of(table);
    let mut walk = Walk::new(table, start);
    walk_capable(&mut walk, &relaxations);
    walk.best.exact = !walk.is_exhausted();
    walk.best
}

fn walk_capable(walk: &mut Walk<'_>, relaxations: &Relaxations) {
    if walk.is_exhausted() {
        return;
    }
    if walk.is_complete() {
        let (quantile, capability) = (walk.quantile_floor(), walk.capability());
        let best = &walk.best;
        if capability > best.capability || capability == best.capability && quantile < best.quantile
        {
            walk.best = Found { choices: walk.chosen.clone(), quantile, capability, exact: false };
        }
        return;
    }
    let Some(row) = walk.table.stages.get(walk.chosen.len()) else { return };
    // Options are ordered most capable first.
    for option in 0..row.options.len() {
        let excess = walk.descend(option);
        if excess <= walk.table.excess_max && may_improve(walk, relaxations) {
            walk_capable(walk, relaxations);
        }
        walk.chosen.pop();
    }
}

/// Whether a completion of the current choice may be better than the best found.
fn may_improve(walk: &mut Walk<'_>, relaxations: &Relaxations) -> bool {
    let depth = walk.chosen.len();
    let capability = walk.capability();
    if capability + top_capability(walk.table, depth) < walk.best.capability {
        return false;
    }
    match relaxations.bound(depth, &walk.chosen, capability) {
        Some(bound) if bound > walk.best.capability => true,
        // As capable at most: then it must be cheaper.
        Some(bound) if bound == walk.best.capability => walk.quantile_floor() < walk.best.quantile,
        Some(_) | None => false,
    }
}

/// Raises one stage at a time, the most capability per cost first, while the amount allows.
fn climb(table: &Table, mut choices: Vec<usize>) -> Found {
    let mut totals = vec![0_i128; table.samples];
    for (row, choice) in table.stages.iter().zip(&choices) {
        let costs = row.options.get(*choice).map(|option| &option.costs);
        for (total, cost) in totals.iter_mut().zip(costs.into_iter().flatten()) {
            *total += cost;
        }
    }
    let mut steps: Vec<usize> = (0..table.stages.len()).collect();
    while let Some(raise) = best_raise(table, &choices, &totals, &mut steps) {
        let (stage, option) = raise;
        let Some(row) = table.stages.get(stage) else { break };
        let Some(choice) = choices.get_mut(stage) else { break };
        if let (Some(old), Some(new)) = (row.options.get(*choice), row.options.get(option)) {
            for ((total, old), new) in totals.iter_mut().zip(&old.costs).zip(&new.costs) {
                *total += new - old;
            }
        }
        *choice = option;
    }
    measured(table, choices)
}

/// The affordable raise with the most capability per cost. Stages without one leave `open`: later
/// raises only take room away.
fn best_raise(
    table: &Table,
    choices: &[usize],
    totals: &[i128],
    open: &mut Vec<usize>,
) -> Option<(usize, usize)> {
    let mut best: Option<(i128, i128, usize, usize)> = None;
    open.retain(|stage| {
        let Some((row, choice)) = table.stages.get(*stage).zip(choices.get(*stage)) else {
            return false;
        };
        let Some(old) = row.options.get(*choice) else { return false };
        let mut affordable = false;
        // More capable options stand before the chosen one.
        for (index, new) in row.options.iter().enumerate().take(*choice) {
            let (gain, cost) =
                (i128::from(new.capability - old.capability), (new.sum - old.sum).max(1));
            let better = best.is_none_or(|(g, c, ..)| gain * c > g * cost);
            if gain == 0 || (!better && affordable) {
                continue;
            }
            let excess = totals
                .iter()
                .zip(&old.costs)
                .zip(&new.costs)
                .filter(|((total, old), new)| *total - *old + *new > table.amount)
                .count();
            if excess <= table.excess_max {
                affordable = true;
                if better {
                    best = Some((gain, cost, *stage, index));
                }
            }
        }
        affordable
    });
    best.map(|(_, _, stage, option)| (stage, option))
}
