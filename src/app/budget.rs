//! `flyball budget`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::amounts::once_per_unit;
use super::books::{self, OpenLedger};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::standing::{self, InForce, Standing, UTC};
use super::{output, plan_windows};
use crate::amount::Amount;
use crate::budget::{Limits, Period, PlanLimits};
use crate::cli::ledger::{
    BudgetCommand, BudgetName, BudgetRaise, BudgetReset, BudgetSet, BudgetShow,
};
use crate::cli::value::PlainFormat;
use crate::ledger::holdings;
use crate::money::Picodollars;
use crate::report::budget::{ShownBudget, table};
use crate::report::json;
use crate::report::number::dollars;
use crate::report::plan_windows::{ShownPlan, text as plan_text};

pub(super) fn run(command: BudgetCommand, context: &Context) -> Result<Exit, AppError> {
    match command {
        BudgetCommand::Set(typed) => set(&typed, context),
        BudgetCommand::Show(typed) => show(&typed, context),
        BudgetCommand::Raise(typed) => raise(&typed, context),
        BudgetCommand::Reset(typed) => reset(&typed, context),
        BudgetCommand::Observe(typed) => plan_windows::observe(&typed.ledger, context),
    }?;
    Ok(Exit::Done)
}

fn set(typed: &BudgetSet, context: &Context) -> Result<(), AppError> {
    let Some(scope) = &typed.scope else {
        let limits = PlanLimits {
            plan: typed.plan.clone().unwrap_or_default(),
            five_hours: typed.five_hour,
            week: typed.week,
        };
        let mut ledger = OpenLedger::create(&typed.ledger, context)?;
        plan_windows::limit(&mut ledger, &limits)?;
        return print_all(&ledger, context);
    };
    // To clap, `--plan` is not missing where SCOPE rules it out.
    if typed.five_hour.is_some() || typed.week.is_some() {
        return Err(AppError::usage(
            "--five-hour and --week limit the windows of a plan, not a scope",
        )
        .with_hint("set them by themselves: flyball budget set --plan NAME --five-hour 60%"));
    }
    once_per_unit("this budget", &typed.amounts)?;
    let mut limits = Limits::NONE;
    for amount in &typed.amounts {
        limits = limits.and(*amount).ok_or_else(|| only_observed(*amount))?;
    }
    if let Some(zone) = &typed.zone {
        // Before a ledger is made for it.
        standing::time_zone(zone)?;
    }
    let mut ledger = OpenLedger::create(&typed.ledger, context)?;
    let here = books::project_here(context);
    match (scope, standing::fixed_path(scope, &here)) {
        (BudgetName::Every(period), _) => {
            set_every(&mut ledger, *period, typed.zone.as_deref(), limits)?;
        }
        (_, Some(path)) => ledger.limit(path, limits)?,
        (_, None) => {}
    }
    print_all(&ledger, context)
}

/// Sets the budget of every `period`, in the zone that it has where none is given.
fn set_every(
    ledger: &mut OpenLedger,
    period: Period,
    zone: Option<&str>,
    limits: Limits,
) -> Result<(), AppError> {
    let standing = ledger.standing()?;
    let zones = standing.zones(period);
    let zone = zone.or(zones.first().map(String::as_str)).unwrap_or(UTC).to_owned();
    let window = standing.window(period, &zone)?;
    let is_new = standing.row(&standing::window_path(&window)).is_none();
    // The new one first, so that there is no moment without a limit.
    ledger.limit(standing::template(period, &zone), limits)?;
    ledger.limit(standing::window_path(&window), limits)?;
    // One zone at a time: with two, a day would be counted twice.
    for old in zones.into_iter().filter(|old| *old != zone) {
        ledger.limit(standing::template(period, &old), Limits::NONE)?;
        let before = standing.window(period, &old)?.name;
        let from = if is_new { "starts at $0 now" } else { "goes on where it was left" };
        output::tell(&format!(
            "note: {} {from}; what was spent in {before} does not count there\n",
            window.name
        ));
    }
    Ok(())
}

fn raise(typed: &BudgetRaise, context: &Context) -> Result<(), AppError> {
    let mut ledger = OpenLedger::existing(&typed.ledger, context)?;
    let here = books::project_here(context);
    let standing = ledger.standing()?;
    let (path, limits) = match (&typed.scope, standing::fixed_path(&typed.scope, &here)) {
        (BudgetName::Every(period), _) => {
            let zone =
                standing.zones(*period).into_iter().next().ok_or_else(|| not_set(&typed.scope))?;
            let path = standing::window_path(&standing.window(*period, &zone)?);
            let limits = standing.row(&path).map_or_else(
                || standing.limits(&standing::template(*period, &zone)),
                |row| row.limits,
            );
            (path, limits)
        }
        (_, path) => {
            let path = path.unwrap_or_default();
            let limits = standing.limits(&path);
            (path, limits)
        }
    };
    if limits == Limits::NONE {
        return Err(not_set(&typed.scope));
    }
    // Before a window is opened for it; what is raised is the limit by then.
    limits.raised(typed.amount).ok_or_else(|| {
        AppError::usage(format!("this budget has no limit that {} could raise", typed.amount))
            .with_hint("see what it limits with: flyball budget show")
    })?;
    ledger.raise(path, limits, typed.amount)?;
    print_all(&ledger, context)
}

