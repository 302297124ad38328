//! What processes hold in the ledger, as a list.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::number;
use super::page::{Page, clean};
use crate::money::Picodollars;

/// What one process holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownHolding {
    /// Its number in the ledger; null where nobody knows who it was.
    pub owner: Option<u64>,
    /// Its machine and process id.
    pub process: Option<String>,
    /// When it first took something: RFC 3339, UTC.
    pub since: Option<String>,
    /// `alive`, `dead`, or `silent`: it cannot be reached and may live.
    pub state: &'static str,
    /// Requests in flight.
    pub requests: usize,
    /// What they may still take.
    pub reserved: Picodollars,
    /// Slices it borrowed.
    pub leases: usize,
    /// What is left of them.
    pub leased: Picodollars,
}

/// The holdings, one process a line.
pub fn table(holdings: &[ShownHolding], page: Page) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width()).unwrap_or(80));
    table.set_header(["owner", "process", "since", "is", "requests", "reserved", "leased"]);
    for holding in holdings {
        let since = holding.since.as_deref().map(|at| at.get(..16).unwrap_or(at).replace('T', " "));
        table.add_row([
            holding.owner.map_or_else(|| "-".to_owned(), |owner| owner.to_string()),
            holding.process.as_deref().map_or_else(|| "unknown".to_owned(), clean),
            since.unwrap_or_else(|| "-".to_owned()),
            holding.state.to_owned(),
            holding.requests.to_string(),
            number::dollars(holding.reserved),
            number::dollars(holding.leased),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if matches!(index, 0 | 4..=6) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
