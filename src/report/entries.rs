//! Entries of the ledger as a list.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::number;
use super::page::{Page, clean};
use crate::money::Picodollars;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedEntry {
    /// Its position in the ledger.
    pub sequence: u64,
    /// When it was written: RFC 3339, UTC.
    pub at: String,
    /// What happened: `reserve`, `settle`, …
    pub entry: &'static str,
    /// The attempt it is about, or the scope.
    pub about: String,
    /// Its dollars.
    pub usd: Option<Picodollars>,
    /// Its tokens.
    pub billed_tokens: Option<u64>,
    /// What whoever wrote it had to say.
    pub note: Option<String>,
}

/// The entries, oldest first, one a line.
pub fn table(entries: &[ListedEntry], page: Page) -> String {
    if entries.is_empty() {
        return "no entries\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width()).unwrap_or(80));
    table.set_header(["#", "at", "entry", "about", "dollars", "tokens"]);
    for entry in entries {
        let about = match &entry.note {
            Some(note) => format!("{} ({})", clean(&entry.about), clean(note)),
            None => clean(&entry.about),
        };
        table.add_row([
            entry.sequence.to_string(),
            entry.at.get(..19).unwrap_or(&entry.at).replace('T', " "),
            entry.entry.to_owned(),
            about,
            entry.usd.map_or_else(String::new, number::dollars),
            entry.billed_tokens.map_or_else(String::new, number::count),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if matches!(index, 0 | 4 | 5) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
