//! How values stand in columns: dollars as digits, counts as checked integers, lists as text. What
//! is named after no kind of ledger serves all of them.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Row;

use crate::budget::{AttemptEnd, Charge, LeaseId, Limits, ScopeId, Unit};
use crate::ledger::failure::Fault;
use crate::money::Picodollars;

/// The four columns of a charge.
pub(super) type ChargeColumns = (String, i64, i64, i64);

pub(super) fn charge_columns(charge: &Charge) -> Result<ChargeColumns, Fault> {
    Ok((
        dollars(charge.usd)?,
        count(charge.billed_tokens)?,
        count(charge.output_tokens)?,
        count(charge.requests)?,
    ))
}

/// The charge in four columns from `first` on.
pub(super) fn charge_at(row: &Row<'_>, first: usize) -> Result<Charge, Fault> {
    Ok(Charge {
        usd: dollars_of(text_at(row, first)?)?,
        billed_tokens: count_of(row.get(first + 1)?)?,
        output_tokens: count_of(row.get(first + 2)?)?,
        requests: count_of(row.get(first + 3)?)?,
    })
}

/// The text in a column, where it stands.
pub(super) fn text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Fault> {
    optional_text_at(row, column)?
        .ok_or_else(|| Fault::Damaged(format!("column {column} of a row holds nothing")))
}

/// The same where the column may hold nothing.
pub(super) fn optional_text_at<'a>(
    row: &'a Row<'_>,
    column: usize,
) -> Result<Option<&'a str>, Fault> {
    Ok(row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}

pub(super) fn dollars(usd: Picodollars) -> Result<String, Fault> {
    if usd.pico() < 0 {
        return Err(Fault::Unusable(format!("an amount of {usd} cannot be written down")));
    }
    Ok(usd.pico().to_string())
}

pub(super) fn dollars_of(text: &str) -> Result<Picodollars, Fault> {
    match text.parse::<i128>() {
        Ok(pico) if pico >= 0 => Ok(Picodollars::from_pico(pico)),
        _ => Err(Fault::Damaged(format!("`{text}` is not an amount of picodollars"))),
    }
}

pub(super) fn count(number: u64) -> Result<i64, Fault> {
    let too_large = |_| Fault::Unusable(format!("a count of {number} is more than it can hold"));
    i64::try_from(number).map_err(too_large)
}

pub(super) fn count_of(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("a count of {number} is below zero")))
}

pub(super) fn scope_id(number: i64) -> Result<ScopeId, Fault> {
    let wrong = |_| Fault::Damaged(format!("{number} is not the number of a scope"));
    u32::try_from(number).map(ScopeId).map_err(wrong)
}

pub(super) fn lease_number(id: LeaseId) -> Result<i64, Fault> {
    count(id.0)
}

pub(super) fn scope_list(ids: &[ScopeId]) -> String {
    let mut list = String::with_capacity(ids.len() * 8);
    for id in ids {
        let between = if list.is_empty() { "" } else { " " };
        // A string takes whatever is written to it.
        let _written = write!(list, "{between}{}", id.0);
    }
    list
}

pub(super) fn scope_list_of(text: &str) -> Result<Vec<ScopeId>, Fault> {
    numbers(text).map(|ids| ids.into_iter().map(ScopeId).collect())
}

pub(super) fn warned(per_mille: &[u16]) -> String {
    let numbers: Vec<String> = per_mille.iter().map(u16::to_string).collect();
    numbers.join(" ")
}

pub(super) fn warned_of(text: &str) -> Result<[u16; Unit::ALL.len()], Fault> {
    let wrong = |_| Fault::Damaged(format!("`{text}` is not one threshold per unit"));
    numbers(text)?.try_into().map_err(wrong)
}

fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, Fault> {
    let wrong = || Fault::Damaged(format!("`{text}` is not a list of numbers"));
    text.split_ascii_whitespace().map(|part| part.parse().map_err(|_| wrong())).collect()
}

pub(super) fn limits(limits: &Limits) -> Result<String, Fault> {
    serde_json::to_string(limits).map_err(|error| Fault::Unusable(error.to_string()))
}

pub(super) fn limits_of(text: &str) -> Result<Limits, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::Damaged(format!("`{text}` is not a limit: {error}")))
}

pub(super) fn end(end: AttemptEnd) -> i64 {
    match end {
        AttemptEnd::Reserved => 0,
        AttemptEnd::Closed => 1,
        AttemptEnd::Released => 2,
    }
}

pub(super) fn end_of(number: i64) -> Result<AttemptEnd, Fault> {
    match number {
        0 => Ok(AttemptEnd::Reserved),
        1 => Ok(AttemptEnd::Closed),
        2 => Ok(AttemptEnd::Released),
        _ => Err(Fault::Damaged(format!("{number} is not a way in which an attempt ends"))),
    }
}

/// A text that many rows share.
pub(super) fn shared(text: String) -> Arc<str> {
    Arc::from(text)
}

pub(super) fn instant(milliseconds: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| Fault::Damaged(format!("{milliseconds} is no instant in milliseconds")))
}
