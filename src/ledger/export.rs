//! A ledger's entries for other programs, written one by one: CSV, or a JSON object a line.
//!
//! Both have the same columns. Dollars are exact decimal strings, times are UTC, scopes are paths.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::budget::{EntryKind, ScopeId, StoreError};
use crate::ledger::access::ReadLedger;
use crate::ledger::entry_row::{Details, EntryRow};
use crate::money::Picodollars;

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values as in RFC 4180, with a line of names.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entries could not be written.
    #[error("the entries cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// The columns, in order.
const NAMES: &str =
    "sequence,at,entry,attempt,scope,agent,usd,billed_tokens,output_tokens,requests,details,note";

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    at: String,
    entry: &'a str,
    attempt: Option<&'a str>,
    scope: Option<&'a str>,
    agent: Option<&'a str>,
    usd: Option<Picodollars>,
    billed_tokens: Option<u64>,
    output_tokens: Option<u64>,
    requests: Option<u64>,
    details: Option<Details>,
    note: Option<&'a str>,
}

/// Writes every entry, oldest first, as of one moment. How many there were.
///
/// # Errors
/// The ledger could not be read, or `to` not be written.
pub fn export(
    ledger: &dyn ReadLedger,
    format: ExportFormat,
    to: &mut dyn Write,
) -> Result<u64, ExportError> {
    if format == ExportFormat::Csv {
        write!(to, "{NAMES}\r\n")?;
    }
    let mut paths = Paths::default();
    let mut written = 0_u64;
    let mut failed = None;
    ledger.stream(&mut |entry| {
        paths.learn(&entry.kind);
        match write_line(&line(&entry, &paths), format, to) {
            Ok(()) => {
                written += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    to.flush()?;
    Ok(written)
}

/// Paths in words of the scopes that were opened so far.
#[derive(Default)]
struct Paths(BTreeMap<ScopeId, String>);

impl Paths {
    fn learn(&mut self, kind: &EntryKind) {
        let EntryKind::Open { scope, parent, name, .. } = kind else { return };
        let path = match parent.and_then(|parent| self.0.get(&parent)) {
            Some(above) => format!("{above} / {name}"),
            None => name.clone(),
        };
        self.0.insert(*scope, path);
    }
}

fn line<'a>(entry: &'a EntryRow, paths: &'a Paths) -> Line<'a> {
    let charge = entry.kind.charge();
    Line {
        sequence: entry.sequence,
        at: entry.at.to_string(),
        entry: entry.kind.name(),
        attempt: entry.kind.attempt().map(|id| &*id.0),
        scope: entry.scope.and_then(|id| paths.0.get(&id)).map(String::as_str),
        agent: entry.agent.as_deref(),
        usd: charge.map(|charge| charge.usd),
        billed_tokens: charge.map(|charge| charge.billed_tokens),
        output_tokens: charge.map(|charge| charge.output_tokens),
        requests: charge.map(|charge| charge.requests),
        details: Details::of(&entry.kind),
        note: entry.note.as_deref(),
    }
}

fn write_line(line: &Line<'_>, format: ExportFormat, to: &mut dyn Write) -> io::Result<()> {
    if format == ExportFormat::JsonLines {
        serde_json::to_writer(&mut *to, line)?;
        return to.write_all(b"\n");
    }
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let text = |text: Option<&str>| text.map(str::to_owned);
    let details = line.details.as_ref().map(serde_json::to_string).transpose()?;
    let fields = [
        Some(line.sequence.to_string()),
        Some(line.at.clone()),
        text(Some(line.entry)),
        text(line.attempt),
        text(line.scope),
        text(line.agent),
        line.usd.map(Picodollars::to_decimal),
        number(line.billed_tokens),
        number(line.output_tokens),
        number(line.requests),
        details,
        text(line.note),
    ];
    let fields: Vec<String> = fields.into_iter().map(|field| quoted(field.as_deref())).collect();
    write!(to, "{}\r\n", fields.join(","))
}

/// A field of a CSV line; nothing stays empty.
fn quoted(field: Option<&str>) -> String {
    match field {
        None => String::new(),
        Some(text) if text.contains([',', '"', '\r', '\n']) || text.is_empty() => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}
