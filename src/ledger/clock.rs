//! Where a ledger takes the time of its entries from.

use jiff::Timestamp;

/// Tells the time; `Timestamp::now`, or a fixed instant in a test.
pub type Clock = fn() -> Timestamp;
