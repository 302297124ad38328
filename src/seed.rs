//! Seeded randomness as values. Owns the keyed sub-streams and the normal quantile; knows nothing
//! of what is drawn.
//!
//! A stream is a function of (seed, key). Keys name *what* is drawn (a call's identity, a
//! quantity), never *when*: adding one agent to a script leaves every other draw where it was.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The root of all randomness of one plan or one simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// A root from a number that the user can repeat.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The root of a part, such as one sample.
    #[must_use]
    pub fn child(self, key: u64) -> Self {
        Self(xxh3_64_with_seed(&key.to_le_bytes(), self.0))
    }

    /// The stream that belongs to `key`.
    pub fn stream(self, key: u64) -> Stream {
        Stream(Xoshiro256PlusPlus::seed_from_u64(self.child(key).0))
    }

    /// One uniform draw in the open interval (0, 1) that belongs to `key`.
    pub fn uniform(self, key: u64) -> f64 {
        unit_interval(self.child(key).0)
    }

    /// One standard normal draw that belongs to `key`.
    pub fn normal(self, key: u64) -> f64 {
        normal_quantile(self.uniform(key))
    }
}

/// The key of a text.
pub fn key_of(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The key of a sequence of keys; order matters.
pub fn key_of_parts(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0x666c_7962_616c_6c00, |key, part| xxh3_64_with_seed(&part.to_le_bytes(), key))
}

/// A sequence of draws.
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// A uniform draw in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit_interval(self.0.next_u64())
    }

    /// A standard normal draw: one uniform through the quantile function, so that equal streams
    /// stay in step whatever is done with their values.
    pub fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// `true` with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// A whole number below `bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of `items`, or `None` where there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        items.get(usize::try_from(index).unwrap_or(0))
    }
}

/// The upper 53 bits as the midpoint of one of 2^53 cells: never 0, never 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
fn unit_interval(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
}

/// The quantile of the standard normal distribution for `p` in (0, 1), absolute error below
/// 1.2e-9 (P. J. Acklam's rational approximation).
pub fn normal_quantile(p: f64) -> f64 {
    const LOW: f64 = 0.024_25;
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    };
    if p < LOW {
        tail(p)
    } else if p > 1.0 - LOW {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    }
}
