//! Prices of models over time. Owns rates, tiers, periods, modes, aliases, fees and plans, read
//! from text that callers pass in; knows no run, no clock, no file system and no usage model.
//!
//! Money is exact here: rates are whole picodollars per token, multipliers are rationals folded in
//! when a table is parsed, and a rate that would not be whole is refused. Nothing is derived: a
//! rate that no source states is absent, and tokens of that class cannot be priced.

mod alias;
mod canonical;
mod check;
mod document;
mod error;
mod fee;
pub mod import;
mod model;
mod model_section;
mod multiplier;
mod name;
mod nearest;
mod period;
mod plan;
mod price;
mod rates;
mod table;

pub use alias::{Alias, NamePrefix, Reserved};
pub use check::check;
pub use error::PricingError;
pub use fee::Fee;
pub use model::{Feature, Lifecycle, Model};
pub use multiplier::Multiplier;
pub use period::{DatedMultiplier, Period, PriceStatus, Tier};
pub use plan::{PlanWindows, SubscriptionPlan};
pub use price::{CacheTtl, Mode, Price, PriceStep, Unpriced};
pub use rates::{Rates, TokenClass};
pub use table::{
    PriceFile, PriceTable, Resolved, Source, UnknownModel, UnknownReason, shipped_files,
};
