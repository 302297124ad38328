//! What is left of the budgets that a run shares with others: those of the ledger, and those of its
//! policy for a day, a project, everything. The ledger is only read, and not made.
//!
//! A policy asks for such a budget and does not set it: only the ledger knows what others spend, and
//! it counts a day only where one is limited there. So what pays is refused where the ledger has no
//! limit as low, and what only looks says that nothing is counted.

use std::collections::BTreeSet;

use super::books::{OpenLedger, project_here};
use super::context::Context;
use super::error::AppError;
use super::standing::{InForce, SetBudget, Standing, UTC, limits_of};
use crate::amount::Amount;
use crate::budget::{Balance, Limits};
use crate::claude::shell_command::shell_word;
use crate::cli::ledger::LedgerFlag;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ledger_place::LedgerPlace;
use crate::money::Picodollars;
use crate::plan::job::StandingLimit;
use crate::policy::{BudgetLimit, BudgetScope, Policy};

/// A budget that a run is held to, and how it is raised: by this command, with what is missing behind
/// it, or, without one, in the policy.
pub(super) type Wider = (InForce, Option<String>);

/// What is set and spent now, for who only looks.
pub(super) fn look(flag: &LedgerFlag, context: &Context) -> Result<Standing, AppError> {
    // Where there is no home, nothing was ever kept.
    let ledger = match flag.ledger.as_ref().or(context.environment.ledger.as_ref()) {
        Some(_) => OpenLedger::to_look(flag, context)?,
        None => None,
    };
    match &ledger {
        Some(ledger) => ledger.standing(),
        None => Ok(Standing::empty(jiff::Timestamp::now())),
    }
}

/// Every wider budget that a run of the project here is held to now.
pub(super) fn limits(
    standing: &Standing,
    policy: &Policy,
    flag: &LedgerFlag,
    context: &Context,
) -> Result<Vec<StandingLimit>, AppError> {
    let in_force = in_force(standing, &project_here(context), policy, flag)?;
    let limits = in_force.into_iter().flat_map(|(budget, raise)| {
        let left = left_of(&budget.balance, budget.paused).into_iter();
        left.map(move |(left, of)| StandingLimit {
            scope: budget.name.clone(),
            left: left.to_string(),
            of: (left != of).then(|| of.to_string()),
            paused: budget.paused,
            raise: raise.clone(),
        })
        .collect::<Vec<_>>()
    });
    Ok(limits.collect())
}

/// The budgets that runs of `project` share with others, widest first.
pub(super) fn in_force(
    standing: &Standing,
    project: &str,
    policy: &Policy,
    flag: &LedgerFlag,
) -> Result<Vec<Wider>, AppError> {
    let ledgers = standing.in_force(project, &[])?;
    let with_raise = |budget: InForce| {
        let in_ledger = ledgers.iter().find(|other| other.name == budget.name);
        let is_ledgers = in_ledger.is_some_and(|own| own.balance.limits == budget.balance.limits);
        let raise = is_ledgers.then(|| command(&budget, flag));
        (budget, raise)
    };
    Ok(standing.in_force(project, policy.budgets())?.into_iter().map(with_raise).collect())
}

/// The scopes that runs share with others, widest first.
const WIDER: [BudgetScope; 5] = [
    BudgetScope::Org,
    BudgetScope::Month,
    BudgetScope::Week,
    BudgetScope::Day,
    BudgetScope::Project,
];

/// Refuses a policy, called `name`, with a wider budget of which the ledger has none as low, for who
/// spends in `projects`.
pub(super) fn are_held(
    name: &str,
    policy: &[BudgetLimit],
    standing: &Standing,
    projects: &BTreeSet<String>,
    flag: &LedgerFlag,
) -> Result<(), AppError> {
    for scope in &WIDER {
        for budget in policy.iter().filter(|budget| budget.scope == *scope) {
            if Limits::NONE.and(budget.amount).is_none() {
                return Err(only_observed(budget.amount));
            }
        }
        let asked = limits_of(policy, scope);
        let anywhere = BTreeSet::from([String::new()]);
        let charged = if *scope == BudgetScope::Project { projects } else { &anywhere };
        for project in charged.iter().filter(|_| asked != Limits::NONE) {
            let set = standing.set(project, scope)?;
            if set.iter().any(|set| set.in_force.lowest(asked) == set.in_force) {
                continue;
            }
            let (scope, amounts) = (scope_word(scope, project), words(asked, " and "));
            return Err(AppError::usage(format!(
                "{name}: the budget of {amounts} for {scope} is not set in the ledger, which is \
                 where those who pay are held to it"
            ))
            .with_hint(format!(
                "for all who share the ledger: {}",
                set_command(&scope, asked, &set, flag)
            )));
        }
    }
    Ok(())
}

/// The code of what is said of a budget towards which nothing counts.
pub(super) const UNCOUNTED: &str = "budget::uncounted";

