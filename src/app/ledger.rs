//! `flyball ledger`.

use std::io::{self, Write};

use serde::Serialize;

use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::cli::ledger::{ExportFormat, LedgerCommand, LedgerExport, LedgerShow, LedgerVerify};
use crate::cli::value::PlainFormat;
use crate::ledger::{self, EntryFilter, EntryRow};
use crate::report::entries::{ListedEntry, table};
use crate::report::json;

pub(super) fn run(command: LedgerCommand, context: &Context) -> Result<Exit, AppError> {
    match command {
        LedgerCommand::Show(typed) => show(&typed, context),
        LedgerCommand::Export(typed) => export(&typed, context),
        LedgerCommand::Verify(typed) => verify(&typed, context),
    }
}
