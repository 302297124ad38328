//! What a launch is held to: the budgets of flags and policy, and what is left of those in the
//! ledger, which is only read.

use std::collections::HashSet;

use super::super::amounts::once_per_unit;
use super::super::books::{OpenLedger, project_here};
use super::super::charged;
use super::super::context::Context;
use super::super::error::AppError;
use super::super::standing::Standing;
use super::super::wider;
use crate::amount::Amount;
use crate::budget::{Balance, ScopeRow, names_in};
use crate::claude::hook::decision::{HeldLimit, Raise};
use crate::claude::shell_command::shell_word;
use crate::cli::hook::{HookOptions, HookTyped};
use crate::diagnostic::Diagnostic;
use crate::policy::{BudgetScope, Policy};

/// What a launch is held to.
pub(super) struct Held {
    /// Every budget: a run's own, then wider ones.
    pub(super) limits: Vec<HeldLimit>,
    /// What is to be said of budgets of the policy towards which nothing counts.
    pub(super) uncounted: Vec<String>,
}

/// What a launch is held to, by one look at the ledger.
pub(super) fn look(
    typed: &HookTyped,
    options: &HookOptions,
    policy: &Policy,
    context: &Context,
) -> Result<Held, AppError> {
    once_per_unit("--budget of flyball's hook", &options.planning.budgets)?;
    let mut held = own(options, policy);
    held.extend(options.deny_over.map(|amount| HeldLimit {
        name: "--deny-over".to_owned(),
        left: Amount::Usd(amount),
        of: None,
        strict: true,
        paused: false,
        raise: Raise::To("--deny-over of flyball's hook".to_owned()),
    }));
    let here = || typed.project.clone().unwrap_or_else(|| project_here(context));
    // Where there is no home, nothing was ever kept.
    let place = typed.ledger.ledger.as_ref().or(context.environment.ledger.as_ref());
    let ledger = match place {
        Some(_) => OpenLedger::if_there(&typed.ledger, context)?,
        None => None,
    };
    let (standing, runs) = match &ledger {
        Some(ledger) => (ledger.standing()?, of_run(ledger, typed.project.as_deref(), context)?),
        None => (Standing::empty(jiff::Timestamp::now()), Vec::new()),
    };
    for row in &runs {
        let name = names_in(&row.path).last().unwrap_or("").to_owned();
        let bare = name.strip_prefix("run ").unwrap_or(&name);
        let flag = wider::ledger_words(&typed.ledger);
        let command = if row.paused {
            Raise::With(format!("flyball runs resume{flag} {}", shell_word(bare)))
        } else {
            Raise::By(format!("flyball runs raise{flag} {}", shell_word(bare)))
        };
        held.extend(left(&name, row.paused, &row.balance(), &command));
    }
    // A run lies below its project, wherever its session was started.
    let mut projects: Vec<String> = runs.iter().filter_map(project_of).collect();
    if projects.is_empty() {
        projects.push(here());
    }
    let mut told = HashSet::new();
    for project in projects {
        for (budget, raise) in wider::in_force(&standing, &project, policy, &typed.ledger)? {
            if !told.insert(budget.name.clone()) {
                continue;
            }
            let in_policy = || Raise::To(format!("[budget] of the policy {}", policy.name()));
            let raise = raise.map_or_else(in_policy, Raise::By);
            held.extend(left(&budget.name, budget.paused, &budget.balance, &raise));
        }
    }
    let said = wider::uncounted(&standing, policy, &typed.ledger)?.into_iter();
    let words = |said: Diagnostic| format!("{}; {}", said.message, said.help.unwrap_or_default());
    Ok(Held { limits: held, uncounted: said.map(words).collect() })
}

/// The budgets of one run: of the flags, else of the policy.
fn own(options: &HookOptions, policy: &Policy) -> Vec<HeldLimit> {
    let held = |name: &str, amount: Amount, place: &str| HeldLimit {
        name: name.to_owned(),
        left: amount,
        of: None,
        strict: false,
        paused: false,
        raise: Raise::To(place.to_owned()),
    };
    let planning = &options.planning;
    let repository = "`budget` in this repository's flyball.toml";
    let at_most = planning.at_most.iter().map(|of| held("its settings", *of, repository));
    let at_most: Vec<HeldLimit> = at_most.collect();
    if !planning.budgets.is_empty() {
        let place = "--budget of flyball's hook";
        let flags = planning.budgets.iter().map(|of| held("--budget", *of, place));
        return flags.chain(at_most).collect();
    }
    let place = format!("[budget] of the policy {}", policy.name());
    let of_run = policy.budgets().iter().filter(|budget| budget.scope == BudgetScope::Run);
    // A share of a plan window is observed while a run goes on; no forecast says anything of it.
    of_run
        .filter(|budget| !matches!(budget.amount, Amount::PlanWindow { .. }))
        .map(|budget| held("the policy's budget of a run", budget.amount, &place))
        .chain(at_most)
        .collect()
}

/// The scopes of the run that the session belongs to, once something was charged there: one, or more
/// where runs of several projects or of several keys have its name. Nobody here knows which of them
/// is charged, so all of them hold.
fn of_run(
    ledger: &OpenLedger,
    project: Option<&str>,
    context: &Context,
) -> Result<Vec<ScopeRow>, AppError> {
    let Some(run) = &context.environment.run else { return Ok(Vec::new()) };
    let rows = ledger.read(|ledger| ledger.upper_scopes(charged::LEVELS))?;
    let name = format!("run {run}");
    let of_project =
        |row: &ScopeRow| project.is_none_or(|of| project_of(row).as_deref() == Some(of));
    let is_its = |row: &ScopeRow| charged::is_run(row) && charged::is_called(row, &name);
    Ok(rows.into_iter().filter(|row| is_its(row) && of_project(row)).collect())
}

fn project_of(row: &ScopeRow) -> Option<String> {
    let project = names_in(&row.path).nth(1)?;
    project.strip_prefix("project ").map(str::to_owned)
}

/// One limit for each unit of `balance` that is limited.
fn left(name: &str, paused: bool, balance: &Balance, raise: &Raise) -> Vec<HeldLimit> {
    let held = |(left, of): (Amount, Amount)| HeldLimit {
        name: name.to_owned(),
        left,
        of: (left != of).then_some(of),
        strict: false,
        paused,
        raise: raise.clone(),
    };
    wider::left_of(balance, paused).into_iter().map(held).collect()
}
