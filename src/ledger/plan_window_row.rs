//! What a ledger knows of a subscription's plan windows: the limits that were set, and what was seen.
//! No balance depends on any of it.

use jiff::Timestamp;

use crate::amount::PlanWindow;
use crate::calibrate::Sighting;
use crate::ledger::columns::{count, count_of, dollars, dollars_of, instant};
use crate::ledger::failure::Fault;

/// One thing that is known of a plan window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanWindowRow {
    /// How far it may be used from then on.
    Limit(WindowLimit),
    /// How far it was used.
    Seen(Sighting),
}

/// A soft limit of a plan window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLimit {
    /// When it was set, to the millisecond.
    pub at: Timestamp,
    /// What the plan is called, such as `max5x`.
    pub plan: String,
    /// Which window.
    pub window: PlanWindow,
    /// Thousandths of a percent; `None` where the limit was taken away.
    pub most_milli_percent: Option<u64>,
}

impl PlanWindowRow {
    /// Whether it is a limit.
    pub const fn is_limit(&self) -> bool {
        matches!(self, Self::Limit(_))
    }

    /// The same with instants as a ledger keeps them.
    #[must_use]
    pub(super) fn as_kept(&self) -> Self {
        let millisecond =
            |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        match self.clone() {
            Self::Limit(limit) => Self::Limit(WindowLimit { at: millisecond(limit.at), ..limit }),
            Self::Seen(seen) => Self::Seen(Sighting {
                at: millisecond(seen.at),
                resets_at: second(seen.resets_at),
                ..seen
            }),
        }
    }
}

const LIMIT: &str = "limit";
const SEEN: &str = "seen";

/// A row as it stands in its columns, in their order but for the number.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) at_milliseconds: i64,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) window: String,
    pub(super) milli_percent: Option<i64>,
    pub(super) resets_at_seconds: Option<i64>,
    pub(super) settled_usd_pico: Option<String>,
}

impl Columns {
    pub(super) fn of(row: &PlanWindowRow) -> Result<Self, Fault> {
        Ok(match row {
            PlanWindowRow::Limit(limit) => Self {
                at_milliseconds: limit.at.as_millisecond(),
                kind: LIMIT.to_owned(),
                name: limit.plan.clone(),
                window: limit.window.name().to_owned(),
                milli_percent: limit.most_milli_percent.map(count).transpose()?,
                resets_at_seconds: None,
                settled_usd_pico: None,
            },
            PlanWindowRow::Seen(seen) => Self {
                at_milliseconds: seen.at.as_millisecond(),
                kind: SEEN.to_owned(),
                name: seen.account.clone(),
                window: seen.window.name().to_owned(),
                milli_percent: Some(count(seen.used_milli_percent)?),
                resets_at_seconds: Some(seen.resets_at.as_second()),
                settled_usd_pico: Some(dollars(seen.settled)?),
            },
        })
    }

    pub(super) fn row(self) -> Result<PlanWindowRow, Fault> {
        let damaged = |what: &str| Fault::Damaged(format!("a row on plan windows {what}"));
        let at = instant(self.at_milliseconds)?;
        let window = PlanWindow::from_name(&self.window)
            .ok_or_else(|| damaged("is on one that there is not"))?;
        let milli_percent = self.milli_percent.map(count_of).transpose()?;
        match (&*self.kind, milli_percent, self.resets_at_seconds, self.settled_usd_pico) {
            (LIMIT, most_milli_percent, None, None) => Ok(PlanWindowRow::Limit(WindowLimit {
                at,
                plan: self.name,
                window,
                most_milli_percent,
            })),
            (SEEN, Some(used_milli_percent), Some(resets_at), Some(settled)) => {
                Ok(PlanWindowRow::Seen(Sighting {
                    at,
                    account: self.name,
                    window,
                    used_milli_percent,
                    resets_at: Timestamp::from_second(resets_at)
                        .map_err(|_| damaged("ends at no instant"))?,
                    settled: dollars_of(&settled)?,
                }))
            }
            _ => Err(damaged("lacks something, or is of an unknown kind")),
        }
    }
}
