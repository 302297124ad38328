//! What the streams ask for: agents as they were measured, answers as long as the shipped usage
//! prior has them. Knows no budget.

use flyball::pricing::{CacheTtl, Mode, Price, PriceTable, shipped_files};
use flyball::seed::{Seed, Stream};
use flyball::tokens::TokenUsage;

/// Subagents of Claude Code with every request counted.
const AGENTS: &str = include_str!("../../tests/data/subagents.csv");
const MODEL: &str = "claude-opus-5-5";
/// What Claude Code asks for, whatever it needs.
pub(crate) const ASKED_TOKENS: u64 = 128_000;
pub(crate) const CACHE: CacheTtl = CacheTtl::FiveMinutes;

// From usage/prior.toml: output of a request at high effort, between agents and between answers.
const OUTPUT_TOKENS_MEDIAN: f64 = 1_400.0;
const OUTPUT_LOG_SD_AGENT: f64 = 0.58;
const OUTPUT_LOG_SD_ANSWER: f64 = 1.0;

/// A token is at most so many bytes of a request, and a bound knows only the bytes.
const BYTES_PER_TOKEN: u64 = 4;
/// Half the answers begin with thinking that nobody can count while it lasts.
const HIDDEN_SHARE: f64 = 0.5;
const TOKENS_PER_SECOND_MEDIAN: f64 = 83.0;
const TOKENS_PER_SECOND_LOG_SD: f64 = 0.2;
/// No upstream is faster; what cannot be counted is taken to flow at this.
pub(crate) const TOKENS_PER_SECOND_MAX: f64 = 150.0;

/// One request with its truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) prompt_bound_tokens: u64,
    /// The prompt by class, and the output that it would get if nothing stopped it.
    pub(crate) usage: TokenUsage,
    pub(crate) tokens_per_second: f64,
    pub(crate) is_hidden: bool,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    requests: u64,
    first_context_tokens: u64,
    growth_tokens: u64,
}

/// Everything that is drawn from.
pub(crate) struct Workload {
    measured: Vec<Measured>,
    pub(crate) price: Price,
}

/// One stream: an agent after another, without an end.
pub(crate) struct Conversation {
    luck: Stream,
    agent: Measured,
    agent_effect: f64,
    done: u64,
    context_tokens: u64,
    output_tokens: u64,
}

impl Workload {
    pub(crate) fn shipped() -> Self {
        let mut lines = AGENTS.lines();
        let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
        let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
        let numbers = ["requests", "first_ctx", "growth_per_request"].map(column);
        let measured = lines.filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let [requests, first, growth] = numbers.map(|index| cells[index].parse().ok());
            Some(Measured {
                requests: requests?,
                first_context_tokens: first?,
                growth_tokens: growth?,
            })
        });
        let table = PriceTable::parse(&shipped_files()).unwrap();
        let on = jiff::civil::date(2026, 11, 22);
        let price = table.model(MODEL).unwrap().price(on, Mode::default()).unwrap();
        Self { measured: measured.filter(|agent| agent.requests > 0).collect(), price }
    }

    pub(crate) fn conversation(&self, seed: Seed, stream: u64) -> Conversation {
        let mut luck = seed.stream(stream);
        let agent = *luck.pick(&self.measured).unwrap();
        let agent_effect = luck.normal();
        let (done, context_tokens, output_tokens) = (0, 0, 0);
        Conversation { luck, agent, agent_effect, done, context_tokens, output_tokens }
    }

    /// The 99th of a hundred answers, as past runs would have taught it.
    pub(crate) fn output_tokens_p99(&self, seed: Seed) -> u64 {
        let mut conversation = self.conversation(seed, u64::MAX);
        let draw = |_| self.next(&mut conversation).usage.output;
        let mut outputs: Vec<u64> = (0..20_000).map(draw).collect();
        outputs.sort_unstable();
        outputs[outputs.len() * 99 / 100]
    }

    /// The next request of a conversation; `answered` tells it what came back.
    pub(crate) fn next(&self, conversation: &mut Conversation) -> Request {
        if conversation.done >= conversation.agent.requests {
            conversation.agent = *conversation.luck.pick(&self.measured).unwrap();
            conversation.agent_effect = conversation.luck.normal();
            conversation.done = 0;
        }
        let Conversation { luck, agent, agent_effect, done, context_tokens, output_tokens } =
            conversation;
        let cached = if *done == 0 { 0 } else { *context_tokens };
        let answered = if *done == 0 { 0 } else { *output_tokens };
        let added = match *done {
            0 => agent.first_context_tokens,
            _ => agent.growth_tokens.max(answered),
        };
        let (z, pace) = (luck.normal(), luck.normal());
        let spread = OUTPUT_LOG_SD_AGENT * *agent_effect + OUTPUT_LOG_SD_ANSWER * z;
        let output = (OUTPUT_TOKENS_MEDIAN * spread.exp()) as u64;
        let tokens_per_second = TOKENS_PER_SECOND_MEDIAN * (TOKENS_PER_SECOND_LOG_SD * pace).exp();
        let is_hidden = luck.chance(HIDDEN_SHARE);
        *done += 1;
        *context_tokens = cached + added;
        *output_tokens = 0;
        Request {
            prompt_bound_tokens: cached + answered + (added - answered) * BYTES_PER_TOKEN,
            usage: TokenUsage {
                cache_read: cached,
                cache_write_5m: added,
                output: output.clamp(1, ASKED_TOKENS),
                ..TokenUsage::default()
            },
            tokens_per_second: tokens_per_second.min(TOKENS_PER_SECOND_MAX),
            is_hidden,
        }
    }
}

impl Conversation {
    /// The answer had so many tokens, which the next prompt quotes.
    pub(crate) const fn answered(&mut self, output_tokens: u64) {
        self.output_tokens = output_tokens;
    }
}
