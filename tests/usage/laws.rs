//! What holds for every agent, whatever is drawn.

use flyball::effort::Effort;
use flyball::role::Role;
use flyball::tokens::{TokenUsage, Tokenizer};
use flyball::usage::{AgentTraits, AgentUsage, Pins, Prefix, REQUESTS_LIMIT, StageKind};
use proptest::option;
use proptest::prelude::*;

use super::{current_model, draw, shipped};

fn any_traits() -> impl Strategy<Value = AgentTraits> {
    let sizes = (
        prop_oneof![Just(200_000u64), Just(1_000_000), 0u64..60_000],
        prop_oneof![Just(64_000u64), Just(128_000), 0u64..2_000],
        prop_oneof![Just(0u64), Just(512), Just(4_096), Just(60_000)],
        0u64..400_000,
        1u32..1_000,
    );
    let names = (
        prop_oneof![Just(Role::FanOut), Just(Role::Reduce), Just(Role::Single)],
        prop::sample::select(StageKind::ALL.to_vec()),
        prop::sample::select(vec![
            Tokenizer::ClaudeOld,
            Tokenizer::Claude47,
            Tokenizer::O200k,
            Tokenizer::Other,
        ]),
        option::of(prop::sample::select(Effort::ALL.to_vec())),
        any::<bool>(),
    );
    (sizes, names).prop_map(|(sizes, (role, kind, tokenizer, effort, worktree))| AgentTraits {
        role,
        kind,
        tokenizer,
        context_tokens: sizes.0,
        max_output_tokens: sizes.1,
        min_cache_tokens: sizes.2,
        effort,
        prompt_tokens_o200k: sizes.3,
        run_agents: sizes.4,
        worktree,
    })
}

fn any_pins() -> impl Strategy<Value = Pins> {
    let odd = || prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-3.0), Just(0.0)];
    let requests = option::of(prop_oneof![8 => 0.0..200.0, 1 => odd()]);
    let tokens = || option::of(prop_oneof![8 => 0.0..300_000.0, 1 => odd()]);
    (requests, tokens(), tokens(), tokens()).prop_map(
        |(requests, output_per_request, first_context, growth)| Pins {
            requests,
            output_per_request,
            first_context,
            growth,
        },
    )
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![Just(Prefix::Written), Just(Prefix::Read), Just(Prefix::Private)]
}

/// What a request costs at rates that satisfy read ≤ input ≤ write, in any unit.
fn cost(usage: TokenUsage, rates: [u64; 3]) -> u128 {
    let [read, input, write] = rates.map(u128::from);
    u128::from(usage.cache_read) * read
        + u128::from(usage.fresh) * input
        + u128::from(usage.cache_write_5m + usage.cache_write_1h) * write
}

