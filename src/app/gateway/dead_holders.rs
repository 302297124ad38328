//! What dead processes hold of a scope that is short: it counts as spent until somebody says what
//! became of it, so whoever is refused for it is told that and does not try again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::super::books::OpenLedger;
use super::super::error::AppError;
use crate::budget::{Charge, Denial, DenialKind, Shortage};
use crate::ledger::{self, Holding};

/// What was found is told for so long before somebody looks again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Scopes that are remembered; beyond so many all are forgotten.
const SCOPES_MAX: usize = 1_024;

/// Who looks for them.
pub(super) struct DeadHolders {
    reader: Arc<Mutex<OpenLedger>>,
    found: Mutex<HashMap<String, Found>>,
    runtime: Handle,
}

/// What was found of one scope.
#[derive(Clone)]
struct Found {
    at: Instant,
    held: Option<Held>,
}

/// What the dead hold of a scope.
#[derive(Clone)]
struct Held {
    charge: Charge,
    /// How many processes, and one of them.
    processes: usize,
    process: String,
}

impl DeadHolders {
    /// Looks through `reader`.
    pub(super) fn new(reader: Arc<Mutex<OpenLedger>>, runtime: Handle) -> Self {
        Self { reader, found: Mutex::default(), runtime }
    }

    /// `denial` as it is once what the dead hold counts as spent.
    pub(super) async fn judge(&self, mut denial: Box<Denial>) -> Box<Denial> {
        let shortage = &denial.shortage;
        if shortage.paused || shortage.reserved.number() == 0 {
            return denial;
        }
        let held = self.held(&shortage.scope).await;
        if held.is_some_and(|held| leaves_too_little(shortage, &held.charge)) {
            denial.kind = DenialKind::Exhausted;
        }
        denial
    }

    /// What whoever is refused has to know of the dead, as it was found last.
    pub(super) fn words(&self, shortage: &Shortage) -> Option<String> {
        let found = self.found();
        let held = found.get(&shortage.scope)?.held.as_ref()?;
        let amount = shortage.unit.quantity(held.charge.get(shortage.unit));
        let who = match held.processes {
            1 => format!("a process that has ended ({})", held.process),
            many => format!("{many} processes that have ended ({} is one)", held.process),
        };
        let amount = shortage.unit.say(amount);
        Some(format!("{amount} of it is held by {who}: flyball ledger reconcile frees it"))
    }

    async fn held(&self, scope: &str) -> Option<Held> {
        let known = self.found().get(scope).cloned();
        if let Some(known) = known.filter(|known| known.at.elapsed() < LOOK_EVERY) {
            return known.held;
        }
        let (reader, name) = (Arc::clone(&self.reader), scope.to_owned());
        let looked = self.runtime.spawn_blocking(move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            look(&reader, &name)
        });
        // A ledger that cannot be read now has said what it could: the denial stands as it is.
        let held = looked.await.ok().and_then(Result::ok).flatten();
        let mut found = self.found();
        if found.len() >= SCOPES_MAX {
            found.clear();
        }
        found.insert(scope.to_owned(), Found { at: Instant::now(), held: held.clone() });
        held
    }

    fn found(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the request would not fit even if the living held nothing.
fn leaves_too_little(shortage: &Shortage, held: &Charge) -> bool {
    let Shortage { unit, limit, settled, needed, .. } = shortage;
    let taken = settled.number().saturating_add(held.get(*unit));
    taken.saturating_add(needed.number()) > limit.number()
}

fn look(reader: &OpenLedger, scope: &str) -> Result<Option<Held>, AppError> {
    let Some(scope) = reader.read(|ledger| ledger.scope_by_path(scope))? else { return Ok(None) };
    let holdings = reader.read(|ledger| ledger::holdings(ledger))?;
    let dead = holdings.iter().filter(|holding| holding.is_dead());
    let held = dead.map(|holding| (holding, holding.charge(Some(scope.id))));
    let held: Vec<(&Holding, Charge)> = held.filter(|(_, charge)| !charge.is_zero()).collect();
    let Some((first, _)) = held.first() else { return Ok(None) };
    let process = first.owner.as_ref().map_or_else(
        || "unknown".to_owned(),
        |owner| format!("{} on {}", owner.process, owner.host),
    );
    let charge = held.iter().fold(Charge::ZERO, |sum, (_, charge)| sum + *charge);
    Ok(Some(Held { charge, processes: held.len(), process }))
}
