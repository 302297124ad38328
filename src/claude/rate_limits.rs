//! What Claude Code tells its status line of a subscription's plan windows.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::amount::PlanWindow;
use crate::messages::{WindowReading, milli_percent};

/// The part of the status line's JSON that is read; everything else in it is passed over.
#[derive(Debug, Deserialize)]
struct StatusLine {
    /// Of subscriptions only, and only after the first answer.
    rate_limits: Option<RateLimits>,
}

#[derive(Debug, Deserialize)]
struct RateLimits {
    five_hour: Option<Value>,
    seven_day: Option<Value>,
}

/// Takes the plan windows out of `json`, what the client hands to its status line. Empty where it is
/// silent on them; a window that lacks a number or its end is left out.
///
/// # Errors
/// It is not such JSON.
pub fn observe(json: &str) -> Result<Vec<WindowReading>, serde_json::Error> {
    let status: StatusLine = serde_json::from_str(json)?;
    let Some(limits) = status.rate_limits else { return Ok(Vec::new()) };
    let windows = [(PlanWindow::FiveHours, limits.five_hour), (PlanWindow::Week, limits.seven_day)];
    let readings = windows.into_iter().filter_map(|(window, told)| reading(window, &told?));
    Ok(readings.collect())
}

fn reading(window: PlanWindow, told: &Value) -> Option<WindowReading> {
    let percent = told.get("used_percentage")?.as_f64()?;
    Some(WindowReading {
        window,
        used_milli_percent: milli_percent(percent / 100.0)?,
        resets_at: instant(told.get("resets_at")?)?,
    })
}

/// Seconds since the epoch, or a date with time and zone.
fn instant(told: &Value) -> Option<Timestamp> {
    match told {
        Value::Number(seconds) => Timestamp::from_second(seconds.as_i64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
