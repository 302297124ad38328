//! Exact rates from JSON numbers. A JSON number is kept by its shortest decimal, which is the text
//! its author wrote; it is never computed with as a binary float.

use serde_json::Value;

use crate::money::{Picodollars, Rate};

/// What a price in another table counts per.
#[derive(Clone, Copy, Debug)]
pub(super) enum Per {
    /// Dollars per million tokens.
    Million,
    /// Dollars per token.
    Token,
}

/// The rate that `value`, a number or quoted number, states.
pub(super) fn rate(value: &Value, per: Per) -> Result<Rate, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(format!("`{value}` is not a number")),
    };
    let shift = match per {
        Per::Million => 0,
        Per::Token => 6,
    };
    let plain = plain_decimal(&text, shift).ok_or_else(|| format!("`{text}` is not a price"))?;
    let dollars: Picodollars = plain.parse().map_err(|_| format!("`{text}` is not exact"))?;
    if dollars < Picodollars::ZERO {
        return Err(format!("`{text}` is negative"));
    }
    Rate::from_usd_per_million(dollars).ok_or_else(|| format!("`{text}` is not exact"))
}

/// `1.25e-7` times ten to the `shift`, without an exponent.
fn plain_decimal(text: &str, shift: i32) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let exponent = exponent.checked_add(shift).filter(|exponent| exponent.abs() <= 30)?;
    let (sign, magnitude) = match mantissa.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", mantissa),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let zeros = "0".repeat(usize::try_from(exponent.abs()).ok()?);
    let (whole, fraction) = if exponent >= 0 {
        let digits = format!("{fraction}{zeros}");
        let (moved, rest) = digits.split_at_checked(zeros.len())?;
        (format!("{whole}{moved}"), rest.to_owned())
    } else {
        let digits = format!("{zeros}{whole}");
        let (rest, moved) = digits.split_at_checked(digits.len().checked_sub(zeros.len())?)?;
        (rest.to_owned(), format!("{moved}{fraction}"))
    };
    Some(format!("{sign}{whole}.{fraction}"))
}
