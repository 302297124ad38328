//! The ledger as commands use it: found, opened, asked; what goes wrong with it in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::standing::Standing;
use crate::amount::Amount;
use crate::budget::{AccountError, Answer, Books, Limits, Operation, ScopeId, StoreError};
use crate::cli::ledger::LedgerFlag;
use crate::id::RunId;
use crate::ledger::{
    self, Copied, CopyError, Holding, Ledger, Liveness, PostgresLedger, ReconcileError, Reconciled,
    RunLock, SqliteLedger, Verdict,
};
use crate::ledger_place::LedgerPlace;

/// The longest that who only looks waits for who writes.
const LOOK_WAIT: Duration = Duration::from_millis(200);

/// An open ledger.
pub(super) struct OpenLedger {
    books: Books<Box<dyn Ledger>>,
    /// Where the journals of slices lie that processes of this machine have borrowed.
    journals: Option<PathBuf>,
    /// Where runs of this machine that are under way have their locks.
    run_locks: Option<PathBuf>,
    /// Whether every process that uses it sees those locks.
    is_file: bool,
    /// What it is known by.
    identity: String,
}

impl OpenLedger {
    /// The ledger in force; made where there is none.
    pub(super) fn create(flag: &LedgerFlag, context: &Context) -> Result<Self, AppError> {
        Self::at(&place(flag, context)?, context)
    }

    /// The ledger at `place`; made where there is none.
    pub(super) fn at(place: &LedgerPlace, context: &Context) -> Result<Self, AppError> {
        match place {
            LedgerPlace::File(path) => Self::in_file(path),
            LedgerPlace::Postgres(url) => {
                let opened = PostgresLedger::open(url.secret(), Timestamp::now);
                opened.map(|ledger| Self::in_postgres(ledger, context)).map_err(explain)
            }
            LedgerPlace::Elsewhere(scheme) => Err(elsewhere(scheme)),
        }
    }

    fn in_file(path: &Path) -> Result<Self, AppError> {
        let ledger = SqliteLedger::open(path, Timestamp::now).map_err(explain)?;
        let (journals, run_locks) = (Some(ledger.journals()), Some(ledger.run_locks()));
        let identity = ledger.identity().map_err(explain)?;
        // Commands ask for no reservations, so nobody waits.
        let books = Books::new(Box::new(ledger) as Box<dyn Ledger>, 0);
        Ok(Self { books, journals, run_locks, is_file: true, identity })
    }

    fn in_postgres(ledger: PostgresLedger, context: &Context) -> Self {
        let state = context.environment.state.as_ref();
        let journals = state.map(|state| state.join(ledger.journals()));
        let run_locks = state.map(|state| state.join(ledger.run_locks()));
        let identity = ledger.identity();
        let books = Books::new(Box::new(ledger) as Box<dyn Ledger>, 0);
        Self { books, journals, run_locks, is_file: false, identity }
    }

    /// The ledger itself with its rules, for whoever keeps it busy, with room for `waiting_max`
    /// waiting requests; and where the journals of slices lie, if anywhere.
    pub(super) fn into_books(
        self,
        waiting_max: usize,
    ) -> (Books<Box<dyn Ledger>>, Option<PathBuf>) {
        (Books::new(self.books.into_store(), waiting_max), self.journals)
    }

    /// The ledger in force, which has to be there.
    pub(super) fn existing(flag: &LedgerFlag, context: &Context) -> Result<Self, AppError> {
        let place = place(flag, context)?;
        Self::if_at(&place, context)?.ok_or_else(|| {
            let missing = match &place {
                LedgerPlace::File(path) => format!("there is no ledger at `{}`", path.display()),
                LedgerPlace::Postgres(_) | LedgerPlace::Elsewhere(_) => {
                    "there is no ledger in the Postgres database".to_owned()
                }
            };
            AppError::bad_input(missing)
                .with_hint("a run makes one, and so does: flyball budget set day 20usd")
        })
    }

