//! The same work by one agent.

use flyball::effort::Effort;
use flyball::money::Picodollars;
use flyball::plan::evaluation;
use flyball::plan::one_agent::{SUMMARY_TOKENS, compare};
use flyball::pricing::Mode;
use flyball::seed::Seed;
use flyball::tokens::TokenUsage;
use flyball::usage::{AgentDraws, AgentUsage, Draws, RunDraws, StageDraws};

use super::stand::{HEAD, Stand};

fn fan_out(agents: u32) -> Stand {
    Stand::script(&format!(
        "{HEAD}await parallel(Array.from({{ length: {agents} }}, (_, n) => () =>
  agent(`Work on part ${{n}}.`, {{ label: `work:${{n}}` }})));"
    ))
}

/// What the agents of the first sample use, in call order.
fn agents(stand: &Stand) -> Vec<AgentUsage> {
    let (setup, frame, _) = stand.priced();
    let sample = &frame.samples[0];
    let seed = Seed::new(setup.job.seed).child(u64::from(sample.number));
    let (run, stage) = (RunDraws::new(seed), StageDraws::new(seed, sample.work_of(0)));
    let count = u32::try_from(sample.calls.len()).unwrap();
    let pins = &evaluation::pins(&setup, &frame)[0];
    let draw = |identity, bytes: u32| {
        let own = AgentDraws::new(seed, identity);
        let draws = Draws { run: &run, stage: &stage, agent: &own };
        let prompt = (f64::from(bytes) * frame.stages[0].tokens_per_byte) as u64;
        setup.usage.agent(&frame.stages[0].traits.agent(prompt, count), &draws, pins)
    };
    sample.calls.iter().map(|call| draw(call.identity, call.prompt_bytes)).collect()
}

fn price_of(stand: &Stand, requests: &[(u64, u64, u64)]) -> Picodollars {
    let setup = stand.setup();
    let price = setup.session.price(setup.job.on, Mode::default()).unwrap();
    let one = |(cache_read, cache_write_5m, output): &(u64, u64, u64)| {
        let (cache_read, cache_write_5m, output) = (*cache_read, *cache_write_5m, *output);
        let usage = TokenUsage { cache_read, cache_write_5m, output, ..TokenUsage::default() };
        price.cost(&usage).unwrap()
    };
    requests.iter().map(one).sum()
}

#[test]
fn one_conversation_grows_by_what_each_agent_adds() {
    let pins = ["work.first_context=20k", "work.growth=10k", "work.requests=2"];
    let stand = fan_out(3).assume(&pins).with(|job| job.samples = 1);
    let told = stand.plan().one_agent.remove(0);
    let [a, b, c] = <[AgentUsage; 3]>::try_from(agents(&stand)).unwrap();
    let output = |agent: &AgentUsage| {
        (agent.output_tokens - agent.final_output_tokens, agent.final_output_tokens)
    };
    let ((a1, a2), (b1, b2), (c1, c2)) = (output(&a), output(&b), output(&c));
    // Each begins where the one before it answered, and reads what was there.
    let (second, third) = (30_000 + a2, 40_000 + a2 + b2);
    let by_hand = [
        (0, 20_000, a1),
        (20_000, 10_000, a2),
        (30_000, a2, b1),
        (second, 10_000, b2),
        (second + 10_000, b2, c1),
        (third, 10_000, c2),
    ];
    assert_eq!(told.cost_usd.p50, price_of(&stand, &by_hand));
    assert_eq!(told.compactions_p50, 0);
    let seconds: u64 = [a, b, c].iter().map(|agent| agent.duration_milliseconds).sum();
    assert_eq!(told.wall_seconds.p50, seconds.div_ceil(1_000));
    // The agents of the plan are all on the session's model: the same dollars twice.
    let total = stand.plan().totals.cost_usd.unwrap();
    assert_eq!(told.fan_out_cost_usd.p50, total.p50);
}

#[test]
fn a_full_window_is_summed_up_once_more_in_dollars() {
    let pins = ["work.first_context=20k", "work.growth=500k", "work.requests=2"];
    let stand = fan_out(2).assume(&pins).with(|job| job.samples = 1);
    let window = stand.setup().session.context_tokens;
    assert_eq!(window, 1_000_000);
    let told = stand.plan().one_agent.remove(0);
    let [a, b] = <[AgentUsage; 2]>::try_from(agents(&stand)).unwrap();
    let (a2, b2) = (a.final_output_tokens, b.final_output_tokens);
    let (a1, b1) = (a.output_tokens - a2, b.output_tokens - b2);
    let full = 520_000 + a2 + 500_000;
    assert!(full > window * 8 / 10);
    let summary = 20_000 + SUMMARY_TOKENS;
    let kept = b.shared_prefix_tokens;
    let by_hand = [
        (0, 20_000, a1),
        (20_000, 500_000, a2),
        (520_000, a2, b1),
        (520_000 + a2, full.min(window) - 520_000 - a2, SUMMARY_TOKENS),
        (kept, summary - kept, b2),
    ];
    assert_eq!((told.cost_usd.p50, told.compactions_p50), (price_of(&stand, &by_hand), 1));
}

