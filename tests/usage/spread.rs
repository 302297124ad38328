//! How much agents differ, and what they share.

use flyball::effort::Effort;
use flyball::seed::Seed;
use flyball::tokens::Tokenizer;
use flyball::usage::{
    AgentDraws, AgentTraits, AgentUsage, Draws, Pins, Prefix, RunDraws, StageDraws,
};

use super::{current_model, draw, draw_call, older_model, quantile, shipped, standard_deviation};

/// Agents of one stage in each of many runs.
fn siblings(run: u64, count: u64) -> Vec<AgentUsage> {
    let model = shipped();
    (0..count)
        .map(|call| draw_call(&model, &older_model(), &Pins::default(), run, 1, call))
        .collect()
}

#[test]
fn effects_add_up_to_the_total_spread() {
    let model = shipped();
    // Many requests, so that rounding adds nothing to the spread of a small count.
    let traits = AgentTraits { effort: Some(Effort::Max), ..older_model() };
    let agents: Vec<_> =
        (0..20_000).map(|sample| draw(&model, &traits, &Pins::default(), sample)).collect();
    let of = |f: &dyn Fn(&AgentUsage) -> f64| {
        standard_deviation(&agents.iter().map(|agent| f(agent).ln()).collect::<Vec<_>>())
    };
    let requests = of(&|agent| f64::from(agent.requests));
    assert!((0.63..0.67).contains(&requests), "{requests}");
    let first = of(&|agent| agent.first_context_tokens as f64);
    assert!((0.27..0.29).contains(&first), "{first}");
    let output = of(&|agent| agent.output_tokens as f64 / f64::from(agent.requests));
    assert!((0.56..0.60).contains(&output), "{output}");

    let pins = Pins { requests: Some(10.0), ..Pins::default() };
    let wide = AgentTraits { context_tokens: 1 << 40, ..older_model() };
    let growth: Vec<f64> = (0..20_000)
        .map(|sample| (draw(&model, &wide, &pins, sample).growth_tokens as f64).ln())
        .collect();
    let growth = standard_deviation(&growth);
    assert!((0.71..0.75).contains(&growth), "{growth}");
}

#[test]
fn run_stage_and_agent_share_the_spread_as_weighted() {
    let model = shipped();
    let pins = Pins { requests: Some(10.0), ..Pins::default() };
    let wide = AgentTraits { context_tokens: 1 << 40, ..older_model() };
    let growth = |run, stage, call| {
        (draw_call(&model, &wide, &pins, run, stage, call).growth_tokens as f64).ln()
    };
    let total: f64 = 0.73;
    let unit = total / (0.4f64.powi(2) + 0.4f64.powi(2) + 0.3f64.powi(2)).sqrt();
    let differences = |other: &dyn Fn(u64) -> f64| {
        let all: Vec<f64> = (0..10_000).map(|run| growth(run, 1, 1) - other(run)).collect();
        standard_deviation(&all) / 2f64.sqrt()
    };
    let siblings = differences(&|run| growth(run, 1, 2));
    assert!((siblings - 0.3 * unit).abs() < 0.02, "siblings differ by {siblings}");
    let stages = differences(&|run| growth(run, 2, 2));
    assert!((stages - 0.5 * unit).abs() < 0.02, "stages of a run differ by {stages}");
}

#[test]
fn the_sum_of_many_agents_stays_wide() {
    let sums: Vec<f64> = (0..2_000)
        .map(|run| siblings(run, 50).iter().map(|agent| agent.prompt_tokens as f64).sum())
        .collect();
    let shared = quantile(&sums, 0.9) / quantile(&sums, 0.5);
    // Independent agents would give about 1.25; one session's agents gave 2.5 (tokens).
    assert!((2.0..4.5).contains(&shared), "{shared}");

    let model = shipped();
    let independent: Vec<f64> = (0..2_000)
        .map(|run| {
            (0..50)
                .map(|call| draw(&model, &older_model(), &Pins::default(), run * 50 + call))
                .map(|agent| agent.prompt_tokens as f64)
                .sum()
        })
        .collect();
    let alone = quantile(&independent, 0.9) / quantile(&independent, 0.5);
    assert!(alone < 1.4, "{alone}");
}

#[test]
fn siblings_have_nearly_the_same_first_context() {
    let spreads: Vec<f64> = (0..200)
        .map(|run| {
            let first = |agent: &AgentUsage| (agent.first_context_tokens as f64).ln();
            standard_deviation(&siblings(run, 50).iter().map(first).collect::<Vec<_>>())
        })
        .collect();
    assert!(quantile(&spreads, 0.5) < 0.06);
}

#[test]
fn another_route_meets_the_same_luck() {
    let model = shipped();
    let dear = current_model();
    let cheap = AgentTraits { tokenizer: Tokenizer::ClaudeOld, context_tokens: 200_000, ..dear };
    for sample in 0..200 {
        let seed = Seed::new(sample);
        let draws = (RunDraws::new(seed), StageDraws::new(seed, 4), AgentDraws::new(seed, 9));
        let draws = Draws { run: &draws.0, stage: &draws.1, agent: &draws.2 };
        let (one, other) = (
            model.agent(&dear, &draws, &Pins::default()),
            model.agent(&cheap, &draws, &Pins::default()),
        );
        assert_eq!(one.requests, other.requests);
        assert_eq!(one.output_tokens, other.output_tokens);
    }
}

#[test]
fn calls_and_stages_have_draws_of_their_own() {
    let seed = Seed::new(7);
    assert_ne!(AgentDraws::new(seed, 1), AgentDraws::new(seed, 2));
    assert_ne!(StageDraws::new(seed, 1), StageDraws::new(seed, 2));
    assert_ne!(RunDraws::new(seed), RunDraws::new(Seed::new(8)));
    assert_eq!(AgentDraws::new(seed, 1), AgentDraws::new(seed, 1));
}

#[test]
fn effort_spans_about_tenfold_in_cost() {
    // Against the published 0.48 : 0.56 : 0.75 : 1.36 : 5.25 for one task on Opus 5.5.
    let published = [0.48, 0.56, 0.75, 1.36, 5.25];
    let model = shipped();
    let dollars = Effort::ALL.map(|effort| {
        let traits = AgentTraits { effort: Some(effort), ..current_model() };
        let costs: Vec<f64> = (0..4_000)
            .map(|sample| {
                let agent = draw(&model, &traits, &Pins::default(), sample);
                let usage = agent.total(Prefix::Written, false);
                (usage.fresh as f64 * 4.0
                    + usage.cache_write_5m as f64 * 5.0
                    + usage.cache_read as f64 * 0.2
                    + usage.output as f64 * 20.0)
                    / 1e6
            })
            .collect();
        quantile(&costs, 0.5)
    });
    for (ours, theirs) in dollars.iter().zip(published) {
        let ratio = (ours / dollars[2]) / (theirs / published[2]);
        assert!((0.8..1.25).contains(&ratio), "{dollars:?} against {published:?}");
    }
}
