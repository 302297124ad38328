//! Exact money. Owns the picodollar and the per-token rate; knows nothing of models or time.
//!
//! One US dollar per million tokens is exactly one million picodollars per token, so every
//! published price is an integer here and sums never round.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Picodollars in one US dollar.
pub const PICO_PER_USD: i128 = 1_000_000_000_000;
const FRACTION_DIGITS: usize = 12;
/// A limit with more digits after the point than these was computed, and may be rounded.
const LIMIT_DIGITS_MAX: usize = 6;

/// An amount of money in picodollars (1e-12 USD). Negative only for corrections.
///
/// Arithmetic saturates at the ends of `i128` (1.7e26 USD): a saturated amount spent denies
/// everything after it, which is the safe side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Picodollars(i128);

/// Why a text is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("`{0}` is not a decimal amount of dollars, like 5 or 0.25")]
    NotDecimal(String),
    /// More than twelve digits after the point.
    #[error("`{0}` is finer than one picodollar (12 digits after the point)")]
    TooFine(String),
    /// Beyond what 128 bits hold.
    #[error("`{0}` is too large for an amount of money")]
    TooLarge(String),
}

impl Picodollars {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount; stands for "no limit" where one is needed as a number.
    pub const MAX: Self = Self(i128::MAX);

    /// `pico` picodollars.
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// Whole US dollars.
    pub const fn from_usd(usd: i64) -> Self {
        Self(usd as i128 * PICO_PER_USD)
    }

    /// The amount in picodollars.
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// Whether the amount is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self - other`, or zero where that would be negative.
    #[must_use]
    pub fn saturating_sub_at_zero(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// `self * numerator / denominator`, rounded up. A zero denominator yields [`Self::MAX`].
    #[must_use]
    pub fn scale_ceil(self, numerator: i128, denominator: i128) -> Self {
        let product = self.0.saturating_mul(numerator);
        product.checked_div_euclid(denominator).map_or(Self::MAX, |floor| {
            let exact = product.checked_rem_euclid(denominator) == Some(0);
            Self(if exact { floor } else { floor.saturating_add(1) })
        })
    }

    /// The exact decimal, without a unit: `6.7`, `0.000000000001`, `-2`.
    pub fn to_decimal(self) -> String {
        let magnitude = self.0.unsigned_abs();
        let unit = PICO_PER_USD.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        let digits = format!("{fraction:012}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{digits}") }
    }

    /// Digits after the point where it stands in a message.
    pub(crate) const fn digits_in_messages(self) -> usize {
        if self.0.abs() < PICO_PER_USD { 4 } else { 2 }
    }

    fn is_whole_at(self, digits: usize) -> bool {
        self.0.unsigned_abs().is_multiple_of(power_of_ten(FRACTION_DIGITS - digits))
    }

    /// Rounded as [`Self::to_rounded`] does, with its sign of currency: `$6.70`, `-$0.0042`.
    pub fn to_usd(self, digits: usize) -> String {
        let text = self.to_rounded(digits);
        match text.strip_prefix('-') {
            Some(magnitude) => format!("-${magnitude}"),
            None => format!("${text}"),
        }
    }

    /// Rounded half to even to `digits` (at most 12) after the point, with thousands separators
    /// and no unit.
    pub fn to_rounded(self, digits: usize) -> String {
        let digits = digits.min(FRACTION_DIGITS);
        let step = power_of_ten(FRACTION_DIGITS - digits);
        let magnitude = self.0.unsigned_abs();
        let (mut quotient, remainder) = (magnitude / step, magnitude % step);
        let twice = remainder.saturating_mul(2);
        if twice > step || (twice == step && quotient % 2 == 1) {
            quotient += 1;
        }
        let unit = power_of_ten(digits);
        let sign = if self.0 < 0 && quotient > 0 { "-" } else { "" };
        let whole = group_thousands(quotient / unit);
        if digits == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{:0digits$}", quotient % unit)
        }
    }
}

/// Digits after the point with which a `limit` and what is `taken` of it can be compared: two that
/// differ read differently, and a limit as people write them is told whole.
pub fn digits_to_compare(taken: Picodollars, limit: Picodollars) -> usize {
    let whole = (0..=LIMIT_DIGITS_MAX).find(|digits| limit.is_whole_at(*digits));
    let differ = |digits: &usize| taken.to_rounded(*digits) != limit.to_rounded(*digits);
    let apart = if taken == limit { Some(0) } else { (0..=FRACTION_DIGITS).find(differ) };
    whole.into_iter().chain(apart).max().unwrap_or(FRACTION_DIGITS)
}

/// 10 to the power of `digits`, which is at most [`FRACTION_DIGITS`].
fn power_of_ten(digits: usize) -> u128 {
    (0..digits).fold(1, |power, _| power * 10)
}

fn group_thousands(number: u128) -> String {
    let plain = number.to_string();
    let mut grouped = String::with_capacity(plain.len() + plain.len() / 3);
    for (position, digit) in plain.chars().enumerate() {
        if position > 0 && (plain.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `$6.70`; four digits after the point below one dollar, else two.
impl fmt::Display for Picodollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_usd(self.digits_in_messages()))
    }
}

/// A plain decimal number of dollars, as in price tables and reports.
impl FromStr for Picodollars {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return Err(MoneyError::NotDecimal(text.to_owned()));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > FRACTION_DIGITS {
            return Err(MoneyError::TooFine(text.to_owned()));
        }
        let too_large = |_| MoneyError::TooLarge(text.to_owned());
        let joined = format!("{whole}{fraction:0<FRACTION_DIGITS$}");
        let pico: i128 = joined.parse().map_err(too_large)?;
        Ok(Self(if negative { -pico } else { pico }))
    }
}

impl Add for Picodollars {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Picodollars {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Picodollars {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Picodollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// As an exact decimal string of dollars, so that no reader's binary floats touch it.
impl Serialize for Picodollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_decimal())
    }
}

impl<'de> Deserialize<'de> for Picodollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Picodollars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UsdDecimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]{1,12})?$",
            "description": "US dollars as an exact decimal string"
        })
    }
}

/// Picodollars per token. Numerically equal to micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i128);

impl Rate {
    /// `pico` picodollars per token.
    pub const fn from_pico_per_token(pico: i128) -> Self {
        Self(pico)
    }

    /// Picodollars per token.
    pub const fn pico_per_token(self) -> i128 {
        self.0
    }

    /// From dollars per million tokens; `None` where that is not a whole number of picodollars
    /// per token.
    pub fn from_usd_per_million(usd: Picodollars) -> Option<Self> {
        (usd.0 % 1_000_000 == 0).then_some(Self(usd.0 / 1_000_000))
    }

    /// Dollars per million tokens, exactly.
    pub fn usd_per_million(self) -> Picodollars {
        Picodollars(self.0.saturating_mul(1_000_000))
    }

    /// `self * numerator / denominator`; `None` where that is not a whole number.
    pub fn times(self, numerator: i128, denominator: i128) -> Option<Self> {
        let product = self.0.checked_mul(numerator)?;
        (product.checked_rem(denominator)? == 0).then_some(Self(product / denominator))
    }

    /// The price of `tokens` tokens.
    pub const fn of(self, tokens: u64) -> Picodollars {
        Picodollars(self.0.saturating_mul(tokens as i128))
    }
}