    /// The ledger in force, if it is there.
    pub(super) fn if_there(flag: &LedgerFlag, context: &Context) -> Result<Option<Self>, AppError> {
        Self::if_at(&place(flag, context)?, context)
    }

    /// The ledger in force, if it is there, for who only looks and does not wait long for who writes.
    pub(super) fn to_look(flag: &LedgerFlag, context: &Context) -> Result<Option<Self>, AppError> {
        match place(flag, context)? {
            LedgerPlace::File(path) if is_file_of_something(&path) => {
                let ledger = SqliteLedger::open_read_only(&path, Timestamp::now)
                    .and_then(|ledger| ledger.with_wait(LOOK_WAIT))
                    .map_err(explain)?;
                let identity = ledger.identity().map_err(explain)?;
                let books = Books::new(Box::new(ledger) as Box<dyn Ledger>, 0);
                let (journals, run_locks) = (None, None);
                Ok(Some(Self { books, journals, run_locks, is_file: true, identity }))
            }
            place => Self::if_at(&place, context),
        }
    }

    fn if_at(place: &LedgerPlace, context: &Context) -> Result<Option<Self>, AppError> {
        match place {
            LedgerPlace::File(path) if !is_file_of_something(path) => Ok(None),
            LedgerPlace::File(path) => Self::in_file(path).map(Some),
            LedgerPlace::Postgres(url) => {
                let found = PostgresLedger::open_existing(url.secret(), Timestamp::now);
                let found = found.map_err(explain)?;
                Ok(found.map(|ledger| Self::in_postgres(ledger, context)))
            }
            LedgerPlace::Elsewhere(scheme) => Err(elsewhere(scheme)),
        }
    }

    /// What it is known by: two openings of one ledger have the same, whatever path led there, and
    /// another ledger has another. It tells nobody where the ledger is.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// What is set and spent now.
    pub(super) fn standing(&self) -> Result<Standing, AppError> {
        let rows = self.read(|ledger| ledger.upper_scopes(Standing::LEVELS))?;
        Ok(Standing::new(rows, Timestamp::now()))
    }

    /// Sets the limits of the scope at `path`, which is opened where it is missing.
    pub(super) fn limit(&mut self, path: Vec<String>, limits: Limits) -> Result<(), AppError> {
        let answers = self.apply(&[Operation::Open { path, limits }])?;
        for answer in answers {
            if let Answer::Scope(scope) = answer {
                self.apply(&[Operation::SetLimits(scope, limits)])?;
            }
        }
        Ok(())
    }

    /// Raises the limit of the scope at `path` by `by`, as it is then; where the scope is missing, it
    /// is opened with `limits` first.
    pub(super) fn raise(
        &mut self,
        path: Vec<String>,
        limits: Limits,
        by: Amount,
    ) -> Result<(), AppError> {
        for answer in self.apply(&[Operation::Open { path, limits }])? {
            if let Answer::Scope(scope) = answer {
                self.apply(&[Operation::RaiseLimits(scope, by)])?;
            }
        }
        Ok(())
    }

    /// Does one thing to a scope that is there.
    pub(super) fn change(&mut self, operation: Operation) -> Result<(), AppError> {
        self.apply(&[operation]).map(drop)
    }

    fn apply(&mut self, batch: &[Operation]) -> Result<Vec<Answer>, AppError> {
        let applied = self.books.apply(batch).map_err(explain)?;
        applied.answers.into_iter().collect::<Result<_, _>>().map_err(|error| match error {
            AccountError::NotLimited { .. } => AppError::usage(error)
                .with_hint("see what it limits with: flyball budget show, flyball runs charged"),
            error => AppError::bug(error),
        })
    }

    /// What the entries from now on have as their note.
    pub(super) fn note(&mut self, note: Option<String>) {
        self.books.store().set_note(note);
    }

    /// Ends what a process holds that is dead.
    pub(super) fn reconcile(
        &mut self,
        holding: &Holding,
        verdict: Verdict,
        whole_slices: bool,
    ) -> Result<Reconciled, ReconcileError> {
        let journals = self.journals.as_deref();
        ledger::reconcile(&mut self.books, holding, verdict, journals, whole_slices)
    }

