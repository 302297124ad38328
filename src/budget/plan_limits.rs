//! Soft limits of a subscription's plan windows. A percentage that others move too cannot be reserved:
//! what was seen last decides, and what is not known passes.

use std::fmt;

use jiff::Timestamp;

use crate::amount::{PlanWindow, percent};

/// How far the windows of a plan may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanLimits {
    /// What the plan is called, such as `max5x`; for people only.
    pub plan: String,
    /// The most of the five-hour window, thousandths of a percent.
    pub five_hours: Option<u64>,
    /// The most of the weekly window, thousandths of a percent.
    pub week: Option<u64>,
}

impl PlanLimits {
    /// The most of `window`, thousandths of a percent.
    pub const fn get(&self, window: PlanWindow) -> Option<u64> {
        match window {
            PlanWindow::FiveHours => self.five_hours,
            PlanWindow::Week => self.week,
        }
    }

    /// Sets or takes away the limit of `window`.
    pub const fn set(&mut self, window: PlanWindow, most_milli_percent: Option<u64>) {
        match window {
            PlanWindow::FiveHours => self.five_hours = most_milli_percent,
            PlanWindow::Week => self.week = most_milli_percent,
        }
    }

    /// Whether nothing is limited.
    pub const fn is_none(&self) -> bool {
        self.five_hours.is_none() && self.week.is_none()
    }

    /// What stands against one more request where `window` was seen at `used_milli_percent`.
    pub fn reached(
        &self,
        window: PlanWindow,
        used_milli_percent: u64,
        resets_at: Timestamp,
    ) -> Option<PlanReached> {
        let most_milli_percent = self.get(window).filter(|most| used_milli_percent >= *most)?;
        let plan = self.plan.clone();
        Some(PlanReached { plan, window, used_milli_percent, most_milli_percent, resets_at })
    }
}

/// A plan window that was seen at its soft limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanReached {
    /// What the plan is called.
    pub plan: String,
    /// Which window.
    pub window: PlanWindow,
    /// What was seen, thousandths of a percent.
    pub used_milli_percent: u64,
    /// The soft limit, thousandths of a percent.
    pub most_milli_percent: u64,
    /// When the window begins anew.
    pub resets_at: Timestamp,
}

impl fmt::Display for PlanReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plan window {} of {}: {} used when last seen, soft limit {}; it begins anew at {}",
            self.window,
            self.plan,
            percent(self.used_milli_percent),
            percent(self.most_milli_percent),
            self.resets_at
        )
    }
}
