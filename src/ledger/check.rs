//! What must hold of rows, whoever wrote them: checked after every read and before every write.

use std::collections::BTreeMap;

use crate::budget::{AttemptEnd, AttemptRow, Changes, Charge, Rows, ScopeId, ScopeRow, Unit};
use crate::ledger::failure::Fault;

/// The same rows, where they agree with one another.
pub(super) fn checked(rows: Rows) -> Result<Rows, Fault> {
    let scopes: BTreeMap<ScopeId, &ScopeRow> =
        rows.scopes.iter().map(|row| (row.id, row)).collect();
    for row in &rows.scopes {
        let Some(parent) = row.parent else { continue };
        if parent >= row.id || !scopes.contains_key(&parent) {
            return Err(Fault::Damaged(format!("{} lies under no scope before it", row.path)));
        }
    }
    let mut in_flight: BTreeMap<ScopeId, Charge> = BTreeMap::new();
    for row in &rows.attempts {
        attempt(row)?;
        if row.end == AttemptEnd::Reserved {
            for id in row.path.iter() {
                *in_flight.entry(*id).or_insert(Charge::ZERO) += row.charge;
            }
        }
    }
    for (id, charge) in in_flight {
        let Some(scope) = scopes.get(&id) else { continue };
        if !charge.minus(scope.reserved).is_zero() {
            return Err(Fault::Damaged(format!(
                "{} has reserved less than its requests in flight hold",
                scope.path
            )));
        }
    }
    Ok(rows)
}

/// Refuses amounts that no account would write.
pub(super) fn writable(changes: &Changes) -> Result<(), Fault> {
    for row in &changes.scopes {
        for unit in Unit::ALL {
            if row.settled.get(unit) < 0 || row.reserved.get(unit) < 0 {
                return Err(below_zero(&row.path));
            }
        }
    }
    for row in &changes.attempts {
        attempt(row)?;
        if row.charge.usd.pico() < 0 {
            return Err(below_zero(&row.id.0));
        }
    }
    Ok(())
}

fn below_zero(name: &str) -> Fault {
    Fault::Unusable(format!("{name} would hold an amount below zero"))
}

fn attempt(row: &AttemptRow) -> Result<(), Fault> {
    let charged = |id: &ScopeId| row.path.contains(id);
    if row.path.first() == Some(&row.scope) && row.windows.iter().all(charged) {
        return Ok(());
    }
    Err(Fault::Damaged(format!("attempt `{}` is not charged to its own scopes", row.id)))
}
