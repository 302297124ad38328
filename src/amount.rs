//! Amounts with a unit, as people write budgets. Owns the grammar; knows no scopes.

use std::fmt;
use std::str::FromStr;

use crate::money::Picodollars;

/// A budget as written: `$5`, `5usd`, `800ktok`, `200kout`, `40agents`, `25%5h`, `8%week`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Dollars.
    Usd(Picodollars),
    /// Billed tokens, all classes.
    BilledTokens(u64),
    /// Output tokens.
    OutputTokens(u64),
    /// Agents.
    Agents(u64),
    /// Thousandths of a percent of a subscription's plan window.
    PlanWindow {
        /// Which window.
        window: PlanWindow,
        /// 25 % is 25,000.
        milli_percent: u64,
    },
}

/// A subscription's allowance window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanWindow {
    /// The five-hour window.
    FiveHours,
    /// The weekly window.
    Week,
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// A bare number.
    #[error("`{0}` has no unit: write {0}usd, or ktok, kout, agents, %5h, %week after a number")]
    NoUnit(String),
    /// Below zero.
    #[error("`{0}` is negative; a budget is zero or more")]
    Negative(String),
    /// Not in the grammar.
    #[error(
        "`{0}` is not an amount: write $5, 5usd, 800ktok (billed tokens), 200kout (output \
         tokens), 40agents, 25%5h or 8%week"
    )]
    Unreadable(String),
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let unreadable = || AmountError::Unreadable(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        if lower.starts_with('-') || lower.starts_with("$-") {
            return Err(AmountError::Negative(text.to_owned()));
        }
        if let Some(dollars) = lower.strip_prefix('$') {
            return dollars.parse().map(Self::Usd).map_err(|_| unreadable());
        }
        let unit_start = lower
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(|| AmountError::NoUnit(text.to_owned()))?;
        let (number, unit) = lower.split_at(unit_start);
        let whole = |scale: u64| scaled(number, scale).ok_or_else(unreadable);
        Ok(match unit.trim_start() {
            "usd" => Self::Usd(number.parse().map_err(|_| unreadable())?),
            "tok" => Self::BilledTokens(whole(1)?),
            "ktok" => Self::BilledTokens(whole(1_000)?),
            "mtok" => Self::BilledTokens(whole(1_000_000)?),
            "out" => Self::OutputTokens(whole(1)?),
            "kout" => Self::OutputTokens(whole(1_000)?),
            "mout" => Self::OutputTokens(whole(1_000_000)?),
            "agent" | "agents" => Self::Agents(whole(1)?),
            "%5h" => {
                Self::PlanWindow { window: PlanWindow::FiveHours, milli_percent: whole(1_000)? }
            }
            "%week" => Self::PlanWindow { window: PlanWindow::Week, milli_percent: whole(1_000)? },
            _ => return Err(unreadable()),
        })
    }
}

/// `number` times `scale`, where that is whole.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let exact: Picodollars = number.parse().ok()?;
    let product = exact.pico().checked_mul(i128::from(scale))?;
    let unit = crate::money::PICO_PER_USD;
    (product % unit == 0).then_some(product / unit).and_then(|n| u64::try_from(n).ok())
}

/// In the shortest form that reads back as the same amount.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Usd(amount) => format!("{}usd", amount.to_decimal()),
            Self::BilledTokens(n) => thousands(*n, "tok"),
            Self::OutputTokens(n) => thousands(*n, "out"),
            Self::Agents(n) => format!("{n}agents"),
            Self::PlanWindow { window, milli_percent } => {
                let percent =
                    Picodollars::from_pico(i128::from(*milli_percent) * 1_000_000_000).to_decimal();
                let window = match window {
                    PlanWindow::FiveHours => "5h",
                    PlanWindow::Week => "week",
                };
                format!("{percent}%{window}")
            }
        };
        f.pad(&text)
    }
}

fn thousands(number: u64, unit: &str) -> String {
    match number {
        0 => format!("0{unit}"),
        n if n.is_multiple_of(1_000_000) => format!("{}m{unit}", n / 1_000_000),
        n if n.is_multiple_of(1_000) => format!("{}k{unit}", n / 1_000),
        n => format!("{n}{unit}"),
    }
}
