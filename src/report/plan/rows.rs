//! The table of phases and stages.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::column;
use crate::band::Band;
use crate::plan::report::{PhasePlan, PlanReport, Quantities, StagePlan};
use crate::report::number::{count, money_cell, range};
use crate::report::page::{Page, clean, fitted, width_of, wrapped};
use crate::report::words;

/// Phases shown; the rest is counted.
const PHASES_MAX: usize = 24;
/// Stages shown per phase; the rest is counted.
const STAGES_MAX: usize = 10;
/// The narrowest column of models.
const MODEL_MIN: usize = 12;
/// The columns: title, agents P50, agents range, model, context, billed, cost P50, cost range.
const COLUMNS: usize = 8;
/// Columns of space after each.
const GAPS: [usize; COLUMNS] = [2, 1, 2, 1, 1, 2, 1, 0];
const TITLE: usize = 0;
const MODEL: usize = 3;

const MODEL_HEADER: &str = "model: as written -> routed [rule]";

type Cells = [String; COLUMNS];

/// The lines of the table, header first, none wider than `page`.
pub(super) fn table(report: &PlanReport, page: Page) -> Vec<String> {
    let mut rows = vec![header()];
    for phase in report.phases.iter().take(PHASES_MAX) {
        push_phase(&mut rows, phase, report);
    }
    let hidden = report.phases.len().saturating_sub(PHASES_MAX);
    if hidden > 0 {
        rows.push(title_only(&format!("… and {hidden} more phases")));
    }
    if report.phases.len() > 1 || report.stages.len() > 1 {
        rows.push(totals(report));
    } else {
        let mut row = title_only("");
        row[MODEL] = words::pace(report);
        rows.push(row);
    }
    fit(&mut rows, page);
    print(rows)
}

fn header() -> Cells {
    [
        "phase",
        "\nP50",
        "agents\nP10-P90",
        MODEL_HEADER,
        "context\n/agent",
        "billed\ntokens",
        "\nP50",
        "cost $\nP10-P90",
    ]
    .map(str::to_owned)
}

fn title_only(title: &str) -> Cells {
    let mut cells = Cells::default();
    title.clone_into(&mut cells[TITLE]);
    cells
}

/// One row for a phase of one stage; else a row for the phase and one for each stage.
fn push_phase(rows: &mut Vec<Cells>, phase: &PhasePlan, report: &PlanReport) {
    let stages: Vec<&StagePlan> = phase
        .stages
        .iter()
        .filter_map(|key| report.stages.iter().find(|stage| stage.key == *key))
        .collect();
    let title = clean(&phase.title);
    if let [only] = stages.as_slice() {
        let title = if title.is_empty() { clean(&only.name) } else { title };
        rows.push(stage_row(only, title));
        return;
    }
    let indent = if title.is_empty() { "" } else { "  " };
    // A route that all stages share is said once.
    let mut routes: Vec<String> = stages.iter().map(|stage| model_cell(stage)).collect();
    routes.dedup();
    let shared = routes.pop().filter(|_| routes.is_empty() && !title.is_empty());
    if !title.is_empty() {
        let context = phase.context_per_agent_tokens_p50;
        let model = shared.clone().unwrap_or_else(|| format!("{} stages", stages.len()));
        rows.push(quantities_row(title, model, &phase.quantities, context));
    }
    for stage in stages.iter().take(STAGES_MAX) {
        let mut row = stage_row(stage, format!("{indent}{}", clean(&stage.name)));
        if shared.is_some() {
            row[MODEL].clear();
        }
        rows.push(row);
    }
    let hidden = stages.len().saturating_sub(STAGES_MAX);
    if hidden > 0 {
        rows.push(title_only(&format!("{indent}… and {hidden} more")));
    }
}

fn stage_row(stage: &StagePlan, title: String) -> Cells {
    let context = stage.context_per_agent_tokens_p50;
    quantities_row(title, model_cell(stage), &stage.quantities, context)
}

