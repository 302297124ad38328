//! A span of days in which a model's prices did not change.

use jiff::civil::Date;

use crate::id::PriceId;
use crate::pricing::{Mode, Multiplier, Price, Rates};

/// How sure a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriceStatus {
    /// The vendor's own page or package says so.
    Confirmed,
    /// Seen in others' tables or in bills, without the vendor's date.
    Observed,
    /// Said to come. Announcements get cancelled, so it never bills.
    Announced,
}

impl PriceStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Observed, Self::Announced];

    /// The name in price files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Observed => "observed",
            Self::Announced => "announced",
        }
    }

    /// Whether a period of this status prices requests.
    pub const fn bills(self) -> bool {
        !matches!(self, Self::Announced)
    }
}

/// Rates of requests whose prompt is longer than a number of tokens; they hold for the whole
/// request, output included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The longest prompt, in tokens, that is still below the tier.
    pub prompt_tokens_gt: u64,
    /// The rates.
    pub rates: Rates,
}

/// A multiplier that may hold for a part of its period only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedMultiplier {
    /// The factor on all rates.
    pub multiplier: Multiplier,
    /// First day; the period's if absent.
    pub from: Option<Date>,
    /// First day it no longer holds; the period's if absent.
    pub until: Option<Date>,
}

impl DatedMultiplier {
    /// Whether it holds on `on`, a day of its period.
    pub fn covers(&self, on: Date) -> bool {
        self.from.is_none_or(|from| from <= on) && self.until.is_none_or(|until| on < until)
    }
}

/// Prices from one day (inclusive) to another (exclusive), UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Model and first day.
    pub id: PriceId,
    /// First day.
    pub from: Date,
    /// First day after it; open if absent.
    pub until: Option<Date>,
    /// How sure it is.
    pub status: PriceStatus,
    /// Where the dates come from, in words.
    pub basis: Option<String>,
    /// Ids of the sources.
    pub sources: Vec<String>,
    /// When somebody last compared it with its sources.
    pub checked: Option<Date>,
    /// Standard rates.
    pub rates: Rates,
    /// Dearer tiers by prompt length, ascending.
    pub tiers: Vec<Tier>,
    /// The batch API's factor, if it is offered and published.
    pub batch: Option<DatedMultiplier>,
    /// Fast mode's factor, if it is offered and published.
    pub fast: Option<DatedMultiplier>,
    /// By [`Mode::index`].
    pub(super) prices: [Option<Price>; 8],
}

impl Period {
    /// Whether `on` is one of its days.
    pub fn covers(&self, on: Date) -> bool {
        self.from <= on && self.until.is_none_or(|until| on < until)
    }

    /// The price in `mode` on `on`, a day of this period.
    pub(super) fn price(&self, on: Date, mode: Mode) -> Option<&Price> {
        let offered = |asked: bool, factor: &Option<DatedMultiplier>| {
            !asked || factor.is_some_and(|factor| factor.covers(on))
        };
        if !offered(mode.batch, &self.batch) || !offered(mode.fast, &self.fast) {
            return None;
        }
        self.prices.get(mode.index()).and_then(Option::as_ref)
    }
}
