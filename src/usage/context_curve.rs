//! How an agent's context rises from its first to its last request. Owns the shape; integers only
//! per request.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "request counts and fractions of 2^31 are exact in f64"
)]

/// 1.0 in the fixed point used here; two such factors and a sum of two products fit `u64`.
const ONE: u64 = 1 << 31;
const FRACTION_BITS: u32 = 31;

/// Contexts of the requests of one agent: non-decreasing, from `first` to `first + growth`, with a
/// given mean.
///
/// With y falling from 1 to 0 over the requests, what is still to come is a blend of yᵐ and yᵐ⁺¹
/// of the growth: a family that rises early enough for any mean above one half and needs no
/// transcendental function per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextCurve {
    last: u64,
    growth: u64,
    steps: u64,
    power: u32,
    blend: u64,
}

impl ContextCurve {
    /// The curve over `requests` (at least 1) whose mean is `first + share × growth`; `share` is
    /// at least one half and is met exactly up to rounding wherever that many requests can.
    pub(crate) fn new(first: u64, growth: u64, requests: u32, share: f64) -> Self {
        let steps = u64::from(requests.saturating_sub(1));
        let growth = if steps == 0 { 0 } else { growth };
        let (power, blend) = if growth == 0 { (1, 0) } else { Self::shape(steps, share) };
        Self { last: first.saturating_add(growth), growth, steps, power, blend }
    }

    /// The power m and the weight of m + 1 that give the mean.
    fn shape(steps: u64, share: f64) -> (u32, u64) {
        const POWER_MAX: u32 = 64;
        if steps < 2 {
            return (1, 0); // any curve through both ends has mean one half
        }
        let mut power = 1;
        let mut below = mean_share(steps, power);
        loop {
            let above = mean_share(steps, power + 1);
            if share <= above || power + 1 >= POWER_MAX {
                let weight = ((share - below) / (above - below)).clamp(0.0, 1.0);
                return (power, (weight * ONE as f64) as u64);
            }
            power += 1;
            below = above;
        }
    }

    /// Context in tokens of the request at `index`, from 0.
    pub(crate) fn context(&self, index: u64) -> u64 {
        if self.steps == 0 {
            return self.last;
        }
        let y = (self.steps.saturating_sub(index) << FRACTION_BITS) / self.steps;
        let mut power = y;
        for _ in 1..self.power {
            power = times(power, y);
        }
        // Both terms fall with y, so contexts rise even after rounding.
        let left = (power * (ONE - self.blend) + times(power, y) * self.blend) >> FRACTION_BITS;
        self.last - mul_fraction(self.growth, left)
    }
}

/// The mean of 1 - (j / steps)^power over j = 0..=steps.
fn mean_share(steps: u64, power: u32) -> f64 {
    let power = i32::try_from(power).unwrap_or(i32::MAX);
    let scale = 1.0 / steps as f64;
    let sum: f64 = (1..=steps).map(|j| (j as f64 * scale).powi(power)).sum();
    1.0 - sum / (steps + 1) as f64
}

const fn times(a: u64, b: u64) -> u64 {
    (a * b) >> FRACTION_BITS
}

/// `tokens × fraction`, rounded down.
fn mul_fraction(tokens: u64, fraction: u64) -> u64 {
    let wide = (u128::from(tokens) * u128::from(fraction)) >> FRACTION_BITS;
    u64::try_from(wide).unwrap_or(u64::MAX)
}
