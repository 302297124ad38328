//! A plan as text for a terminal: the verdict first, then where the money goes, then what the
//! numbers rest on.

mod rows;

use super::number::{budget_flag, dollars, money_cell, percent, plural, range};
use super::page::{FIXED_SPACE, Page, clean, fitted, split_at_width, width_of, wrapped};
use super::sheet::{LABEL_WIDTH, Sheet};
use super::words;
use crate::diagnostic::Diagnostic;
use crate::gate::Gate;
use crate::plan::report::{EndingPlan, PlanReport, VerdictOutcome};

/// Items of a section that are shown; the rest is counted.
const ITEMS_MAX: usize = 10;
/// Columns of a workflow's name in front of the verdict.
const NAME_WIDTH_MAX: usize = 24;

/// `report` as text, no line wider than `page`.
pub fn table(report: &PlanReport, page: Page) -> String {
    let mut sheet = Sheet::new(page);
    verdict(&mut sheet, report);
    if report.verdict.outcome != VerdictOutcome::NoAgents || !report.stages.is_empty() {
        stages(&mut sheet, report);
        endings(&mut sheet, report);
        drivers(&mut sheet, report);
        sheet.section("ceiling");
        for line in words::ceiling(&report.ceiling) {
            sheet.text(&line, 0);
        }
        listed(&mut sheet, "savings", words::savings(report).iter().map(|line| (line, "")));
        listed(&mut sheet, "width", words::one_agent(report).iter().map(|line| (line, "")));
        to_fit(&mut sheet, report);
        listed(&mut sheet, "steps", words::step_downs(report).iter().map(|line| (line, "")));
    }
    gates(&mut sheet, report);
    listed(
        &mut sheet,
        "assumed",
        report.assumptions.iter().map(|one| (&one.text, one.pin.as_deref().unwrap_or(""))),
    );
    messages(&mut sheet, &report.diagnostics);
    for line in wrapped(&words::footer(report), page.message_width()) {
        sheet.line(&line);
    }
    sheet.finish()
}

