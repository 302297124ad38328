//! What can go wrong on request.

use std::fmt;
use std::str::FromStr;

use http::StatusCode;

/// Shares are in thousandths.
const PER_MILLE: u16 = 1_000;

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Refuses with this status, 400 to 599, the API's envelope and the usual headers.
    Status(StatusCode),
    /// An `error` event after half of the answer; without streaming, status 529.
    ErrorMidStream,
    /// The connection is reset after half of the answer.
    Reset,
    /// The connection is closed before any header of the response.
    CloseEarly,
    /// The body ends cleanly after half of the answer, without `message_stop`.
    Truncate,
    /// Half of the answer, then silence until the client goes away.
    Stall,
    /// No header ever, until the client goes away.
    NoHeaders,
    /// The whole answer in pieces of one to seven bytes.
    Drip,
    /// More tokens than `max_tokens` allows and than the body has bytes: generated, reported and
    /// billed.
    UsageOver,
    /// The cache writes by lifetime add up to more than their sum says. The sum is right.
    UsageDisagree,
    /// A line of the stream is no JSON.
    BadSse,
    /// Usage is left out of the answer.
    NoUsage,
}

impl Fault {
    /// Every fault without a number, by name.
    const NAMED: [(&'static str, Self); 11] = [
        ("error-mid-stream", Self::ErrorMidStream),
        ("reset", Self::Reset),
        ("close-early", Self::CloseEarly),
        ("truncate", Self::Truncate),
        ("stall", Self::Stall),
        ("no-headers", Self::NoHeaders),
        ("drip", Self::Drip),
        ("usage-over", Self::UsageOver),
        ("usage-disagree", Self::UsageDisagree),
        ("bad-sse", Self::BadSse),
        ("no-usage", Self::NoUsage),
    ];

    /// What a name can be, in words.
    pub fn names() -> String {
        let named: Vec<&str> = Self::NAMED.iter().map(|(name, _)| *name).collect();
        format!("status-NNN (400 to 599), {}", named.join(", "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Status(status) = self {
            return f.pad(&format!("status-{}", status.as_u16()));
        }
        let named = Self::NAMED.iter().find(|(_, fault)| fault == self);
        f.pad(named.map_or("", |(name, _)| name))
    }
}

/// Why a text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error("`{0}` is no fault: write {names}", names = Fault::names())]
    Unknown(String),
    /// No such share.
    #[error("`{0}` is no share of requests in thousandths: write 0 to 1000, as in reset=50")]
    Share(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let unknown = || FaultError::Unknown(text.chars().take(80).collect());
        if let Some(number) = text.strip_prefix("status-") {
            let number = number.parse::<u16>().ok().filter(|number| (400..600).contains(number));
            let status = number.and_then(|number| StatusCode::from_u16(number).ok());
            return status.map(Self::Status).ok_or_else(unknown);
        }
        let named = Self::NAMED.iter().find(|(name, _)| *name == text);
        named.map(|(_, fault)| *fault).ok_or_else(unknown)
    }
}

/// A fault that happens by itself: `reset` always, `reset=50` to 50 of 1000 requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRate {
    /// What happens.
    pub fault: Fault,
    /// To how many of 1000 requests, 0 to 1000.
    pub per_mille: u16,
}

impl FromStr for FaultRate {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let Some((fault, share)) = text.split_once('=') else {
            return Ok(Self { fault: text.parse()?, per_mille: PER_MILLE });
        };
        let per_mille = share.parse::<u16>().ok().filter(|share| *share <= PER_MILLE);
        let per_mille =
            per_mille.ok_or_else(|| FaultError::Share(share.chars().take(80).collect()))?;
        Ok(Self { fault: fault.parse()?, per_mille })
    }
}
