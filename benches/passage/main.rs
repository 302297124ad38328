//! What passing through the gateway costs, beside nginx and beside no one: one upstream, one client,
//! the same requests, in turns. Needs nginx (Debian: `apt-get install nginx-light`); without it that
//! column is missing.
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

mod client;
mod proxies;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use self::client::{Load, Sample, frames, requests};
use self::proxies::{Flyball, Nginx};

/// Bytes of a body.
const BODIES: [usize; 2] = [2_000, 400_000];
/// Connections, and requests over all of them, for the small body; a tenth for the large one.
const LOADS: [(usize, usize); 3] = [(1, 4_000), (64, 40_000), (1_000, 40_000)];
/// Every arm takes its turn so often.
const TURNS: usize = 5;
/// Streams at once, frames of each, and the pause between two.
const STREAMS: (usize, usize, Duration) = (1_000, 20, Duration::from_millis(500));

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |what: &str| words.is_empty() || words.iter().any(|word| what.contains(word));
    let quick = std::env::var("FLYBALL_PASSAGE").is_ok_and(|value| value == "quick");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let upstream = upstream::start();
    let nginx = Nginx::start(upstream);
    let flyball = Flyball::start(upstream);
    let mut arms: Vec<(&str, SocketAddr)> = vec![("direct", upstream)];
    arms.extend(nginx.as_ref().map(|nginx| ("nginx", nginx.address())));
    arms.push(("flyball", flyball.address()));
    println!("{:<26}{:<9}{:>10}{:>10}{:>10}{:>11}", "", "", "p50 ms", "p99 ms", "max ms", "per s");
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
                for ((_, address), sample) in arms.iter().zip(&mut samples) {
                    sample.add(runtime.block_on(requests(*address, load)));
                }
            }
            report(&what, &arms, &mut samples);
            println!(
                "{:<26}{:<9}{:>6} MB",
                "",
                "resident",
                flyball.peak_memory_bytes() / 1_000_000
            );
        }
    }
    let (streams, frame_count, pause) = STREAMS;
    let frame_count = if quick { 4 } else { frame_count };
    let what = format!("{streams} streams, each frame");
    if chosen(&what) {
        let each = arms.iter();
        let each = each.map(|(_, to)| runtime.block_on(frames(*to, streams, frame_count, pause)));
        let mut samples: Vec<Sample> = each.collect();
        report(&what, &arms, &mut samples);
    }
    let charged = flyball.stop();
    println!("{}", charged.trim_end());
}

/// A row for each arm, with what it adds to the first.
fn report(what: &str, arms: &[(&str, SocketAddr)], samples: &mut [Sample]) {
    let direct = samples[0].quantiles();
    let mut what = what;
    for ((name, _), sample) in arms.iter().zip(samples) {
        let [p50, p99, max] = sample.quantiles();
        println!("{what:<26}{name:<9}{p50:>10.3}{p99:>10.3}{max:>10.1}{:>11.0}", sample.rate());
        if *name != "direct" {
            println!("{:<26}{:<9}{:>+10.3}{:>+10.3}", "", "", p50 - direct[0], p99 - direct[1]);
        }
        what = "";
    }
}
