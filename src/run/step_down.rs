//! Steps an agent down that starts when a budget is used up to a share. Chooses nothing: where to,
//! and from which share on, is the plan's.

use crate::budget::Share;
use crate::event::RunEvent;
use crate::id::CallId;
use crate::run::agent_at_work::AgentAtWork;
use crate::run::dispatcher::Dispatcher;
use crate::run::routes::{StageRoute, StepDownRoute};

/// A step that applies now, and the limit that made it apply.
pub(crate) struct Step {
    pub(crate) to: StepDownRoute,
    pub(crate) share: Share,
}

/// An agent that was stepped down.
#[derive(Debug)]
pub(crate) struct Stepped {
    /// Its step's share, per mille: what the stage's agents take depends on it.
    pub(crate) above_per_mille: u16,
    /// Where it is counted.
    pub(crate) position: usize,
}

/// The most advanced step of `route` whose share is passed by any of `shares`, and the limit that
/// is used up the furthest.
pub(crate) fn applies(route: &StageRoute, shares: Vec<Share>) -> Option<Step> {
    // Among equal shares the narrowest scope is named: it comes first.
    let furthest = |furthest: Option<Share>, share: Share| match furthest {
        Some(known) if known.per_mille() >= share.per_mille() => Some(known),
        _ => Some(share),
    };
    let step_of = |share: &Share| {
        route.step_downs.iter().rev().find(|step| share.is_above(step.above_per_mille))
    };
    let advanced =
        shares.iter().filter_map(step_of).max_by_key(|step| step.above_per_mille)?.clone();
    let passed = shares.into_iter().filter(|share| share.is_above(advanced.above_per_mille));
    let share = passed.fold(None, furthest)?;
    Some(Step { to: advanced, share })
}

impl Dispatcher<'_> {
    /// The step that an agent takes if it starts now, by the balances of this moment.
    pub(crate) fn step_of(&self, agent: &AgentAtWork) -> Option<Step> {
        if agent.route.step_downs.is_empty() {
            return None;
        }
        applies(&agent.route, self.desk.shares(agent.scope?))
    }

    /// An agent starts on the route of `step`, and stays there.
    pub(crate) fn step_down(&mut self, call: CallId, step: &Step) {
        let Some(agent) = self.agents.get_mut(&call) else { return };
        let position = self.tally.stepped_down(agent, step);
        let stepped = agent.route.stepped(&step.to);
        let from = std::mem::replace(&mut agent.route, stepped);
        let above_per_mille = step.to.above_per_mille;
        agent.stepped = Some(Stepped { above_per_mille, position });
        self.tell(&RunEvent::SteppedDown {
            at_milliseconds: self.now,
            agent: call,
            stage: from.name,
            rule: step.to.rule.clone(),
            above_per_mille,
            from: from.model,
            model: step.to.model.clone(),
            scope: step.share.scope.clone(),
            unit: step.share.unit,
            share_per_mille: step.share.per_mille(),
        });
    }
}
