//! Dollars, request by request.

use flyball::effort::Effort;
use flyball::id::ModelId;
use flyball::money::Picodollars;
use flyball::plan::costing::AgentCost;
use flyball::plan::evaluation;
use flyball::plan::report::VerdictOutcome;
use flyball::pricing::Mode;
use flyball::role::Role;
use flyball::seed::Seed;
use flyball::usage::{AgentDraws, Draws, Pins, Prefix, RunDraws, StageDraws};
use proptest::prelude::*;

use super::stand::{HEAD, Stand, said, stage};

/// Six agents at once, on the model that is asked for.
fn fan_out(options: &str) -> String {
    format!(
        "{HEAD}phase('Work');
await parallel([1, 2, 3, 4, 5, 6].map((n) => () =>
  agent(`Work on part ${{n}}.`, {{ label: `work:${{n}}`{options} }})));"
    )
}

/// Each agent of a script in which the first `odd` of six differ from the others takes what it takes
/// where all are like it.
fn is_each_as_written(odd: usize, first: &str, others: &str, mixed: &str) {
    let agents = |options: &str| Stand::script(&fan_out(options)).priced().2.agents;
    let (first, others, mixed) = (agents(first), agents(others), agents(mixed));
    assert_eq!(mixed.len(), first.len());
    for (position, agent) in mixed.iter().enumerate() {
        let alone = if position % 6 < odd { &first[position] } else { &others[position] };
        let of = |agent: &AgentCost| {
            let output = (agent.step_output_tokens, agent.final_output_tokens);
            (agent.requests, output, agent.context_tokens)
        };
        assert_eq!(of(agent), of(alone), "agent {position}");
    }
    let cost = |agents: &[AgentCost]| agents.iter().map(|agent| agent.cost).sum::<Picodollars>();
    assert!(cost(&first) < cost(&mixed) && cost(&mixed) < cost(&others));
}

#[test]
fn agents_of_one_work_take_what_their_own_effort_takes() {
    let mixed = ", effort: n === 1 ? 'low' : 'max'";
    is_each_as_written(1, ", effort: 'low'", ", effort: 'max'", mixed);
    let report = Stand::script(&fan_out(mixed)).plan();
    let rows: Vec<_> = report
        .stages
        .iter()
        .map(|stage| (stage.quantities.agents.p50, stage.route.effort, stage.role))
        .collect();
    assert_eq!(rows, [(1, Some(Effort::Low), Role::FanOut), (5, Some(Effort::Max), Role::FanOut)]);
}

#[test]
fn agents_of_one_work_have_trees_of_their_own_where_they_ask_for_them() {
    let tree = ", isolation: 'worktree'";
    is_each_as_written(3, "", tree, ", isolation: n < 4 ? undefined : 'worktree'");
}

#[test]
fn a_rule_for_an_effort_moves_the_agents_at_that_effort() {
    let report = Stand::script(&fan_out(", effort: n === 1 ? 'low' : 'max'"))
        .policy("pinned = 'override'\n[[rule]]\nname = 'calm'\nwhen = { effort = 'max', stage = 'work' }\nthen = { effort = 'medium' }")
        .plan();
    let rules: Vec<_> =
        report.stages.iter().map(|stage| (&*stage.route.rule, stage.route.effort)).collect();
    assert_eq!(rules, [("as written", Some(Effort::Low)), ("calm", Some(Effort::Medium))]);
}

const LONG: [&str; 3] = ["work.first_context=40k", "work.growth=72k", "work.requests=10"];

