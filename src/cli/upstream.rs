//! `flyball simulate-upstream`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

use super::value::{self, PlainFormat};
use crate::upstream::{FaultRate, Pace, SimulatedWindow, TurnRange};

const EXAMPLES: &str = "\
Examples:
  flyball simulate-upstream
  flyball simulate-upstream --pace 1 --fault reset=20 --fault status-529=50
  flyball simulate-upstream --fill-output --miss-cache --format json > bill.json

Point a client at it with ANTHROPIC_BASE_URL=http://127.0.0.1:8788 and any key.
It is reachable from this machine only, calls no model and costs no money.
docs/simulate-upstream.md says what it answers, and how a prompt makes it answer
something else.";

/// `flyball simulate-upstream` as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SimulateUpstreamTyped {
    /// Where to listen, a loopback address; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", value_parser = listen, default_value = "127.0.0.1:8788")]
    pub listen: SocketAddr,

    /// The root of all draws: the same requests get the same answers [default: 7]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Answer what was recorded with `flyball gateway --record` as it was answered then
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["turns", "fill_output", "miss_cache", "in_us", "fault"])]
    pub replay: Option<PathBuf>,

    /// How long answers take: 1 is realistic, 0.1 ten times as fast, 0 no waiting
    #[arg(long, value_name = "FACTOR", value_parser = pace, default_value = "0",
          allow_hyphen_values = true)]
    pub pace: Pace,

    /// Requests of an agent with tools, drawn from LEAST-MOST
    #[arg(long, value_name = "LEAST-MOST", value_parser = turns, default_value = "1-4")]
    pub turns: TurnRange,

    /// Let every answer be as long as its request allows: the worst case
    #[arg(long)]
    pub fill_output: bool,

    /// Find no prompt in the cache
    #[arg(long)]
    pub miss_cache: bool,

    /// Serve requests in the US that name no place, as a workspace can be set to: dearer
    #[arg(long)]
    pub in_us: bool,

    /// Let requests fail: KIND always, KIND=N in N of 1000; may be given several times
    #[arg(long, value_name = "KIND[=PER_MILLE]")]
    pub fault: Vec<FaultRate>,

    /// Say on answers how far a plan window is used, 5h=40%; moved by what is billed, one percent
    /// for every 0.02usd: 5h=40%,0.02usd; once per window
    #[arg(long, value_name = "WINDOW=PERCENT[,AMOUNT]", conflicts_with = "replay")]
    pub plan_window: Vec<SimulatedWindow>,

    /// Price files that override the shipped prices; later ones win
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,

    /// The day whose prices apply, such as 2026-11-22 [default: today]
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,

    /// How to print the bill at the end
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `--listen`.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("`{text}` is no address with a port: write 127.0.0.1:8788"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "other machines could reach `{address}`, and it would answer them: write 127.0.0.1:{}",
        address.port()
    ))
}

/// `--pace`.
fn pace(text: &str) -> Result<Pace, String> {
    let pace = text.parse().ok().and_then(Pace::from_factor);
    pace.ok_or_else(|| {
        format!("`{text}` is no pace: write 1 for realistic, 0 for no waiting, at most 1000")
    })
}

/// `--turns`.
fn turns(text: &str) -> Result<TurnRange, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let bounds = least.parse().ok().zip(most.parse().ok());
    bounds
        .and_then(|(least, most)| TurnRange::new(least, most))
        .ok_or_else(|| format!("`{text}` is no range of requests: write 1-4, or 3 for always 3"))
}
