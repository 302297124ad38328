//! `flyball doctor`.

use clap::Args;
use jiff::civil::Date;

use super::ledger::LedgerFlag;
use super::value::{self, PlainFormat};

const NOTES: &str = "\
It looks and changes nothing. Exit code 0 says that nothing fails; warnings do
not count. Keys and other values that stand in settings or in the environment
are not shown.";

/// `flyball doctor` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub struct DoctorTyped {
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,

    /// The day on which prices are to be fresh [default: today]
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,

    /// Which ledger.
    #[command(flatten)]
    pub ledger: LedgerFlag,
}
