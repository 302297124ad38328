//! `flyball ledger`.

use std::io::{self, BufWriter, ErrorKind};

use serde::Serialize;

use super::books::{self, OpenLedger};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::{output, reconcile};
use crate::budget::{EntryKind, StoreError};
use crate::cli::ledger::{
    ExportFormat, LedgerCommand, LedgerCopy, LedgerExport, LedgerShow, LedgerVerify,
};
use crate::cli::value::PlainFormat;
use crate::ledger::{self, CopyError, EntryFilter, EntryRow, ExportError, VerifyError};
use crate::report::entries::{ListedEntry, table};
use crate::report::json;
use crate::report::number::plural;

pub(super) fn run(command: LedgerCommand, context: &Context) -> Result<Exit, AppError> {
    match command {
        LedgerCommand::Show(typed) => show(&typed, context),
        LedgerCommand::Export(typed) => export(&typed, context),
        LedgerCommand::Verify(typed) => verify(&typed, context),
        LedgerCommand::Copy(typed) => copy(&typed, context),
        LedgerCommand::Reconcile(typed) => reconcile::run(&typed, context),
    }?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Shown<'a> {
    version: u32,
    entries: &'a [ListedEntry],
}

fn show(typed: &LedgerShow, context: &Context) -> Result<(), AppError> {
    let ledger = OpenLedger::existing(&typed.ledger, context)?;
    let within = match &typed.run {
        None => None,
        Some(run) => {
            let scopes = ledger.read(|ledger| ledger.scopes())?;
            let last = |path: &str| path.rsplit(" / ").next().unwrap_or("").to_owned();
            let of_run =
                |path: &str| last(path).split_once("run ").is_some_and(|(_, name)| name == run);
            let found = scopes.iter().find(|scope| of_run(&scope.path));
            Some(found.map(|scope| scope.id).ok_or_else(|| {
                AppError::usage(format!("the ledger has no run `{run}`"))
                    .with_hint("flyball runs list names those it has")
            })?)
        }
    };
    let filter = EntryFilter { within, ..EntryFilter::default() };
    let rows = ledger.read(|ledger| ledger.entries(&filter, typed.last as usize))?;
    let paths = ledger.paths()?;
    let path = |row: &EntryRow| {
        let path = row.scope.and_then(|id| paths.get(&id));
        path.map_or_else(String::new, ToString::to_string)
    };
    let entries: Vec<ListedEntry> = rows.iter().map(|row| listed(row, path(row))).collect();
    output::print(&match typed.format {
        PlainFormat::Table => table(&entries, context.stdout.page()),
        PlainFormat::Json => json::pretty(&Shown { version: 1, entries: &entries }),
    })
}

fn listed(row: &EntryRow, path: String) -> ListedEntry {
    let charge = row.kind.charge();
    ListedEntry {
        sequence: row.sequence,
        at: row.at.to_string(),
        entry: row.kind.name(),
        about: match &row.kind {
            EntryKind::Limit { limits, .. } => format!("{path}: {limits}"),
            kind => kind.attempt().map_or(path, |attempt| attempt.0.to_string()),
        },
        usd: charge.map(|charge| charge.usd),
        billed_tokens: charge.map(|charge| charge.billed_tokens),
        note: row.note.clone(),
    }
}

fn export(typed: &LedgerExport, context: &Context) -> Result<(), AppError> {
    let open = OpenLedger::existing(&typed.ledger, context)?;
    let format = match typed.format {
        ExportFormat::Csv => ledger::ExportFormat::Csv,
        ExportFormat::Jsonl => ledger::ExportFormat::JsonLines,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match ledger::export(open.reader(), format, &mut out) {
        Ok(_) => Ok(()),
        // A reader that has gone (`| head`) is no error.
        Err(ExportError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(AppError::bad_input(error)),
    }
}

fn verify(typed: &LedgerVerify, context: &Context) -> Result<(), AppError> {
    let open = OpenLedger::existing(&typed.ledger, context)?;
    let verified = ledger::verify(open.reader())
        .map_err(|error| with_differences(AppError::bad_input(error.to_string()), &error))?;
    let scopes = verified.scopes as u64;
    output::print(&format!(
        "the ledger balances: {} and {}\n",
        plural(verified.entries, "entry", "entries"),
        plural(scopes, "scope", "scopes"),
    ))
}

/// `told`, with what differs besides the first.
fn with_differences(told: AppError, error: &VerifyError) -> AppError {
    let VerifyError::Different(all) = error else { return told };
    all.iter()
        .skip(1)
        .take(DIFFERENCES_MAX)
        .fold(told, |told, difference| told.with_hint(format!("also: {difference}")))
}

fn copy(typed: &LedgerCopy, context: &Context) -> Result<(), AppError> {
    if books::place(&typed.ledger, context)? == typed.to {
        return Err(AppError::usage("a ledger cannot be copied to itself"));
    }
    let from = OpenLedger::existing(&typed.ledger, context)?;
    let mut to = OpenLedger::at(&typed.to, context)?;
    let copied = from.copy_to(&mut to).map_err(|error| {
        let told = AppError::bad_input(error.to_string());
        match &error {
            CopyError::From(error) => with_differences(told, error).with_hint("nothing was copied"),
            CopyError::To(StoreError::Uncertain(_)) => {
                told.with_hint("look at the copy with: flyball ledger verify")
            }
            CopyError::Lent(_) | CopyError::To(_) => told.with_hint("nothing was copied"),
            CopyError::Copy(error) => with_differences(told, error),
            CopyError::Differs => told.with_hint("go on with the ledger that was copied"),
        }
    })?;
    output::print(&format!(
        "copied {}, {}, {} ({} in flight) and {}; the copy balances\n",
        plural(copied.entries, "entry", "entries"),
        plural(copied.scopes, "scope", "scopes"),
        plural(copied.attempts, "attempt", "attempts"),
        copied.in_flight,
        plural(copied.runs, "run", "runs"),
    ))
}

/// How many differences besides the first are told.
const DIFFERENCES_MAX: usize = 4;
