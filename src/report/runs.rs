//! Past runs as a list.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use super::number;
use super::page::{Page, clean, fitted};
use crate::money::Picodollars;

/// One run of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedRun {
    /// What `flyball runs show` takes.
    pub id: String,
    /// `meta.name`.
    pub workflow: String,
    /// Whether it paid nothing.
    pub simulated: bool,
    /// When it began: RFC 3339 with milliseconds, UTC.
    pub began: String,
    /// How it ended, in one word.
    pub status: String,
    /// What it spent; null where that was not kept.
    pub spent_usd: Option<Picodollars>,
    /// What it was limited to.
    pub limit_usd: Option<Picodollars>,
    /// Agents that ended with a result.
    pub agents_done: Option<u32>,
}

/// Columns of a workflow's name.
const NAME_WIDTH_MAX: usize = 20;

/// The runs, latest first, one a line.
pub fn table(runs: &[ListedRun], page: Page) -> String {
    if runs.is_empty() {
        return "no runs yet: flyball run example:review-diff --agents simulated --yes\n"
            .to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width()).unwrap_or(80));
    table.set_header(["run", "workflow", "began", "ended", "agents", "spent", "limit"]);
    for run in runs {
        let money = |amount: Option<Picodollars>| amount.map(number::dollars);
        let (spent, limit) = match (run.spent_usd, run.limit_usd) {
            (Some(spent), Some(limit)) => {
                let (spent, limit) = number::of_limit(spent, limit);
                (Some(spent), Some(limit))
            }
            (spent, limit) => (money(spent), money(limit)),
        };
        table.add_row([
            clean(&run.id),
            fitted(&run.workflow, NAME_WIDTH_MAX),
            run.began.get(..16).unwrap_or(&run.began).replace('T', " "),
            clean(&run.status),
            run.agents_done.map_or_else(|| "-".to_owned(), |done| done.to_string()),
            spent.unwrap_or_else(|| "-".to_owned()),
            limit.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == 0 {
            // Ids are copied: none is broken, whatever becomes of the other columns.
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if index > 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
