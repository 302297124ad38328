//! One cap, many streams, three processes: what the ways to hold a cap let pass, in virtual time.
//! Then three gateways that are processes, in real time, on each kind of ledger that processes share.
//!
//! `FLYBALL_SEED` changes the draw; `processes` after `--` leaves out what is simulated.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark reports and stops"
)]

#[path = "../../tests/upstream/client.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod client;
#[path = "../../tests/foreground.rs"]
mod foreground;
mod governors;
mod ours;
mod processes;
#[path = "../../tests/gateway/race.rs"]
mod race;
#[path = "../../tests/ledger/postgres/server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod server;
mod simulation;
#[path = "../../tests/gateway/stand.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod stand;
#[path = "../../tests/upstream/stand.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod upstream_stand;
mod workload;

/// The upstream, as the tests name its parts.
mod upstream {
    pub(crate) use super::client;
    pub(crate) use super::upstream_stand as stand;
}

use flyball::money::Picodollars;
use flyball::seed::Seed;

use self::governors::{CountAfter, Governor, WorstCase};
use self::ours::{Guarantee, Ours};
use self::simulation::{Outcome, Simulation};
use self::workload::{ASKED_TOKENS, Request, Workload};

const SEED: u64 = 20_261_125;
const PROCESSES: usize = 3;
/// Streams over all processes, and the cap.
const SETTINGS: [(usize, i64); 3] = [(128, 5), (128, 25), (384, 25)];
/// Draws over which the worst overshoot is looked for.
const SEEDS: u64 = 20;
const ARMS: [&str; 6] = [
    "count after",
    "check, then spend",
    "worst case held",
    "strict, 240 s",
    "strict, endless",
    "metered, 240 s",
];

/// What a request costs in the mean, as whoever checks before it spends would have it.
fn expected(workload: &Workload, seed: Seed) -> Picodollars {
    let mut conversation = workload.conversation(seed, u64::MAX - 2);
    let cost = |_| workload.price.cost(&workload.next(&mut conversation).usage).unwrap();
    let sum: Picodollars = (0..1_000).map(cost).sum();
    sum.scale_ceil(1, 1_000)
}

struct Bench {
    workload: Workload,
    expected: Picodollars,
    output_tokens_p99: u64,
}

impl Bench {
    fn ours(&self, guarantee: Guarantee, cap: Picodollars) -> Ours<'_> {
        Ours::new(&self.workload, guarantee, self.output_tokens_p99, PROCESSES, cap)
    }

    fn arm(&self, arm: usize, streams: usize, cap: Picodollars, seed: Seed) -> Outcome {
        let judge = self.ours(Guarantee::Strict, cap);
        let least = |request: &Request| judge.least(request);
        let simulate = |governor: &mut dyn Governor| {
            let shape = (PROCESSES, streams);
            let mut simulation =
                Simulation::new(&self.workload, governor, shape, cap, &least, seed);
            simulation.endless_queue = arm == 4;
            simulation.run()
        };
        let nothing = Picodollars::ZERO;
        match arm {
            0 => simulate(&mut CountAfter { cap, counted: nothing, expected: nothing }),
            1 => simulate(&mut CountAfter { cap, counted: nothing, expected: self.expected }),
            2 => simulate(&mut WorstCase {
                workload: &self.workload,
                cap,
                settled: nothing,
                reserved: nothing,
            }),
            _ => {
                let guarantee = if arm == 5 { Guarantee::Metered } else { Guarantee::Strict };
                let mut ours = self.ours(guarantee, cap);
                let outcome = simulate(&mut ours);
                ours.assert_balanced();
                outcome
            }
        }
    }
}

/// `part` of `whole` in hundredths of a percent.
fn basis_points(part: Picodollars, whole: Picodollars) -> i128 {
    part.pico() * 10_000 / whole.pico()
}

fn percent(basis_points: i128) -> String {
    format!("{}.{:02}", basis_points / 100, basis_points % 100)
}

fn table(bench: &Bench, streams: usize, cap: Picodollars, seed: u64) {
    println!("\n{streams} streams over {PROCESSES} processes, cap {cap}, seed {seed}");
    println!(
        "{:<18}{:>8}{:>8}{:>7}{:>8}{:>7}{:>6}{:>5}{:>7}{:>5}",
        "", "over %", "over $", "used %", "refused", "served", "short", "cut", "s", "max%"
    );
    for (arm, name) in ARMS.iter().enumerate() {
        let outcome = bench.arm(arm, streams, cap, Seed::new(seed));
        let over_of = |outcome: &Outcome| outcome.spent.saturating_sub_at_zero(cap);
        let seeds = (0..SEEDS).map(|more| Seed::new(seed).child(more));
        let overs = seeds.map(|seed| over_of(&bench.arm(arm, streams, cap, seed)));
        let over_max = overs.max().unwrap_or(Picodollars::ZERO);
        println!(
            "{name:<18}{:>8}{:>8}{:>7}{:>8}{:>7}{:>6}{:>5}{:>7}{:>5}",
            percent(basis_points(over_of(&outcome), cap)),
            over_of(&outcome).to_rounded(2),
            percent(basis_points(outcome.spent.min(cap), cap)),
            outcome.refused_with_room,
            outcome.served,
            outcome.clamped,
            outcome.cut,
            outcome.makespan_seconds,
            basis_points(over_max, cap) / 100,
        );
    }
}

fn main() {
    if !std::env::args().any(|word| word == "processes") {
        simulate();
    }
    processes::race_on_each_ledger();
}

fn simulate() {
    let seed = std::env::var("FLYBALL_SEED").map_or(SEED, |text| text.parse().unwrap());
    let workload = Workload::shipped();
    let history = Seed::new(0);
    let output_tokens_p99 = workload.output_tokens_p99(history);
    let expected = expected(&workload, history);
    println!(
        "a request costs {expected} in the mean; clients ask for {ASKED_TOKENS} tokens of output,"
    );
    println!("1 in 100 answers is longer than {output_tokens_p99}");
    let bench = Bench { workload, expected, output_tokens_p99 };
    for (streams, cap_usd) in SETTINGS {
        table(&bench, streams, Picodollars::from_usd(cap_usd), seed);
    }
}
