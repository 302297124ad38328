//! Whether the ledger can be used, balances, and holds nothing for the dead.

use super::super::books::{self, OpenLedger};
use super::super::context::Context;
use super::failed;
use crate::cli::ledger::LedgerFlag;
use crate::ledger;
use crate::ledger_place::LedgerPlace;
use crate::report::checkup::Check;
use crate::report::number::plural;

const NAME: &str = "ledger";
/// Larger files are not added up here: that takes seconds.
const VERIFIED_BYTES_MAX: u64 = 64 << 20;

pub(super) fn checks(flag: &LedgerFlag, context: &Context) -> Vec<Check> {
    let place = match books::place(flag, context) {
        Ok(place) => place,
        Err(error) => return vec![failed(NAME, &error)],
    };
    let shown = match &place {
        LedgerPlace::File(path) => path.display().to_string(),
        LedgerPlace::Postgres(_) | LedgerPlace::Elsewhere(_) => "the Postgres database".to_owned(),
    };
    let opened = match OpenLedger::to_look(flag, context) {
        Ok(Some(opened)) => opened,
        Ok(None) => return vec![Check::ok(NAME, format!("none yet; it will be {shown}"))],
        Err(error) => return vec![failed(NAME, &error)],
    };
    vec![balance(&opened, &place, &shown), held(&opened)]
}

fn balance(opened: &OpenLedger, place: &LedgerPlace, shown: &str) -> Check {
    let found = match place {
        LedgerPlace::File(path) => std::fs::metadata(path).ok(),
        LedgerPlace::Postgres(_) | LedgerPlace::Elsewhere(_) => None,
    };
    if found.as_ref().is_some_and(|found| found.permissions().readonly()) {
        let says = format!("{shown} is read-only: spending could not be written down");
        return Check::fail(NAME, says, "make it writable, or name another with FLYBALL_LEDGER");
    }
    if found.is_none_or(|found| found.len() > VERIFIED_BYTES_MAX) {
        return Check::ok(NAME, format!("{shown} opens; add it up with: flyball ledger verify"));
    }
    match ledger::verify(opened.reader()) {
        Ok(verified) => {
            let entries = plural(verified.entries, "entry", "entries");
            Check::ok(NAME, format!("{shown} balances: {entries}"))
        }
        Err(error) => Check::fail(
            NAME,
            format!("{shown}: {error}"),
            "keep it as it is and see all of it with: flyball ledger verify",
        ),
    }
}

/// What processes hold that are gone.
fn held(opened: &OpenLedger) -> Check {
    const NAME: &str = "held";
    let holdings = match opened.read(|ledger| ledger::holdings(ledger)) {
        Ok(holdings) => holdings,
        Err(error) => return failed(NAME, &error),
    };
    match holdings.iter().filter(|holding| holding.is_dead()).count() {
        0 => Check::ok(NAME, "no dead process holds anything"),
        dead => Check::warn(
            NAME,
            format!(
                "{} that ended without settling",
                plural(dead as u64, "process holds budget", "processes hold budget")
            ),
            "see what with: flyball ledger reconcile",
        ),
    }
}