fn reset(typed: &BudgetReset, context: &Context) -> Result<(), AppError> {
    let mut ledger = OpenLedger::existing(&typed.ledger, context)?;
    let Some(scope) = &typed.scope else {
        plan_windows::limit(&mut ledger, &PlanLimits::default())?;
        return print_all(&ledger, context);
    };
    let here = books::project_here(context);
    let standing = ledger.standing()?;
    match (scope, standing::fixed_path(scope, &here)) {
        (BudgetName::Every(period), _) => {
            let zones = standing.zones(*period);
            if zones.is_empty() {
                return Err(not_set(scope));
            }
            for zone in zones {
                let limits = standing.limits(&standing::template(*period, &zone));
                ledger.limit(standing::window_path(&standing.window(*period, &zone)?), limits)?;
            }
        }
        (_, Some(path)) => ledger.limit(path, Limits::NONE)?,
        (_, None) => {}
    }
    print_all(&ledger, context)
}

fn not_set(name: &BudgetName) -> AppError {
    let name = match name {
        BudgetName::Org => "org".to_owned(),
        BudgetName::Project(None) => "project".to_owned(),
        BudgetName::Project(Some(project)) => format!("project:{project}"),
        BudgetName::Every(period) => period.to_string(),
    };
    AppError::usage(format!("no budget is set for {name}"))
        .with_hint(format!("set one with: flyball budget set {name} 20usd"))
}

fn only_observed(amount: Amount) -> AppError {
    AppError::usage(format!("{amount} is only observed, so nothing can be held to it"))
        .with_hint("give it dollars, tokens or agents: 20usd, 5mtok, 40agents; limit the window itself, softly, with: flyball budget set --plan NAME --five-hour 25%")
}

#[derive(Serialize)]
struct Shown<'a> {
    version: u32,
    at: Timestamp,
    budgets: &'a [ShownBudget],
    /// Null where no limit was set and nothing was seen.
    plan: Option<ShownPlan>,
}

fn show(typed: &BudgetShow, context: &Context) -> Result<(), AppError> {
    let (standing, plan, dead) = match OpenLedger::if_there(&typed.ledger, context)? {
        Some(ledger) => (ledger.standing()?, plan_windows::shown(&ledger)?, held_by_dead(&ledger)?),
        None => (Standing::empty(Timestamp::now()), None, Picodollars::ZERO),
    };
    let budgets = all(&standing)?;
    output::print(&match typed.format {
        PlainFormat::Table => {
            let mut text = with_plan(&budgets, plan.as_ref(), context);
            if !dead.is_zero() {
                let held = dollars(dead);
                let _written = writeln!(
                    text,
                    "\nprocesses that have ended still hold {held}: flyball ledger reconcile"
                );
            }
            text
        }
        PlainFormat::Json => {
            json::pretty(&Shown { version: 1, at: standing.now(), budgets: &budgets, plan })
        }
    })
}

/// What dead processes have reserved, and count as spent for.
fn held_by_dead(ledger: &OpenLedger) -> Result<Picodollars, AppError> {
    let holdings = ledger.read(|ledger| holdings(ledger))?;
    let dead = holdings.iter().filter(|holding| holding.is_dead());
    Ok(dead.fold(Picodollars::ZERO, |sum, holding| sum + holding.charge(None).usd))
}

fn print_all(ledger: &OpenLedger, context: &Context) -> Result<(), AppError> {
    let budgets = all(&ledger.standing()?)?;
    let plan = plan_windows::shown(ledger)?;
    output::print(&with_plan(&budgets, plan.as_ref(), context))
}

/// The budgets, and below them the plan's windows where anything is known of them.
fn with_plan(budgets: &[ShownBudget], plan: Option<&ShownPlan>, context: &Context) -> String {
    let page = context.stdout.page();
    match plan {
        None => table(budgets, page),
        Some(plan) if budgets.is_empty() => plan_text(plan, page),
        Some(plan) => format!("{}\n{}", table(budgets, page), plan_text(plan, page)),
    }
}

/// Everything that is limited now: the organisation, open windows, every project.
pub(super) fn all(standing: &Standing) -> Result<Vec<ShownBudget>, AppError> {
    let mut found: Vec<InForce> = standing.in_force("", &[])?;
    for project in standing.projects().into_iter().filter(|project| !project.is_empty()) {
        let of_project = standing.in_force(&project, &[])?;
        found.extend(of_project.into_iter().filter(|budget| budget.name.starts_with("project ")));
    }
    let shown = |budget: &InForce| ShownBudget::of(&budget.name, budget.paused, &budget.balance);
    Ok(found.iter().map(shown).collect())
}
