//! The values of flags: what is accepted, and what to write instead where it is not.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::civil::Date;

use crate::amount::Amount;
use crate::config::settings::{CONCURRENCY_MAX, SAMPLES_MAX, limit};
use crate::money::Picodollars;

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in a terminal
    #[default]
    Table,
    /// For programs: everything, versioned, with a published schema
    Json,
    /// For a pull request
    Markdown,
}

/// How an answer is printed that nobody puts into a pull request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    /// For people, in a terminal
    #[default]
    Table,
    /// For programs
    Json,
}

/// Where a script's `args` come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgsSource {
    /// A JSON value, checked to be one.
    Json(String),
    /// A file with a JSON value.
    File(PathBuf),
    /// A JSON value on standard input.
    Stdin,
}

/// `--args`: JSON, `@FILE`, or `@-`.
pub fn args(text: &str) -> Result<ArgsSource, String> {
    match text.strip_prefix('@') {
        Some("-") => Ok(ArgsSource::Stdin),
        Some("") => Err("there is no file name after `@`: write @args.json".to_owned()),
        Some(path) => Ok(ArgsSource::File(PathBuf::from(path))),
        None => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(ArgsSource::Json(text.to_owned())),
            Err(error) => Err(format!(
                "this is not JSON ({error}): write '{{\"base\":\"main\"}}', @FILE, or use \
                 --args-string for plain text"
            )),
        },
    }
}

/// `--budget`: an amount with a unit.
pub fn budget(text: &str) -> Result<Amount, String> {
    if let Some(tokens) = text.strip_prefix('+') {
        return Err(format!(
            "`{text}` is a turn budget, which the script reads as budget.total: write \
             --turn-budget {tokens}, or --budget {tokens}out to hold the run under it"
        ));
    }
    limit(text)
}

/// `--budget` of a plan: a share of a plan window can be judged, if not held.
pub fn plan_budget(text: &str) -> Result<Amount, String> {
    match text.parse() {
        Ok(share @ Amount::PlanWindow { .. }) => Ok(share),
        _ => budget(text),
    }
}

/// A share of a plan window, in thousandths of a percent.
pub fn percent(text: &str) -> Result<u64, String> {
    let amount = format!("{text}5h").parse().ok().filter(|_| text.ends_with('%'));
    match amount {
        Some(Amount::PlanWindow { milli_percent, .. }) if milli_percent > 0 => Ok(milli_percent),
        _ => Err(format!(
            "`{text}` is no share of a window: write 25%, more than 0 and at most 100%"
        )),
    }
}

/// `--fit`: dollars.
pub fn fit(text: &str) -> Result<Picodollars, String> {
    match budget(text)? {
        Amount::Usd(amount) if amount > Picodollars::ZERO => Ok(amount),
        Amount::Usd(_) => Err("nothing can be routed to fit $0".to_owned()),
        _ => Err(format!("`{text}` is not dollars: models differ in price, so write 5usd")),
    }
}

/// `--turn-budget`: output tokens, `500k`, `+500k` or `500000`.
pub fn turn_budget(text: &str) -> Result<u64, String> {
    let lower = text.strip_prefix('+').unwrap_or(text).to_ascii_lowercase();
    let (number, scale) = match lower.chars().last() {
        Some('k') => (lower.trim_end_matches('k'), 1_000),
        Some('m') => (lower.trim_end_matches('m'), 1_000_000),
        _ => (lower.as_str(), 1_u64),
    };
    let unreadable =
        || format!("`{text}` is not a number of output tokens: write 500k, 2m or 500000");
    let exact: Picodollars = number.parse().map_err(|_| unreadable())?;
    let tokens = exact.pico().checked_mul(i128::from(scale)).ok_or_else(unreadable)?
        / crate::money::PICO_PER_USD;
    match u64::try_from(tokens) {
        Ok(0) => Err("a turn budget of 0 is none: leave the flag away".to_owned()),
        Ok(tokens) => Ok(tokens),
        Err(_) => Err(unreadable()),
    }
}

/// `--samples`.
pub fn samples(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("a plan needs at least 1 sample; 200 is the default".to_owned()),
        Ok(samples) if samples <= SAMPLES_MAX => Ok(samples),
        _ => Err(format!("`{text}` is not a number of samples: write 1 to {SAMPLES_MAX}")),
    }
}

/// `--concurrency`.
pub fn concurrency(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(agents) if (1..=CONCURRENCY_MAX).contains(&agents) => Ok(agents),
        _ => Err(format!("`{text}` is not a number of agents: write 1 to {CONCURRENCY_MAX}")),
    }
}

/// `--at`.
pub fn date(text: &str) -> Result<Date, String> {
    text.parse::<Date>()
        .ok()
        // The parser also takes a time after the day; a price has none.
        .filter(|date| date.to_string() == text)
        .ok_or_else(|| format!("`{text}` is not a day: write it as 2026-11-22"))
}

/// `--time-scale`.
pub fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale >= 0.0 => Ok(scale),
        _ => Err(format!(
            "`{text}` is not a time scale: write 1 for real time, 0.1 for ten times as fast, 0 \
             for no waiting"
        )),
    }
}

/// `--output-cap`: so many tokens at least, or answers are cut short and asked for again.
pub fn output_cap(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(tokens) if tokens >= OUTPUT_CAP_MIN => Ok(tokens),
        _ => Err(format!("`{text}` is not a number of output tokens from {OUTPUT_CAP_MIN} on")),
    }
}

/// Answers that are capped below this are cut short too often.
const OUTPUT_CAP_MIN: u64 = 8_000;

/// One `--assume KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assume {
    /// Such as `Find.findings`.
    pub key: String,
    /// Such as `12`.
    pub value: String,
}

/// `--assume`: the last `=` separates, since labels may hold one.
pub fn assume(text: &str) -> Result<Assume, String> {
    let what = "write --assume Find.findings=12, or --assume 'Verify.refuted=0.3'";
    let (key, value) =
        text.rsplit_once('=').ok_or_else(|| format!("`{text}` has no `=`: {what}"))?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() {
        return Err(format!("`{text}` names nothing before the `=`: {what}"));
    }
    if value.is_empty() {
        return Err(format!("`{text}` has no value after the `=`: {what}"));
    }
    Ok(Assume { key: key.to_owned(), value: value.to_owned() })
}

/// One `--result LABEL=@FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownResult {
    /// The agent's label, with `#N` where several share it.
    pub label: String,
    /// The file with its result.
    pub file: PathBuf,
}

/// `--result`.
pub fn known_result(text: &str) -> Result<KnownResult, String> {
    let what = "write --result scan=@scan.json, or 'scan#2=@second.json' for the second agent of \
                that label";
    let (label, file) =
        text.rsplit_once("=@").ok_or_else(|| format!("`{text}` has no `=@FILE`: {what}"))?;
    if label.is_empty() || file.is_empty() {
        return Err(format!("`{text}` lacks a label or a file: {what}"));
    }
    Ok(KnownResult { label: label.to_owned(), file: PathBuf::from(file) })
}

/// A text that says something.
pub fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("this is empty".to_owned()) } else { Ok(text.to_owned()) }
}
