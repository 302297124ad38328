//! Counts what happened, for the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::{Denial, Quantity};
use crate::diagnostic::Diagnostic;
use crate::event::{
    AgentCounts, AgentEnding, Dollars, LostAgent, LostReason, LostWork, PhaseReport, RequestCounts,
    SeenDenial, StageReport, SteppedDown,
};
use crate::id::StageKey;
use crate::money::Picodollars;
use crate::run::agent_at_work::AgentAtWork;
use crate::run::routes::StageRoute;
use crate::run::step_down::Step;
use crate::tokens::TokenUsage;

/// Lost agents that a report names.
const LOST_NAMED_MAX: usize = 100;
/// Stepped agents of one kind that a report names.
const STEPPED_NAMED_MAX: usize = 100;
/// Distinct denials that a report names.
const DENIALS_MAX: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) agents: AgentCounts,
    pub(crate) requests: RequestCounts,
    pub(crate) tokens: TokenUsage,
    pub(crate) denials: Vec<SeenDenial>,
    pub(crate) step_downs: Vec<SteppedDown>,
    pub(crate) lost: LostWork,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) unplanned: Vec<String>,
    phases: Vec<PhaseReport>,
    stages: Vec<StageReport>,
    phase_positions: BTreeMap<Arc<str>, usize>,
    stage_positions: BTreeMap<StageKey, usize>,
}

impl Tally {
    /// A call was made; `true` where it is the first of its phase.
    pub(crate) fn called(&mut self, phase: &Arc<str>, stage: StageKey, route: &StageRoute) -> bool {
        if !route.planned && !self.unplanned.contains(&route.name) {
            self.unplanned.push(route.name.clone());
        }
        self.stage_positions.entry(stage).or_insert_with(|| {
            self.stages.push(StageReport {
                key: stage,
                name: route.name.clone(),
                phase: phase.to_string(),
                model: route.model.clone(),
                effort: route.effort,
                rule: route.rule.clone(),
                agents: AgentCounts::default(),
                cost_usd: Picodollars::ZERO,
                tokens: TokenUsage::default(),
            });
            self.stages.len() - 1
        });
        let first = !self.phase_positions.contains_key(phase);
        if first {
            self.phase_positions.insert(Arc::clone(phase), self.phases.len());
            self.phases.push(PhaseReport {
                title: phase.to_string(),
                agents: AgentCounts::default(),
                cost_usd: Dollars::default(),
                tokens: TokenUsage::default(),
                forecast: None,
            });
        }
        first
    }

    /// An agent ended.
    pub(crate) fn ended(
        &mut self,
        agent: &AgentAtWork,
        ending: AgentEnding,
        cost: Picodollars,
        message: &str,
    ) {
        let stepped = agent.stepped.as_ref().and_then(|of| self.step_downs.get_mut(of.position));
        if let Some(stepped) = stepped {
            stepped.cost_usd += cost;
            stepped.done += u32::from(ending == AgentEnding::Done);
        }
        let phase = self.phase_positions.get(&agent.phase).copied();
        let phase = phase.and_then(|position| self.phases.get_mut(position));
        let stage = self.stage_positions.get(&agent.stage).copied();
        let stage = stage.and_then(|position| self.stages.get_mut(position));
        let mut counts = vec![&mut self.agents];
        if let Some(phase) = phase {
            phase.tokens += agent.tokens;
            counts.push(&mut phase.agents);
        }
        if let Some(stage) = stage {
            stage.cost_usd += cost;
            stage.tokens += agent.tokens;
            counts.push(&mut stage.agents);
        }
        for counts in counts {
            let count = match ending {
                AgentEnding::Done => &mut counts.done,
                AgentEnding::Replayed => &mut counts.replayed,
                AgentEnding::DeniedAtStart | AgentEnding::DeniedInWork => &mut counts.denied,
                AgentEnding::Failed => &mut counts.failed,
                AgentEnding::Stopped => &mut counts.stopped,
            };
            *count += 1;
        }
        let reason = match ending {
            AgentEnding::Done | AgentEnding::Replayed => return,
            AgentEnding::DeniedAtStart => LostReason::DeniedAtStart,
            AgentEnding::DeniedInWork => LostReason::DeniedInWork,
            AgentEnding::Failed => LostReason::Failed,
            AgentEnding::Stopped => LostReason::Stopped,
        };
        self.lost.count += 1;
        self.lost.cost_usd += cost;
        self.lost.agents.push(LostAgent {
            call: agent.call.id,
            label: agent.label.to_string(),
            phase: agent.phase.to_string(),
            reason,
            cost_usd: cost,
            message: message.to_owned(),
        });
    }

    /// An agent starts after a step. Where its kind is counted.
    pub(crate) fn stepped_down(&mut self, agent: &AgentAtWork, step: &Step) -> usize {
        let (to, share) = (&step.to, &step.share);
        let known = self.step_downs.iter().position(|of| {
            (of.stage, &of.rule, &of.scope, of.unit)
                == (agent.stage, &to.rule, &share.scope, share.unit)
        });
        let position = known.unwrap_or_else(|| {
            self.step_downs.push(SteppedDown {
                stage: agent.stage,
                name: agent.route.name.clone(),
                phase: agent.phase.to_string(),
                rule: to.rule.clone(),
                above_per_mille: to.above_per_mille,
                from: agent.route.model.clone(),
                model: to.model.clone(),
                scope: share.scope.clone(),
                unit: share.unit,
                share_per_mille: share.per_mille(),
                agent: agent.label.to_string(),
                calls: Vec::new(),
                count: 0,
                done: 0,
                cost_usd: Picodollars::ZERO,
            });
            self.step_downs.len() - 1
        });
        if let Some(of) = self.step_downs.get_mut(position) {
            of.count += 1;
            if of.calls.len() < STEPPED_NAMED_MAX {
                of.calls.push(agent.call.id);
            }
        }
        position
    }

    /// A budget refused an agent.
    pub(crate) fn denied(&mut self, agent: &AgentAtWork, denial: &Denial) {
        let shortage = &denial.shortage;
        let left = match (shortage.limit, shortage.settled) {
            (Quantity::Usd(limit), Quantity::Usd(settled)) => {
                Quantity::Usd(limit.saturating_sub_at_zero(settled))
            }
            (Quantity::Count(limit), Quantity::Count(settled)) => {
                Quantity::Count(limit.saturating_sub(settled))
            }
            (limit, _) => limit,
        };
        let known = self
            .denials
            .iter_mut()
            .find(|seen| seen.unit == shortage.unit && seen.scope == shortage.scope);
        if let Some(seen) = known {
            seen.count += 1;
            seen.needed = seen.needed.min(shortage.needed);
            seen.left = left;
            seen.last = denial.clone();
        } else if self.denials.len() < DENIALS_MAX {
            self.denials.push(SeenDenial {
                scope: shortage.scope.clone(),
                unit: shortage.unit,
                needed: shortage.needed,
                left,
                agent: agent.label.to_string(),
                count: 1,
                last: denial.clone(),
            });
        }
    }

    /// The phases with the dollars of their scopes, and the stages.
    pub(crate) fn finish(
        &mut self,
        dollars_of: impl Fn(&str) -> Dollars,
    ) -> (Vec<PhaseReport>, Vec<StageReport>) {
        let mut phases = std::mem::take(&mut self.phases);
        for phase in &mut phases {
            phase.cost_usd = dollars_of(&phase.title);
        }
        self.lost.agents.sort_by_key(|lost| lost.call);
        self.lost.agents.truncate(LOST_NAMED_MAX);
        (phases, std::mem::take(&mut self.stages))
    }
}
