//! How long an answer takes, and how much of it exists after some time.

use std::time::Duration;

/// Until the first token at realistic pace: 0.8 s.
const FIRST_TOKEN_MICROSECONDS: f64 = 800_000.0;
/// The same in milliseconds.
const FIRST_TOKEN_MILLISECONDS: u64 = 800;
/// Per token of output at realistic pace, as in the usage model: 12 ms.
const TOKEN_MICROSECONDS: f64 = 12_000.0;
/// The slowest pace that is accepted.
const FACTOR_MAX: f64 = 1_000.0;

/// How fast answers are generated. The default generates at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    first_microseconds: u64,
    token_microseconds: u64,
}

impl Pace {
    /// Realistic delays times `factor`: 0 is none, 1 is realistic, at most 1000. `None` for what
    /// is no such number.
    pub fn from_factor(factor: f64) -> Option<Self> {
        (0.0..=FACTOR_MAX).contains(&factor).then(|| Self {
            first_microseconds: whole(FIRST_TOKEN_MICROSECONDS * factor),
            token_microseconds: whole(TOKEN_MICROSECONDS * factor),
        })
    }

    /// Whether everything is generated at once.
    pub const fn is_instant(self) -> bool {
        self.first_microseconds == 0 && self.token_microseconds == 0
    }

    /// When so many tokens exist, from the request's start.
    pub fn due(self, tokens: u64) -> Duration {
        let generated = self.token_microseconds.saturating_mul(tokens);
        Duration::from_micros(self.first_microseconds.saturating_add(generated))
    }

    /// How long something takes that took so many milliseconds: the same at realistic pace.
    pub const fn stretched(self, milliseconds: u64) -> Duration {
        // What the first token takes says what the factor was.
        let scaled = milliseconds.saturating_mul(self.first_microseconds);
        Duration::from_micros(scaled / FIRST_TOKEN_MILLISECONDS)
    }

    /// How many tokens of `output` exist after `elapsed`.
    pub fn generated(self, elapsed: Duration, output: u64) -> u64 {
        if self.is_instant() {
            return output;
        }
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let generating = elapsed.saturating_sub(self.first_microseconds);
        generating.checked_div(self.token_microseconds).map_or(output, |tokens| tokens.min(output))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a factor is between 0 and 1000, so microseconds are small and positive"
)]
fn whole(microseconds: f64) -> u64 {
    microseconds.round() as u64
}
