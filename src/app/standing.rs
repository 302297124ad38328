//! Standing budgets: which scopes of the ledger they are, and what is left of those in force now.
//!
//! Everything lies under `org`. A budget for every day is a scope that is never charged and says
//! what a day's window is opened with; the windows lie beside it and are charged.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::AppError;
use crate::budget::{Balance, Limits, Period, ScopeRow, Window, names_in};
use crate::cli::ledger::BudgetName;
use crate::policy::{BudgetLimit, BudgetScope};

/// The scope above all others.
const ORG: &str = "org";
const BETWEEN_NAMES: &str = " / ";
/// The zone of windows where nobody names one.
pub(super) const UTC: &str = "UTC";

/// The ledger's scopes at an instant.
pub(super) struct Standing {
    rows: Vec<ScopeRow>,
    now: Timestamp,
}

/// A budget that is in force, with its balance.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    /// `org`, `project shop`, `day 2026-11-25 UTC`.
    pub(super) name: String,
    pub(super) paused: bool,
    pub(super) balance: Balance,
}

/// A budget that is set in the ledger.
#[derive(Clone, Debug)]
pub(super) struct SetBudget {
    /// Of its windows, if it has any.
    pub(super) zone: Option<String>,
    /// As it was set.
    pub(super) limits: Limits,
    /// As it is in force now: the window that is open may have been raised.
    pub(super) in_force: Limits,
}

impl Standing {
    /// Budgets stand at the root and right below it; runs and what is in them lie deeper.
    pub(super) const LEVELS: usize = 2;

    pub(super) const fn new(rows: Vec<ScopeRow>, now: Timestamp) -> Self {
        Self { rows, now }
    }

    /// Nothing in a ledger yet.
    pub(super) const fn empty(now: Timestamp) -> Self {
        Self::new(Vec::new(), now)
    }

    /// When that is.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The scope at this path.
    pub(super) fn row(&self, path: &[String]) -> Option<&ScopeRow> {
        let path = path.join(BETWEEN_NAMES);
        self.rows.iter().find(|row| *row.path == *path)
    }

    /// The limits at this path; none where there is no such scope.
    pub(super) fn limits(&self, path: &[String]) -> Limits {
        self.row(path).map_or(Limits::NONE, |row| row.limits)
    }

    /// The zones for which a period has a standing budget.
    pub(super) fn zones(&self, period: Period) -> Vec<String> {
        let lead = every(period, "");
        let zone = |row: &ScopeRow| {
            let name = row.path.strip_prefix(ORG)?.strip_prefix(BETWEEN_NAMES)?;
            let zone = name.strip_prefix(&lead)?;
            (row.limits != Limits::NONE).then(|| zone.to_owned())
        };
        self.rows.iter().filter_map(zone).collect()
    }

    /// The zones of the windows of `period` that are open now and were opened for a budget, whether
    /// that is in force or not.
    fn zones_of_windows(&self, period: Period) -> Result<Vec<String>, AppError> {
        let lead = format!("{ORG}{BETWEEN_NAMES}{period} ");
        let zone_of = |row: &ScopeRow| {
            let (_, zone) = row.path.strip_prefix(&lead)?.split_once(' ')?;
            (!zone.contains(BETWEEN_NAMES)).then(|| zone.to_owned())
        };
        let mut zones: Vec<String> = self.rows.iter().filter_map(zone_of).collect();
        zones.sort_unstable();
        zones.dedup();
        let mut open = Vec::new();
        for zone in zones {
            if self.row(&window_path(&self.window(period, &zone)?)).is_some() {
                open.push(zone);
            }
        }
        Ok(open)
    }

    /// The window of `period` that is open now in `zone`.
    pub(super) fn window(&self, period: Period, zone: &str) -> Result<Window, AppError> {
        Window::around(period, &time_zone(zone)?, self.now).map_err(AppError::bug)
    }

    /// Every budget that a run of `project` is held to now: those of the ledger, and those of a
    /// policy where they are lower. Widest first.
    pub(super) fn in_force(
        &self,
        project: &str,
        policy: &[BudgetLimit],
    ) -> Result<Vec<InForce>, AppError> {
        let mut found = vec![self.at(
            ORG.to_owned(),
            &org(),
            self.limits(&org()),
            limits_of(policy, &BudgetScope::Org),
        )];
        for (period, scope) in [
            (Period::Month, BudgetScope::Month),
            (Period::Week, BudgetScope::Week),
            (Period::Day, BudgetScope::Day),
        ] {
            let own = limits_of(policy, &scope);
            let mut zones = self.zones(period);
            if own != Limits::NONE {
                // What was counted in another zone is spent all the same.
                let others = self.zones_of_windows(period)?.into_iter();
                for zone in others.filter(|zone| !zones.contains(zone)).collect::<Vec<_>>() {
                    found.push(self.given_up(self.window(period, &zone)?, own));
                }
                if zones.is_empty() {
                    zones.push(UTC.to_owned());
                }
            }
            for zone in zones {
                let window = self.window(period, &zone)?;
                let standing = self.limits(&template(period, &zone));
                let path = under_org(window.name.clone());
                found.push(self.at(window.name, &path, standing, own));
            }
        }
        let path = project_path(project);
        let name = project_name(project);
        let own = limits_of(policy, &BudgetScope::Project);
        found.push(self.at(name, &path, self.limits(&path), own));
        found.retain(|budget| budget.balance.limits != Limits::NONE || budget.paused);
        Ok(found)
    }

