//! What answers say of a subscription's plan windows: `anthropic-ratelimit-unified-*`.
//!
//! The API sends them to subscriptions only. Each window has `-utilization`, a fraction of it that is
//! used (two decimals have been seen, and more than 1 above the limit), `-reset`, seconds since the
//! epoch, and `-status`. Where they are described: docs/plan-windows.md.

use jiff::Timestamp;

use crate::amount::PlanWindow;

/// The headers that say how far a window is used, and when it begins anew.
macro_rules! names {
    ($window:literal) => {
        [
            concat!("anthropic-ratelimit-unified-", $window, "-utilization"),
            concat!("anthropic-ratelimit-unified-", $window, "-reset"),
        ]
    };
}

/// All of a window, in thousandths of a percent.
const ALL_MILLI_PERCENT: f64 = 100_000.0;
/// More than ten times a window is no reading of one.
const WINDOWS_MAX: f64 = 10.0;

/// How far a window is used up, as somebody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowReading {
    /// Which.
    pub window: PlanWindow,
    /// Thousandths of a percent; above 100,000 where the limit is passed.
    pub used_milli_percent: u64,
    /// When it begins anew.
    pub resets_at: Timestamp,
}

/// Reads what `header` hands out by name, in lower case. A window that lacks a number or its end is
/// left out: a reading that never ends would refuse for ever.
pub fn plan_windows<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Vec<WindowReading> {
    let reading = |window: PlanWindow| {
        let [used, resets] = match window {
            PlanWindow::FiveHours => names!("5h"),
            PlanWindow::Week => names!("7d"),
        };
        Some(WindowReading {
            window,
            used_milli_percent: milli_percent(header(used)?.trim().parse().ok()?)?,
            resets_at: instant(header(resets)?.trim())?,
        })
    };
    PlanWindow::ALL.into_iter().filter_map(reading).collect()
}

/// A fraction of a window in thousandths of a percent; `None` where it cannot be one.
pub fn milli_percent(fraction: f64) -> Option<u64> {
    if !(0.0..=WINDOWS_MAX).contains(&fraction) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and between 0 and a million"
    )]
    Some((fraction * ALL_MILLI_PERCENT).round() as u64)
}

/// Seconds since the epoch; the form with date and zone is read too, since other sources of the same
/// numbers have it.
fn instant(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(seconds) if seconds > 0 => Timestamp::from_second(seconds).ok(),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}
