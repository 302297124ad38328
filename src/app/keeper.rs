//! Keeps a run in the ledger, and holds it to the budgets there.
//!
//! A simulated run pays nothing, so it is written once it is over, in one transaction and under
//! scopes of its own: no real budget is charged with it. It is held to what real spending has left
//! of them all the same, so that it stops where the real run would. A run that pays goes through a
//! gateway, which has written all it took by then; that it begins and what it came to is added.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::books::{self, OpenLedger};
use super::context::Context;
use super::error::AppError;
use super::standing::Standing;
use super::wider;
use crate::budget::{Account, Balance, Changes, Destination, Rows, ScopeId, Unit, Wanted};
use crate::cli::ledger::LedgerFlag;
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{RunReport, RunResult};
use crate::id::RunId;
use crate::ledger::{RunLock, RunRow};
use crate::policy::Policy;
use crate::run::{RunSetup, WiderBudget};

/// How a run stands that has not ended.
pub(super) const RUNNING: &str = "running";

/// The ledger beside one run.
pub(super) struct Keeper {
    ledger: Option<OpenLedger>,
    project: String,
    began: Timestamp,
    /// The run's id in the ledger, once its account is there.
    kept: Option<String>,
    /// Whether somebody else writes what the run takes.
    pays: bool,
    /// Held while a run that pays is under way.
    lock: Option<RunLock>,
    /// Why it is not kept.
    trouble: Option<String>,
    /// What is to be said of the budgets that it is held to.
    said: Vec<Diagnostic>,
}

impl Keeper {
    /// For a run that pays nothing: a ledger that cannot be used is told of, and the run goes on.
    ///
    /// # Errors
    /// The ledger is where none can be.
    pub(super) fn of_simulated(flag: &LedgerFlag, context: &Context) -> Result<Self, AppError> {
        books::refuse_elsewhere(flag, context)?;
        let opened = OpenLedger::create(flag, context);
        let trouble = opened.as_ref().err().map(AppError::sentence);
        Ok(Self {
            ledger: opened.ok(),
            project: books::project_here(context),
            began: Timestamp::now(),
            kept: None,
            pays: false,
            lock: None,
            trouble,
            said: Vec::new(),
        })
    }

    /// For a run that pays: without a ledger it is not started.
    pub(super) fn of_paying(
        flag: &LedgerFlag,
        run: &RunId,
        context: &Context,
    ) -> Result<Self, AppError> {
        Ok(Self {
            ledger: Some(OpenLedger::create(flag, context)?),
            project: books::project_here(context),
            began: Timestamp::now(),
            kept: Some(run.0.to_string()),
            pays: true,
            lock: None,
            trouble: None,
            said: Vec::new(),
        })
    }

    /// Writes down that a run that pays begins: whatever becomes of its process, it is known then.
    pub(super) fn begin(&mut self, setup: &RunSetup) -> Result<(), AppError> {
        let Some(ledger) = self.ledger.as_mut().filter(|_| self.pays) else { return Ok(()) };
        self.lock = ledger.lock(&setup.run_id)?;
        let row = RunRow {
            id: setup.run_id.clone(),
            workflow: setup.workflow.clone(),
            simulated: false,
            started_at: self.began,
            ended_at: None,
            status: RUNNING.to_owned(),
            hashes: serde_json::to_value(&setup.hashes).map_err(AppError::bug)?,
            plan: None,
            report: None,
        };
        ledger.store(|store| store.record_run(&row))
    }

    /// The budgets that the run is held to besides its own.
    ///
    /// # Errors
    /// The run pays, and its policy has one of which the ledger has none as low: others spend of it
    /// too, and a look at its balance is old as soon as the run begins.
    pub(super) fn wider(
        &mut self,
        policy: &Policy,
        flag: &LedgerFlag,
    ) -> Result<Vec<WiderBudget>, AppError> {
        let standing = match &self.ledger {
            Some(ledger) => ledger.standing()?,
            None => Standing::empty(self.began),
        };
        let budgets = policy.budgets();
        if self.pays {
            let projects = BTreeSet::from([self.project.clone()]);
            wider::are_held(policy.name(), budgets, &standing, &projects, flag)?;
        }
        if self.ledger.is_some() {
            self.said = wider::uncounted(&standing, policy, flag)?;
        }
        let in_force = standing.in_force(&self.project, budgets)?.into_iter();
        let wider = in_force.map(|budget| {
            let mut limits = budget.balance.limits;
            limits.agents = budget.balance.limits_left().agents;
            let (agents_settled, agents_held) = budget.balance.taken(Unit::Agents);
            let agents_taken = u64::try_from(agents_settled + agents_held).unwrap_or(u64::MAX);
            let Balance { settled, reserved, leased, .. } = budget.balance;
            let taken = settled + reserved + leased;
            WiderBudget { name: budget.name, limits, taken, agents_taken }
        });
        Ok(wider.collect())
    }

