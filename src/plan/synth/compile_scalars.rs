//! Numbers and texts of a form.

use super::compile::{At, Compiler};
use super::compile_kinds::Keywords;
use super::form::{Format, NumberForm, NumberRole, TextShape};
use super::pattern::Pattern;
use super::word_tables::{NumberRule, TextForm, TextRule, words_of};

/// A number that no table lists.
const PLAIN_NUMBER: NumberRule =
    NumberRule { mean: 4.0, spread: 2.5, low: 0.0, high: 20.0, unit: false, gate: false };

/// Numbers without bounds stay where every whole one is exact.
pub(super) const WIDEST: f64 = 1e15;

impl Compiler<'_, '_> {
    pub(super) fn number(&self, keywords: &Keywords<'_>, at: &At<'_>, whole: bool) -> NumberForm {
        let named = self.input.tables.number(at.name);
        let mut rule = named.unwrap_or(PLAIN_NUMBER);
        let above = keywords.greatest("exclusiveMinimum");
        let below = keywords.least("exclusiveMaximum");
        let step = keywords.greatest("multipleOf").filter(|step| *step > 0.0);
        let nudge = step.unwrap_or(if whole { 1.0 } else { 1e-6 });
        let floor = fold(keywords.greatest("minimum"), above.map(|low| low + nudge), f64::max);
        let ceiling = fold(keywords.least("maximum"), below.map(|high| high - nudge), f64::min);
        if rule.unit {
            let described = keywords.text("description").unwrap_or("");
            let scale = ceiling.unwrap_or_else(|| unit_scale(described, whole));
            rule.mean *= scale;
            rule.spread *= scale;
            rule.low *= scale;
            rule.high *= scale;
        }
        // What the schema allows; the table only says what is likely.
        let (low, high) = (floor.unwrap_or(-WIDEST), ceiling.unwrap_or(WIDEST));
        if rule.mean < low || rule.mean > high {
            rule.mean = match (floor, ceiling) {
                (Some(low), Some(high)) => f64::midpoint(low, high),
                (Some(low), None) => low + 2.0 * rule.spread,
                _ => high - 2.0 * rule.spread,
            };
            if floor.is_some() && ceiling.is_some() {
                rule.spread = (high - low) / 6.0;
            }
            (rule.low, rule.high) = (low, high);
        }
        let described = keywords.text("description").unwrap_or("").to_lowercase();
        let part = number_role(at, whole, &described, floor);
        NumberForm { rule, low, high, step, role: part }
    }

    pub(super) fn text(&mut self, keywords: &Keywords<'_>, at: &At<'_>) -> TextShape {
        let described = keywords.text("description").unwrap_or("").to_lowercase();
        let rule = self.input.tables.text(at.name).unwrap_or_else(|| plain_text(at, &described));
        let min = keywords.most("minLength").unwrap_or(0).min(100_000);
        let max = keywords.fewest("maxLength").unwrap_or(usize::MAX);
        let patterns: Vec<&str> =
            keywords.all("pattern").filter_map(serde_json::Value::as_str).collect();
        self.risky |= !patterns.is_empty();
        let pattern = patterns.first().and_then(|text| Pattern::parse(text));
        let format = keywords.text("format").and_then(format_of);
        let names = matches!(
            rule.form,
            TextForm::Id | TextForm::Name | TextForm::Path | TextForm::Title | TextForm::Url
        );
        let listed = pattern.is_none()
            && format.is_none()
            && min <= 1
            && matches!(rule.form, TextForm::Name | TextForm::Sentence | TextForm::Title);
        TextShape { form: rule.form, words: rule.words, min, max, pattern, format, names, listed }
    }
}

fn fold(a: Option<f64>, b: Option<f64>, keep: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(keep(a, b)),
        (a, b) => a.or(b),
    }
}

/// What a share is out of: "0-100", "1-10", "out of 5", else 1; whole numbers are out of 100.
fn unit_scale(description: &str, whole: bool) -> f64 {
    for (texts, scale) in [
        (["100", "percent", "%"], 100.0),
        (["-10", "of 10", "to 10"], 10.0),
        (["-5", "of 5", "to 5"], 5.0),
    ] {
        if texts.iter().any(|text| description.contains(text)) {
            return scale;
        }
    }
    if whole { 100.0 } else { 1.0 }
}

fn number_role(at: &At<'_>, whole: bool, described: &str, floor: Option<f64>) -> NumberRole {
    let words = words_of(at.name);
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if !whole {
        return NumberRole::Plain;
    }
    let one_based = described.contains("1-based") || described.contains("from 1");
    let from = u32::from(one_based || floor.is_some_and(|low| low >= 1.0));
    if has(&["index", "indices", "indexes", "idx", "position", "winner", "best", "choice"]) {
        NumberRole::Index(from)
    } else if has(&["id", "ids", "number"]) {
        NumberRole::Id
    } else if has(&["keep", "selected", "duplicates", "drop", "order", "ranking", "dependencies"]) {
        NumberRole::Index(from)
    } else {
        NumberRole::Plain
    }
}

/// A text whose name no table lists: what its description says, else a name for list items and a
/// sentence for the rest.
fn plain_text(at: &At<'_>, described: &str) -> TextRule {
    let list_of = words_of(at.name).pop().unwrap_or_default();
    let named = |words: &[&str]| words.contains(&list_of.as_str());
    let form = if described.contains("file:line") || described.contains("file and line") {
        TextForm::Location
    } else if described.contains("path") || described.contains("file name") {
        TextForm::Path
    } else if described.contains("url") {
        TextForm::Url
    } else if at.is_item && named(&["files", "paths", "targets", "modules", "directories", "tests"])
    {
        TextForm::Path
    } else if at.is_item && named(&["urls", "links", "sources", "citations"]) {
        TextForm::Url
    } else if at.is_item && named(&["ids", "keys", "refs", "dependencies", "deps", "on", "by"]) {
        TextForm::Id
    } else if at.is_item {
        TextForm::Title
    } else {
        TextForm::Sentence
    };
    TextRule { form, words: if at.is_item { 10 } else { 16 } }
}

fn format_of(name: &str) -> Option<Format> {
    Some(match name {
        "date" => Format::Date,
        "date-time" => Format::DateTime,
        "time" => Format::Time,
        "email" | "idn-email" => Format::Email,
        "uri" | "url" | "iri" | "uri-reference" => Format::Uri,
        "uuid" => Format::Uuid,
        "ipv4" => Format::Ipv4,
        "hostname" => Format::Hostname,
        _ => return None,
    })
}