fn contexts(agent: &AgentUsage) -> Vec<u64> {
    agent.each_request(Prefix::Private, false).map(|request| request.usage.prompt()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn requests_add_up_to_the_totals(
        traits in any_traits(), pins in any_pins(), sample: u64,
        prefix in any_prefix(), hour: bool,
    ) {
        let agent = draw(&shipped(), &traits, &pins, sample);
        let requests: Vec<_> = agent.each_request(prefix, hour).collect();
        let sum = |of: &dyn Fn(&TokenUsage) -> u64| requests.iter().map(|r| of(&r.usage)).sum::<u64>();
        prop_assert_eq!(requests.len(), agent.requests as usize);
        prop_assert_eq!(agent.each_request(prefix, hour).len(), agent.requests as usize);
        prop_assert_eq!(sum(&TokenUsage::prompt), agent.prompt_tokens);
        prop_assert_eq!(sum(&|usage| usage.output), agent.output_tokens);
        let milliseconds: u64 = requests.iter().map(|request| request.duration_milliseconds).sum();
        prop_assert_eq!(milliseconds, agent.duration_milliseconds);
        let (first, last) = (requests.first().unwrap(), requests.last().unwrap());
        prop_assert_eq!(first.usage.prompt(), agent.first_context_tokens);
        prop_assert_eq!(last.usage.prompt(), agent.final_context_tokens);
        prop_assert_eq!(last.usage.output, agent.final_output_tokens);
        prop_assert_eq!(agent.first_context_tokens + agent.growth_tokens, agent.final_context_tokens);
        prop_assert_eq!(agent.total(prefix, hour).billed(), agent.prompt_tokens + agent.output_tokens);
        let wrong_ttl = if hour { sum(&|u| u.cache_write_5m) } else { sum(&|u| u.cache_write_1h) };
        prop_assert_eq!(wrong_ttl, 0);
    }

    #[test]
    fn contexts_rise_and_stay_inside_the_window(
        traits in any_traits(), pins in any_pins(), sample: u64,
    ) {
        let agent = draw(&shipped(), &traits, &pins, sample);
        let contexts = contexts(&agent);
        prop_assert!(contexts.is_sorted());
        prop_assert!(contexts.iter().all(|context| *context <= traits.context_tokens));
        prop_assert!(agent.shared_prefix_tokens <= agent.first_context_tokens);
        for request in agent.each_request(Prefix::Private, false) {
            prop_assert!(request.usage.output <= traits.max_output_tokens);
        }
        prop_assert!(agent.final_text_tokens <= agent.final_output_tokens);
    }

    #[test]
    fn pins_are_exact(
        sample: u64, requests in 2u32..300, output in 0u32..100_000,
        first in 0u32..400_000, growth in 0u32..500_000,
    ) {
        let pins = Pins {
            requests: Some(f64::from(requests)),
            output_per_request: Some(f64::from(output)),
            first_context: Some(f64::from(first)),
            growth: Some(f64::from(growth)),
        };
        let agent = draw(&shipped(), &current_model(), &pins, sample);
        prop_assert_eq!(agent.requests, requests);
        prop_assert_eq!(agent.output_tokens, u64::from(output) * u64::from(requests));
        prop_assert_eq!(agent.first_context_tokens, u64::from(first));
        prop_assert_eq!(agent.growth_tokens, u64::from(growth));
    }

    #[test]
    fn a_pin_leaves_the_other_draws_alone(traits in any_traits(), sample: u64, first in 0.0..5e4) {
        let model = shipped();
        let free = draw(&model, &traits, &Pins::default(), sample);
        let pins = Pins { first_context: Some(first), ..Pins::default() };
        let pinned = draw(&model, &traits, &pins, sample);
        prop_assert_eq!(free.requests, pinned.requests);
        prop_assert_eq!(free.output_tokens, pinned.output_tokens);
        prop_assert_eq!(free.duration_milliseconds, pinned.duration_milliseconds);
    }

    #[test]
    fn more_effort_never_uses_less(traits in any_traits(), sample: u64) {
        let model = shipped();
        let agents = Effort::ALL.map(|effort| {
            draw(&model, &AgentTraits { effort: Some(effort), ..traits }, &Pins::default(), sample)
        });
        for pair in agents.windows(2) {
            prop_assert!(pair[0].requests <= pair[1].requests);
            prop_assert!(pair[0].prompt_tokens <= pair[1].prompt_tokens);
            prop_assert!(pair[0].output_tokens <= pair[1].output_tokens);
            prop_assert!(pair[0].duration_milliseconds <= pair[1].duration_milliseconds);
        }
    }

    #[test]
    fn a_longer_tokenizer_never_uses_less(traits in any_traits(), sample: u64) {
        let model = shipped();
        let agents = [Tokenizer::O200k, Tokenizer::ClaudeOld, Tokenizer::Claude47].map(|tokenizer| {
            draw(&model, &AgentTraits { tokenizer, ..traits }, &Pins::default(), sample)
        });
        for pair in agents.windows(2) {
            prop_assert_eq!(pair[0].requests, pair[1].requests);
            prop_assert!(pair[0].first_context_tokens <= pair[1].first_context_tokens);
            prop_assert!(pair[0].prompt_tokens <= pair[1].prompt_tokens);
            prop_assert!(pair[0].final_context_tokens <= pair[1].final_context_tokens);
        }
    }

    #[test]
    fn a_longer_prompt_and_a_smaller_run_never_use_less(
        traits in any_traits(), sample: u64, more in 0u64..50_000, fewer in 0u32..500,
    ) {
        let model = shipped();
        let agent = draw(&model, &traits, &Pins::default(), sample);
        let longer = AgentTraits { prompt_tokens_o200k: traits.prompt_tokens_o200k + more, ..traits };
        let longer = draw(&model, &longer, &Pins::default(), sample);
        prop_assert!(agent.first_context_tokens <= longer.first_context_tokens);
        let smaller = AgentTraits { run_agents: traits.run_agents.saturating_sub(fewer), ..traits };
        let smaller = draw(&model, &smaller, &Pins::default(), sample);
        prop_assert!(agent.prompt_tokens <= smaller.prompt_tokens);
    }

    #[test]
    fn reading_the_prefix_never_costs_more(
        traits in any_traits(), pins in any_pins(), sample: u64, hour: bool,
        steps in prop::array::uniform3(0u64..20_000_000),
    ) {
        let rates = [steps[0], steps[0] + steps[1], steps[0] + steps[1] + steps[2]];
        let agent = draw(&shipped(), &traits, &pins, sample);
        let price = |prefix| cost(agent.total(prefix, hour), rates);
        prop_assert!(price(Prefix::Read) <= price(Prefix::Written));
        prop_assert!(price(Prefix::Written) <= price(Prefix::Private));
    }

    #[test]
    fn a_worktree_shares_nothing(traits in any_traits(), sample: u64) {
        let traits = AgentTraits { worktree: true, ..traits };
        let agent = draw(&shipped(), &traits, &Pins::default(), sample);
        prop_assert_eq!(agent.shared_prefix_tokens, 0);
        prop_assert_eq!(agent.total(Prefix::Read, false), agent.total(Prefix::Private, false));
    }

    #[test]
    fn the_same_seed_gives_the_same_agent(traits in any_traits(), pins in any_pins(), sample: u64) {
        let again = draw(&shipped(), &traits, &pins, sample);
        prop_assert_eq!(draw(&shipped(), &traits, &pins, sample), again);
    }
}

#[test]
fn requests_have_a_limit_and_a_least() {
    for (pinned, expected) in [
        (1e18, REQUESTS_LIMIT),
        (f64::INFINITY, REQUESTS_LIMIT),
        (f64::NAN, 1),
        (-1.0, 1),
        (0.2, 1),
    ] {
        let pins = Pins { requests: Some(pinned), ..Pins::default() };
        assert_eq!(draw(&shipped(), &current_model(), &pins, 1).requests, expected, "{pinned}");
    }
}