#[test]
fn requests_above_the_step_are_priced_one_by_one_and_the_route_still_taken() {
    let stand = Stand::script(&fan_out("")).assume(&LONG).policy(
        "[[rule]]\nname = 'cheap'\nwhen = { role = 'fan-out' }\nthen = { model = 'haiku' }",
    );
    let report = stand.plan();
    let work = stage(&report, "work");
    assert_eq!((&*work.route.rule, &*work.route.model.0), ("cheap", "claude-haiku-5-5"));
    let above = work.requests_above_step_per_mille.unwrap();
    assert!((250..=450).contains(&above), "{above}");

    // Counted again from the draws, with the first agent writing the prefix.
    let (setup, frame, priced) = stand.priced();
    let model = setup.table.model("claude-haiku-5-5").unwrap();
    let price = model.price(setup.job.on, Mode::default()).unwrap();
    let step = price.step_tokens().unwrap();
    for (sample, cost) in frame.samples.iter().zip(&priced.costs) {
        let seed = Seed::new(setup.job.seed).child(u64::from(sample.number));
        let run = RunDraws::new(seed);
        let of_stage = StageDraws::new(seed, frame.stages[0].identity.key.0);
        let mut traits = frame.stages[0].traits.clone();
        traits.model = flyball::plan::setup::ModelFacts::of(model);
        traits.effort = work.route.effort;
        let (mut sum, mut dear, mut requests) = (Picodollars::ZERO, 0, 0);
        for (position, call) in sample.calls.iter().enumerate() {
            let own = AgentDraws::new(seed, call.identity);
            let draws = Draws { run: &run, stage: &of_stage, agent: &own };
            let pins = setup.pins("work");
            let tokens = (f64::from(call.prompt_bytes) * frame.stages[0].tokens_per_byte) as u64;
            let agent = setup.usage.agent(&traits.agent(tokens, 6), &draws, &pins);
            let prefix = if position == 0 { Prefix::Written } else { Prefix::Read };
            for request in agent.each_request(prefix, false) {
                sum += price.cost(&request.usage).unwrap();
                dear += u64::from(request.usage.prompt() > step);
                requests += 1;
            }
        }
        let cost = cost.total();
        assert_eq!((cost.cost, cost.requests), (sum, requests));
        assert_eq!(cost.requests_above_step, dear);
    }
}

#[test]
fn an_unknown_model_is_unpriced_and_never_free() {
    let report = Stand::script(&fan_out(", model: 'gpt-of-tomorrow'")).plan();
    assert_eq!(report.verdict.outcome, VerdictOutcome::Unpriced);
    assert_eq!(report.verdict.gate, flyball::gate::Gate::Deny);
    assert_eq!(report.totals.cost_usd, None);
    assert_eq!(stage(&report, "work").quantities.cost_usd, None);
    assert_eq!((report.suggested_budget_usd, report.savings.as_written_usd_p50), (None, None));
    assert_eq!(report.ceiling.cost_usd, None);
    assert!(report.endings.iter().all(|ending| ending.cost_usd.is_none()));
    assert!(report.totals.billed_tokens.p50 > 0);
    let said = said(&report, "plan::unpriced").unwrap();
    assert!(said.contains("gpt-of-tomorrow"), "{said}");
}

#[test]
fn a_class_without_a_rate_is_unpriced_and_named() {
    let report = Stand::script(&fan_out("")).prices(&two_models([4; 5], None)).with(|job| {
        job.session_model = "dear-1".to_owned();
        job.cache_one_hour = true;
    });
    let report = report.plan();
    assert_eq!(report.verdict.outcome, VerdictOutcome::Unpriced);
    let said = said(&report, "plan::unpriced").unwrap();
    assert!(said.contains("cache_write_1h"), "{said}");
}

#[test]
fn where_writes_are_not_billed_apart_they_are_prompt() {
    let model = "[[model]]
id = 'other-1'
line = 'other'
rank = 10
status = 'active'
released = 2026-01-01
tokenizer = 'o200k'
context = 400_000
max_output = 64_000
[[model.price]]
from = 2026-01-01
status = 'confirmed'
input = '1'
output = '10'
cache_read = '0.1'
sources = ['s']
";
    let stand = Stand::script(&fan_out(""))
        .prices(&format!("{}{model}", price_head("other")))
        .with(|job| job.session_model = "other-1".to_owned());
    let report = stand.plan();
    assert_ne!(report.verdict.outcome, VerdictOutcome::Unpriced, "{:?}", report.diagnostics);
    assert!(report.totals.cost_usd.unwrap().p10 > Picodollars::ZERO);
}

#[test]
fn a_regional_name_is_billed_at_its_own_price() {
    let cost = |name: &str| {
        let stand = Stand::script(&fan_out("")).with(|job| {
            job.session_model = name.to_owned();
            job.provider = "bedrock".to_owned();
        });
        stand.plan().totals.cost_usd.unwrap().p50.pico()
    };
    let (global, regional) =
        (cost("anthropic.claude-haiku-4-5"), cost("us.anthropic.claude-haiku-4-5"));
    assert_eq!(regional * 10, global * 11);
}

