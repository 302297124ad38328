//! The bill of a simulated upstream, for people.

use super::number::{digits, plural};
use super::page::Page;
use super::sheet::Sheet;
use crate::tokens::TokenUsage;
use crate::upstream::Bill;

/// What a real upstream would have charged.
pub fn text(bill: &Bill, page: Page) -> String {
    let mut sheet = Sheet::new(page);
    sheet.section("requests");
    let endings = bill.endings;
    let counts = [
        (endings.complete, "complete"),
        (endings.aborted, "left by the client"),
        (endings.broken, "broken by a fault"),
        (endings.refused, "refused"),
        (bill.open, "open"),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", digits(*count)))
        .collect();
    let ends = if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) };
    sheet.text(&format!("{}{ends}", digits(bill.requests)), 2);
    if !bill.faults.is_empty() {
        sheet.section("faults");
        let faults: Vec<String> =
            bill.faults.iter().map(|(kind, count)| format!("{kind} {}", digits(*count))).collect();
        sheet.text(&faults.join(", "), 2);
    }
    sheet.section("tokens");
    sheet.text(&tokens(&bill.usage), 2);
    sheet.section("models");
    for (model, part) in &bill.models {
        let requests = plural(part.requests, "request", "requests");
        sheet.text(&format!("{model}: {requests}, ${}", part.usd.to_decimal()), 2);
    }
    if bill.models.is_empty() {
        sheet.text("none", 0);
    }
    sheet.section("bill");
    sheet.text(&format!("${}, prices of {}", bill.usd.to_decimal(), bill.prices_on), 2);
    if bill.beyond_max_tokens > 0 {
        let beyond = plural(bill.beyond_max_tokens, "request", "requests");
        sheet.text(&format!("{beyond} generated more than max_tokens"), 2);
    }
    if bill.unpriced > 0 {
        let unpriced = plural(bill.unpriced, "request has", "requests have");
        sheet.text(&format!("{unpriced} no price and is missing from the bill"), 2);
    }
    sheet.finish()
}

fn tokens(usage: &TokenUsage) -> String {
    let classes = [
        (usage.fresh, "fresh"),
        (usage.cache_write_5m, "written for 5 min"),
        (usage.cache_write_1h, "written for 1 h"),
        (usage.cache_read, "read"),
        (usage.output, "generated"),
    ];
    let shown = classes.iter().map(|(count, what)| format!("{} {what}", digits(*count)));
    shown.collect::<Vec<_>>().join(", ")
}
