//! What a run did, as text: the verdict first, then forecast against outcome, then what was
//! refused and what was lost.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table};

use super::alike;
use super::number::{self, count, dollars, duration, money_cell, of_limit, percent, plural, range};
use super::page::{FIXED_SPACE, Page, clean, fitted, width_of, wrapped};
use super::sheet::{LABEL_WIDTH, Sheet};
use super::words;
use crate::budget::{Quantity, Unit};
use crate::event::{
    AgentCounts, LostReason, PhaseReport, RunReport, RunResult, RunStatus, ScriptReaction,
    SeenDenial, SteppedDown, StopCause,
};

/// Items of a section that are shown; the rest is counted.
const ITEMS_MAX: usize = 10;
/// Phases that are shown; the rest is counted.
const PHASES_MAX: usize = 24;
/// Columns of a phase's title, at least.
const TITLE_WIDTH_MIN: usize = 5;
/// Columns of space after each column of the table.
const GAPS: [usize; 8] = [2, 1, 2, 2, 2, 2, 2, 0];
/// The columns that are left out where nothing was forecast.
const FORECASTS: [usize; 3] = [3, 5, 7];
/// Columns of a workflow's name.
const NAME_WIDTH_MAX: usize = 24;

/// `report` as text, no line wider than `page`.
pub fn table(report: &RunReport, page: Page) -> String {
    let mut sheet = Sheet::new(page);
    headline(&mut sheet, report);
    for line in phases(report, page) {
        sheet.line(&line);
    }
    stepped(&mut sheet, report);
    denials(&mut sheet, report);
    lost(&mut sheet, report);
    sheet.section("result");
    sheet.text(&result(&report.result), 2);
    requests(&mut sheet, report);
    notes(&mut sheet, report);
    for line in wrapped(&footer(report), page.message_width()) {
        sheet.line(&line);
    }
    sheet.finish()
}

/// `review  STOPPED BY ITS BUDGET: $4.97 of $5.00 (99 %)`, then the agents.
fn headline(sheet: &mut Sheet, report: &RunReport) {
    let page = sheet.page();
    let name = fitted(&report.workflow, NAME_WIDTH_MAX);
    let indent = (width_of(&name) + 2).min(LABEL_WIDTH);
    let word = status(report);
    let fixed = |text: &str| text.replace(' ', &FIXED_SPACE.to_string());
    let gap = fixed("  ");
    let text = format!("{}{gap}{}: {}", fixed(&name), fixed(word), spent(report));
    for (index, line) in wrapped(&text, page.message_width() - indent).iter().enumerate() {
        let lead = if index == 0 { String::new() } else { " ".repeat(indent) };
        let painted = match report.status {
            RunStatus::Complete => page.green(&fixed(word)),
            RunStatus::Partial => page.yellow(&fixed(word)),
            RunStatus::Stopped | RunStatus::Failed => page.red(&fixed(word)),
        };
        sheet.line(&format!("{lead}{}", line.replacen(&fixed(word), &painted, 1)));
    }
    let text = format!("{}, {}", agents(&report.agents), duration(report.wall_seconds));
    let simulated = report.simulated.then(|| "simulated: nothing was paid".to_owned());
    let over = (report.status == RunStatus::Stopped)
        .then(|| "over: another run begins anew, and pays for every agent again".to_owned());
    for line in [text]
        .into_iter()
        .chain(simulated)
        .chain(over)
        .flat_map(|text| wrapped(&text, page.message_width() - indent))
    {
        sheet.line(&format!("{}{line}", " ".repeat(indent)));
    }
}

const fn status(report: &RunReport) -> &'static str {
    match (report.status, report.stopped_by) {
        (RunStatus::Complete, _) => "COMPLETE",
        (RunStatus::Partial, _) => "PARTIAL",
        (RunStatus::Failed, _) => "FAILED",
        (RunStatus::Stopped, Some(StopCause::Budget)) => "STOPPED BY ITS BUDGET",
        (RunStatus::Stopped, Some(StopCause::Signal)) => "INTERRUPTED",
        (RunStatus::Stopped, Some(StopCause::Backend)) => "STOPPED BY ITS BACKEND",
        (RunStatus::Stopped, None) => "STOPPED",
    }
}

