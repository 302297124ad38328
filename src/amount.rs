//! Amounts with a unit, as people write budgets. Owns the grammar; knows no scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::{MoneyError, PICO_PER_USD, Picodollars};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanWindow {
    /// The five-hour window.
    #[serde(rename = "5h")]
    FiveHours,
    /// The weekly window.
    Week,
}

impl Amount {
    /// The lower of two amounts in one unit; `None` where they are of two.
    #[must_use]
    pub fn lower(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Usd(one), Self::Usd(two)) => Some(Self::Usd(one.min(two))),
            (Self::BilledTokens(one), Self::BilledTokens(two)) => {
                Some(Self::BilledTokens(one.min(two)))
            }
            (Self::OutputTokens(one), Self::OutputTokens(two)) => {
                Some(Self::OutputTokens(one.min(two)))
            }
            (Self::Agents(one), Self::Agents(two)) => Some(Self::Agents(one.min(two))),
            (
                Self::PlanWindow { window, milli_percent },
                Self::PlanWindow { window: other, milli_percent: share },
            ) if window == other => {
                Some(Self::PlanWindow { window, milli_percent: milli_percent.min(share) })
            }
            _ => None,
        }
    }
}

impl PlanWindow {
    /// Every window, the shorter first.
    pub const ALL: [Self; 2] = [Self::FiveHours, Self::Week];

    /// As amounts have it after the `%`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FiveHours => "5h",
            Self::Week => "week",
        }
    }

    /// The window that amounts call `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }
}

impl fmt::Display for PlanWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Thousandths of a percent as people write them: `25%`, `0.5%`.
pub fn percent(milli_percent: u64) -> String {
    // The same digits, a thousand to the percent.
    let number = Picodollars::from_pico(i128::from(milli_percent) * (PICO_PER_USD / 1_000));
    format!("{}%", number.to_decimal())
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
    /// A part of something that comes whole.
    #[error("`{text}` is not a whole number of {unit}")]
    NotWhole {
        /// As written.
        text: String,
        /// What is counted.
        unit: &'static str,
    },
    /// More than there is of a plan window.
    #[error("`{0}` is more than all of the window: write at most 100%")]
    OverWindow(String),
    /// Dollars that cannot be held exactly.
    #[error(transparent)]
    Money(MoneyError),
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
        let usd = |number: &str| match number.parse::<Picodollars>() {
            // The sign may stand behind the blanks that follow the `$`.
            Ok(amount) if amount < Picodollars::ZERO => Err(AmountError::Negative(text.to_owned())),
            Ok(amount) => Ok(Self::Usd(amount)),
            Err(MoneyError::NotDecimal(_)) => Err(unreadable()),
            Err(error) => Err(AmountError::Money(error)),
        };
        if let Some(number) = lower.strip_prefix('$') {
            return usd(number.trim_start());
        }
        let unit_start = lower.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let (number, unit) = lower.split_at(unit_start.unwrap_or(lower.len()));
        if number
            .parse::<Picodollars>()
            .is_err_and(|error| matches!(error, MoneyError::NotDecimal(_)))
        {
            return Err(unreadable());
        }
        let whole = |scale: u64, unit: &'static str| {
            let not_whole = || AmountError::NotWhole { text: text.to_owned(), unit };
            scaled(number, scale).ok_or_else(not_whole)
        };
        let percent = |window| {
            let milli_percent = whole(1_000, "thousandths of a percent")?;
            if milli_percent > MILLI_PERCENT_MAX {
                return Err(AmountError::OverWindow(text.to_owned()));
            }
            Ok(Self::PlanWindow { window, milli_percent })
        };
        Ok(match unit.trim_start() {
            "" => return Err(AmountError::NoUnit(text.to_owned())),
            "usd" => return usd(number),
            "tok" => Self::BilledTokens(whole(1, "tokens")?),
            "ktok" => Self::BilledTokens(whole(1_000, "tokens")?),
            "mtok" => Self::BilledTokens(whole(1_000_000, "tokens")?),
            "out" => Self::OutputTokens(whole(1, "tokens")?),
            "kout" => Self::OutputTokens(whole(1_000, "tokens")?),
            "mout" => Self::OutputTokens(whole(1_000_000, "tokens")?),
            "agent" | "agents" => Self::Agents(whole(1, "agents")?),
            "%5h" => percent(PlanWindow::FiveHours)?,
            "%week" => percent(PlanWindow::Week)?,
            _ => return Err(unreadable()),
        })
    }
}

/// All of a window, in thousandths of a percent.
const MILLI_PERCENT_MAX: u64 = 100_000;

/// `number` times `scale`, where that is whole.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let exact: Picodollars = number.parse().ok()?;
    let product = exact.pico().checked_mul(i128::from(scale))?;
    (product % PICO_PER_USD == 0)
        .then_some(product / PICO_PER_USD)
        .and_then(|n| u64::try_from(n).ok())
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
                format!("{}{window}", percent(*milli_percent))
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
