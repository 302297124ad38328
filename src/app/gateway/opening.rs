//! What scopes are opened with: the limits of flags and of a policy.

use std::collections::BTreeSet;

use super::super::amounts::once_per_unit;
use super::super::error::AppError;
use super::super::inputs::policy_source;
use super::super::knowledge;
use super::super::standing::Standing;
use super::super::wider;
use crate::amount::Amount;
use crate::budget::{Limits, PhaseLimits};
use crate::cli::gateway::GatewayTyped;
use crate::policy::{BudgetLimit, BudgetScope};

/// What scopes are opened with.
#[derive(Clone, Debug, Default)]
pub(super) struct OpeningLimits {
    /// A run or a session.
    pub(super) run: Limits,
    /// An agent; where that is none, agents of no workflow have no scopes of their own.
    pub(super) agent: Limits,
    /// Phases of each workflow, by title in lower case.
    phases: PhaseLimits,
}

impl OpeningLimits {
    /// Each run is held to `limits`, and nothing below it.
    pub(super) fn of_runs(limits: Limits) -> Self {
        Self { run: limits, ..Self::default() }
    }

    /// Those of the phase called `title`, case aside.
    pub(super) fn phase(&self, title: &str) -> Limits {
        self.phases.of(title).unwrap_or(Limits::NONE)
    }

    /// The one title under which that phase is charged.
    pub(super) fn phase_spelled<'a>(&'a self, title: &'a str) -> &'a str {
        self.phases.spelled(title)
    }

    /// In each unit the lowest that any phase has.
    pub(super) fn strictest_phase(&self) -> Limits {
        self.phases.strictest()
    }
}

/// What a gateway holds its clients to besides the budgets of the ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldTo {
    pub(super) limits: OpeningLimits,
    /// What it says of that at its start.
    pub(super) notice: Option<String>,
    /// Whether its policy has a budget of a project, which the ledger was found to hold for those that
    /// are charged now.
    pub(super) by_project: bool,
}

impl HeldTo {
    /// The limits that `typed` gives, itself and by its policy; `standing` is what the ledger has for
    /// the `projects` that are charged.
    pub(super) fn of(
        typed: &GatewayTyped,
        standing: &Standing,
        projects: &BTreeSet<String>,
    ) -> Result<Self, AppError> {
        once_per_unit("--session-budget", &typed.session_budget)?;
        once_per_unit("--agent-budget", &typed.agent_budget)?;
        let mut limits = OpeningLimits {
            run: limits(&typed.session_budget)?,
            agent: limits(&typed.agent_budget)?,
            phases: PhaseLimits::default(),
        };
        let Some(name) = &typed.policy else { return Ok(Self { limits, ..Self::default() }) };
        let found = knowledge::policy(&policy_source(name)?)?;
        let budgets = found.policy.budgets();
        for budget in budgets {
            let into = match &budget.scope {
                BudgetScope::Run => &mut limits.run,
                BudgetScope::Agent => &mut limits.agent,
                BudgetScope::Phase(title) => limits.phases.entry(title),
                _ => continue,
            };
            *into = into.and(budget.amount).ok_or_else(|| wider::only_observed(budget.amount))?;
        }
        if !limits.phases.is_empty() && typed.join.claude_home.is_none() {
            return Err(AppError::usage(format!(
                "{}: the policy has budgets of phases, and no request says which phase it is of",
                found.name
            ))
            .with_hint("say where Claude Code's folder is, which does: --claude-home ~/.claude"));
        }
        wider::are_held(&found.name, budgets, standing, projects, &typed.ledger)?;
        let notice = (!budgets.is_empty()).then(|| notice(&found.name, budgets));
        let by_project = budgets.iter().any(|budget| budget.scope == BudgetScope::Project);
        Ok(Self { limits, notice, by_project })
    }
}

/// The limits that these amounts are together.
pub(in super::super) fn limits(amounts: &[Amount]) -> Result<Limits, AppError> {
    amounts.iter().try_fold(Limits::NONE, |limits, amount| {
        limits.and(*amount).ok_or_else(|| wider::only_observed(*amount))
    })
}

fn notice(policy: &str, budgets: &[BudgetLimit]) -> String {
    let each = budgets.iter().map(|budget| format!("{} {}", budget.scope, budget.amount));
    let all: Vec<String> = each.collect();
    format!("flyball: policy {policy} holds {}\n", all.join(", "))
}
