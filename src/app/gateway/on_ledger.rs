//! What of a gateway stands on the ledger in force: its till, what its live page shows, and the thread
//! that writes.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use super::super::books::{self, OpenLedger};
use super::super::context::Context;
use super::super::error::AppError;
use super::super::plan_windows::PlanKeeper;
use super::console::LedgerConsole;
use super::host::Say;
use super::opening::{HeldTo, OpeningLimits};
use super::origins::RunFolderOrigins;
use super::scopes::Scopes;
use super::till::LedgerTill;
use crate::budget::Effects;
use crate::cli::gateway::{GatewayTyped, JoinTyped};
use crate::cli::ledger::LedgerFlag;
use crate::gateway::KeyRing;
use crate::ledger::{GroupCommit, LeaseDesk, LeaseTerms, Ledger};

/// Requests that wait for balance at once; more are refused as busy.
const WAITING_MAX: usize = 4_096;

/// The thread that writes to a ledger.
pub(super) type Writer = JoinHandle<Box<dyn Ledger>>;

/// What stands on the ledger in force.
pub(super) struct OnLedger {
    pub(super) till: LedgerTill,
    /// What the live page shows, where there is one.
    pub(super) console: Option<LedgerConsole>,
    /// How far plan windows are used, and what keeps that in the ledger.
    pub(super) plan: PlanKeeper,
    /// The thread that writes there.
    pub(super) writer: Writer,
}

impl OnLedger {
    /// What `typed` asks for, for callers with these keys, where they need one.
    pub(super) fn open(
        typed: &GatewayTyped,
        keys: Option<&KeyRing>,
        context: &Context,
        handle: &Handle,
        say: &Say,
    ) -> Result<Self, AppError> {
        let project = typed.project.clone().unwrap_or_else(|| books::project_here(context));
        let standing = OpenLedger::create(&typed.ledger, context)?.standing()?;
        let projects = match keys {
            // Each is charged to the project of its key, and nobody to another.
            Some(keys) => keys.projects(),
            None => BTreeSet::from([project.clone()]),
        };
        let HeldTo { limits, notice, by_project } = HeldTo::of(typed, &standing, &projects)?;
        if let Some(keys) = keys.filter(|_| by_project) {
            keys.charge_only(projects);
        }
        if let Some(notice) = notice {
            say(&notice);
        }
        let below = Below { limits, origins: origins(&typed.join, handle) };
        let (till, commit, writer) = till(&typed.ledger, &project, below, context, (handle, say))?;
        let console = if typed.no_ui {
            None
        } else {
            // Whoever watches keeps no request waiting for a connection to the ledger.
            let watched = OpenLedger::create(&typed.ledger, context)?;
            Some(LedgerConsole::new(watched, commit, handle.clone()))
        };
        let plan = PlanKeeper::start(OpenLedger::create(&typed.ledger, context)?, say)?;
        Ok(Self { till, console, plan, writer })
    }
}

/// What lies below the project that is charged.
pub(super) struct Below {
    pub(super) limits: OpeningLimits,
    /// Who knows what started an agent, where there is somebody.
    pub(super) origins: Option<RunFolderOrigins>,
}

/// A till on the ledger in force, who writes there, and the thread that does.
pub(super) fn till(
    flag: &LedgerFlag,
    project: &str,
    below: Below,
    context: &Context,
    (handle, say): (&Handle, &Say),
) -> Result<(LedgerTill, GroupCommit, Writer), AppError> {
    let reader = OpenLedger::create(flag, context)?;
    let (ledger, journals) = OpenLedger::create(flag, context)?.into_books(WAITING_MAX);
    let journals = journals.ok_or_else(|| {
        AppError::usage("there is no home folder to keep the journals of slices in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })?;
    let (effects, troubles) = (Arc::clone(say), Arc::clone(say));
    let (commit, writer) =
        GroupCommit::start(ledger, move |told: &Effects| tell_effects(&effects, told))
            .map_err(AppError::bug)?;
    let report = move |trouble: &str| troubles(&format!("flyball: {trouble}\n"));
    let desk = LeaseDesk::start(commit.clone(), &journals, LeaseTerms::default(), report)
        .map_err(AppError::bug)?;
    let Below { limits, origins } = below;
    let scopes = Scopes::new(commit.clone(), reader, project, limits, origins, handle.clone());
    let till = LedgerTill::new(desk, scopes, name_of_process(), handle.clone());
    Ok((till, commit, writer))
}

/// Who knows what started an agent, where there is somebody.
fn origins(typed: &JoinTyped, runtime: &Handle) -> Option<RunFolderOrigins> {
    let home = typed.claude_home.as_ref()?;
    let within = Duration::from_millis(typed.join_within);
    Some(RunFolderOrigins::new(home, within, runtime.clone()))
}

/// Says what budgets have to say for themselves.
fn tell_effects(say: &Say, effects: &Effects) {
    for warning in &effects.warnings {
        let share = warning.threshold_per_mille / 10;
        let (scope, limit) = (&warning.scope, warning.unit.say(warning.limit));
        say(&format!("flyball: {scope} has used {share} % of {limit}\n"));
    }
    if let Some(overrun) = &effects.overrun {
        let (attempt, beyond) = (&overrun.attempt, overrun.beyond.usd);
        say(&format!(
            "flyball: attempt {attempt} took {beyond} more than its bound: the upstream broke a \
             promise\n"
        ));
    }
}

/// A name that no other process has.
fn name_of_process() -> String {
    // Every state is seeded anew by the system.
    let number = RandomState::new().build_hasher().finish();
    format!("gw-{number:016x}")
}
