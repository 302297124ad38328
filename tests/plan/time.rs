//! Virtual time, and the turn's token budget.

use flyball::effort::Effort;
use flyball::plan::trial::{self, Trial, TrialMode, TrialSpec};
use proptest::prelude::*;

use super::fake::{Answers, Call};
use super::stand::{HEAD, Stand};

/// A fan-out, two stages that share its end, and one that each agent of a round adds to.
fn rounds(answers: &Answers) -> Vec<Call> {
    match answers.len() {
        0 => (0..9).map(|n| Call::new("Wide", &format!("wide:{n}"), "work on it")).collect(),
        1 => (0..2).map(|n| Call::new("Deep", &format!("deep:{n}"), "dig")).collect(),
        2 => vec![Call::new("End", "end", "sum it up")],
        _ => Vec::new(),
    }
}

fn trial_of(stand: &Stand, sample: u32) -> Trial {
    let spec = TrialSpec { sample, mode: TrialMode::Natural, inspect: false };
    trial::run(&stand.setup(), stand.program(), &spec).unwrap()
}

fn trial(concurrency: u32, stagger: u64, seed: u64) -> Trial {
    let stand = Stand::fake(rounds).with(|job| {
        job.concurrency = concurrency;
        job.prefix_stagger_milliseconds = stagger;
        job.seed = seed;
    });
    trial_of(&stand, 0)
}

fn durations(trial: &Trial) -> Vec<u64> {
    trial.calls.iter().map(|call| call.ended - call.started).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wall_time_lies_between_the_longest_agent_and_all_of_them(
        concurrency in 1_u32..20, seed in 0_u64..10_000,
    ) {
        let trial = trial(concurrency, 0, seed);
        let durations = durations(&trial);
        let (longest, sum) = (*durations.iter().max().unwrap(), durations.iter().sum::<u64>());
        prop_assert!(trial.wall_milliseconds >= longest);
        prop_assert!(trial.wall_milliseconds <= sum);
        prop_assert!(trial.wall_milliseconds >= sum.div_ceil(u64::from(concurrency)));
        prop_assert!(trial.peak <= concurrency);
        prop_assert_eq!(trial.peak, concurrency.min(9));
        // At no start are more at work than the cap.
        for call in &trial.calls {
            let at_work = trial.calls.iter().filter(|other| {
                other.started <= call.started && other.ended > call.started
            });
            prop_assert!(at_work.count() <= concurrency as usize);
        }
        if concurrency == 1 {
            prop_assert_eq!(trial.wall_milliseconds, sum);
        }
    }

    #[test]
    fn what_agents_do_does_not_depend_on_when(
        concurrency in 1_u32..20, seed in 0_u64..10_000,
    ) {
        let (one, many) = (trial(1, 0, seed), trial(concurrency, 0, seed));
        prop_assert_eq!(durations(&one), durations(&many));
    }
}

#[test]
fn siblings_are_held_for_the_first_response() {
    for seed in 0..20 {
        let (free, held) = (trial(16, 0, seed), trial(16, 5_000, seed));
        let (free, held) = (durations(&free), durations(&held));
        let wait = (free[0] / 8).min(5_000);
        assert_eq!(held[0], free[0]);
        for (held, free) in held[1..9].iter().zip(&free[1..9]) {
            assert_eq!(held - free, wait, "seed {seed}");
        }
        // By the next round the prefix is warm.
        assert_eq!(held[9..], free[9..]);
    }
}

#[test]
fn calls_start_in_the_order_they_were_made() {
    let trial = trial(3, 5_000, 1);
    assert!(trial.calls.is_sorted_by_key(|call| call.started));
}

const UNTIL_SPENT: &str =
    "let rounds = 0;
while (budget.remaining() > 0 && rounds < 900) { rounds += 1; await agent('more', { label: 'more' }); }
return { rounds };";

#[test]
fn a_turn_budget_ends_loops_that_ask_for_it() {
    let script = format!("{HEAD}{UNTIL_SPENT}");
    let calls = |total| {
        let stand = Stand::script(&script).with(|job| job.start.budget_total_tokens = Some(total));
        trial_of(&stand, 0).calls.len()
    };
    let (small, large) = (calls(40_000), calls(200_000));
    assert!(small >= 1 && small < large && large < 900, "{small} and {large}");
}

