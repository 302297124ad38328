//! A plan as text for a terminal: the verdict first, then where the money goes, then what the
//! numbers rest on.

mod rows;

use super::number::{budget_flag, dollars, money_cell, percent, plural, range};
use super::page::{Page, clean, fitted, split_at_width, width_of, wrapped};
use super::sheet::Sheet;
use super::words;
use crate::diagnostic::{Diagnostic, Severity};
use crate::gate::Gate;
use crate::plan::report::{EndingPlan, PlanReport, VerdictOutcome};

/// Items of a section that are shown; the rest is counted.
const ITEMS_MAX: usize = 10;

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
        to_fit(&mut sheet, report);
    }
    gates(&mut sheet, report);
    listed(
        &mut sheet,
        "assumed",
        report.assumptions.iter().map(|one| (&one.text, one.pin.as_deref().unwrap_or(""))),
    );
    messages(&mut sheet, &report.diagnostics);
    for line in wrapped(&words::footer(report), page.width()) {
        sheet.line(&line);
    }
    sheet.finish()
}

/// The workflow, the verdict and the gate on the first line; dollars and reasons under it.
fn verdict(sheet: &mut Sheet, report: &PlanReport) {
    let page = sheet.page();
    let name = fitted(&report.workflow, 30);
    let word = words::outcome(report.verdict.outcome);
    let gate = words::gate(report.verdict.gate);
    let indent = (width_of(&name) + 2).min(super::sheet::LABEL_WIDTH);
    let claim = words::claim(report);
    let said = if claim.is_empty() { word.to_owned() } else { format!("{word}: {claim}") };
    let mut lines = wrapped(&format!("{name}  {said}"), page.width());
    // Wrapping closes the gap after the name; it is opened again where the line has room.
    if let Some(first) = lines.first_mut() {
        if let Some(rest) = first.strip_prefix(&name).and_then(|rest| rest.strip_prefix(' ')) {
            let spaced = format!("{name}  {rest}");
            if width_of(&spaced) <= page.width() {
                *first = spaced;
            }
        }
    }
    let painted_gate = painted(page, report.verdict.gate, gate);
    let last = lines.len() - 1;
    for (index, line) in lines.iter().enumerate() {
        let shown = if index == 0 {
            line.replacen(word, &painted(page, report.verdict.gate, word), 1)
        } else {
            line.clone()
        };
        let gap = page.width().saturating_sub(width_of(line) + gate.len());
        if index == last && gap >= 2 {
            sheet.line(&format!("{shown}{}{painted_gate}", " ".repeat(gap)));
        } else {
            sheet.line(&shown);
            if index == last {
                let gap = page.width().saturating_sub(gate.len());
                sheet.line(&format!("{}{painted_gate}", " ".repeat(gap)));
            }
        }
    }
    let worst = words::worst_budget(report);
    let others = report
        .verdict
        .budgets
        .iter()
        .filter(|budget| !worst.is_some_and(|worst| std::ptr::eq(worst, *budget)))
        .map(|budget| words::budget_claim(budget, report.samples));
    let spread =
        words::spread(report).filter(|_| report.verdict.outcome != VerdictOutcome::NoAgents);
    let reasons = report.verdict.reasons.iter().map(|reason| clean(reason));
    for text in spread.into_iter().chain(others).chain(reasons) {
        for line in wrapped(&text, page.width() - indent) {
            sheet.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
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
        let share = percent(ending.per_mille);
        sheet.pair(&format!("{share:>5}  {}", ending_name(ending)).replace("  ", " "), &cost, 6);
    }
    more(sheet, report.endings.len(), "ending", "endings");
}

fn ending_name(ending: &EndingPlan) -> String {
    let line = ending.line.map_or(String::new(), |line| format!(", line {line}"));
    let short = if ending.completes { "" } else { " (without its result)" };
    format!("{}{line}{short}", clean(&ending.name))
}

fn drivers(sheet: &mut Sheet, report: &PlanReport) {
    sheet.section("drivers");
    for (index, driver) in report.drivers.iter().take(ITEMS_MAX).enumerate() {
        let share = percent(driver.share_per_mille);
        let of = if index == 0 { " of the spread" } else { "" };
        let text = format!("{} {}", index + 1, words::driver(driver));
        sheet.pair(&text, &format!("{share}{of}"), 2);
        if let Some(response) = words::response(driver) {
            for line in wrapped(&response, sheet.page().width() - super::sheet::LABEL_WIDTH - 2) {
                sheet.line(&format!("{}{line}", " ".repeat(super::sheet::LABEL_WIDTH + 2)));
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
    let mut worst_first: Vec<&Diagnostic> = diagnostics.iter().collect();
    worst_first.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    sheet.section("notes");
    for diagnostic in worst_first.iter().take(ITEMS_MAX) {
        let severity = match diagnostic.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let line = diagnostic.place.map_or(String::new(), |place| format!(" line {}:", place.line));
        let text = format!("{severity}:{line} {}", clean(&diagnostic.message));
        sheet.text(&text, 2);
        if let Some(help) = &diagnostic.help {
            sheet.text(&format!("  {}", clean(help)), 2);
        }
    }
    more(sheet, worst_first.len(), "note", "notes");
}

/// The head of `text` that fits, for a column.
fn column(text: &str, width: usize) -> String {
    split_at_width(&fitted(text, width), width).0.to_owned()
}
