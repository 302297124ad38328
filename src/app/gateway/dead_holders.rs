//! What dead processes hold of a scope that is short: it counts as spent until somebody says what
//! became of it, so nobody waits for it, and whoever is refused for it is told that and does not try
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::super::books::OpenLedger;
use super::super::error::AppError;
use crate::budget::{Ask, Charge, Denial, DenialKind, Limits, ScopeId, Shortage, Unit};
use crate::ledger::{self, Holding};

/// What was found is told for so long before somebody looks again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever was refused is told of it within so long.
const TOLD_FOR: Duration = Duration::from_secs(2);
/// Scopes that are remembered; beyond so many all are forgotten.
const SCOPES_MAX: usize = 1_024;

/// Who looks for them.
pub(super) struct DeadHolders {
    reader: Arc<Mutex<OpenLedger>>,
    found: Mutex<HashMap<String, Found>>,
    /// Who looks; the others wait for what is found.
    looking: tokio::sync::Mutex<()>,
    runtime: Handle,
}

/// What a request can hope for that waits for a scope of which the dead hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// That the living set free what it asks for.
    All,
    /// A shorter answer, of what is left of this scope.
    Shorter(ScopeId),
    /// Nothing.
    Nothing,
}

/// What was found of one scope.
#[derive(Clone)]
struct Found {
    /// When that was begun to be read.
    at: Instant,
    held: Option<Held>,
}

/// What the dead hold of a scope.
#[derive(Clone)]
struct Held {
    scope: ScopeId,
    limits: Limits,
    settled: Charge,
    charge: Charge,
    /// How many processes, and one of them.
    processes: usize,
    process: String,
}

impl DeadHolders {
    /// Looks through `reader`.
    pub(super) fn new(reader: Arc<Mutex<OpenLedger>>, runtime: Handle) -> Self {
        Self { reader, found: Mutex::default(), looking: tokio::sync::Mutex::default(), runtime }
    }

    /// `denial` as it is once what the dead hold counts as spent, for a request that needs `least`.
    ///
    /// What the denial says is as old as its waiting, and may be of a request before it in the
    /// queue, so nothing of it decides but the scope.
    pub(super) async fn judge(&self, mut denial: Box<Denial>, least: Charge) -> Box<Denial> {
        let nothing_left = |held: &Held| held.leaves_too_little(&least).then_some(());
        if self.sure(&denial.shortage, nothing_left).await.is_some() {
            denial.kind = DenialKind::Exhausted;
        }
        denial
    }

    /// What `ask` can hope for, which waits for what `shortage` says.
    pub(super) async fn prospect(&self, shortage: &Shortage, ask: &Ask) -> Prospect {
        let worse = |held: &Held| Some(held.prospect(ask)).filter(|found| *found != Prospect::All);
        self.sure(shortage, worse).await.map_or(Prospect::All, |found| found)
    }

    /// What `says` of what the dead hold of the scope that is short: of what was found lately, and,
    /// where that is something, of what is so now. Nobody is refused for what was so before.
    async fn sure<T>(&self, shortage: &Shortage, says: impl Fn(&Held) -> Option<T>) -> Option<T> {
        if shortage.paused || shortage.reserved.number() == 0 {
            return None;
        }
        let now = Instant::now();
        let lately = now.checked_sub(LOOK_EVERY).unwrap_or(now);
        says(&self.held(&shortage.scope, lately).await?)?;
        says(&self.held(&shortage.scope, now).await?)
    }

    /// What whoever is refused has to know of the dead, as it was found for its denial.
    pub(super) fn words(&self, shortage: &Shortage) -> Option<String> {
        if shortage.paused || shortage.reserved.number() == 0 {
            return None;
        }
        let found = self.found();
        let found = found.get(&shortage.scope).filter(|found| found.at.elapsed() < TOLD_FOR)?;
        let held = found.held.as_ref()?;
        let number = held.charge.get(shortage.unit);
        if number == 0 {
            return None;
        }
        let amount = shortage.unit.quantity(number);
        let who = match held.processes {
            1 => format!("a process that has ended ({})", held.process),
            many => format!("{many} processes that have ended ({} is one)", held.process),
        };
        let amount = shortage.unit.say(amount);
        Some(format!("{amount} of it is held by {who}: flyball ledger reconcile frees it"))
    }

    /// What the dead hold of `scope`, found no earlier than `since`.
    async fn held(&self, scope: &str, since: Instant) -> Option<Held> {
        if let Some(known) = self.known(scope, since) {
            return known.held;
        }
        let _turn = self.looking.lock().await;
        if let Some(known) = self.known(scope, since) {
            return known.held;
        }
        let at = Instant::now();
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
        found.insert(scope.to_owned(), Found { at, held: held.clone() });
        held
    }

    fn known(&self, scope: &str, since: Instant) -> Option<Found> {
        self.found().get(scope).filter(|known| known.at >= since).cloned()
    }

    fn found(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What would be left of a unit if the living held nothing; `None` where it has no limit.
    fn leaves(&self, unit: Unit) -> Option<i128> {
        let taken = self.settled.get(unit).saturating_add(self.charge.get(unit));
        Some(self.limits.get(unit)?.saturating_sub(taken))
    }

    /// Whether a request that needs `charge` would not fit even if the living held nothing. Agents
    /// are nobody's.
    fn leaves_too_little(&self, charge: &Charge) -> bool {
        Unit::ALL
            .into_iter()
            .filter(|unit| *unit != Unit::Agents)
            .any(|unit| self.leaves(unit).is_some_and(|left| charge.get(unit) > left))
    }

    fn prospect(&self, ask: &Ask) -> Prospect {
        let fits = |output_tokens| !self.leaves_too_little(&ask.bound.charge(output_tokens));
        if fits(ask.cap.standing_tokens) {
            return Prospect::All;
        }
        if !fits(ask.cap.floor_tokens) {
            return Prospect::Nothing;
        }
        Prospect::Shorter(self.scope)
    }
}

/// The balance is read first: what is reconciled meanwhile is missed, and not counted twice.
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
    let (scope, limits, settled) = (scope.id, scope.limits, scope.settled);
    Ok(Some(Held { scope, limits, settled, charge, processes: held.len(), process }))
}
