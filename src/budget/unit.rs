//! What limits count in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::{Picodollars, digits_to_compare};

/// What a limit counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Dollars.
    Usd,
    /// Tokens of all classes.
    BilledTokens,
    /// Tokens generated.
    OutputTokens,
    /// Model requests.
    Requests,
    /// Agents, each once.
    Agents,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 5] =
        [Self::Usd, Self::BilledTokens, Self::OutputTokens, Self::Requests, Self::Agents];

    /// The name used in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usd => "dollars",
            Self::BilledTokens => "billed tokens",
            Self::OutputTokens => "output tokens",
            Self::Requests => "requests",
            Self::Agents => "agents",
        }
    }

    /// `number` (picodollars or a count) as a quantity of this unit.
    pub fn quantity(self, number: i128) -> Quantity {
        match self {
            Self::Usd => Quantity::Usd(Picodollars::from_pico(number)),
            _ => Quantity::Count(u64::try_from(number.max(0)).unwrap_or(u64::MAX)),
        }
    }

    /// A number of this unit that is leased; `None` where nothing is.
    pub(crate) fn leased(self, number: i128) -> Option<Quantity> {
        (number > 0).then(|| self.quantity(number))
    }

    /// What is `taken` of a `limit`, and the limit, in words that can be compared.
    pub fn say_both(self, taken: Quantity, limit: Quantity) -> (String, String) {
        let (Quantity::Usd(spent), Quantity::Usd(most)) = (taken, limit) else {
            return (self.say(taken), self.say(limit));
        };
        let digits = digits_to_compare(spent, most);
        let say = |usd: Picodollars| usd.to_usd(usd.digits_in_messages().max(digits));
        (say(spent), say(most))
    }

    /// `quantity` in words: `$1.50`, `1200 output tokens`.
    pub fn say(self, quantity: Quantity) -> String {
        match quantity {
            Quantity::Usd(amount) => amount.to_string(),
            Quantity::Count(count) => format!("{count} {}", self.name()),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An amount of some unit: dollars as a decimal string, everything else as a number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(untagged)]
pub enum Quantity {
    /// Dollars.
    Usd(Picodollars),
    /// Tokens, requests or agents.
    Count(u64),
}

impl Quantity {
    /// Picodollars or a count, as [`Unit::quantity`] takes them.
    pub fn number(self) -> i128 {
        match self {
            Self::Usd(amount) => amount.pico(),
            Self::Count(count) => count.into(),
        }
    }
}
