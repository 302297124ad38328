//! What is left of the budgets that a run shares with others: those of the ledger, and those of its
//! policy for a day, a project, everything. The ledger is only read, and not made.

use super::books::{OpenLedger, project_here};
use super::context::Context;
use super::error::AppError;
use super::standing::{InForce, Standing};
use crate::amount::Amount;
use crate::budget::{Balance, Limits};
use crate::claude::shell_command::shell_word;
use crate::cli::ledger::LedgerFlag;
use crate::ledger_place::LedgerPlace;
use crate::money::Picodollars;
use crate::plan::job::StandingLimit;
use crate::policy::Policy;

/// A budget that a run is held to, and how it is raised: by this command, with what is missing behind
/// it, or, without one, in the policy.
pub(super) type Wider = (InForce, Option<String>);

/// Every wider budget that a run of the project here is held to now.
pub(super) fn limits(
    flag: &LedgerFlag,
    policy: &Policy,
    context: &Context,
) -> Result<Vec<StandingLimit>, AppError> {
    // Where there is no home, nothing was ever kept.
    let ledger = match flag.ledger.as_ref().or(context.environment.ledger.as_ref()) {
        Some(_) => OpenLedger::to_look(flag, context)?,
        None => None,
    };
    let standing = match &ledger {
        Some(ledger) => ledger.standing()?,
        None => Standing::empty(jiff::Timestamp::now()),
    };
    let in_force = in_force(&standing, &project_here(context), policy, flag)?;
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
