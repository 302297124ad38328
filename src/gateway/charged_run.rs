//! What a gateway says of a run to whoever is about to send requests for it: where they are charged,
//! in which ledger, and what became of those that came so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::budget::Limits;
use crate::gateway::access::Access;
use crate::gateway::caller::Caller;
use crate::gateway::keys::KeyOwner;

/// The version of the JSON shape.
pub const CHARGED_RUN_VERSION: u32 = 1;
/// Runs that are counted at once; beyond so many all are forgotten, and whoever asks is told of none.
const RUNS_MAX: usize = 4_096;
/// Scopes of a run whose shortage is remembered.
const SHORT_MAX: usize = 16;

/// Where a caller's requests are charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargedTo {
    /// What the ledger is known by: another ledger has another, wherever it lies.
    pub ledger: String,
    /// The scope of the run or session, name by name, the widest first.
    pub scope: Vec<String>,
    /// What the ledger limits it to; `None` where nobody has opened it yet.
    pub limits: Option<Limits>,
    /// The process that charges; no other has the same.
    pub process: String,
}

/// The answer to `GET /run/NAME/charged`. It holds no key, no prompt and no path of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargedRun {
    /// [`CHARGED_RUN_VERSION`].
    pub version: u32,
    /// Where requests of the run are charged.
    #[serde(flatten)]
    pub to: ChargedTo,
    /// Requests of the run that this caller sent since the gateway was first asked for it.
    pub counts: RunCounts,
}

/// Requests of a run that are over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Which counting this is. Where it is another number than before, the gateway has forgotten the
    /// run meanwhile and begun anew.
    pub since: u64,
    /// Those that were answered, as far as that is known.
    pub answered: u64,
    /// Those that were refused for good.
    pub refused: u64,
    /// Those that were neither answered nor short of a budget.
    pub failed: u64,
    /// What was short, in words, by the scope that was.
    pub short: BTreeMap<String, String>,
}

/// Whose run is counted: of which key, and its name.
type Counted = (Option<KeyOwner>, String);

/// Counts requests of the runs that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct RunCounters(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    runs: HashMap<Counted, RunCounts>,
    begun: u64,
}

impl RunCounters {
    /// What is counted of the run of `caller`, which is counted from now on.
    pub(crate) fn of(&self, caller: &Caller) -> RunCounts {
        let Some(counted) = counted(caller) else { return RunCounts::default() };
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counters { runs, begun } = &mut *counters;
        if let Some(counts) = runs.get(&counted) {
            return counts.clone();
        }
        if runs.len() >= RUNS_MAX {
            runs.clear();
        }
        *begun += 1;
        let counts = RunCounts { since: *begun, ..RunCounts::default() };
        runs.insert(counted, counts.clone());
        counts
    }

    /// Takes down a request that is over.
    pub(crate) fn take(&self, access: &Access) {
        if access.caller.run.is_none() {
            return;
        }
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = &mut counters.runs;
        if runs.is_empty() {
            return;
        }
        let Some(counts) = counted(&access.caller).and_then(|counted| runs.get_mut(&counted))
        else {
            return;
        };
        let fate = access.fate;
        counts.refused += u64::from(fate.is_for_good());
        counts.failed += u64::from(fate.is_failure());
        let answered = !fate.is_refused() && !fate.is_failure() && access.charged.is_some();
        counts.answered += u64::from(answered);
        if let Some(denial) = access.denial.as_ref().filter(|_| fate.is_for_good()) {
            let shortage = &denial.shortage;
            if counts.short.len() < SHORT_MAX || counts.short.contains_key(&shortage.scope) {
                counts.short.insert(shortage.scope.clone(), shortage.to_string());
            }
        }
    }
}

fn counted(caller: &Caller) -> Option<Counted> {
    Some((caller.key.clone(), caller.run.clone()?))
}
