//! Whether a ledger's balances are what its entries add up to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::budget::{
    AttemptRow, Balance, Charge, EntryKind, Quantity, Replay, ScopeId, ScopeRow, StoreError, Unit,
};
use crate::id::AttemptId;
use crate::ledger::access::{Moment, ReadLedger};
use crate::money::Picodollars;

/// A ledger that balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries that were read.
    pub entries: u64,
    /// Scopes whose balances were compared.
    pub scopes: usize,
}

/// Where a ledger contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An entry is missing.
    Gap {
        /// The position that should come next.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// A number of a scope does not follow from the entries.
    Balance {
        /// The scope's path.
        scope: String,
        /// Which of its numbers: `settled`, `reserved`, `leased` or `limit`.
        number: &'static str,
        /// In what it counts.
        unit: Unit,
        /// What is kept; `None` is no limit.
        kept: Option<Quantity>,
        /// What the entries add up to.
        recomputed: Option<Quantity>,
    },
    /// Whether a scope is paused does not follow from the entries.
    Paused {
        /// The scope's path.
        scope: String,
        /// What is kept.
        kept: bool,
    },
    /// What an attempt has reserved does not follow from the entries.
    InFlight {
        /// The attempt.
        attempt: AttemptId,
        /// What is kept; `None` where it is not in flight.
        kept: Option<Picodollars>,
        /// What the entries say.
        recomputed: Option<Picodollars>,
    },
    /// The entries name a scope that is not kept.
    MissingScope(u32),
    /// No entry names the scope with this path.
    NoEntries(String),
}

/// Why a ledger could not be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It contradicts itself, here first.
    #[error("the ledger does not balance in {} places; the first: {}", .0.len(), First(.0))]
    Different(Vec<Difference>),
}

struct First<'a>(&'a [Difference]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |difference| write!(f, "{difference}"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |unit: &Unit, quantity: &Option<Quantity>| match quantity {
            None => "no limit".to_owned(),
            // To the picodollar: a difference can be small.
            Some(Quantity::Usd(usd)) => format!("${}", usd.to_decimal()),
            Some(quantity) => unit.say(*quantity),
        };
        match self {
            Self::Gap { expected, found } => {
                write!(f, "entry {expected} is missing; {found} comes next")
            }
            Self::Balance { scope, number, unit, kept, recomputed } => write!(
                f,
                "{scope} keeps {} as {number}, its entries add up to {}",
                say(unit, kept),
                say(unit, recomputed)
            ),
            Self::Paused { scope, kept: true } => {
                write!(f, "{scope} is paused, and no entry says so")
            }
            Self::Paused { scope, kept: false } => {
                write!(f, "{scope} is not paused, and an entry says that it is")
            }
            Self::InFlight { attempt, kept, recomputed } => {
                let say = |held: &Option<Picodollars>| match held {
                    None => "is not in flight".to_owned(),
                    Some(usd) => format!("holds ${}", usd.to_decimal()),
                };
                let (kept, recomputed) = (say(kept), say(recomputed));
                write!(f, "attempt `{attempt}` {kept}, its entries say that it {recomputed}")
            }
            Self::NoEntries(scope) => write!(f, "{scope} is kept, and no entry opened it"),
            Self::MissingScope(id) => write!(f, "scope {id} has entries and is missing"),
        }
    }
}

/// Recomputes every balance from the entries, as of one moment, and compares.
///
/// # Errors
/// The ledger could not be read, or does not balance.
pub fn verify(ledger: &dyn ReadLedger) -> Result<Verified, VerifyError> {
    ledger.check_storage()?;
    let mut replay = Replay::default();
    let mut paused: BTreeMap<ScopeId, bool> = BTreeMap::new();
    let mut differences = Vec::new();
    let (mut entries, mut next) = (0_u64, 0_u64);
    let Moment { scopes, in_flight } = ledger.stream(&mut |entry| {
        if entry.sequence != next {
            differences.push(Difference::Gap { expected: next, found: entry.sequence });
        }
        next = entry.sequence.saturating_add(1);
        entries += 1;
        if let EntryKind::Pause { scope, paused: now } = &entry.kind {
            paused.insert(*scope, *now);
        }
        replay.take(&entry.kind);
        ControlFlow::Continue(())
    })?;
    // No balance depends on them, so that they can be read is all there is to see.
    ledger.plan_windows(usize::MAX)?;
    let flying = replay.in_flight();
    let mut recomputed = replay.balances();
    for row in &scopes {
        match recomputed.remove(&row.id) {
            Some(balance) => compare(row, &balance, &mut differences),
            None => differences.push(Difference::NoEntries(row.path.to_string())),
        }
        if row.paused != paused.get(&row.id).copied().unwrap_or(false) {
            let scope = row.path.to_string();
            differences.push(Difference::Paused { scope, kept: row.paused });
        }
    }
    differences.extend(recomputed.keys().map(|id| Difference::MissingScope(id.0)));
    compare_in_flight(&in_flight, flying, &mut differences);
    if differences.is_empty() {
        return Ok(Verified { entries, scopes: scopes.len() });
    }
    Err(VerifyError::Different(differences))
}

fn compare_in_flight(
    kept: &[AttemptRow],
    mut recomputed: BTreeMap<AttemptId, Charge>,
    differences: &mut Vec<Difference>,
) {
    for row in kept {
        let again = recomputed.remove(&row.id);
        if again != Some(row.charge) {
            differences.push(Difference::InFlight {
                attempt: row.id.clone(),
                kept: Some(row.charge.usd),
                recomputed: again.map(|charge| charge.usd),
            });
        }
    }
    differences.extend(recomputed.into_iter().map(|(attempt, charge)| Difference::InFlight {
        attempt,
        kept: None,
        recomputed: Some(charge.usd),
    }));
}

fn compare(row: &ScopeRow, balance: &Balance, differences: &mut Vec<Difference>) {
    for unit in Unit::ALL {
        let (settled, reserved) = match unit {
            Unit::Agents => (row.agents_settled.into(), row.agents_reserved.into()),
            _ => (row.settled.get(unit), row.reserved.get(unit)),
        };
        let (settled_again, reserved_again) = match unit {
            Unit::Agents => (balance.agents_settled.into(), balance.agents_reserved.into()),
            _ => (balance.settled.get(unit), balance.reserved.get(unit)),
        };
        let numbers = [
            ("settled", Some(settled), Some(settled_again)),
            ("reserved", Some(reserved), Some(reserved_again)),
            ("leased", Some(row.leased.get(unit)), Some(balance.leased.get(unit))),
            ("limit", row.limits.get(unit), balance.limits.get(unit)),
        ];
        for (number, kept, recomputed) in numbers {
            if kept != recomputed {
                differences.push(Difference::Balance {
                    scope: row.path.to_string(),
                    number,
                    unit,
                    kept: kept.map(|kept| unit.quantity(kept)),
                    recomputed: recomputed.map(|recomputed| unit.quantity(recomputed)),
                });
            }
        }
    }
}
