//! The run's scope in the ledger: opened or raised before the client starts, read after it has ended.

use std::time::{Duration, Instant};

use super::super::amounts::once_per_unit;
use super::super::books::OpenLedger;
use super::super::context::Context;
use super::super::error::AppError;
use super::super::exit::Exit;
use super::super::{knowledge, standing};
use super::elsewhere::Elsewhere;
use super::hold::Client;
use crate::amount::Amount;
use crate::app::gateway;
use crate::app::inputs::policy_source;
use crate::budget::{Balance, Charge, Limits, ScopeRow, Unit, UnitBalance};
use crate::cli::exec::ExecTyped;
use crate::policy::BudgetScope;
use crate::report::number;

/// How long what a client had answers to may take to be written to the ledger, and how often that is
/// looked for.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The scope of one run.
pub(super) struct RunAccount {
    ledger: OpenLedger,
    path: Vec<String>,
    limits: Limits,
    before: Charge,
}

impl RunAccount {
    /// Looks whether `run` of `project` may go on with what is asked for, and changes nothing. A
    /// gateway that listens already says which scope that is.
    pub(super) fn look(
        typed: &ExecTyped,
        (project, run): (&str, &str),
        elsewhere: Option<&Elsewhere>,
        context: &Context,
    ) -> Result<Self, AppError> {
        let asked = asked(typed)?;
        let there = OpenLedger::if_there(&typed.ledger, context)?;
        let path = if let Some(elsewhere) = elsewhere {
            elsewhere.keeps(there.as_ref())?;
            elsewhere.scope().to_vec()
        } else {
            let mut path = standing::project_path(project);
            path.push(format!("run {run}"));
            path
        };
        let was = there.as_ref().map(|ledger| row(ledger, &path)).transpose()?.flatten();
        let known = was.as_ref().map_or(Limits::NONE, |row| row.limits);
        let limits = if asked == Limits::NONE { known } else { asked };
        if limits == Limits::NONE {
            return Err(AppError::usage("nobody said what this run may spend")
                .with_hint("say it: flyball exec --budget 5usd -- claude"));
        }
        let before = was.as_ref().map_or(Charge::ZERO, |row| row.settled);
        if let Some(row) = was {
            refuse_used_up(&Balance { limits, ..row.balance() }, run)?;
        }
        // Whoever is refused leaves no empty ledger.
        let ledger = there.map_or_else(|| OpenLedger::create(&typed.ledger, context), Ok)?;
        Ok(Self { ledger, path, limits, before })
    }

    /// Opens the run's scope with its limits, or sets them where it is open.
    pub(super) fn open(&mut self) -> Result<(), AppError> {
        self.ledger.limit(self.path.clone(), self.limits)
    }

    /// What of its limits may hold nothing of `client`, in a sentence.
    ///
    /// # Errors
    /// That is all of them.
    pub(super) fn unheld(&self, client: &Client<'_>) -> Result<Option<String>, AppError> {
        let Some(agents) = self.limits.agents.filter(|_| !client.is_claude_code) else {
            return Ok(None);
        };
        let what = format!("a limit of {}", number::plural(agents, "agent", "agents"));
        if (Limits { agents: None, ..self.limits }) == Limits::NONE {
            return Err(AppError::usage(format!(
                "{what} may hold nothing here: only Claude Code says which agent a request is of"
            ))
            .with_hint("give it dollars or tokens too: --budget 5usd --budget 3agents"));
        }
        Ok(Some(format!(
            "{what} holds only if the client says which agent a request is of, as Claude Code does"
        )))
    }

    /// What it has taken before.
    pub(super) const fn before(&self) -> Charge {
        self.before
    }

    /// What it is limited to.
    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// How the ledger calls the run: with the owner of its key, where it is charged by one.
    pub(super) fn called(&self) -> &str {
        let last = self.path.last().map_or("", String::as_str);
        last.strip_prefix("run ").unwrap_or(last)
    }

    /// Its path as denials name it.
    pub(super) fn name(&self) -> String {
        self.path.join(" / ")
    }

    /// Its balance now: dollars, and every other unit that is limited.
    pub(super) fn balance(&self) -> Result<Vec<UnitBalance>, AppError> {
        let row = row(&self.ledger, &self.path)?;
        Ok(row.map(|row| row.balance().in_units()).unwrap_or_default())
    }

    /// What it has taken in all.
    pub(super) fn spent(&self) -> Result<Charge, AppError> {
        let row = row(&self.ledger, &self.path)?;
        row.map(|row| row.settled).ok_or_else(|| AppError::bug("the run's scope is gone"))
    }

    /// How many requests it has settled since the command began.
    pub(super) fn requests(&self) -> Result<u64, AppError> {
        Ok(self.spent()?.requests.saturating_sub(self.before.requests))
    }

    /// How many of `answered` requests, which the client has had answers to, the ledger has never
    /// heard of. The gateway of another process may write what it admitted from a slice a moment
    /// later, so it is waited for.
    pub(super) fn unheard_of(&self, answered: u64) -> Result<u64, AppError> {
        let until = Instant::now() + WRITTEN_WITHIN;
        loop {
            let missing = answered.saturating_sub(self.requests()?);
            if missing == 0 || Instant::now() >= until {
                return Ok(missing);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// The limits that are asked for: those of the command line, else those of the policy.
fn asked(typed: &ExecTyped) -> Result<Limits, AppError> {
    once_per_unit("--budget", &typed.budget)?;
    once_per_unit("--agent-budget", &typed.agent_budget)?;
    let Some(policy) = &typed.policy else { return gateway::limits(&typed.budget) };
    // A policy that cannot be read would block every launch: it is found out before.
    let policy = knowledge::policy(&policy_source(policy)?)?.policy;
    if !typed.budget.is_empty() {
        return gateway::limits(&typed.budget);
    }
    let of_run = policy.budgets().iter().filter(|limit| limit.scope == BudgetScope::Run);
    let amounts: Vec<Amount> = of_run
        .map(|limit| limit.amount)
        .filter(|amount| !matches!(amount, Amount::PlanWindow { .. }))
        .collect();
    gateway::limits(&amounts)
}

fn row(ledger: &OpenLedger, path: &[String]) -> Result<Option<ScopeRow>, AppError> {
    let path = path.join(" / ");
    ledger.read(|ledger| ledger.scope_by_path(&path))
}

/// Refuses to start a client that could not send a single request.
fn refuse_used_up(balance: &Balance, run: &str) -> Result<(), AppError> {
    let used_up = Unit::ALL.into_iter().find(|unit| {
        // An agent that is counted already goes on; only new ones find no room.
        let limit = balance.limits.get(*unit).filter(|_| *unit != Unit::Agents);
        limit.is_some_and(|limit| balance.taken(*unit).0 >= limit)
    });
    let Some(unit) = used_up else { return Ok(()) };
    let (spent, limit) = (balance.taken(unit).0, balance.limits.get(unit).unwrap_or(i128::MAX));
    let (spent, limit) = unit.say_both(unit.quantity(spent), unit.quantity(limit));
    let why = format!("run {run} has spent {spent} of {limit} already");
    Err(AppError::new(Exit::OverBudget, why)
        .with_hint("--budget is for the whole run, what it took before included: give more"))
}
