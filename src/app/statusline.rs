//! `flyball statusline`: one line about the session that Claude Code describes. It is never an
//! error: what goes wrong is the line.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;

use super::books::{self, OpenLedger};
use super::charged;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::standing::Standing;
use super::{output, plan_windows};
use crate::band::Band;
use crate::budget::{Balance, Limits, ScopeRow, names_in};
use crate::claude::rate_limits;
use crate::claude::status_input::{BYTES_MAX, StatusInput};
use crate::cli::command::{ColourChoice, GlobalFlags};
use crate::cli::statusline::StatuslineTyped;
use crate::config::Environment;
use crate::money::Picodollars;
use crate::report::Page;
use crate::report::status_line::{self, AccountStatus, LaunchStatus, SessionStatus};

/// A ledger that takes longer has no line: the client would take an old one.
const PATIENCE: Duration = Duration::from_millis(400);
/// Launches that are looked at, at most.
const LAUNCHES_MAX: usize = 500;
/// The largest record of a launch that is read, bytes.
const LAUNCH_BYTES_MAX: u64 = 16 << 20;

pub(super) fn run(typed: StatuslineTyped, global: GlobalFlags) -> Exit {
    let (environment, colour) = (Environment::of_process(), global.color);
    // Claude Code paints what a status line prints, though that is no terminal.
    let plain = environment.no_colour || environment.dumb_terminal;
    let coloured = colour == ColourChoice::Always || (colour == ColourChoice::Auto && !plain);
    let page = Page::new(80, coloured);
    let line = match status(typed, global) {
        Ok(status) => status_line::line(&status, page),
        Err(error) => status_line::trouble(&error.sentence(), page),
    };
    // Nobody is left to tell.
    let _ = output::print(&line);
    Exit::Done
}

fn status(typed: StatuslineTyped, global: GlobalFlags) -> Result<SessionStatus, AppError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| AppError::bad_input(format!("standard input cannot be read: {error}")))?;
    let input = StatusInput::read(&text).map_err(|error| {
        AppError::bad_input(format!("standard input is not what a status line is told: {error}"))
    })?;
    let folder = input.folder.clone().filter(|folder| folder.is_absolute() && folder.is_dir());
    let context = match folder {
        Some(folder) => Context::at(folder, global)?,
        None => Context::of_process(global)?,
    };
    let launch = context.environment.launches.as_deref().and_then(|folder| {
        let session = input.session_id.as_deref()?;
        last_launch(folder, session)
    });
    let session = input.session_id.clone();
    let until = Instant::now() + PATIENCE;
    let noted = {
        let (typed, context) = (typed.clone(), context.clone());
        aside(move || note_windows(&text, &typed, &context))?
    };
    let accounts = aside(move || accounts(&typed, session.as_deref(), &context))?;
    let late = |_| AppError::new(Exit::Upstream, "the ledger does not answer");
    let accounts = accounts.recv_timeout(PATIENCE).map_err(late)??;
    // What is not noted by then is seen again with the next line.
    let _late = noted.recv_timeout(until.saturating_duration_since(Instant::now()));
    Ok(SessionStatus {
        account: accounts.own,
        wider: accounts.wider,
        launch,
        client_cost: input.client_cost,
        windows: input.windows,
    })
}

/// What the ledger knows.
#[derive(Default)]
struct Accounts {
    own: Option<AccountStatus>,
    wider: Option<(String, AccountStatus)>,
}

/// Asks on a thread of its own, which nobody has to wait for.
fn aside<T: Send + 'static>(
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<mpsc::Receiver<T>, AppError> {
    let (tell, told) = mpsc::channel();
    let asked = thread::Builder::new().spawn(move || drop(tell.send(ask())));
    asked.map_err(|error| AppError::bug(format!("there is no thread for the ledger: {error}")))?;
    Ok(told)
}

/// Notes how far plan windows are used, in a ledger that is there. A line is none the worse where
/// that fails.
fn note_windows(text: &str, typed: &StatuslineTyped, context: &Context) {
    let Ok(readings) = rate_limits::observe(text) else { return };
    if readings.is_empty()
        || (typed.ledger.ledger.is_none() && context.environment.ledger.is_none())
    {
        return;
    }
    if let Ok(Some(mut ledger)) = OpenLedger::if_there(&typed.ledger, context) {
        let _later = plan_windows::note(&mut ledger, readings);
    }
}

fn accounts(
    typed: &StatuslineTyped,
    session: Option<&str>,
    context: &Context,
) -> Result<Accounts, AppError> {
    if typed.ledger.ledger.is_none() && context.environment.ledger.is_none() {
        return Ok(Accounts::default());
    }
    let Some(ledger) = OpenLedger::to_look(&typed.ledger, context)? else {
        return Ok(Accounts::default());
    };
    let rows = ledger.read(|ledger| ledger.upper_scopes(charged::LEVELS))?;
    let (runs, above): (Vec<ScopeRow>, Vec<ScopeRow>) = rows.into_iter().partition(charged::is_run);
    let name = match (&context.environment.run, session) {
        (Some(run), _) => Some(format!("run {run}")),
        (None, Some(session)) => Some(format!("session {session}")),
        (None, None) => None,
    };
    let own = name.and_then(|name| runs.iter().rev().find(|row| charged::is_called(row, &name)));
    let project = own
        .and_then(|row| names_in(&row.path).nth(1)?.strip_prefix("project ").map(str::to_owned))
        .unwrap_or_else(|| books::project_here(context));
    let wider = Standing::new(above, Timestamp::now()).in_force(&project, &[])?;
    let account = |paused: bool, balance: Balance| AccountStatus { paused, balance };
    let wider = wider
        .into_iter()
        .filter(|budget| budget.balance.limits != Limits::NONE || budget.paused)
        .map(|budget| (budget.name, account(budget.paused, budget.balance)))
        .max_by_key(|(_, account)| (account.paused, account.used_per_mille()));
    Ok(Accounts { own: own.map(|row| account(row.paused, row.balance())), wider })
}

#[derive(Deserialize)]
struct Record {
    session_id: Option<String>,
    workflow: Option<String>,
    decision: String,
    plan: Option<Plan>,
}

#[derive(Deserialize)]
struct Plan {
    totals: Totals,
}

#[derive(Deserialize)]
struct Totals {
    cost_usd: Option<Band<Picodollars>>,
}

/// The last launch of `session` that went ahead, by what the launch hook left in `folder`.
fn last_launch(folder: &Path, session: &str) -> Option<LaunchStatus> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok).take(LAUNCHES_MAX);
    let mut records: Vec<(SystemTime, std::path::PathBuf)> = entries
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            let usable = found.is_file() && found.len() <= LAUNCH_BYTES_MAX;
            usable.then(|| Some((found.modified().ok()?, entry.path())))?
        })
        .collect();
    records.sort();
    records.iter().rev().find_map(|(_, path)| {
        let record: Record = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let own = record.session_id.as_deref() == Some(session) && record.decision != "deny";
        let cost = record.plan.filter(|_| own)?.totals.cost_usd?;
        Some(LaunchStatus { workflow: record.workflow?, p50: cost.p50, p90: cost.p90 })
    })
}