    /// Writes the account of a run that is over.
    pub(super) fn keep(&mut self, plan_id: &str, account: &Account, scope: ScopeId) {
        let Some(ledger) = self.ledger.as_mut().filter(|_| !self.pays) else { return };
        match transfer(ledger, plan_id, account, scope) {
            Ok(id) => self.kept = Some(id),
            Err(error) => self.trouble = Some(error.sentence()),
        }
    }

    /// Writes what the run came to. What is to be said of it besides, and where that failed.
    pub(super) fn record(mut self, report: &RunReport) -> Vec<Diagnostic> {
        let mut said = std::mem::take(&mut self.said);
        said.extend(self.write(report));
        said
    }

    fn write(mut self, report: &RunReport) -> Option<Diagnostic> {
        if let (Some(ledger), Some(id)) = (&mut self.ledger, self.kept.take()) {
            let row = row(id, self.began, report);
            let recorded = ledger.store(|store| store.record_run(&row));
            self.trouble = recorded.err().map(|error| error.sentence());
        }
        let why = self.trouble?;
        let (message, help) = if self.pays {
            let help = "what it took is there: flyball runs charged";
            (format!("what this run came to is not in the ledger: {why}"), help)
        } else {
            let help = "it paid nothing; a run that pays is not started without a ledger";
            (format!("this run is not in the ledger: {why}"), help)
        };
        Some(Diagnostic::new(Severity::Warning, "run::not-kept", message).with_help(help))
    }
}

/// Writes the account under the first of `sim-PLAN-1`, `sim-PLAN-2`, … that is free, which the
/// transaction itself decides: the same plan may run twice at once, and a run that died before its
/// report has scopes without one.
fn transfer(
    ledger: &mut OpenLedger,
    plan_id: &str,
    account: &Account,
    scope: ScopeId,
) -> Result<String, AppError> {
    let mut number = 1;
    loop {
        let id = format!("sim-{plan_id}-{number}");
        let root: Arc<str> = format!("simulated run {id}").into();
        let wanted = Wanted { paths: [Arc::clone(&root)].into(), ..Wanted::default() };
        let mut moved = None;
        ledger.store(|store| {
            let mut work = |rows: Rows| {
                if !rows.scopes.is_empty() {
                    return Changes::default();
                }
                let to = Destination { first_scope: rows.next_scope, root: &root, run: &id };
                let changes = account.transferred(scope, to);
                let (outcome, changes) = match changes {
                    Ok(changes) => (Ok(()), changes),
                    Err(error) => (Err(AppError::bug(error)), Changes::default()),
                };
                moved = Some(outcome);
                changes
            };
            store.transact(&wanted, &mut work)
        })?;
        if let Some(outcome) = moved {
            return outcome.map(|()| id);
        }
        number += 1;
    }
}

/// What is kept of a report: everything but what the script and its agents said.
fn row(id: String, began: Timestamp, report: &RunReport) -> RunRow {
    let mut kept = report.clone();
    kept.logs.clear();
    kept.lost.agents.clear();
    for denial in &mut kept.denials {
        // A label is the head of the prompt where the script gives none.
        "an agent".clone_into(&mut denial.agent);
    }
    for step in &mut kept.step_downs {
        "an agent".clone_into(&mut step.agent);
    }
    if let RunResult::Returned { value, .. } = &mut kept.result {
        *value = None;
    }
    RunRow {
        id: RunId::from(id),
        workflow: report.workflow.clone(),
        simulated: report.simulated,
        started_at: began,
        ended_at: Some(Timestamp::now()),
        status: report.status.name().to_owned(),
        hashes: serde_json::to_value(&report.hashes).unwrap_or_default(),
        plan: None,
        report: serde_json::to_value(&kept).ok(),
    }
}