/// What is to be said where a policy has a budget of a day, a week or a month and the ledger has
/// none: it is judged, and nothing counts towards it.
pub(super) fn uncounted(
    standing: &Standing,
    policy: &Policy,
    flag: &LedgerFlag,
) -> Result<Vec<Diagnostic>, AppError> {
    let mut said = Vec::new();
    for scope in [BudgetScope::Month, BudgetScope::Week, BudgetScope::Day] {
        let asked = limits_of(policy.budgets(), &scope);
        if asked == Limits::NONE || !standing.set("", &scope)?.is_empty() {
            continue;
        }
        let (amounts, policy) = (words(asked, " and "), policy.name());
        let message = format!(
            "the {scope} budget of {amounts} in the policy {policy} is not in the ledger, so \
             nothing counts towards it"
        );
        let command = set_command(&scope.to_string(), asked, &[], flag);
        let help = format!("set it there: {command}");
        said.push(Diagnostic::new(Severity::Note, UNCOUNTED, message).with_help(help));
    }
    Ok(said)
}

/// Refuses an amount that nobody can be held to.
pub(super) fn only_observed(amount: Amount) -> AppError {
    AppError::usage(format!("{amount} is only observed, so nobody can be held to it"))
        .with_hint("give dollars, tokens or agents: 5usd, 800ktok, 40agents")
}

/// The command that sets what is `asked`, and keeps what is `set` in other units and its zone.
fn set_command(scope: &str, asked: Limits, set: &[SetBudget], flag: &LedgerFlag) -> String {
    let set = set.first();
    let zone = set.and_then(|set| set.zone.as_deref()).filter(|zone| *zone != UTC);
    let kept = set.map_or(Limits::NONE, |set| set.limits);
    let zone = zone.map_or_else(String::new, |zone| format!(" --zone {}", shell_word(zone)));
    let (ledger, amounts) = (ledger_words(flag), words(kept.lowest(asked), " "));
    format!("flyball budget set{ledger} {scope} {amounts}{zone}")
}

/// `day`, `project:shop`.
fn scope_word(scope: &BudgetScope, project: &str) -> String {
    match scope {
        BudgetScope::Project => format!("project:{}", shell_word(project)),
        scope => scope.to_string(),
    }
}

/// The amounts of `limits` as they are typed.
fn words(limits: Limits, between: &str) -> String {
    let Limits { usd, billed_tokens, output_tokens, agents, requests: _ } = limits;
    let amounts = [
        usd.map(Amount::Usd),
        billed_tokens.map(Amount::BilledTokens),
        output_tokens.map(Amount::OutputTokens),
        agents.map(Amount::Agents),
    ];
    let words: Vec<String> = amounts.iter().flatten().map(Amount::to_string).collect();
    words.join(between)
}

fn command(budget: &InForce, flag: &LedgerFlag) -> String {
    let (kind, rest) = budget.name.split_once(' ').unwrap_or((&budget.name, ""));
    let name = match kind {
        "project" => format!("project:{}", shell_word(rest)),
        kind => kind.to_owned(),
    };
    format!("flyball budget raise{} {name}", ledger_words(flag))
}

/// ` --ledger FILE` where one was named; a database's address is not shown.
pub(super) fn ledger_words(flag: &LedgerFlag) -> String {
    match &flag.ledger {
        Some(LedgerPlace::File(path)) => {
            format!(" --ledger {}", shell_word(&path.to_string_lossy()))
        }
        Some(LedgerPlace::Postgres(_) | LedgerPlace::Elsewhere(_)) | None => String::new(),
    }
}

/// What is left in each unit that `balance` limits, and the whole; no agents where nothing is
/// limited and nothing admitted.
pub(super) fn left_of(balance: &Balance, paused: bool) -> Vec<(Amount, Amount)> {
    let Limits { usd, billed_tokens, output_tokens, agents, requests: _ } = balance.limits;
    let taken = balance.settled + balance.reserved + balance.leased;
    let counted = |limit: u64, taken: u64| limit.saturating_sub(taken);
    let of_agents = balance.agents_settled.saturating_add(balance.agents_reserved);
    let dollars = usd.map(|limit| {
        let left = Picodollars::saturating_sub_at_zero(limit, taken.usd);
        (Amount::Usd(left), Amount::Usd(limit))
    });
    let billed = billed_tokens.map(|limit| {
        let left = counted(limit, taken.billed_tokens);
        (Amount::BilledTokens(left), Amount::BilledTokens(limit))
    });
    let output = output_tokens.map(|limit| {
        let left = counted(limit, taken.output_tokens);
        (Amount::OutputTokens(left), Amount::OutputTokens(limit))
    });
    let agents =
        agents.map(|limit| (Amount::Agents(counted(limit, of_agents)), Amount::Agents(limit)));
    let limited: Vec<(Amount, Amount)> =
        [dollars, billed, output, agents].into_iter().flatten().collect();
    if limited.is_empty() && paused {
        return vec![(Amount::Agents(0), Amount::Agents(0))];
    }
    limited
}
