//! Ten million random operations on real accounts: what was spent beyond a limit, how much of a
//! limit could be used, and who was refused in vain. Any of it ends the run with the number of the
//! trial. `FLYBALL_SEED` and `FLYBALL_OPERATIONS` change what is done.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "a benchmark reports and stops"
)]

#[path = "../tests/proofs/overspend/mod.rs"]
mod overspend;

use std::time::Instant;

use flyball::money::Picodollars;
use flyball::seed::Seed;

use self::overspend::{ARMS, Found};

const SEED: u64 = 20_261_125;
const OPERATIONS: u64 = 10_000_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn row(name: &str, found: &Found) {
    let used = found
        .used_ppm_min
        .map_or("-".to_owned(), |ppm| format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100));
    let over = Picodollars::from_pico(found.overspent_usd_pico_max);
    println!(
        "{name:<22}{:>11}{:>10}{:>5}{:>9}{:>11}{:>9}",
        found.operations - found.exhausted,
        found.exhausted,
        found.busy,
        found.overruns,
        if over.is_zero() { "0".to_owned() } else { over.to_rounded(4) },
        used,
    );
}

fn main() {
    let seed = setting("FLYBALL_SEED", SEED);
    let operations = setting("FLYBALL_OPERATIONS", OPERATIONS);
    println!("{operations} operations, seed {seed}");
    println!(
        "{:<22}{:>11}{:>10}{:>5}{:>9}{:>11}{:>9}",
        "", "operations", "exhausted", "busy", "overruns", "over $ max", "used min"
    );
    let begin = Instant::now();
    let mut all = Found::default();
    for arm in &ARMS {
        let found = overspend::run(arm, Seed::new(seed), operations * arm.share_percent / 100);
        row(arm.name, &found);
        all.add(&found);
    }
    row("all", &all);
    let Found { trials, asked, admitted, clamped, waited, expired, extended, .. } = all;
    println!("{trials} trees; asked {asked}, waited {waited}, admitted {admitted}, of these");
    println!("clamped {clamped}, extended {extended}, expired {expired}; {:.0?}", begin.elapsed());
}
