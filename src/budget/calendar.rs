//! Calendar windows of a named time zone: the day, week or month that an instant lies in. Bounds are
//! UTC instants, fixed once computed: a window does not move when a zone's rules change.

use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight on, as in ISO 8601.
    Week,
    /// From the first's midnight on.
    Month,
}

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How long it is.
    pub period: Period,
    /// Its name, such as `day 2026-11-25 Europe/Berlin`, `week 2026-W48 UTC`.
    pub name: String,
    /// Its first instant.
    pub begins: Timestamp,
    /// The first instant after it.
    pub ends: Timestamp,
}

/// An instant too far away for the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calendar has no window around {0}")]
pub struct NoWindow(pub Timestamp);

impl Window {
    /// The window of `period` in `zone` that `at` lies in. Days are as long as the zone has them:
    /// 23 or 25 hours where clocks change.
    pub fn around(period: Period, zone: &TimeZone, at: Timestamp) -> Result<Self, NoWindow> {
        let none = || NoWindow(at);
        let today = at.to_zoned(zone.clone()).date();
        let (first, next, label) = match period {
            Period::Day => (today, today.tomorrow().map_err(|_| none())?, today.to_string()),
            Period::Week => {
                let week = today.iso_week_date();
                let monday = monday_of(today).ok_or_else(none)?;
                let next = monday.checked_add(7.days()).map_err(|_| none())?;
                (monday, next, format!("{}-W{:02}", week.year(), week.week()))
            }
            Period::Month => {
                let first = today.first_of_month();
                let next = first.checked_add(1.month()).map_err(|_| none())?;
                (first, next, format!("{}-{:02}", first.year(), first.month()))
            }
        };
        let midnight = |date: Date| {
            let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible();
            midnight.map(|zoned| zoned.timestamp()).map_err(|_| none())
        };
        let zone_name = zone.iana_name().unwrap_or("UTC");
        Ok(Self {
            period,
            name: format!("{period} {label} {zone_name}"),
            begins: midnight(first)?,
            ends: midnight(next)?,
        })
    }
}

fn monday_of(date: Date) -> Option<Date> {
    let behind = i64::from(date.weekday().since(Weekday::Monday));
    date.checked_sub(behind.days()).ok()
}
