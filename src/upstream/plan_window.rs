//! Plan windows of a subscription, as a simulated upstream tells them: used so far at the start, and
//! more as its bill grows. It refuses nothing for them.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};

use crate::amount::{Amount, PlanWindow};
use crate::money::Picodollars;

/// Whose windows they are.
const ACCOUNT: &str = "org_simulated";

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedWindow {
    /// Which.
    pub window: PlanWindow,
    /// What is used at the start, thousandths of a percent.
    pub used_milli_percent: u64,
    /// So many dollars move it by a percent; `None` where it stands still.
    pub usd_per_percent: Option<Picodollars>,
}

/// Why a text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no plan window: write 5h=40% or week=8%, and 5h=40%,0.02usd to let it move")]
pub struct WindowError(String);

impl FromStr for SimulatedWindow {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let wrong = || WindowError(text.chars().take(80).collect());
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let window = PlanWindow::from_name(name).ok_or_else(wrong)?;
        let (start, step) = rest.split_once(',').map_or((rest, None), |(a, b)| (a, Some(b)));
        let share = start.ends_with('%').then(|| format!("{start}5h").parse());
        let Some(Ok(Amount::PlanWindow { milli_percent, .. })) = share else { return Err(wrong()) };
        let usd_per_percent = match step.map(str::parse) {
            None => None,
            Some(Ok(Amount::Usd(usd))) if usd > Picodollars::ZERO => Some(usd),
            Some(_) => return Err(wrong()),
        };
        Ok(Self { window, used_milli_percent: milli_percent, usd_per_percent })
    }
}

impl SimulatedWindow {
    /// How far it is used once so much is billed, in whole percents as the API has it.
    fn used_percent(&self, billed: Picodollars) -> u64 {
        let moved = self.usd_per_percent.map_or(0, |step| {
            let milli = billed.pico().saturating_mul(1_000) / step.pico().max(1);
            u64::try_from(milli).unwrap_or(u64::MAX)
        });
        self.used_milli_percent.saturating_add(moved) / 1_000
    }

    fn length(&self) -> SignedDuration {
        match self.window {
            PlanWindow::FiveHours => SignedDuration::from_hours(5),
            PlanWindow::Week => SignedDuration::from_hours(7 * 24),
        }
    }
}

/// Says on an answer how far `windows` are used.
pub(super) fn tell(
    windows: &[SimulatedWindow],
    billed: impl FnOnce() -> Picodollars,
    started: Timestamp,
    headers: &mut HeaderMap,
) {
    if windows.is_empty() {
        return;
    }
    let billed = billed();
    for window in windows {
        let percent = window.used_percent(billed);
        let name = match window.window {
            PlanWindow::FiveHours => "5h",
            PlanWindow::Week => "7d",
        };
        let ends = started.checked_add(window.length()).map_or(0, Timestamp::as_second);
        let status = if percent < 100 { "allowed" } else { "rejected" };
        put(headers, name, "utilization", format!("{}.{:02}", percent / 100, percent % 100));
        put(headers, name, "reset", ends.to_string());
        put(headers, name, "status", status.to_owned());
    }
    headers.insert("anthropic-organization-id", HeaderValue::from_static(ACCOUNT));
}

fn put(headers: &mut HeaderMap, window: &str, what: &str, value: String) {
    let name = format!("anthropic-ratelimit-unified-{window}-{what}");
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}
