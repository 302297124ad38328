//! What a simulated upstream is started with.

use std::sync::Arc;

use jiff::civil::Date;

use super::fault::FaultRate;
use super::pace::Pace;
use super::plan_window::SimulatedWindow;
use super::replay::Replay;
use crate::pricing::PriceTable;
use crate::seed::Seed;
use crate::usage::Prior;

/// How long answers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputLength {
    /// Drawn by the usage model: median by effort, lognormal.
    #[default]
    Drawn,
    /// Exactly `max_tokens`, always: the worst case that a budget has to hold.
    Full,
}

/// How many requests an agent with tools makes before it is done: drawn evenly from
/// `least..=most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnRange {
    least: u64,
    most: u64,
}

impl TurnRange {
    /// From `least`, 1 or more, to `most`, inclusive. `None` where that is no range.
    pub const fn new(least: u64, most: u64) -> Option<Self> {
        if least >= 1 && least <= most { Some(Self { least, most }) } else { None }
    }

    /// The least.
    pub const fn least(self) -> u64 {
        self.least
    }

    /// The most.
    pub const fn most(self) -> u64 {
        self.most
    }
}

impl Default for TurnRange {
    fn default() -> Self {
        Self { least: 1, most: 4 }
    }
}

/// What a simulated upstream is started with.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// The root of all draws.
    pub seed: Seed,
    /// Prices of the bill; a model that is not in it is not served.
    pub prices: Arc<PriceTable>,
    /// The day whose prices apply, UTC.
    pub on: Date,
    /// How long drawn answers are.
    pub usage: Arc<Prior>,
    /// How fast answers are generated.
    pub pace: Pace,
    /// How long answers are.
    pub output: OutputLength,
    /// Whether no prompt is ever found in the cache; marked ones are still written to it.
    pub miss_cache: bool,
    /// Whether requests that name no place are served in the US, as a workspace can be set to.
    pub in_us: bool,
    /// Faults that happen by themselves, tried in this order.
    pub faults: Vec<FaultRate>,
    /// How many requests an agent with tools makes.
    pub turns: TurnRange,
    /// What was recorded, to be answered again instead of all of the above; servers that share it
    /// go through it together.
    pub replay: Option<Arc<Replay>>,
    /// Plan windows of which every answer to a message says how far they are used.
    pub plan_windows: Vec<SimulatedWindow>,
    /// Threads that serve, 1 or more.
    pub threads: usize,
}

impl UpstreamConfig {
    /// Answers drawn with `seed`, at once, without faults, priced by `prices` on a day, on one
    /// thread.
    pub fn new(seed: Seed, prices: Arc<PriceTable>, on: Date, usage: Arc<Prior>) -> Self {
        Self {
            seed,
            prices,
            on,
            usage,
            pace: Pace::default(),
            output: OutputLength::default(),
            miss_cache: false,
            in_us: false,
            faults: Vec::new(),
            turns: TurnRange::default(),
            replay: None,
            plan_windows: Vec::new(),
            threads: 1,
        }
    }
}