    /// Reads.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&dyn Ledger) -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        read(self.reader()).map_err(explain)
    }

    /// The ledger, to be read.
    pub(super) fn reader(&self) -> &dyn Ledger {
        &**self.books.reader()
    }

    /// Takes the lock of a run that begins; `None` where there is no folder for it.
    pub(super) fn lock(&self, run: &RunId) -> Result<Option<RunLock>, AppError> {
        let folder = self.run_locks.as_deref();
        folder.map(|folder| RunLock::take(folder, run)).transpose().map_err(explain)
    }

    /// Whether the process of a run that has not ended lives. Silent where it may be one of another
    /// machine.
    pub(super) fn liveness(&self, run: &RunId) -> Liveness {
        let Some(folder) = &self.run_locks else { return Liveness::Silent };
        let was_here = self.is_file || folder.join(&*run.0).exists();
        if was_here { RunLock::liveness(folder, run) } else { Liveness::Silent }
    }

    /// The path of every scope.
    pub(super) fn paths(&self) -> Result<BTreeMap<ScopeId, Arc<str>>, AppError> {
        Ok(self.read(|ledger| ledger.scopes())?.into_iter().map(|row| (row.id, row.path)).collect())
    }

    /// Asks the store itself.
    pub(super) fn store<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Ledger) -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        ask(&mut **self.books.store()).map_err(explain)
    }

    /// Copies everything to `to`, which must hold nothing.
    pub(super) fn copy_to(&self, to: &mut Self) -> Result<Copied, CopyError> {
        ledger::copy(self.reader(), &mut **to.books.store())
    }
}

/// Whether there is a file with something in it: one that is empty is no ledger yet, and who looks
/// makes none of it.
fn is_file_of_something(path: &Path) -> bool {
    path.exists() && !std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0)
}

/// Refuses a ledger at a URL that none can be at.
pub(super) fn refuse_elsewhere(flag: &LedgerFlag, context: &Context) -> Result<(), AppError> {
    match flag.ledger.as_ref().or(context.environment.ledger.as_ref()) {
        Some(LedgerPlace::Elsewhere(scheme)) => Err(elsewhere(scheme)),
        _ => Ok(()),
    }
}

fn elsewhere(scheme: &str) -> AppError {
    AppError::usage(format!("no ledger can be at a URL that begins with `{scheme}`"))
        .with_hint("name a file, or a database: postgres://USER:PASSWORD@HOST:PORT/DATABASE, or postgresql://…")
}

/// Where the ledger in force is: the flag's, else the environment's.
pub(super) fn place(flag: &LedgerFlag, context: &Context) -> Result<LedgerPlace, AppError> {
    refuse_elsewhere(flag, context)?;
    flag.ledger.clone().or_else(|| context.environment.ledger.clone()).ok_or_else(|| {
        AppError::usage("there is no home folder to keep a ledger in")
            .with_hint("name one: --ledger FILE|URL, or FLYBALL_LEDGER in the environment")
    })
}

/// What the user is told of a ledger that cannot be used.
pub(super) fn explain(error: StoreError) -> AppError {
    let hint = match &error {
        StoreError::Busy(_) => "try again when the other process is done",
        StoreError::Newer { .. } => "nothing was changed",
        StoreError::Damaged(_) => "keep it as it is; name another with --ledger",
        StoreError::Unusable(_) | StoreError::Uncertain(_) => {
            "nothing is admitted on a ledger that cannot be written"
        }
    };
    let exit = if matches!(error, StoreError::Busy(_)) { Exit::Upstream } else { Exit::BadInput };
    AppError::new(exit, error).with_hint(hint)
}

/// The name of the project that the working folder belongs to: that of the folder at the root of its
/// repository, else its own.
pub(super) fn project_here(context: &Context) -> String {
    let folder = &context.working_folder;
    let root = folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder);
    root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}
