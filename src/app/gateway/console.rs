//! What the live page shows of the ledger, and does there.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::books::OpenLedger;
use super::super::budget;
use super::super::charged::{self, Change};
use super::super::error::AppError;
use super::super::plan_windows;
use super::super::standing::Standing;
use crate::budget::{Operation, ScopeRow};
use crate::config::settings::limit;
use crate::gateway::{Account, Accounts, Action, Console, Later, SeenWindow};
use crate::ledger::{BooksError, GroupCommit};
use crate::report::budget::ShownBudget;
use crate::report::plan_windows::ShownWindow;

/// So many runs and sessions are shown; those that hold something before those that do not.
const RUNS_MAX: usize = 60;

/// The console of a gateway on a ledger.
pub(super) struct LedgerConsole {
    reader: Arc<Mutex<OpenLedger>>,
    commit: GroupCommit,
    runtime: Handle,
}

impl LedgerConsole {
    /// A console that reads from `reader`, which nobody else waits for, and writes through `commit`.
    pub(super) fn new(reader: OpenLedger, commit: GroupCommit, runtime: Handle) -> Self {
        Self { reader: Arc::new(Mutex::new(reader)), commit, runtime }
    }

    /// Reads, on a thread that may wait.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&OpenLedger) -> Result<T, AppError> + Send + 'static,
    ) -> Later<Result<T, String>> {
        let reader = Arc::clone(&self.reader);
        let reading = self
            .runtime
            .spawn_blocking(move || read(&reader.lock().unwrap_or_else(PoisonError::into_inner)));
        Box::pin(async move {
            let read = reading.await.map_err(|error| error.to_string())?;
            read.map_err(|error| error.sentence())
        })
    }
}

impl Console for LedgerConsole {
    fn accounts(&self) -> Later<Result<Accounts, String>> {
        self.read(|ledger| {
            let rows = ledger.read(|ledger| ledger.upper_scopes(charged::LEVELS))?;
            let (runs, above): (Vec<ScopeRow>, Vec<ScopeRow>) =
                rows.into_iter().partition(charged::is_run);
            let budgets = budget::all(&Standing::new(above, Timestamp::now()))?;
            let (runs, runs_left_out) = latest(runs);
            let budgets = budgets.into_iter().map(|budget| account(budget.scope.clone(), budget));
            let runs = runs.iter().map(|row| account(row.path.to_string(), charged::shown(row)));
            let plan_windows = plan_windows::latest(ledger)?.into_iter().map(seen_window);
            Ok(Accounts {
                budgets: budgets.collect(),
                plan_windows: plan_windows.collect(),
                runs: runs.collect(),
                runs_left_out,
            })
        })
    }

    fn act(&self, action: Action) -> Later<Result<(), String>> {
        let (account, change) = match change(action) {
            Ok(found) => found,
            Err(why) => return Box::pin(async { Err(why) }),
        };
        let commit = self.commit.clone();
        let operation = self.read(move |ledger| {
            let row = ledger.read(|ledger| ledger.scope_by_path(&account))?;
            let row = row.filter(charged::is_run);
            let row = row.ok_or_else(|| AppError::usage("there is no such run or session"))?;
            Ok(charged::operation(&row, change))
        });
        Box::pin(async move { done(&commit, operation.await?).await })
    }
}

/// What an action changes, and where.
fn change(action: Action) -> Result<(String, Change), String> {
    Ok(match action {
        Action::Raise { account, amount } => (account, Change::Raise(limit(&amount)?)),
        Action::Pause { account } => (account, Change::Pause),
        Action::Resume { account } => (account, Change::Resume),
        Action::Stop { account } => (account, Change::Stop),
    })
}

async fn done(commit: &GroupCommit, operation: Operation) -> Result<(), String> {
    let (tell, told) = oneshot::channel();
    commit.do_then(operation, move |answer| drop(tell.send(answer)));
    let answer = told.await.unwrap_or(Err(BooksError::Closed));
    answer.map(drop).map_err(|error| error.to_string())
}

/// The runs that are shown, the latest first, and how many are not.
fn latest(mut runs: Vec<ScopeRow>) -> (Vec<ScopeRow>, usize) {
    let is_busy = |row: &ScopeRow| row.paused || !row.reserved.is_zero() || !row.leased.is_zero();
    let left_out = runs.len().saturating_sub(RUNS_MAX);
    runs.sort_by_key(|row| (!is_busy(row), std::cmp::Reverse(row.id)));
    runs.truncate(RUNS_MAX);
    runs.sort_by_key(|row| std::cmp::Reverse(row.id));
    (runs, left_out)
}

/// A window that has begun anew since it was seen is used to no known extent.
fn seen_window(shown: ShownWindow) -> SeenWindow {
    SeenWindow {
        window: shown.window,
        account: shown.account,
        limit_milli_percent: shown.limit_milli_percent,
        used_milli_percent: shown.used_milli_percent.filter(|_| shown.open),
        seen_at: shown.seen_at,
        resets_at: shown.resets_at.filter(|_| shown.open),
    }
}

fn account(id: String, shown: ShownBudget) -> Account {
    Account { id, name: shown.scope, paused: shown.paused, units: shown.units }
}