#[test]
fn loading_many_contexts_for_little_work_is_said_to_be_waste() {
    let pins = ["work.first_context=40k", "work.growth=100", "work.requests=1", "work.output=50"];
    let told = fan_out(12).assume(&pins).plan().one_agent.remove(0);
    assert!(told.cost_usd.p50 < told.fan_out_cost_usd.p10, "{told:?}");
    assert!(told.loading_per_mille > 900, "{told:?}");
    assert_eq!((told.spared_per_cent, told.fan_out_cheaper_from_agents), (Some(0), None));
}

#[test]
fn long_work_is_cheaper_apart_and_the_point_is_found() {
    let pins = ["work.first_context=20k", "work.growth=80k", "work.requests=20", "work.output=300"];
    let of = |agents| fan_out(agents).assume(&pins).plan().one_agent.remove(0);
    let (few, many) = (of(2), of(40));
    assert!(many.fan_out_cost_usd.p50 < many.cost_usd.p50, "{many:?}");
    let from = many.fan_out_cheaper_from_agents.unwrap();
    assert!((2..40).contains(&from), "{from}");
    // A run that is too small to tell goes on with its own agents: the answer is the same.
    assert_eq!(few.fan_out_cheaper_from_agents, Some(from));
    let spared = many.spared_per_cent.unwrap();
    assert!((10..=90).contains(&spared) && spared % 10 == 0, "{spared}");
    assert!(many.wall_seconds.p50 > of(40).wall_seconds.p10 / 2);
}

#[test]
fn where_most_is_routed_elsewhere_both_models_are_compared() {
    let stand = fan_out(9).policy(
        "[[rule]]\nname = 'cheap'\nwhen = { role = 'fan-out' }\nthen = { model = 'haiku' }",
    );
    let report = stand.plan();
    let models: Vec<&str> = report.one_agent.iter().map(|one| &*one.model.0).collect();
    assert_eq!(models, [&*report.session_model.0, "claude-haiku-5-5"]);
    // As routed they are all on the second.
    assert_eq!(
        Some(report.one_agent[1].fan_out_cost_usd.p50),
        report.totals.cost_usd.map(|c| c.p50)
    );
}

/// What all agents cost as they are planned, and on the one model that they are all planned on.
fn planned_and_compared(stand: &Stand, model: &str) -> [[Picodollars; 3]; 2] {
    let report = stand.plan();
    let compared = report.one_agent.iter().find(|one| one.model.0.as_ref() == model).unwrap();
    [report.totals.cost_usd.unwrap(), compared.fan_out_cost_usd]
        .map(|band| [band.p10, band.p50, band.p90])
}

#[test]
fn the_agents_keep_the_efforts_and_caps_that_they_are_planned_with() {
    let of_two_efforts = || {
        Stand::script(&format!(
            "{HEAD}const all = (label, effort) => parallel(Array.from({{ length: 9 }}, (_, n) => () =>
  agent(`Work on part ${{n}}.`, {{ label: `${{label}}:${{n}}`, effort }})));
await all('deep', 'max');
await all('plain');
await all('light', 'low');"
        ))
    };
    let rule = |then: &str| {
        format!("pinned = 'override'\n[[rule]]\nname = 'mine'\nwhen = {{}}\nthen = {then}")
    };
    let session = of_two_efforts().setup().session.id.0;
    let cases = [
        (session.as_ref(), of_two_efforts()),
        (session.as_ref(), of_two_efforts().with(|job| job.session_effort = Some(Effort::Xhigh))),
        (session.as_ref(), of_two_efforts().policy(&rule("{ effort = 'low', output_cap = 300 }"))),
        ("claude-sonnet-5-5", of_two_efforts().policy(&rule("{ model = 'sonnet' }"))),
        (
            "claude-sonnet-5-5",
            of_two_efforts().policy(&rule("{ model = 'sonnet', effort = 'low' }")),
        ),
        ("claude-haiku-5-5", of_two_efforts().with(|job| job.fit = Some("1usd".to_owned()))),
    ];
    for (number, (model, stand)) in cases.into_iter().enumerate() {
        let [planned, compared] = planned_and_compared(&stand, model);
        assert_eq!(planned, compared, "case {number}");
    }
}

#[test]
fn nothing_is_compared_where_there_is_nothing_to_compare() {
    assert_eq!(fan_out(1).plan().one_agent, []);
    let (setup, frame, mut priced) = fan_out(6).priced();
    assert_eq!(compare(&setup, &frame, &priced).len(), 1);
    for sample in &mut priced.costs {
        sample.stages.iter_mut().for_each(|stage| stage.paid = 0);
    }
    assert_eq!(compare(&setup, &frame, &priced), []);
    let unpriced = fan_out(6).with(|job| job.session_model = "gpt-of-tomorrow".to_owned());
    assert!(unpriced.try_plan().map_or(true, |report| report.one_agent.is_empty()));
}
