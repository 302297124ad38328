//! Which scopes a request through the gateway is charged to: `org / project P / run R`, or the
//! client's session where it names no run; what lies below it for an agent; and the calendar windows
//! that are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::books::OpenLedger;
use super::super::error::AppError;
use super::super::standing;
use super::branch::{self, Whence};
use super::opening::OpeningLimits;
use super::origins::RunFolderOrigins;
use crate::budget::{Answer, Limits, Operation, ScopeId, ScopeRow};
use crate::gateway::{Caller, ChargedTo};
use crate::ledger::{BooksError, GroupCommit};

/// Scopes that are known without asking; beyond so many all are forgotten and asked for again.
const KNOWN_MAX: usize = 16_384;

/// What is charged that names neither a run nor a session.
pub(super) const NO_SESSION: &str = "no session";

/// Where a request is charged.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The innermost scope of its path.
    pub(super) scope: ScopeId,
    /// The windows that are open now.
    pub(super) windows: Vec<ScopeId>,
    /// Whose request it is, where agents are counted.
    pub(super) agent: Option<Arc<str>>,
}

/// Why a request has no place, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoPlace(String);

/// The scopes of a gateway.
pub(super) struct Scopes {
    commit: GroupCommit,
    reader: Arc<Mutex<OpenLedger>>,
    /// What the ledger is known by.
    ledger: String,
    project: Vec<String>,
    limits: OpeningLimits,
    /// Who knows what started an agent, where somebody does.
    origins: Option<RunFolderOrigins>,
    /// How the run of a workflow is called below a run or session.
    workflows: RwLock<HashMap<Vec<String>, String>>,
    known: RwLock<HashMap<Vec<String>, ScopeId>>,
    windows: RwLock<Windows>,
    runtime: Handle,
}

/// The windows that are open, until when that is so.
#[derive(Clone, Debug, Default)]
struct Windows {
    ids: Vec<ScopeId>,
    until: Option<Timestamp>,
    known: bool,
}

impl Scopes {
    /// Scopes below `project`, opened with `limits`; `reader` is a second connection to the ledger
    /// behind `commit`.
    pub(super) fn new(
        commit: GroupCommit,
        reader: OpenLedger,
        project: &str,
        limits: OpeningLimits,
        origins: Option<RunFolderOrigins>,
        runtime: Handle,
    ) -> Self {
        Self {
            commit,
            ledger: reader.identity().to_owned(),
            reader: Arc::new(Mutex::new(reader)),
            project: standing::project_path(project),
            limits,
            origins,
            workflows: RwLock::default(),
            known: RwLock::default(),
            windows: RwLock::default(),
            runtime,
        }
    }

    /// Who knows what started an agent.
    pub(super) const fn origins(&self) -> Option<&RunFolderOrigins> {
        self.origins.as_ref()
    }

    /// The connection to the ledger that is read through.
    pub(super) fn reader(&self) -> Arc<Mutex<OpenLedger>> {
        Arc::clone(&self.reader)
    }

    /// Where a request of `caller` is charged now.
    pub(super) async fn place(&self, caller: &Caller) -> Result<Place, NoPlace> {
        let windows = match self.open_windows() {
            Some(windows) => windows,
            None => self.look().await?,
        };
        let (mut path, name) = self.run_of(caller);
        let agent = caller.agent.as_ref().map(|agent| format!("{name}/{agent}").into());
        path.push(name);
        let mut scope = self.scope(&path, self.limits.run).await?;
        for (position, (name, limits)) in self.below(caller).into_iter().enumerate() {
            path.push(name);
            if position == 0 && caller.origin.is_some() {
                self.settle_name(&mut path).await?;
            }
            scope = self.scope(&path, limits).await?;
        }
        Ok(Place { scope, windows, agent })
    }

    /// The project that a request of `caller` is charged to, and how its run or session is called
    /// below that.
    fn run_of(&self, caller: &Caller) -> (Vec<String>, String) {
        let name = match (&caller.run, &caller.session) {
            (Some(run), _) => format!("run {run}"),
            (None, Some(session)) => format!("session {session}"),
            (None, None) => NO_SESSION.to_owned(),
        };
        match &caller.key {
            None => (self.project.clone(), name),
            Some(owner) => {
                let project = standing::project_path(&owner.project);
                (project, format!("{name} of {}", owner.name))
            }
        }
    }

    /// Where the run or session of `caller` is charged by `process`, and its limits as the ledger has
    /// them now.
    pub(super) async fn charged(
        &self,
        caller: &Caller,
        process: &str,
    ) -> Result<ChargedTo, NoPlace> {
        let (mut scope, name) = self.run_of(caller);
        scope.push(name);
        let row = self.read(&scope).await?;
        Ok(ChargedTo {
            ledger: self.ledger.clone(),
            scope,
            limits: row.map(|row| row.limits),
            process: process.to_owned(),
        })
    }

