//! What passing through the gateway costs, beside nginx and beside no one: one upstream, one client,
//! the same requests, in turns. Needs nginx (Debian: `apt-get install nginx-light`); without it that
//! column is missing. `bare` is a proxy of flyball's libraries that reads nothing.
//!
//! `FLYBALL_PASSAGE=quick` asks for a tenth; words after `--` choose rows that contain one of them.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark reports and stops"
)]

mod bare;
mod client;
mod process;
mod proxies;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use self::bare::Bare;
use self::client::{Load, Sample, frames, requests};
use self::process::Process;
use self::proxies::{Flyball, Nginx};

/// Bytes of a body.
const BODIES: [usize; 2] = [2_000, 400_000];
/// Connections, and requests over all of them, for the small body; a tenth for the large one. They
/// are so many that the first of a session, each of which waits for the disk, are less than a
/// hundredth.
const LOADS: [(usize, usize); 3] = [(1, 40_000), (64, 40_000), (1_000, 40_000)];
/// Every arm takes its turn so often.
const TURNS: usize = 5;
/// Streams at once, frames of each, and the pause between two.
const STREAMS: (usize, usize, Duration) = (1_000, 20, Duration::from_millis(500));

fn main() {
    if bare::is_told_to() {
        return;
    }
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |what: &str| words.is_empty() || words.iter().any(|word| what.contains(word));
    let quick = std::env::var("FLYBALL_PASSAGE").is_ok_and(|value| value == "quick");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let upstream = upstream::start();
    let nginx = Nginx::start(upstream);
    let bare = Bare::start(upstream);
    let flyball = Flyball::start(upstream);
    let mut arms = vec![Arm { name: "direct", address: upstream, process: None }];
    arms.extend(nginx.as_ref().map(|nginx| Arm::new("nginx", nginx.address(), nginx.id())));
    arms.push(Arm::new("bare", bare.address(), bare.id()));
    arms.push(Arm::new("flyball", flyball.address(), flyball.id()));
    println!(
        "{:<27}{:<9}{:>8}{:>9}{:>8}{:>9}{:>9}{:>7}",
        "", "", "p50 ms", "p99 ms", "max ms", "per s", "CPU µs", "MB"
    );
    for body in BODIES {
        for (connections, count) in LOADS {
            let count = if body > 100_000 { count / 10 } else { count };
            let count = if quick { count / 10 } else { count }.max(connections * 2);
            let what = format!("{} KB, {connections} connections", body / 1_000);
            if !chosen(&what) {
                continue;
            }
            let load = Load { connections, count: count / TURNS, body_bytes: body };
            let mut samples: Vec<Sample> = arms.iter().map(|_| Sample::default()).collect();
            for _ in 0..TURNS {
                for (arm, sample) in arms.iter().zip(&mut samples) {
                    sample.add(arm.measure(|| runtime.block_on(requests(arm.address, load))));
                }
            }
            report(&what, &arms, &mut samples);
        }
    }
    let (streams, frame_count, pause) = STREAMS;
    let frame_count = if quick { 4 } else { frame_count };
    let what = format!("{streams} streams, each frame");
    if chosen(&what) {
        let each = arms.iter().map(|arm| {
            arm.measure(|| runtime.block_on(frames(arm.address, streams, frame_count, pause)))
        });
        let mut samples: Vec<Sample> = each.collect();
        report(&what, &arms, &mut samples);
    }
    let charged = flyball.stop();
    println!("{}", charged.trim_end());
}

/// What is asked, and the process that answers, where it is not this one.
struct Arm {
    name: &'static str,
    address: SocketAddr,
    process: Option<Process>,
}

impl Arm {
    fn new(name: &'static str, address: SocketAddr, id: u32) -> Self {
        Self { name, address, process: Some(Process::new(id)) }
    }

    /// What `load` found, with the time that the process computed meanwhile.
    fn measure(&self, load: impl FnOnce() -> Sample) -> Sample {
        let computed = || self.process.as_ref().map_or(Duration::ZERO, Process::computed);
        let before = computed();
        let mut sample = load();
        sample.computed = computed().saturating_sub(before);
        sample
    }
}

/// A row for each arm, with what it adds to the first.
fn report(what: &str, arms: &[Arm], samples: &mut [Sample]) {
    let direct = samples[0].quantiles();
    let mut what = what;
    for (arm, sample) in arms.iter().zip(samples) {
        let [p50, p99, max] = sample.quantiles();
        print!("{what:<27}{:<9}{p50:>8.3}{p99:>9.3}{max:>8.1}{:>9.0}", arm.name, sample.rate());
        what = "";
        let Some(process) = &arm.process else {
            println!();
            continue;
        };
        let memory = process.peak_memory_bytes() as f64 / 1e6;
        println!("{:>9.1}{memory:>7.0}", sample.computed_microseconds());
        println!("{:<27}{:<9}{:>+8.3}{:>+9.3}", "", "", p50 - direct[0], p99 - direct[1]);
    }
}
