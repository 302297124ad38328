//! Price tables through their public surface.

mod agreement;
mod bounds;
mod command;
mod dates;
mod findings;
mod import;
mod loader;
mod names;
mod published;
mod shipped;

use flyball::money::Picodollars;
use flyball::pricing::{Mode, Price, PriceFile, PriceTable, PricingError, shipped_files};
use flyball::tokens::TokenUsage;
use jiff::civil::{Date, date};

pub(crate) const STANDARD: Mode = Mode { batch: false, fast: false, us: false };
pub(crate) const BATCH: Mode = Mode { batch: true, fast: false, us: false };
pub(crate) const FAST: Mode = Mode { batch: false, fast: true, us: false };
pub(crate) const US: Mode = Mode { batch: false, fast: false, us: true };

/// The day the shipped tables were last checked.
pub(crate) const TODAY: Date = date(2026, 11, 22);

pub(crate) fn shipped() -> PriceTable {
    PriceTable::parse(&shipped_files()).expect("the shipped price files parse")
}

pub(crate) fn user_file(text: &str) -> PriceFile {
    PriceFile { name: "user.toml".to_owned(), text: text.to_owned() }
}

/// Parses one file alone.
pub(crate) fn parse(text: &str) -> Result<PriceTable, PricingError> {
    PriceTable::parse(&[user_file(text)])
}

pub(crate) fn usd(text: &str) -> Picodollars {
    text.parse().expect("a decimal amount")
}

pub(crate) fn price(table: &PriceTable, name: &str, on: Date, mode: Mode) -> Price {
    let model = table.resolve(name, "anthropic", on).expect("a known model");
    model.price(on, mode).expect("a price")
}

/// Fresh prompt tokens, output, cache reads, writes for five minutes, writes for an hour.
pub(crate) fn usage(fresh: u64, output: u64, read: u64, minutes: u64, hour: u64) -> TokenUsage {
    TokenUsage { fresh, output, cache_read: read, cache_write_5m: minutes, cache_write_1h: hour }
}
