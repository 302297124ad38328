//! What the gateway says of itself: whether it can admit, and counters in the text format of
//! Prometheus.

use std::fmt::Write as _;

use crate::gateway::access::Fate;
use crate::gateway::origin::Origins;
use crate::gateway::tallies::{Tallies, Tally};
use crate::tokens::TokenUsage;

/// The media type of [`metrics`].
pub(crate) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every counter. Dollars stand as decimals of their exact amounts.
pub(crate) fn metrics(tallies: &Tallies, origins: Option<&dyn Origins>) -> String {
    let tally = tallies.tally();
    let mut text = String::new();
    family(&mut text, "flyball_requests_total", "counter", "Requests that are over, by how.");
    for fate in Fate::ALL {
        let count = tally.fates.get(&fate).map_or(0, |count| *count);
        line(
            &mut text,
            "flyball_requests_total",
            &format!("{{ending=\"{}\"}}", fate.name()),
            count,
        );
    }
    family(&mut text, "flyball_tokens_total", "counter", "Tokens of settled requests, by class.");
    for (class, count) in classes(&tally.usage) {
        line(&mut text, "flyball_tokens_total", &format!("{{class=\"{class}\"}}"), count);
    }
    for (name, kind, help, value) in sums(tallies, &tally) {
        family(&mut text, name, kind, help);
        line(&mut text, name, "", value);
    }
    if let Some(origins) = origins {
        let name = "flyball_gateway_origins_unknown_total";
        family(&mut text, name, "counter", "Agents of which nobody knew what started them.");
        line(&mut text, name, "", origins.unknown());
        let name = "flyball_gateway_origins_looked_for";
        family(&mut text, name, "gauge", "Agents whose first requests wait to be told apart.");
        line(&mut text, name, "", origins.looked_for());
    }
    text
}

/// What has no labels: name, kind, help, value.
fn sums(
    tallies: &Tallies,
    tally: &Tally,
) -> [(&'static str, &'static str, &'static str, String); 10] {
    [
        ("flyball_charged_usd_total", "counter", "Dollars charged.", tally.charged.to_decimal()),
        (
            "flyball_clamped_total",
            "counter",
            "Requests whose max_tokens was lowered.",
            tally.clamped.to_string(),
        ),
        (
            "flyball_cut_by_cap_total",
            "counter",
            "Of those, answers that reached it.",
            tally.cut_by_cap.to_string(),
        ),
        (
            "flyball_waited_seconds_total",
            "counter",
            "Time that requests waited for balance.",
            format!("{:.6}", tally.waited_seconds),
        ),
        (
            "flyball_rewritten_total",
            "counter",
            "Requests that were sent otherwise than asked, by rules of the policy.",
            tally.rewritten.to_string(),
        ),
        (
            "flyball_kept_total",
            "counter",
            "Requests that a rule would have changed so and could not.",
            tally.kept.to_string(),
        ),
        (
            "flyball_sent_again_total",
            "counter",
            "Second tries of the gateway's own.",
            tallies.sent_again().to_string(),
        ),
        (
            "flyball_free_requests_total",
            "counter",
            "Requests passed on that cost nothing.",
            tallies.free().to_string(),
        ),
        (
            "flyball_requests_in_flight",
            "gauge",
            "Requests that were sent and are not over.",
            tallies.in_flight().to_string(),
        ),
        (
            "flyball_requests_waiting",
            "gauge",
            "Requests that wait for balance.",
            tallies.waiting().to_string(),
        ),
    ]
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name}{labels} {value}");
}

const fn classes(usage: &TokenUsage) -> [(&'static str, u64); 5] {
    [
        ("input", usage.fresh),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("cache_read", usage.cache_read),
        ("output", usage.output),
    ]
}