fn spent(report: &RunReport) -> String {
    let spent = report.cost_usd.spent;
    let mut text = match report.cost_usd.limit.map(|limit| of_limit(spent, limit)) {
        Some((spent, limit)) => format!("{spent} of {limit}"),
        None => format!("{}, no limit in dollars", dollars(spent)),
    };
    if let Some(share) = report.utilisation_per_mille.filter(|_| report.cost_usd.limit.is_some()) {
        let _ = write!(text, " ({})", percent(share));
    }
    if !report.cost_usd.reserved.is_zero() {
        let _ = write!(text, ", {} still reserved", dollars(report.cost_usd.reserved));
    }
    text
}

/// `72 agents: 70 done, 2 denied`.
fn agents(counts: &AgentCounts) -> String {
    let kinds = [
        (counts.done, "done"),
        (counts.replayed, "replayed"),
        (counts.denied, "denied"),
        (counts.failed, "failed"),
        (counts.stopped, "stopped"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{} {kind}", number::digits(u64::from(number))))
        .collect();
    let total = plural(u64::from(counts.total()), "agent", "agents");
    if kinds.is_empty() { total } else { format!("{total}: {}", kinds.join(", ")) }
}

/// Forecast against outcome, a phase a line.
fn phases(report: &RunReport, page: Page) -> Vec<String> {
    if report.phases.is_empty() {
        return Vec::new();
    }
    let header = [
        "phase",
        "agents\ndone",
        "\nlost",
        "agents\nforecast",
        "tokens\nbilled",
        "tokens\nforecast",
        "cost $\nspent",
        "cost $\nforecast",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(report.phases.iter().take(PHASES_MAX).map(phase_row));
    fit_titles(&mut rows, page);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        table.add_row(cells(row));
    }
    if report.phases.iter().all(|phase| phase.forecast.is_none()) {
        for column in FORECASTS {
            if let Some(column) = table.column_mut(column) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
    }
    for (column, gap) in table.column_iter_mut().zip(GAPS) {
        column.set_padding((0, u16::try_from(gap).unwrap_or(2)));
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let hidden = report.phases.len().saturating_sub(PHASES_MAX);
    if hidden > 0 {
        lines.push(format!("… and {hidden} more phases (--format json has all)"));
    }
    lines
}

/// Shortens titles to what the numbers leave.
fn fit_titles(rows: &mut [[String; 8]], page: Page) {
    let column_width = |column: usize, rows: &[[String; 8]]| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.flat_map(|cell| cell.lines()).map(width_of).max().unwrap_or(0)
    };
    let numbers: usize = (1..8).map(|column| column_width(column, rows)).sum();
    let gaps: usize = GAPS.iter().sum();
    let room = page.width().saturating_sub(numbers + gaps).max(TITLE_WIDTH_MIN);
    for [title, ..] in rows {
        *title = fitted(title, room);
    }
}

fn cells(texts: [String; 8]) -> Vec<Cell> {
    let align = |column| match column {
        0 => CellAlignment::Left,
        _ => CellAlignment::Right,
    };
    let cell = |(column, text)| Cell::new(text).set_alignment(align(column));
    texts.into_iter().enumerate().map(cell).collect()
}

fn phase_row(phase: &PhaseReport) -> [String; 8] {
    let counts = &phase.agents;
    let lost = counts.denied + counts.failed + counts.stopped;
    let title = if phase.title.is_empty() { "(no phase)" } else { &phase.title };
    let forecast = phase.forecast.as_ref();
    let dash = || "-".to_owned();
    let band = |low: u64, high: u64| range(&count(low), &count(high));
    [
        clean(title),
        count(u64::from(counts.done + counts.replayed)),
        if lost == 0 { String::new() } else { count(u64::from(lost)) },
        forecast.map_or_else(dash, |of| band(of.agents.p10, of.agents.p90)),
        count(phase.tokens.billed()),
        forecast.map_or_else(dash, |of| band(of.billed_tokens.p10, of.billed_tokens.p90)),
        money_cell(phase.cost_usd.spent),
        forecast
            .and_then(|of| of.cost_usd)
            .map_or_else(dash, |of| range(&money_cell(of.p10), &money_cell(of.p90))),
    ]
}

fn stepped(sheet: &mut Sheet, report: &RunReport) {
    sheet.section("stepped");
    for step in report.step_downs.iter().take(ITEMS_MAX) {
        let [what, why] = stepped_lines(step);
        sheet.pair(&what, &dollars(step.cost_usd), 2);
        sheet.text(&format!("\u{a0}\u{a0}{why}"), 2);
    }
    more(sheet, report.step_downs.len(), "step-down", "step-downs");
}

/// Who started on which model by which rule, and which limit was used up so far.
fn stepped_lines(step: &SteppedDown) -> [String; 2] {
    let agents = plural(u64::from(step.count), "agent", "agents");
    let done = match step.done {
        done if done == step.count => String::new(),
        done => format!(", {} done,", number::digits(u64::from(done))),
    };
    let (from, model) = (words::model(&step.from.0), words::model(&step.model.0));
    let (name, rule) = (clean(&step.name), clean(&step.rule));
    let (scope, share) = (clean(&step.scope), percent(step.share_per_mille));
    let first = match step.count {
        0 | 1 => "",
        _ => " when the first started",
    };
    [
        format!("{name}: {agents}{done} on {model}, not {from} [{rule}]"),
        format!("{scope} had {share} of its {} taken{first}", step.unit),
    ]
}

fn denials(sheet: &mut Sheet, report: &RunReport) {
    sheet.section("denied");
    for denial in report.denials.iter().take(ITEMS_MAX) {
        for (index, line) in denial_lines(denial).iter().enumerate() {
            let lead = if index == 0 { "" } else { "\u{a0}\u{a0}" };
            sheet.text(&format!("{lead}{line}"), 2);
        }
    }
    more(sheet, report.denials.len(), "refusal", "refusals");
}

/// Who was refused, by which scope, and what would have been needed.
fn denial_lines(denial: &SeenDenial) -> [String; 2] {
    let others = match denial.count {
        0 | 1 => String::new(),
        n => format!(" and {}", plural(u64::from(n - 1), "other", "others")),
    };
    let say = |quantity| quantity_in_words(denial.unit, quantity);
    [
        format!("{}{others}, by {}", clean(&denial.agent), clean(&denial.scope)),
        format!(
            "needed at least {}, had {} left of {}",
            say(denial.needed),
            say(denial.left),
            say(denial.last.shortage.limit)
        ),
    ]
}

fn quantity_in_words(unit: Unit, quantity: Quantity) -> String {
    match quantity {
        // Finer than elsewhere: what was short is often a fraction of a cent.
        Quantity::Usd(amount) => amount.to_string(),
        Quantity::Count(n) => format!("{} {}", number::digits(n), unit.name()),
    }
}

fn lost(sheet: &mut Sheet, report: &RunReport) {
    let lost = &report.lost;
    if lost.count == 0 {
        return;
    }
    sheet.section("lost");
    let paid = if lost.cost_usd.is_zero() {
        "nothing was paid for them".to_owned()
    } else {
        format!("{} was paid for them", dollars(lost.cost_usd))
    };
    let agents = plural(u64::from(lost.count), "agent", "agents");
    let reaction = match lost.script {
        ScriptReaction::NothingLost => String::new(),
        ScriptReaction::Swallowed => {
            "; the script went on without noticing (parallel or pipeline made them null)".to_owned()
        }
        ScriptReaction::Returned => "; the script went on".to_owned(),
        ScriptReaction::Threw => "; the script threw".to_owned(),
        ScriptReaction::Stopped => "; the run was ended".to_owned(),
    };
    sheet.text(&format!("{agents}, {paid}{reaction}"), 2);
    for agent in lost.agents.iter().take(ITEMS_MAX) {
        let why = match agent.reason {
            LostReason::DeniedAtStart => "denied at its start",
            LostReason::DeniedInWork => "denied in its work",
            LostReason::Failed => "failed",
            LostReason::Stopped => "stopped",
        };
        // A denial is told above in full.
        let told = matches!(agent.reason, LostReason::DeniedAtStart | LostReason::DeniedInWork);
        let message = if told || agent.message.is_empty() {
            String::new()
        } else {
            format!(": {}", clean(&agent.message))
        };
        let label = fitted(&agent.label, 48);
        let cost = if agent.cost_usd.is_zero() { String::new() } else { dollars(agent.cost_usd) };
        sheet.pair(&format!("{label} {why}{message}"), &cost, 2);
    }
    let named = lost.agents.len();
    more(sheet, named, "agent", "agents");
    let unnamed = u64::from(lost.count).saturating_sub(u64::try_from(named).unwrap_or(u64::MAX));
    match (unnamed, named) {
        (0, _) => {}
        (_, 0) => sheet.text("their names are not in this report", 0),
        _ => {
            let others = plural(unnamed, "other agent", "other agents");
            sheet.text(&format!("… and {others}, not named in this report"), 0);
        }
    }
}

fn result(result: &RunResult) -> String {
    let at = |line: &Option<u32>| words::line(*line, None, " (", ")");
    let head = |text: &str| fitted(text, 240);
    match result {
        RunResult::Returned { value: Some(value), line } => {
            format!("returned {}{}", head(value), at(line))
        }
        RunResult::Returned { value: None, line } => format!("returned nothing{}", at(line)),
        RunResult::Threw { name, message, line, file } => {
            let at = words::line(*line, file.as_deref(), " (", ")");
            format!("threw {}{at}", head(&format!("{name}: {message}")))
        }
        RunResult::Stuck => "stuck: it awaits something that never comes".to_owned(),
        RunResult::LimitReached { limit } => format!("ended at the limit on {}", clean(limit)),
        RunResult::EngineFailed { message } => format!("not run: {}", clean(message)),
        RunResult::Unfinished => "unfinished: the run was ended before the script".to_owned(),
    }
}

fn requests(sheet: &mut Sheet, report: &RunReport) {
    let counts = &report.requests;
    let kinds = [
        (counts.waited, "waited for balance"),
        (counts.held_back, "held back for agents called earlier"),
        (counts.clamped, "with a lowered output cap"),
        (counts.cut, "ended at their output cap"),
        (counts.overruns, "above their reservation"),
        (counts.expired, "charged in full, outcome unknown"),
        (counts.released, "never left"),
    ];
    let kinds = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{} {kind}", number::digits(u64::from(number))));
    let sent = plural(u64::from(counts.sent), "request", "requests");
    let tokens = count(report.tokens.billed());
    let all: Vec<String> =
        [format!("{sent}, {tokens} billed tokens")].into_iter().chain(kinds).collect();
    sheet.section("traffic");
    sheet.text(&all.join("; "), 2);
}

fn notes(sheet: &mut Sheet, report: &RunReport) {
    sheet.section("prices");
    words::own_prices(&report.diagnostics).for_each(|line| sheet.text(&line, 2));
    sheet.section("notes");
    for stage in report.unplanned_stages.iter().take(ITEMS_MAX) {
        sheet.text(&format!("{}: not in the plan as it was called", clean(stage)), 2);
    }
    let firsts = alike::firsts(words::messages(&report.diagnostics));
    for (line, others) in firsts.iter().take(ITEMS_MAX) {
        let like_it = match others {
            0 => String::new(),
            others => format!(" ({} like it)", plural(*others, "more note", "more notes")),
        };
        sheet.text(&format!("{line}{like_it}"), 2);
    }
    more(sheet, firsts.len(), "kind of note", "kinds of notes");
}

fn more(sheet: &mut Sheet, total: usize, one: &str, many: &str) {
    let hidden = total.saturating_sub(ITEMS_MAX) as u64;
    if hidden > 0 {
        let others = plural(hidden, &format!("other {one}"), &format!("other {many}"));
        sheet.text(&format!("… and {others} (--format json has all)"), 0);
    }
}

fn footer(report: &RunReport) -> String {
    let seed = report.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    format!("run {}{seed}", clean(&report.run_id.0))
}

/// `report` as Markdown for a pull request.
pub fn markdown(report: &RunReport) -> String {
    use super::markdown::{code, escaped};
    let mut text = format!(
        "### `{}`: {}\n\n**{}**<br>\n{}\n\n",
        code(&report.workflow),
        status(report).to_lowercase(),
        escaped(&spent(report)),
        escaped(&agents(&report.agents)),
    );
    if !report.phases.is_empty() {
        text += "| phase | agents done | lost | forecast | cost | forecast |\n\
                 |---|--:|--:|--:|--:|--:|\n";
    }
    for phase in report.phases.iter().take(4 * ITEMS_MAX) {
        let [title, done, lost, agents, _, _, cost, forecast] = phase_row(phase);
        let title = escaped(&title);
        let _ = writeln!(text, "| {title} | {done} | {lost} | {agents} | ${cost} | {forecast} |");
    }
    let denials =
        report.denials.iter().take(ITEMS_MAX).map(|denial| denial_lines(denial).join(": "));
    let steps = report.step_downs.iter().take(ITEMS_MAX).map(|step| {
        let [what, why] = stepped_lines(step);
        format!("{what}: {why}")
    });
    let own_prices = words::own_prices(&report.diagnostics);
    let lines: Vec<String> =
        own_prices.chain(steps).chain(denials).chain([result(&report.result)]).collect();
    text.push('\n');
    for line in lines {
        let _ = writeln!(text, "- {}", escaped(&line));
    }
    text + &format!("\n<sub>{}</sub>\n", escaped(&footer(report)))
}
