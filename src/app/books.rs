//! The ledger as commands use it: found, opened, asked; what goes wrong with it in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::standing::Standing;
use crate::budget::{Answer, Books, Limits, Operation, ScopeId, StoreError};
use crate::cli::ledger::LedgerFlag;
use crate::ledger::{
    self, Holding, Ledger, ReadLedger, ReconcileError, Reconciled, SqliteLedger, Verdict,
};

/// An open ledger.
pub(super) struct OpenLedger {
    books: Books<SqliteLedger>,
}

impl OpenLedger {
    /// The ledger in force; made where there is none.
    pub(super) fn create(flag: &LedgerFlag, context: &Context) -> Result<Self, AppError> {
        Self::open(&place(flag, context)?)
    }

    /// The ledger in force, which has to be there.
    pub(super) fn existing(flag: &LedgerFlag, context: &Context) -> Result<Self, AppError> {
        let path = place(flag, context)?;
        match Self::if_at(&path)? {
            Some(ledger) => Ok(ledger),
            None => Err(AppError::bad_input(format!("there is no ledger at `{}`", path.display()))
                .with_hint("a run makes one, and so does: flyball budget set day 20usd")),
        }
    }

    /// The ledger in force, if it is there.
    pub(super) fn if_there(flag: &LedgerFlag, context: &Context) -> Result<Option<Self>, AppError> {
        Self::if_at(&place(flag, context)?)
    }

    fn if_at(path: &Path) -> Result<Option<Self>, AppError> {
        if path.exists() { Self::open(path).map(Some) } else { Ok(None) }
    }

    fn open(path: &Path) -> Result<Self, AppError> {
        let store = SqliteLedger::open(path, Timestamp::now).map_err(explain)?;
        // Commands ask for no reservations, so nobody waits.
        Ok(Self { books: Books::new(store, 0) })
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

    fn apply(&mut self, batch: &[Operation]) -> Result<Vec<Answer>, AppError> {
        let applied = self.books.apply(batch).map_err(explain)?;
        applied.answers.into_iter().collect::<Result<_, _>>().map_err(AppError::bug)
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
        let journals = self.books.reader().journals();
        ledger::reconcile(&mut self.books, holding, verdict, &journals, whole_slices)
    }

    /// Reads.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&SqliteLedger) -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        read(self.books.reader()).map_err(explain)
    }

    /// The ledger, to be read.
    pub(super) fn reader(&self) -> &SqliteLedger {
        self.books.reader()
    }

    /// The path of every scope.
    pub(super) fn paths(&self) -> Result<BTreeMap<ScopeId, Arc<str>>, AppError> {
        Ok(self.read(ReadLedger::scopes)?.into_iter().map(|row| (row.id, row.path)).collect())
    }

    /// Asks the store itself.
    pub(super) fn store<T>(
        &mut self,
        ask: impl FnOnce(&mut SqliteLedger) -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        ask(self.books.store()).map_err(explain)
    }
}

/// The file of the ledger in force: the flag's, else the environment's.
fn place(flag: &LedgerFlag, context: &Context) -> Result<PathBuf, AppError> {
    flag.ledger.clone().or_else(|| context.environment.ledger.clone()).ok_or_else(|| {
        AppError::usage("there is no home folder to keep a ledger in")
            .with_hint("name a file: --ledger FILE, or FLYBALL_LEDGER in the environment")
    })
}

/// What the user is told of a ledger that cannot be used.
pub(super) fn explain(error: StoreError) -> AppError {
    let hint = match &error {
        StoreError::Busy(_) => "try again when the other process is done",
        StoreError::Newer { .. } => "nothing was changed",
        StoreError::Damaged(_) => "keep the file as it is; name another with --ledger FILE",
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