    /// The calendar windows that are open now and have a standing budget: where each lies, what it is
    /// opened with, and when it ends.
    pub(super) fn open_windows(&self) -> Result<Vec<(Vec<String>, Limits, Timestamp)>, AppError> {
        let mut open = Vec::new();
        for period in Period::ALL {
            for zone in self.zones(period) {
                let window = self.window(period, &zone)?;
                let limits = self.limits(&template(period, &zone));
                open.push((window_path(&window), limits, window.ends));
            }
        }
        Ok(open)
    }

    /// What is set for runs of `project` in the scope that a policy calls `scope`, zone by zone.
    pub(super) fn set(
        &self,
        project: &str,
        scope: &BudgetScope,
    ) -> Result<Vec<SetBudget>, AppError> {
        let fixed = |path: &[String]| {
            let limits = self.limits(path);
            Ok(vec![SetBudget { zone: None, limits, in_force: limits }])
        };
        let period = match scope {
            BudgetScope::Day => Period::Day,
            BudgetScope::Week => Period::Week,
            BudgetScope::Month => Period::Month,
            BudgetScope::Project => return fixed(&project_path(project)),
            BudgetScope::Org => return fixed(&org()),
            BudgetScope::Agent | BudgetScope::Phase(_) | BudgetScope::Run => return Ok(Vec::new()),
        };
        let each = |zone: String| {
            let limits = self.limits(&template(period, &zone));
            let open = self.row(&window_path(&self.window(period, &zone)?));
            let in_force = open.map_or(limits, |row| row.limits);
            Ok(SetBudget { zone: Some(zone), limits, in_force })
        };
        self.zones(period).into_iter().map(each).collect()
    }

    /// The balance at `path`: its own limits where it is there, else `standing`, and at most `own`.
    fn at(&self, name: String, path: &[String], standing: Limits, own: Limits) -> InForce {
        let (balance, paused) = match self.row(path) {
            Some(row) => (row.balance(), row.paused),
            None => (Balance { limits: standing, ..Balance::default() }, false),
        };
        let balance = Balance { limits: balance.limits.lowest(own), ..balance };
        InForce { name, paused, balance }
    }

    /// A window whose budget has given way to one in another zone, held to `own` limits.
    fn given_up(&self, window: Window, own: Limits) -> InForce {
        let row = self.row(&window_path(&window));
        let balance = row.map_or_else(Balance::default, ScopeRow::balance);
        let balance = Balance { limits: own, ..balance };
        InForce { name: window.name, paused: false, balance }
    }

    /// Projects with a limit or anything spent.
    pub(super) fn projects(&self) -> Vec<String> {
        let lead = format!("{ORG}{BETWEEN_NAMES}{}", project_name(""));
        let name = |row: &ScopeRow| {
            let name = row.path.strip_prefix(&lead)?;
            (!name.contains(BETWEEN_NAMES)).then(|| name.to_owned())
        };
        self.rows.iter().filter_map(name).collect()
    }
}

/// What a policy says of `scope`.
pub(super) fn limits_of(policy: &[BudgetLimit], scope: &BudgetScope) -> Limits {
    let amounts = policy.iter().filter(|limit| limit.scope == *scope).map(|limit| limit.amount);
    amounts.fold(Limits::NONE, |limits, amount| limits.and(amount).unwrap_or(limits))
}

/// The zone called `name`.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, AppError> {
    if name == UTC {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| {
        AppError::usage(format!("`{name}` is not a time zone"))
            .with_hint("name it as the tz database does: UTC, Europe/Berlin, America/New_York")
    })
}

/// Where the scope above all others lies.
pub(super) fn org() -> Vec<String> {
    vec![ORG.to_owned()]
}

fn under_org(name: String) -> Vec<String> {
    vec![ORG.to_owned(), name]
}

fn project_name(project: &str) -> String {
    format!("project {project}")
}

/// Whether a scope lies in a project or below one; those of runs that paid nothing lie elsewhere.
pub(super) fn is_in_project(row: &ScopeRow) -> bool {
    let mut names = names_in(&row.path);
    names.next() == Some(ORG)
        && names.next().is_some_and(|name| name.starts_with(&project_name("")))
}

fn every(period: Period, zone: &str) -> String {
    format!("every {period} {zone}")
}

/// Where the standing budget of a period lies.
pub(super) fn template(period: Period, zone: &str) -> Vec<String> {
    under_org(every(period, zone))
}

/// Where a window lies.
pub(super) fn window_path(window: &Window) -> Vec<String> {
    under_org(window.name.clone())
}

/// Where a project lies.
pub(super) fn project_path(project: &str) -> Vec<String> {
    under_org(project_name(project))
}

/// Where a budget other than a period's lies.
pub(super) fn fixed_path(name: &BudgetName, here: &str) -> Option<Vec<String>> {
    match name {
        BudgetName::Org => Some(org()),
        BudgetName::Project(project) => Some(project_path(project.as_deref().unwrap_or(here))),
        BudgetName::Every(_) => None,
    }
}
