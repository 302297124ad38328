//! Subscriptions: what they cost and what is published about their allowances.
//!
//! No vendor publishes an allowance in tokens or dollars, so there is nothing here to convert
//! dollars into a share of a window; that is learned from a user's own history.

use crate::money::Picodollars;
use crate::pricing::Multiplier;

/// Which allowance windows a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanWindows {
    /// A five-hour session window.
    pub five_hours: bool,
    /// A weekly window.
    pub week: bool,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPlan {
    /// Who sells it.
    pub provider: String,
    /// Its short name: `pro`, `max`, `ultra`, …
    pub id: String,
    /// Its name in full.
    pub name: String,
    /// Earlier short names.
    pub formerly: Vec<String>,
    /// Per month (and seat), billed monthly.
    pub usd_per_month: Picodollars,
    /// Per month (and seat), billed yearly, where offered.
    pub usd_per_month_annual: Option<Picodollars>,
    /// Session allowance against the provider's smallest plan, where published.
    pub session_multiple: Option<Multiplier>,
    /// Weekly allowance against the provider's smallest plan, where published.
    pub weekly_multiple: Option<Multiplier>,
    /// The windows it has.
    pub windows: PlanWindows,
    /// API credit included per month, where there is one.
    pub api_credit_usd: Option<Picodollars>,
    /// What to know about it.
    pub note: Option<String>,
    /// Ids of the sources.
    pub sources: Vec<String>,
}