#[test]
fn a_plan_with_a_turn_budget_is_bounded_by_it() {
    let script = format!("{HEAD}{UNTIL_SPENT}");
    let stand = Stand::script(&script).with(|job| {
        job.start.budget_total_tokens = Some(60_000);
        job.samples = 30;
    });
    let (_, _, priced) = stand.priced();
    for sample in &priced.costs {
        // The last agent may pass the total; no further one starts.
        assert!(sample.total().output_tokens < 60_000 * 4, "{}", sample.total().output_tokens);
    }
}

/// A loop that starts agents for as long as the turn's budget lasts.
const TRY_ON: &str =
    "while (budget.remaining() > 50_000) await agent('Try once more.', { label: 'try' });";

fn until_spent() -> Stand {
    Stand::script(&format!("{HEAD}{TRY_ON}"))
        .with(|job| job.start.budget_total_tokens = Some(500_000))
}

#[test]
fn routes_decide_what_is_spent_of_the_turn_and_how_long_it_takes() {
    let calm = "pinned = 'override'\n[[rule]]\nname = 'calm'\nthen = { model = 'haiku', effort = 'medium' }";
    let at =
        |effort| until_spent().policy(calm).with(|job| job.session_effort = Some(effort)).plan();
    let (medium, max) = (at(Effort::Medium), at(Effort::Max));
    // Every agent runs at medium, whatever the session asks for.
    assert_eq!(medium.totals.agents, max.totals.agents);
    assert_eq!(medium.totals.cost_usd, max.totals.cost_usd);
    assert_eq!(medium.totals.wall_seconds, max.totals.wall_seconds);
    let written = until_spent().with(|job| job.session_effort = Some(Effort::Max)).plan();
    assert!(written.totals.agents.p90 < medium.totals.agents.p10);
}

#[test]
fn without_a_turn_budget_routes_decide_the_time_and_not_the_calls() {
    let calm = "pinned = 'override'\n[[rule]]\nname = 'calm'\nthen = { effort = 'medium' }";
    let plan = |effort, policy: &str| {
        let wide = "await parallel([1, 2, 3, 4].map((n) => () => agent(`Do ${n}.`)));";
        let stand = Stand::script(&format!("{HEAD}{wide}")).policy(policy);
        stand.with(|job| job.session_effort = Some(effort)).plan()
    };
    let (medium, routed) = (plan(Effort::Medium, ""), plan(Effort::Max, calm));
    assert_eq!(medium.totals.wall_seconds, routed.totals.wall_seconds);
    assert_eq!(medium.phases[0].quantities.wall_seconds, routed.phases[0].quantities.wall_seconds);
    assert_eq!(medium.peak_concurrency, routed.peak_concurrency);
    assert!(plan(Effort::Max, "").totals.wall_seconds.p50 > 2 * medium.totals.wall_seconds.p50);
}

#[test]
fn what_is_pinned_of_token_use_is_spent_of_the_turn_and_takes_its_time() {
    let pinned = |pins: &[&str]| until_spent().assume(pins).plan();
    let (few, many) = (
        pinned(&["try.requests=2", "try.output_per_request=2000"]),
        pinned(&["try.requests=20", "try.output_per_request=2000"]),
    );
    // 450,000 tokens at 4,000 and at 40,000 each.
    assert_eq!((few.totals.agents.p50, many.totals.agents.p50), (113, 12));
    let seconds = |pin: &str| {
        let stand = Stand::script(&format!("{HEAD}await agent('Do it.', {{ label: 'try' }});"));
        stand.assume(&[pin]).plan().totals.wall_seconds.p50
    };
    assert!(seconds("try.requests=60") > 10 * seconds("try.requests=3"));
}

/// What the row of a driver says is what the plan with that pin says, under a turn's budget too.
#[test]
fn a_driver_under_a_turn_budget_is_answered_with_the_calls_that_it_leaves() {
    let stand = || until_spent().with(|job| job.start.budget_total_tokens = Some(80_000));
    let report = stand().plan();
    let driver = report.drivers.iter().find(|driver| !driver.response.is_empty()).unwrap();
    assert!(driver.key.starts_with("try."), "{driver:?}");
    for point in &driver.response {
        assert_eq!(point.samples, None);
        let pinned = stand().assume(&[&format!("{}={}", driver.key, point.value)]).plan();
        assert_eq!(pinned.totals.agents.p50, point.agents_p50, "{}", point.value);
        assert_eq!(pinned.totals.cost_usd.unwrap().p50, point.cost_usd_p50.unwrap());
    }
}
