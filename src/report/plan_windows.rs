//! Plan windows: how far they were seen used, their soft limits, what a percent is worth.

use jiff::Timestamp;
use serde::Serialize;

use super::number::{dollars, plural};
use super::page::{Page, clean};
use super::sheet::Sheet;
use crate::amount::{PlanWindow, percent};
use crate::calibrate::{Calibration, INTERVALS_MIN, POINTS_MIN};
use crate::money::Picodollars;

/// A plan with its windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownPlan {
    /// What it is called; null where no limit was set.
    pub plan: Option<String>,
    /// Always: what was seen last decides, and others move it too.
    pub soft: bool,
    /// Its windows, by account.
    pub windows: Vec<ShownWindow>,
}

/// One window of one account. Shares are thousandths of a percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownWindow {
    /// Which: `5h`, `week`.
    pub window: PlanWindow,
    /// Whose: a hash that tells accounts apart. Null where the window was never seen.
    pub account: Option<String>,
    /// Its soft limit.
    pub limit_milli_percent: Option<u64>,
    /// How far it was used when last seen.
    pub used_milli_percent: Option<u64>,
    /// When that was.
    pub seen_at: Option<Timestamp>,
    /// When it begins anew, or did.
    pub resets_at: Option<Timestamp>,
    /// Whether what was seen is of the window that is open now.
    pub open: bool,
    /// What a percent of it is worth.
    pub usd_per_percent: ShownRate,
}

impl ShownWindow {
    /// A window with a limit of which nothing is known.
    pub const fn never_seen(window: PlanWindow, limit_milli_percent: Option<u64>) -> Self {
        let nothing = Calibration::TooLittle { moved_milli_percent: 0, intervals: 0, paid: false };
        Self {
            window,
            account: None,
            limit_milli_percent,
            used_milli_percent: None,
            seen_at: None,
            resets_at: None,
            open: false,
            usd_per_percent: ShownRate::of(nothing),
        }
    }
}

/// What a percent of a window is worth, in dollars at list price: at least that, since others who use
/// the plan move its percent and not these dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRate {
    /// Whether enough was seen; null dollars where it was not.
    pub calibrated: bool,
    /// The lower end of nine in ten bands.
    pub low: Option<Picodollars>,
    /// The estimate.
    pub likely: Option<Picodollars>,
    /// The upper end.
    pub high: Option<Picodollars>,
    /// How far windows moved while somebody looked.
    pub moved_milli_percent: u64,
    /// In how many intervals.
    pub intervals: u32,
    /// Whether any dollars were settled meanwhile.
    pub paid: bool,
}

impl ShownRate {
    /// A calibration, to be shown.
    pub const fn of(calibration: Calibration) -> Self {
        match calibration {
            Calibration::Calibrated(rate) => Self {
                calibrated: true,
                low: Some(rate.low),
                likely: Some(rate.likely),
                high: Some(rate.high),
                moved_milli_percent: rate.moved_milli_percent,
                intervals: rate.intervals,
                paid: true,
            },
            Calibration::TooLittle { moved_milli_percent, intervals, paid } => Self {
                calibrated: false,
                low: None,
                likely: None,
                high: None,
                moved_milli_percent,
                intervals,
                paid,
            },
        }
    }

    /// In words.
    fn say(&self) -> String {
        let moved = percent(self.moved_milli_percent);
        let intervals = plural(u64::from(self.intervals), "interval", "intervals");
        match (self.low, self.likely, self.high) {
            (Some(low), Some(likely), Some(high)) => format!(
                "1% is worth at least {} at list price ({} to {}, from {moved} seen in \
                 {intervals})",
                dollars(likely),
                dollars(low),
                dollars(high)
            ),
            _ if self.intervals >= INTERVALS_MIN && !self.paid => {
                format!("not calibrated: {moved} seen, and nothing was paid through a gateway")
            }
            _ => format!(
                "not calibrated: {moved} seen in {intervals}, and it takes {POINTS_MIN}% in \
                 {INTERVALS_MIN} that agree"
            ),
        }
    }
}

/// The windows, for people.
pub fn text(plan: &ShownPlan, page: Page) -> String {
    let mut sheet = Sheet::new(page);
    let name = plan.plan.as_deref().map_or("no limits set".to_owned(), clean);
    sheet.section("plan");
    sheet.text(
        &format!("{name} (soft: others who use the plan move it too, what was seen decides)"),
        0,
    );
    let accounts = |window| plan.windows.iter().filter(|shown| shown.window == window).count();
    for shown in &plan.windows {
        sheet.section(shown.window.name());
        let mut line = used(shown);
        if let Some(limit) = shown.limit_milli_percent {
            line = format!("{line}, soft limit {}", percent(limit));
        }
        if let Some(account) = shown.account.as_deref().filter(|_| accounts(shown.window) > 1) {
            line = format!("{line}, account {}", clean(account));
        }
        sheet.text(&line, 2);
        sheet.text(&shown.usd_per_percent.say(), 2);
    }
    sheet.finish()
}

fn used(shown: &ShownWindow) -> String {
    let (Some(used), Some(seen), Some(resets)) =
        (shown.used_milli_percent, shown.seen_at, shown.resets_at)
    else {
        return "not seen yet, so everything passes".to_owned();
    };
    let (used, seen) = (percent(used), minute(seen));
    if shown.open {
        format!("{used} used, seen {seen}, begins anew {}", minute(resets))
    } else {
        format!("began anew {} and not seen since ({used} used, seen {seen})", minute(resets))
    }
}

/// `2026-11-26 04:10 UTC`.
fn minute(at: Timestamp) -> String {
    at.strftime("%F %H:%M UTC").to_string()
}