/// The workflow, the verdict and the gate on the first line; dollars and reasons under it.
fn verdict(sheet: &mut Sheet, report: &PlanReport) {
    let page = sheet.page();
    let name = fitted(&report.workflow, NAME_WIDTH_MAX);
    let indent = (width_of(&name) + 2).min(LABEL_WIDTH);
    for line in headline(report, &name, indent, page) {
        sheet.line(&line);
    }
    let spread =
        words::spread(report).filter(|_| report.verdict.outcome != VerdictOutcome::NoAgents);
    for text in spread.into_iter().chain(words::besides(report)) {
        for line in wrapped(&text, page.message_width() - indent) {
            sheet.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
}

/// `review  OVER BUDGET RISK: … ` with the gate at the margin, unless it lets everything through.
fn headline(report: &PlanReport, name: &str, indent: usize, page: Page) -> Vec<String> {
    let (word, denier) = words::verdict(report);
    let word = format!("{word}{denier}").replace(' ', &FIXED_SPACE.to_string());
    let claim = words::claim(report);
    let said = if claim.is_empty() { word.clone() } else { format!("{word}: {claim}") };
    let gap = FIXED_SPACE.to_string().repeat(2);
    let name = name.replace(' ', &FIXED_SPACE.to_string());
    let room = page.message_width() - indent;
    // The first line starts at the margin: what is in front of the indent is room it has more.
    let lead = FIXED_SPACE.to_string().repeat(indent);
    let all = wrapped(&format!("{name}{gap}{said}"), page.message_width());
    let mut lines: Vec<String> = all.first().cloned().into_iter().collect();
    let rest = all.iter().skip(1).cloned().collect::<Vec<_>>().join(" ");
    if !rest.is_empty() {
        lines.extend(wrapped(&rest, room).iter().map(|line| format!("{lead}{line}")));
    }
    let gate = match report.verdict.gate {
        Gate::Allow => "",
        gated => words::gate(gated),
    };
    if let Some(last) = lines.last_mut().filter(|_| !gate.is_empty()) {
        let space = page.message_width().saturating_sub(width_of(last) + gate.len());
        let right_aligned =
            |space: usize| " ".repeat(space) + &painted(page, report.verdict.gate, gate);
        if space >= 2 {
            *last += &right_aligned(space);
        } else {
            lines.push(right_aligned(page.message_width() - gate.len()));
        }
    }
    if let Some(first) = lines.first_mut() {
        *first = first.replacen(&word, &painted(page, report.verdict.gate, &word), 1);
    }
    lines
}

fn painted(page: Page, gate: Gate, text: &str) -> String {
    match gate {
        Gate::Allow => page.green(text),
        Gate::Ask => page.yellow(text),
        Gate::Deny => page.red(text),
    }
}

fn stages(sheet: &mut Sheet, report: &PlanReport) {
    for line in rows::table(report, sheet.page()) {
        sheet.line(&line);
    }
    let several = report.phases.len() > 1 || report.stages.len() > 1;
    let note = if several { "(medians do not add up) " } else { "" };
    sheet.section("");
    sheet.text(&format!("{note}{}", words::shown_by_client(report)), 0);
}

/// One line per ending, with its cost where there are several.
fn endings(sheet: &mut Sheet, report: &PlanReport) {
    sheet.section("ends");
    if let [only] = report.endings.as_slice() {
        sheet.text(&format!("always: {}", ending_name(only)), 0);
        return;
    }
    for ending in report.endings.iter().take(ITEMS_MAX) {
        let cost = ending.cost_usd.map_or(String::new(), |band| {
            let spread = range(&money_cell(band.p10), &money_cell(band.p90));
            format!("{} ({spread})", dollars(band.p50))
        });
        // Padded so that the names line up; wrapping leaves this padding alone.
        let share = format!("{:>4}", percent(ending.per_mille)).replace(' ', "\u{a0}");
        sheet.pair(&format!("{share}\u{a0} {}", ending_name(ending)), &cost, 6);
    }
    more(sheet, report.endings.len(), "ending", "endings");
}

fn ending_name(ending: &EndingPlan) -> String {
    let line = words::line(ending.line, ending.file.as_deref(), ", ", "");
    let short = words::short_of(ending);
    format!("{}{line}{short}", clean(&ending.name))
}

fn drivers(sheet: &mut Sheet, report: &PlanReport) {
    sheet.section("drivers");
    for (index, driver) in report.drivers.iter().take(ITEMS_MAX).enumerate() {
        let share = percent(driver.share_per_mille);
        let of = if index == 0 { " of the spread" } else { "" };
        let text = format!("{}. {}", index + 1, words::driver(driver));
        sheet.pair(&text, &format!("{share}{of}"), 3);
        if let Some(response) = words::response(driver) {
            for line in wrapped(&response, sheet.page().message_width() - LABEL_WIDTH - 3) {
                sheet.line(&format!("{}{line}", " ".repeat(LABEL_WIDTH + 3)));
            }
        }
    }
    more(sheet, report.drivers.len(), "driver", "drivers");
}

fn to_fit(sheet: &mut Sheet, report: &PlanReport) {
    let options = report.to_fit.iter().map(|option| {
        let cost = option.cost_usd_p90.map(|cost| format!("P90 {}", dollars(cost)));
        let right: Vec<String> = option.flag.iter().map(|flag| clean(flag)).chain(cost).collect();
        (option.text.clone(), right.join("  "))
    });
    let options: Vec<_> = options.collect();
    listed(sheet, "to fit", options.iter().map(|(text, right)| (text, right.as_str())));
    // Nothing is said where nothing has to be done.
    let unmet = matches!(report.verdict.outcome, VerdictOutcome::Over | VerdictOutcome::AtRisk);
    if let (true, true, Some(amount)) = (options.is_empty(), unmet, report.suggested_budget_usd) {
        sheet.section("to fit");
        let flag = format!("--budget {}", budget_flag(amount));
        sheet.pair("raise the budget to the P90 of the runs that complete", &flag, 2);
    }
}

/// Stages that the policy denies or asks about, and routes that were refused.
fn gates(sheet: &mut Sheet, report: &PlanReport) {
    sheet.section("gates");
    for stage in report.stages.iter().filter(|stage| stage.route.gate != Gate::Allow) {
        let gate = words::gate(stage.route.gate);
        sheet.pair(&clean(&stage.name), &format!("{gate} [{}]", clean(&stage.route.rule)), 2);
    }
    sheet.section("refused");
    let refusals = report
        .stages
        .iter()
        .flat_map(|stage| stage.route.refusals.iter().map(move |refusal| (stage, refusal)));
    for (stage, refusal) in refusals.clone().take(ITEMS_MAX) {
        let (model, name) = (words::model(&refusal.model), clean(&stage.name));
        let (rule, reason) = (clean(&refusal.rule), clean(&refusal.reason));
        sheet.text(&format!("{name} on {model} [{rule}]: {reason}"), 2);
    }
    more(sheet, refusals.count(), "refusal", "refusals");
}

/// A section of texts, each with something at the right margin.
fn listed<'a>(
    sheet: &mut Sheet,
    label: &str,
    items: impl ExactSizeIterator<Item = (&'a String, &'a str)>,
) {
    let total = items.len();
    sheet.section(label);
    for (text, right) in items.take(ITEMS_MAX) {
        sheet.pair(text, right, 2);
    }
    more(sheet, total, "more", "more");
}

fn more(sheet: &mut Sheet, total: usize, one: &str, many: &str) {
    let hidden = total.saturating_sub(ITEMS_MAX) as u64;
    if hidden > 0 {
        let (one, many) = if one == "more" {
            ("other".to_owned(), "others".to_owned())
        } else {
            (format!("other {one}"), format!("other {many}"))
        };
        sheet.text(&format!("… and {} (--format json has all)", plural(hidden, &one, &many)), 0);
    }
}

fn messages(sheet: &mut Sheet, diagnostics: &[Diagnostic]) {
    sheet.section("notes");
    let lines: Vec<String> = words::messages(diagnostics).collect();
    for line in lines.iter().take(ITEMS_MAX) {
        sheet.text(line, 2);
    }
    more(sheet, lines.len(), "note", "notes");
}

/// The head of `text` that fits, for a column.
fn column(text: &str, width: usize) -> String {
    split_at_width(&fitted(text, width), width).0.to_owned()
}
