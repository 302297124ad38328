//! What `flyball pricing check` found.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::wrapped;
use crate::diagnostic::{Diagnostic, Severity};
use crate::pricing::PriceTable;
use crate::report::Page;
use crate::report::number::plural;

const fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// The findings, gravest first, then a line that counts them.
pub fn findings(prices: &PriceTable, findings: &[Diagnostic], page: Page) -> String {
    let mut text = String::new();
    let mut ordered: Vec<&Diagnostic> = findings.iter().collect();
    ordered.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in ordered {
        let first = format!("{}: ", label(finding.severity));
        text += &wrapped(&first, &finding.message, 2, page);
        if let Some(help) = &finding.help {
            text += &wrapped("  ", &format!("{help} [{}]", finding.code), 2, page);
        }
    }
    let of = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    let count = |severity| of(severity).count() as u64;
    let models = prices.models().count();
    let periods: usize = prices.models().map(|model| model.periods.len()).sum();
    let warnings = plural(count(Severity::Warning), "warning", "warnings");
    let notes = plural(count(Severity::Note), "note", "notes");
    let _ = writeln!(text, "{models} models, {periods} periods: {warnings}, {notes}");
    text
}

/// The same for programs.
pub fn findings_json(prices: &PriceTable, findings: &[Diagnostic]) -> Value {
    json!({ "version": 1, "table_sha256": prices.hash(), "findings": findings })
}
