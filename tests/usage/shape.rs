//! How one agent's tokens are laid out over its requests.

use flyball::tokens::Tokenizer;
use flyball::usage::{AgentTraits, AgentUsage, Pins, Prefix};

use super::{current_model, draw, older_model, shipped};

fn pinned(requests: f64, first: f64, growth: f64) -> Pins {
    Pins {
        requests: Some(requests),
        first_context: Some(first),
        growth: Some(growth),
        output_per_request: Some(500.0),
    }
}

/// A sample whose agent keeps its cache, and reads its siblings' prefix.
fn undisturbed(pins: &Pins) -> AgentUsage {
    let agents = (0..200).map(|sample| draw(&shipped(), &current_model(), pins, sample));
    agents
        .filter(|agent| writes(agent, Prefix::Private) <= agent.final_context_tokens + 10_000)
        .find(|agent| agent.total(Prefix::Read, false) != agent.total(Prefix::Written, false))
        .unwrap()
}

fn writes(agent: &AgentUsage, prefix: Prefix) -> u64 {
    agent.total(prefix, false).cache_write_5m
}

#[test]
fn the_mean_context_follows_the_measured_share() {
    for requests in [1, 2, 3, 4, 5, 7, 10, 15, 20, 33, 66, 100, 200, 399] {
        let r = f64::from(requests);
        for (first, growth) in [(34_000.0, 43_000.0), (20_000.0, 900_000.0), (0.0, 100.0)] {
            let agent = draw(&shipped(), &current_model(), &pinned(r, first, growth), 1);
            let share = if requests <= 2 { 0.5 } else { (0.5 + 0.085 * (r / 2.0).ln()).min(0.9) };
            let growth = if requests == 1 { 0.0 } else { growth };
            let expected = r * (first + share * growth);
            let error = (agent.prompt_tokens as f64 - expected).abs();
            assert!(
                error <= 2.0 * r,
                "{requests} requests: {} not {expected}",
                agent.prompt_tokens
            );
        }
    }
}

#[test]
fn one_request_has_no_growth() {
    let agent = draw(&shipped(), &current_model(), &pinned(1.0, 30_000.0, 50_000.0), 1);
    assert_eq!((agent.growth_tokens, agent.final_context_tokens), (0, 30_000));
    assert_eq!(agent.prompt_tokens, 30_000);
    assert_eq!(agent.final_output_tokens, agent.output_tokens);
}

#[test]
fn each_token_is_written_about_once_and_then_read() {
    let agent = undisturbed(&pinned(10.0, 30_000.0, 40_000.0));
    let requests: Vec<_> = agent.each_request(Prefix::Written, false).collect();
    let total = agent.total(Prefix::Written, false);
    assert_eq!(requests[0].usage.cache_read, 0);
    for pair in requests.windows(2) {
        let (before, after) = (pair[0].usage, pair[1].usage);
        assert_eq!(after.cache_read, before.prompt() - before.fresh, "the whole cached prompt");
    }
    assert!(total.cache_write_5m.abs_diff(agent.final_context_tokens) < 100);
    assert_eq!(total.fresh, 40);
}

#[test]
fn the_first_of_a_group_writes_what_its_siblings_read() {
    let agent = undisturbed(&pinned(10.0, 30_000.0, 40_000.0));
    let first = agent.each_request(Prefix::Written, false).next().unwrap().usage;
    let sibling = agent.each_request(Prefix::Read, false).next().unwrap().usage;
    assert_eq!(agent.shared_prefix_tokens, 20_700); // 0.69 of 30,000
    assert_eq!(sibling.cache_read, agent.shared_prefix_tokens);
    assert_eq!(first.cache_write_5m - sibling.cache_write_5m, agent.shared_prefix_tokens);
    let rest = |prefix| agent.each_request(prefix, false).skip(1).collect::<Vec<_>>();
    assert_eq!(rest(Prefix::Written), rest(Prefix::Read), "only the first request differs");
}

#[test]
fn the_own_prompt_is_not_shared() {
    let model = shipped();
    let short = draw(&model, &older_model(), &Pins::default(), 3);
    let traits = AgentTraits { prompt_tokens_o200k: 10_230, ..older_model() };
    let long = draw(&model, &traits, &Pins::default(), 3);
    assert_eq!(long.first_context_tokens - short.first_context_tokens, 11_700); // 1.17 × 10,000
    assert_eq!(long.shared_prefix_tokens, short.shared_prefix_tokens);
}

#[test]
fn siblings_read_65_percent_of_their_first_context_on_average() {
    let model = shipped();
    let shares: Vec<f64> = (0..4_000)
        .map(|sample| {
            let agent = draw(&model, &current_model(), &Pins::default(), sample);
            let first = agent.each_request(Prefix::Read, false).next().unwrap().usage;
            first.cache_read as f64 / agent.first_context_tokens as f64
        })
        .collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.63..0.67).contains(&mean), "{mean}");
}

#[test]
fn some_agents_rewrite_their_context_once() {
    let model = shipped();
    let pins = pinned(10.0, 30_000.0, 40_000.0);
    let ratios: Vec<f64> = (0..4_000)
        .map(|sample| {
            let agent = draw(&model, &current_model(), &pins, sample);
            writes(&agent, Prefix::Private) as f64 / agent.final_context_tokens as f64
        })
        .collect();
    let rewritten: Vec<f64> = ratios.iter().copied().filter(|ratio| *ratio > 1.1).collect();
    let share = rewritten.len() as f64 / ratios.len() as f64;
    assert!((0.065..0.085).contains(&share), "{share}");
    assert!(rewritten.iter().all(|ratio| *ratio <= 2.0), "once, not more");
}

#[test]
fn a_prompt_below_the_least_that_is_cached_is_fresh() {
    let traits = AgentTraits { min_cache_tokens: 4_096, ..current_model() };
    let agent = draw(&shipped(), &traits, &pinned(4.0, 3_000.0, 6_000.0), 1);
    let requests: Vec<_> = agent.each_request(Prefix::Read, false).map(|r| r.usage).collect();
    assert_eq!(agent.shared_prefix_tokens, 0);
    assert_eq!((requests[0].fresh, requests[0].cache_write_5m), (3_000, 0));
    assert_eq!(requests[1].cache_read, 0, "nothing was cached before");
    assert_eq!(requests[1].cache_write_5m, requests[1].prompt() - 4);
    assert_eq!(requests[2].cache_read, requests[1].prompt() - 4);
}

#[test]
fn growth_stops_at_the_window() {
    let agent = draw(&shipped(), &older_model(), &pinned(30.0, 150_000.0, 90_000.0), 1);
    assert_eq!((agent.growth_tokens, agent.final_context_tokens), (50_000, 200_000));
    let agent = draw(&shipped(), &older_model(), &pinned(30.0, 250_000.0, 90_000.0), 1);
    assert_eq!((agent.first_context_tokens, agent.growth_tokens), (200_000, 0));
}

#[test]
fn tokenizer_factors_convert_counts() {
    let model = shipped();
    assert_eq!(model.tokens_for(Tokenizer::O200k, 12_345), 12_345);
    assert_eq!(model.tokens_for(Tokenizer::ClaudeOld, 1_000), 1_170);
    assert_eq!(model.tokens_for(Tokenizer::Claude47, 1_000), 1_550);
    assert_eq!(model.tokens_for(Tokenizer::Other, 0), 0);
}
