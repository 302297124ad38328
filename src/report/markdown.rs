//! A plan for a pull request: GitHub's Markdown, the verdict first, details folded away.

use std::fmt::Write as _;

use super::diagnostics::OWN_PRICES;
use super::number::{count, dollars, percent, plural, range};
use super::page::clean;
use super::words;
use crate::band::Band;
use crate::money::Picodollars;
use crate::plan::report::{EndingPlan, PlanReport, Quantities, StagePlan, VerdictOutcome};

/// Rows and items that are shown; the rest is counted.
const ITEMS_MAX: usize = 40;

/// `report` as Markdown.
pub fn plan(report: &PlanReport) -> String {
    let (word, denier) = words::verdict(report);
    let mut text = format!(
        "### `{}`: {}{} ({})\n\n",
        code(&report.workflow),
        word.to_lowercase(),
        escaped(&denier),
        words::gate(report.verdict.gate).to_lowercase(),
    );
    let mut lines = vec![format!("**{}**", escaped(&words::claim(report)))];
    if report.verdict.outcome != VerdictOutcome::NoAgents {
        lines.extend(words::spread(report).map(|spread| escaped(&spread)));
    }
    lines.extend(words::besides(report).iter().map(|line| escaped(line)));
    text += &lines.join("<br>\n");
    text += "\n\n";
    if !report.stages.is_empty() {
        text += &stages(report);
    }
    text += &details(report);
    let _ = writeln!(text, "<sub>{}</sub>", escaped(&words::footer(report)));
    text
}

fn stages(report: &PlanReport) -> String {
    let mut text = String::from(
        "| stage | agents | model | context per agent | billed tokens | cost |\n\
         |---|--:|---|--:|--:|--:|\n",
    );
    for stage in report.stages.iter().take(ITEMS_MAX) {
        text += &row(&stage_title(stage), &model(stage), &stage.quantities, {
            stage.context_per_agent_tokens_p50
        });
    }
    let hidden = report.stages.len().saturating_sub(ITEMS_MAX);
    if hidden > 0 {
        let _ = writeln!(text, "| … and {hidden} more | | | | | |");
    }
    let context = report.totals.context_tokens.p50;
    text += &row("**all**", &escaped(&words::pace(report)), &report.totals, context);
    text.push('\n');
    text
}

fn stage_title(stage: &StagePlan) -> String {
    let (phase, name) = (clean(&stage.phase), clean(&stage.name));
    if phase.is_empty() || phase == name {
        escaped(&name)
    } else {
        format!("{}: {}", escaped(&phase), escaped(&name))
    }
}

fn model(stage: &StagePlan) -> String {
    let (route, rule) = words::route(&stage.route);
    escaped(format!("{route} {rule}").trim_end())
}

fn row(title: &str, model: &str, of: &Quantities, context: u64) -> String {
    let agents = spread(of.agents, count);
    let cost = of.cost_usd.map_or_else(|| "unpriced".to_owned(), |band| spread(band, dollars));
    let billed = count(of.billed_tokens.p50);
    format!("| {title} | {agents} | {model} | {} | {billed} | {cost} |\n", count(context))
}

/// `66 (24-144)`; `5` where it never varies.
fn spread<T: Copy + PartialEq>(band: Band<T>, format: impl Fn(T) -> String) -> String {
    if band.p10 == band.p90 {
        return format(band.p50);
    }
    format!("{} ({})", format(band.p50), range(&format(band.p10), &format(band.p90)))
}

fn details(report: &PlanReport) -> String {
    let endings = report.endings.iter().map(ending).collect();
    let drivers = report.drivers.iter().map(|driver| {
        let share = percent(driver.share_per_mille);
        let response = words::response(driver).map_or(String::new(), |r| format!("; {r}"));
        format!("{} ({share} of the spread{response})", words::driver(driver))
    });
    let with_code = |text: &str, flag: &Option<String>| match flag {
        Some(flag) => format!("{}: `{}`", escaped(text), code(flag)),
        None => escaped(text),
    };
    let fit = report.to_fit.iter().map(|option| {
        let cost = option
            .cost_usd_p90
            .map_or(String::new(), |p90: Picodollars| format!(" (P90 {})", dollars(p90)));
        with_code(&option.text, &option.flag) + &cost
    });
    let assumed = report.assumptions.iter().map(|one| with_code(&one.text, &one.pin));
    let notes = report.diagnostics.iter().filter(|found| found.code != OWN_PRICES);
    let notes = notes.map(|diagnostic| {
        let place = words::place(diagnostic, "", ": ");
        escaped(&format!("{place}{}", diagnostic.message))
    });
    let escape =
        |lines: Vec<String>| -> Vec<String> { lines.iter().map(|line| escaped(line)).collect() };
    let sections: [(&str, Vec<String>); 9] = [
        ("Endings", endings),
        ("What drives the cost", escape(drivers.collect())),
        ("Ceiling", escape(words::ceiling(&report.ceiling))),
        ("Savings", escape(words::savings(report))),
        ("One agent instead", escape(words::one_agent(report))),
        ("To fit", fit.collect()),
        ("Step-downs", escape(words::step_downs(report))),
        ("Assumed", assumed.collect()),
        ("Notes", notes.collect()),
    ];
    let mut text =
        String::from("<details><summary>Endings, drivers, ceiling, assumptions</summary>\n\n");
    for (title, items) in sections {
        text += &section(title, &items);
    }
    text + "</details>\n\n"
}

fn section(title: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut text = format!("**{title}**\n\n");
    for item in items.iter().take(ITEMS_MAX) {
        let _ = writeln!(text, "- {item}");
    }
    let hidden = items.len().saturating_sub(ITEMS_MAX) as u64;
    if hidden > 0 {
        let _ = writeln!(text, "- … and {}", plural(hidden, "other", "others"));
    }
    text.push('\n');
    text
}

fn ending(ending: &EndingPlan) -> String {
    let line = words::line(ending.line, ending.file.as_deref(), ", ", "");
    let cost = ending.cost_usd.map_or(String::new(), |band| format!(", {}", dollars(band.p50)));
    let short = words::short_of(ending);
    let name = escaped(&ending.name);
    format!("{}: {name}{line}{cost}{short}", percent(ending.per_mille))
}

/// Text that Markdown leaves alone and that mentions nobody.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            // An account or an issue of that name would be told of every plan.
            '@' => escaped += "&#64;",
            '#' => escaped += "&#35;",
            '`' => escaped += "&#96;",
            '\\' | '*' | '_' | '[' | ']' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text for inside a pair of backticks.
pub(super) fn code(text: &str) -> String {
    clean(text).replace('`', "'")
}
