//! Bands over samples for the run, its phases and its stages. Arithmetic over an evaluation.

use std::collections::BTreeMap;

use crate::band::{self, Band};
use crate::id::StageKey;
use crate::money::Picodollars;
use crate::plan::costing::{AgentCost, StageCost};
use crate::plan::evaluation::Priced;
use crate::plan::frame::{Frame, Recorded};
use crate::plan::report::{PhasePlan, Quantities, StagePlan};

/// Bands of the whole run.
pub fn totals(frame: &Frame, priced: &Priced) -> Quantities {
    let costs: Vec<StageCost> =
        priced.costs.iter().map(super::costing::SampleCost::total).collect();
    let walls: Vec<u64> =
        frame.timed().iter().map(|sample| sample.wall_milliseconds.div_ceil(1000)).collect();
    quantities(&costs, &walls)
}

/// Per phase, in first-use order.
pub fn phases(frame: &Frame, priced: &Priced) -> Vec<PhasePlan> {
    let mut order: Vec<&str> = Vec::new();
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, stage) in frame.stages.iter().enumerate() {
        let title: &str = &stage.identity.phase;
        if !order.contains(&title) {
            order.push(title);
        }
        members.entry(title).or_default().push(index);
    }
    order
        .into_iter()
        .map(|title| {
            let of = members.get(title).map_or(&[][..], Vec::as_slice);
            let contexts = contexts(priced, of);
            PhasePlan {
                title: title.to_owned(),
                quantities: quantities(&costs_of(priced, of), &walls_of(frame, of)),
                context_per_agent_tokens_p50: band::quantile(&contexts, 500).unwrap_or(0),
                stages: of
                    .iter()
                    .filter_map(|index| frame.stages.get(*index))
                    .map(|stage| stage.identity.key)
                    .collect(),
            }
        })
        .collect()
}

/// Per stage, in first-call order.
pub fn stages(frame: &Frame, priced: &Priced, names: &[String]) -> Vec<StagePlan> {
    frame
        .stages
        .iter()
        .zip(&priced.routes)
        .zip(names)
        .enumerate()
        .map(|(index, ((stage, routed), name))| {
            let of = [index];
            let costs = costs_of(priced, &of);
            let contexts = contexts(priced, &of);
            let requests: u64 = costs.iter().map(|cost| cost.requests).sum();
            let above: u64 = costs.iter().map(|cost| cost.requests_above_step).sum();
            let step = routed.choice.price.as_ref().and_then(crate::pricing::Price::step_tokens);
            StagePlan {
                key: stage.identity.key,
                work: Some(StageKey(stage.identity.work))
                    .filter(|work| *work != stage.identity.key),
                name: name.clone(),
                phase: stage.identity.phase.to_string(),
                agent_type: stage.identity.agent_type.as_deref().map(str::to_owned),
                line: stage.identity.line,
                role: stage.traits.role,
                quantities: quantities(&costs, &walls_of(frame, &of)),
                context_per_agent_tokens_p50: band::quantile(&contexts, 500).unwrap_or(0),
                context_per_agent_tokens_p90: band::quantile(&contexts, 900).unwrap_or(0),
                requests_above_step_per_mille: step.map(|_| {
                    let per_mille = (above * 1000).checked_div(requests).unwrap_or(0);
                    u32::try_from(per_mille).unwrap_or(1000)
                }),
                route: routed.plan.clone(),
            }
        })
        .collect()
}

/// Cost per agent at P99 by stage, and the typical mean per agent: what ceilings are priced with.
pub fn agent_prices(frame: &Frame, priced: &Priced) -> Option<super::ceiling::AgentPrices> {
    if priced.costs.iter().any(|sample| sample.total().unpriced) {
        return None;
    }
    let p99 = |of: &mut Vec<Picodollars>| {
        of.sort_unstable();
        band::quantile(of, 990).unwrap_or(Picodollars::ZERO)
    };
    let mut by_stage: BTreeMap<u64, Vec<Picodollars>> = BTreeMap::new();
    for agent in &priced.agents {
        let key = frame.stages.get(agent.stage).map_or(0, |stage| stage.identity.key.0);
        by_stage.entry(key).or_default().push(agent.cost);
    }
    let mut means: Vec<Picodollars> = priced
        .costs
        .iter()
        .map(super::costing::SampleCost::total)
        .filter(|total| total.paid > 0)
        .map(|total| total.cost.scale_ceil(1, i128::from(total.paid)))
        .collect();
    means.sort_unstable();
    Some(super::ceiling::AgentPrices {
        p99: p99(&mut priced.agents.iter().map(|agent| agent.cost).collect()),
        p99_by_stage: by_stage.into_iter().map(|(key, mut of)| (key, p99(&mut of))).collect(),
        typical: [band::quantile(&means, 100)?, band::quantile(&means, 900)?],
    })
}

/// Costs of each sample, or nothing where a request had no price.
pub fn dollars(priced: &Priced) -> Option<Vec<Picodollars>> {
    dollars_of(&priced.costs)
}

/// See [`dollars`].
pub fn dollars_of(costs: &[super::costing::SampleCost]) -> Option<Vec<Picodollars>> {
    costs
        .iter()
        .map(|sample| {
            let total = sample.total();
            (!total.unpriced).then_some(total.cost)
        })
        .collect()
}

fn costs_of(priced: &Priced, stages: &[usize]) -> Vec<StageCost> {
    let sum = |sample: &super::costing::SampleCost| {
        stages
            .iter()
            .filter_map(|index| sample.stages.get(*index))
            .fold(StageCost::default(), |sum, cost| sum.plus(cost))
    };
    priced.costs.iter().map(sum).collect()
}

fn contexts(priced: &Priced, stages: &[usize]) -> Vec<u64> {
    let within = |agent: &&AgentCost| stages.contains(&agent.stage);
    let mut contexts: Vec<u64> =
        priced.agents.iter().filter(within).map(|agent| agent.context_tokens).collect();
    contexts.sort_unstable();
    contexts
}

fn walls_of(frame: &Frame, stages: &[usize]) -> Vec<u64> {
    let wall = |sample: &Recorded| {
        let calls = || {
            sample
                .calls
                .iter()
                .filter(|call| stages.contains(&(call.stage as usize)) && call.started != u64::MAX)
        };
        let first = calls().map(|call| call.started).min().unwrap_or(0);
        let last = calls().map(|call| call.ended).max().unwrap_or(0);
        last.saturating_sub(first).div_ceil(1000)
    };
    frame.timed().iter().map(wall).collect()
}

fn quantities(costs: &[StageCost], wall_seconds: &[u64]) -> Quantities {
    let band = |read: fn(&StageCost) -> u64| {
        Band::of(&costs.iter().map(read).collect::<Vec<u64>>()).unwrap_or_default()
    };
    let priced = costs.iter().all(|cost| !cost.unpriced);
    Quantities {
        agents: band(|cost| u64::from(cost.agents)),
        context_tokens: band(|cost| cost.context_tokens),
        billed_tokens: band(|cost| cost.billed_tokens),
        cost_usd: if priced {
            Band::of(&costs.iter().map(|cost| cost.cost).collect::<Vec<Picodollars>>())
        } else {
            None
        },
        wall_seconds: Band::of(wall_seconds).unwrap_or_default(),
    }
}