    /// The scope at `path` as the ledger has it now, where it is open.
    async fn read(&self, path: &[String]) -> Result<Option<ScopeRow>, NoPlace> {
        let path = path.join(" / ");
        let reader = Arc::clone(&self.reader);
        let found = self.runtime.spawn_blocking(move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read(|ledger| ledger.scope_by_path(&path))
        });
        let found = found.await.map_err(|error| NoPlace(error.to_string()))?;
        found.map_err(|error: AppError| NoPlace(error.sentence()))
    }

    /// What lies below the run or session of `caller` on its path.
    fn below(&self, caller: &Caller) -> Vec<(String, Limits)> {
        let is_elsewhere = || {
            let (session, agent) = (caller.session.as_ref()?, caller.agent.as_ref()?);
            Some(self.origins.as_ref()?.is_elsewhere(session, agent))
        };
        let known = caller.origin.is_some() || is_elsewhere() == Some(true);
        let whence = if known { Whence::Known } else { Whence::Unknown };
        branch::of(caller, whence, &self.limits)
    }

    /// Gives the run of a workflow at the end of `path` the name that it has in the ledger already:
    /// the name of its workflow can become known later, and the run is to be one scope.
    async fn settle_name(&self, path: &mut [String]) -> Result<(), NoPlace> {
        let settled = {
            let workflows = self.workflows.read().unwrap_or_else(PoisonError::into_inner);
            workflows.get(path).cloned()
        };
        let name = match settled {
            Some(name) => name,
            None => self.name_in_ledger(path).await?,
        };
        if let Some(last) = path.last_mut() {
            *last = name;
        }
        Ok(())
    }

    async fn name_in_ledger(&self, path: &[String]) -> Result<String, NoPlace> {
        let name = path.last().cloned().unwrap_or_default();
        let bare = branch::without_workflow_name(&name);
        let mut older = path.to_vec();
        older.pop();
        older.push(bare.clone());
        let found = self.read(&older).await?;
        let name = if found.is_some() { bare } else { name };
        let mut workflows = self.workflows.write().unwrap_or_else(PoisonError::into_inner);
        if workflows.len() >= KNOWN_MAX {
            workflows.clear();
        }
        workflows.insert(path.to_vec(), name.clone());
        Ok(name)
    }

    /// The scope at `path`, opened with `limits` where it is not there.
    async fn scope(&self, path: &[String], limits: Limits) -> Result<ScopeId, NoPlace> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        if let Some(scope) = known {
            return Ok(scope);
        }
        let scope = self.opened(path.to_vec(), limits).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(path.to_vec(), scope);
        Ok(scope)
    }

    async fn opened(&self, path: Vec<String>, limits: Limits) -> Result<ScopeId, NoPlace> {
        let (tell, told) = oneshot::channel();
        let operation = Operation::Open { path, limits };
        self.commit.do_then(operation, move |answer| drop(tell.send(answer)));
        match told.await.unwrap_or(Err(BooksError::Closed)) {
            Ok(Answer::Scope(scope)) => Ok(scope),
            Ok(_) => Err(NoPlace("the ledger opened no scope".to_owned())),
            Err(error) => Err(NoPlace(error.to_string())),
        }
    }

    fn open_windows(&self) -> Option<Vec<ScopeId>> {
        let windows = self.windows.read().unwrap_or_else(PoisonError::into_inner);
        let open = windows.until.is_none_or(|until| Timestamp::now() < until);
        (windows.known && open).then(|| windows.ids.clone())
    }

    /// Looks which windows have a budget, and opens those that are not there yet.
    pub(super) async fn look(&self) -> Result<Vec<ScopeId>, NoPlace> {
        let reader = Arc::clone(&self.reader);
        let found = self.runtime.spawn_blocking(move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.standing()?.open_windows()
        });
        let found = found.await.map_err(|error| NoPlace(error.to_string()))?;
        let found = found.map_err(|error: AppError| NoPlace(error.sentence()))?;
        let until = found.iter().map(|(_, _, ends)| *ends).min();
        let mut ids = Vec::with_capacity(found.len());
        for (path, limits, _) in found {
            ids.push(self.opened(path, limits).await?);
        }
        let mut windows = self.windows.write().unwrap_or_else(PoisonError::into_inner);
        *windows = Windows { ids: ids.clone(), until, known: true };
        Ok(ids)
    }
}