fn model_cell(stage: &StagePlan) -> String {
    let (route, rule) = words::route(&stage.route);
    if rule.is_empty() { route } else { format!("{route}\n{rule}") }
}

fn totals(report: &PlanReport) -> Cells {
    let context = report.totals.context_tokens.p50;
    quantities_row("all".to_owned(), words::pace(report), &report.totals, context)
}

fn quantities_row(title: String, model: String, of: &Quantities, context: u64) -> Cells {
    let spread = |band: Band<u64>| {
        if band.p10 == band.p90 { String::new() } else { range(&count(band.p10), &count(band.p90)) }
    };
    let (cost, cost_range) = match of.cost_usd {
        None => ("?".to_owned(), "unpriced".to_owned()),
        Some(band) if band.p10 == band.p90 => (money_cell(band.p50), String::new()),
        Some(band) => (money_cell(band.p50), range(&money_cell(band.p10), &money_cell(band.p90))),
    };
    [
        title,
        count(of.agents.p50),
        spread(of.agents),
        model,
        count(context),
        count(of.billed_tokens.p50),
        cost,
        cost_range,
    ]
}

/// Shortens titles and wraps models until every row fits the page.
fn fit(rows: &mut [Cells], page: Page) {
    let natural = |column: usize, rows: &[Cells]| {
        let cells = rows.iter().filter_map(|cells| cells.get(column));
        cells.flat_map(|cell| cell.lines()).map(width_of).max().unwrap_or(0)
    };
    let fixed: usize = (0..COLUMNS)
        .filter(|column| *column != TITLE && *column != MODEL)
        .map(|column| natural(column, rows))
        .sum::<usize>()
        + GAPS.iter().sum::<usize>();
    let room = page.width().saturating_sub(fixed);
    // Titles get what the models leave, and at least two fifths.
    let below_header = rows.get(1..).unwrap_or_default();
    let left = room.saturating_sub(natural(MODEL, below_header).max(MODEL_MIN));
    let title_width = natural(TITLE, rows).min(left.max(room * 2 / 5));
    let model_width = room.saturating_sub(title_width).max(MODEL_MIN);
    if let Some(header) = rows.first_mut().filter(|_| model_width < width_of(MODEL_HEADER)) {
        "model -> routed\n[rule]".clone_into(&mut header[MODEL]);
    }
    for cells in rows.iter_mut() {
        cells[TITLE] = indented_column(&cells[TITLE], title_width);
        cells[MODEL] = fit_model(&cells[MODEL], model_width);
    }
}

/// A route and its rule on one line, else on a line each; a rule's name is shortened, its full
/// name is in the policy.
fn fit_model(cell: &str, width: usize) -> String {
    match cell.split_once('\n') {
        Some((route, rule)) if width_of(route) + 1 + width_of(rule) <= width => {
            format!("{route} {rule}")
        }
        Some((route, rule)) => format!("{}\n{}", fit_model(route, width), fitted(rule, width)),
        None => wrapped(cell, width).join("\n"),
    }
}

/// [`column`], which trims, with the title's own indent kept.
fn indented_column(title: &str, width: usize) -> String {
    let text = title.trim_start_matches(' ');
    let indent = (title.len() - text.len()).min(width);
    format!("{}{}", " ".repeat(indent), column(text, width - indent))
}

fn print(rows: Vec<Cells>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for cells in rows {
        let aligned = cells.into_iter().enumerate().map(|(column, text)| {
            let alignment = match column {
                TITLE | MODEL => CellAlignment::Left,
                _ => CellAlignment::Right,
            };
            Cell::new(text).set_alignment(alignment)
        });
        table.add_row(aligned);
    }
    for (column, gap) in table.column_iter_mut().zip(GAPS) {
        column.set_padding((0, u16::try_from(gap).unwrap_or(2)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}