#[test]
fn a_policy_may_bill_what_has_no_price_at_the_dearest_rates() {
    let too_early = |rule: &str| {
        Stand::script(&fan_out("")).prices(&two_models([4; 5], Some(9))).policy(rule).with(|job| {
            job.session_model = "dear-1".to_owned();
            job.on = jiff::civil::date(2026, 8, 1);
        })
    };
    let denied = too_early("").plan();
    assert_eq!(denied.verdict.outcome, VerdictOutcome::Unpriced);
    let billed = too_early("unpriced = 'max'").plan();
    assert!(billed.totals.cost_usd.unwrap().p50 > Picodollars::ZERO);
    // Its own price, once it has one, is far below the dearest.
    let later = too_early("").with(|job| job.on = jiff::civil::date(2026, 11, 22)).plan();
    assert!(
        billed.totals.cost_usd.unwrap().p50.pico() > later.totals.cost_usd.unwrap().p50.pico() * 10
    );
}

fn price_head(provider: &str) -> String {
    format!(
        "schema = 1\nprovider = '{provider}'\n[[source]]\nid = 's'\nurl = 'https://example.org'\n\
         retrieved = 2026-11-22\n"
    )
}

/// Two models that differ in name and rates only. Rates are in tenths of a dollar per million:
/// input, output, write, read of the dear one; of the cheap one input.
fn two_models(tenths: [u64; 5], from_month: Option<u8>) -> String {
    both([[tenths[0], tenths[1], tenths[2], tenths[3]]; 2], from_month)
}

fn both(rates: [[u64; 4]; 2], from_month: Option<u8>) -> String {
    let from = from_month.unwrap_or(1);
    let model = |name: &str, rank: u32, [input, output, write, read]: [u64; 4]| {
        let usd = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
        format!(
            "[[model]]
id = '{name}-1'
line = '{name}'
rank = {rank}
status = 'active'
released = 2026-01-01
tokenizer = 'o200k'
context = 400_000
max_output = 64_000
min_cache = 1024
[[model.price]]
from = 2026-0{from}-01
status = 'confirmed'
input = '{}'
output = '{}'
cache_write_5m = '{}'
cache_read = '{}'
sources = ['s']
",
            usd(input),
            usd(output),
            usd(write),
            usd(read)
        )
    };
    format!("{}{}{}", price_head("mine"), model("dear", 20, rates[0]), model("cheap", 10, rates[1]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever two models cost, a policy that may move stages never makes a run dearer on
    /// average, and where every rate is lower it moves them all.
    #[test]
    fn a_route_never_costs_more(
        rates in proptest::array::uniform2(proptest::array::uniform4(1_u64..200)),
        seed in 0_u64..1000,
    ) {
        let stand = Stand::fake(|answers| match answers.len() {
            0 => (0..5).map(|n| super::fake::Call::new("Work", &format!("work:{n}"), "w")).collect(),
            1 => vec![super::fake::Call::new("Report", "report", "r").schema("{}")],
            _ => Vec::new(),
        });
        let stand = stand
            .prices(&both(rates, None))
            .policy("[[rule]]\nname = 'cheap'\nthen = { model = 'cheap-1' }")
            .with(|job| {
                job.session_model = "dear-1".to_owned();
                job.samples = 20;
                job.seed = seed;
            });
        let (setup, frame, priced) = stand.priced();
        let written: Vec<_> = priced.written.iter().map(|(choice, _)| choice.clone()).collect();
        let sum = |costs: &[flyball::plan::costing::SampleCost]| {
            costs.iter().map(|sample| sample.total().cost).sum::<Picodollars>()
        };
        let (routed, before) =
            (sum(&priced.costs), sum(&evaluation::reprice(&setup, &frame, &written)));
        prop_assert!(routed <= before, "{routed} is above {before}");
        if rates[1].iter().zip(&rates[0]).all(|(cheap, dear)| cheap < dear) {
            let cheap = ModelId::from("cheap-1");
            prop_assert!(priced.routes.iter().all(|routed| routed.choice.model == cheap));
        }
    }
}

#[test]
fn nothing_pinned_is_no_pin() {
    let stand = Stand::script(&fan_out(""));
    assert_eq!(stand.setup().pins("work"), Pins::default());
}
