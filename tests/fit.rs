//! The search for the most capable routing within an amount, held against enumeration.

use flyball::id::ModelId;
use flyball::money::Picodollars;
use flyball::plan::fit::{
    Fit, FitCandidate, FitError, FitInput, FitRouting, FitStage, fit, importance, quantile_of,
};
use flyball::role::Role;
use flyball::seed::{Seed, Stream};
use proptest::prelude::*;

fn usd(cents: i128) -> Picodollars {
    Picodollars::from_pico(cents * 10_000_000_000)
}

fn candidate(model: &str, rank: u16, cents: &[i128]) -> FitCandidate {
    FitCandidate {
        model: ModelId::from(model),
        rank,
        costs: cents.iter().map(|cents| usd(*cents)).collect(),
        allowed: true,
        reason: None,
    }
}

fn stage(name: &str, role: Role, candidates: Vec<FitCandidate>) -> FitStage {
    FitStage { name: name.to_owned(), weight: importance(role), candidates }
}

fn input(stages: Vec<FitStage>, amount: Picodollars) -> FitInput {
    FitInput { stages, amount, per_mille: 900 }
}

fn routing(found: &Fit) -> &FitRouting {
    match found {
        Fit::Within(routing) | Fit::TooLittle(routing) => routing,
    }
}

fn models(found: &Fit) -> Vec<&str> {
    routing(found).choices.iter().map(|choice| &*choice.model.0).collect()
}

fn review(amount: Picodollars) -> FitInput {
    let stages = vec![
        stage(
            "Verify",
            Role::FanOut,
            vec![candidate("haiku", 0, &[20; 10]), candidate("opus", 2, &[900; 10])],
        ),
        stage(
            "Report",
            Role::Reduce,
            vec![candidate("haiku", 0, &[1; 10]), candidate("opus", 2, &[35; 10])],
        ),
    ];
    input(stages, amount)
}

#[test]
fn keeps_what_matters_within_the_amount() {
    let all = fit(&review(usd(1_000))).unwrap();
    assert_eq!(models(&all), ["opus", "opus"]);
    let some = fit(&review(usd(100))).unwrap();
    assert_eq!(models(&some), ["haiku", "opus"]);
    assert_eq!(routing(&some).cost_p90, usd(55));
    assert_eq!(routing(&some).capability, 8);
    assert!(routing(&some).exact);
    assert_eq!(routing(&some).capability_bound, 8);
}

#[test]
fn says_what_the_least_is() {
    let none = fit(&review(usd(5))).unwrap();
    assert!(matches!(none, Fit::TooLittle(_)));
    assert_eq!(models(&none), ["haiku", "haiku"]);
    assert_eq!(routing(&none).cost_p90, usd(21));
}

#[test]
fn the_amount_itself_is_within() {
    assert!(matches!(fit(&review(usd(21))).unwrap(), Fit::Within(_)));
    assert!(matches!(fit(&review(usd(20))).unwrap(), Fit::TooLittle(_)));
}

#[test]
fn quantiles_of_stages_are_not_added() {
    // Each stage alone has a P90 of 10; they are never dear in the same sample.
    let costs = |dear: &[usize]| {
        let mut cents = [1; 10];
        for sample in dear {
            cents[*sample] = 10;
        }
        cents.to_vec()
    };
    let stages = vec![
        stage("A", Role::Single, vec![candidate("m", 1, &costs(&[0, 1]))]),
        stage("B", Role::Single, vec![candidate("m", 1, &costs(&[2, 3]))]),
    ];
    let found = fit(&input(stages, usd(11))).unwrap();
    assert!(matches!(found, Fit::Within(_)));
    assert_eq!(routing(&found).cost_p90, usd(11));
}

#[test]
fn what_is_not_allowed_is_not_chosen() {
    let mut input = review(usd(1_000));
    input.stages[0].candidates[1].allowed = false;
    assert_eq!(models(&fit(&input).unwrap()), ["haiku", "opus"]);
    input.stages[0].candidates[0].allowed = false;
    input.stages[0].candidates[0].reason = Some("does not fit".to_owned());
    let error = fit(&input).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stage Verify has no model it may run on: haiku: does not fit; opus: not allowed"
    );
}

#[test]
fn ragged_samples_are_refused() {
    let mut input = review(usd(100));
    input.stages[1].candidates[0].costs.pop();
    assert!(matches!(fit(&input), Err(FitError::Samples { found: 9, expected: 10, .. })));
    let empty = input_of_empty();
    assert!(matches!(fit(&empty), Err(FitError::Samples { found: 0, .. })));
}

fn input_of_empty() -> FitInput {
    input(vec![stage("A", Role::Single, vec![candidate("m", 0, &[])])], usd(1))
}

#[test]
fn no_stages_cost_nothing() {
    let found = fit(&input(Vec::new(), Picodollars::ZERO)).unwrap();
    assert!(matches!(&found, Fit::Within(routing) if routing.choices.is_empty()));
}

/// Every routing, the best by the documented order.
fn brute_force(input: &FitInput) -> (bool, u64, Picodollars) {
    let mut routings: Vec<Vec<usize>> = vec![Vec::new()];
    for stage in &input.stages {
        let allowed: Vec<usize> =
            (0..stage.candidates.len()).filter(|c| stage.candidates[*c].allowed).collect();
        routings = routings
            .iter()
            .flat_map(|head| {
                allowed.iter().map(|c| [head.as_slice(), &[*c]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    let measured: Vec<(u64, Picodollars)> = routings
        .iter()
        .map(|choices| {
            let capability = input
                .stages
                .iter()
                .zip(choices)
                .map(|(s, c)| u64::from(s.weight) * u64::from(s.candidates[*c].rank))
                .sum();
            (capability, quantile_of(input, choices).unwrap())
        })
        .collect();
    let within = measured.iter().filter(|(_, cost)| *cost <= input.amount);
    if let Some((capability, cost)) =
        within.max_by_key(|(capability, cost)| (*capability, std::cmp::Reverse(*cost)))
    {
        return (true, *capability, *cost);
    }
    let least = measured.iter().map(|(_, cost)| *cost).min().unwrap();
    (false, 0, least)
}

prop_compose! {
    fn arbitrary_candidate(samples: usize)(
        rank in 0_u16..5,
        costs in proptest::collection::vec(0_i128..60, samples),
        allowed in proptest::bool::weighted(0.8),
    ) -> FitCandidate {
        FitCandidate { allowed, ..candidate("m", rank, &costs) }
    }
}

fn arbitrary_input() -> impl Strategy<Value = FitInput> {
    (1_usize..13, 1_usize..5, 0_i128..240, prop_oneof![Just(900_usize), Just(500), Just(1_000)])
        .prop_flat_map(|(samples, stages, cents, per_mille)| {
            let candidates = proptest::collection::vec(arbitrary_candidate(samples), 1..4);
            let weight = prop_oneof![Just(1_u16), Just(2), Just(4)];
            let stage = (candidates, weight).prop_map(|(mut candidates, weight)| {
                candidates[0].allowed = true;
                FitStage { name: "s".to_owned(), weight, candidates }
            });
            proptest::collection::vec(stage, stages).prop_map(move |stages| FitInput {
                stages,
                amount: usd(cents),
                per_mille,
            })
        })
}

proptest! {
    #[test]
    fn equals_enumeration(input in arbitrary_input()) {
        let found = fit(&input).unwrap();
        let (within, capability, cost) = brute_force(&input);
        let routing = routing(&found);
        prop_assert_eq!(matches!(found, Fit::Within(_)), within);
        prop_assert_eq!(routing.cost_p90, cost);
        if within {
            prop_assert_eq!(routing.capability, capability);
        }
        prop_assert!(routing.exact);
        let choices: Vec<usize> = routing.choices.iter().map(|choice| choice.candidate).collect();
        prop_assert_eq!(quantile_of(&input, &choices), Some(cost));
        for (stage, choice) in input.stages.iter().zip(&routing.choices) {
            prop_assert!(stage.candidates[choice.candidate].allowed);
        }
    }

    #[test]
    fn more_money_never_loses_capability(mut input in arbitrary_input(), more in 0_i128..100) {
        let before = fit(&input).unwrap();
        input.amount += usd(more);
        let after = fit(&input).unwrap();
        if matches!(before, Fit::Within(_)) {
            prop_assert!(matches!(after, Fit::Within(_)));
            prop_assert!(routing(&after).capability >= routing(&before).capability);
        }
    }
}

/// A plan with `stages` stages on six models, correlated as real samples are: a run-level effect,
/// a stage-level effect and noise.
fn large(stages: usize, samples: u64, amount_per_mille_of_dearest: i128) -> FitInput {
    let seed = Seed::new(7);
    let run: Vec<f64> = (0..samples).map(|sample| seed.normal(sample)).collect();
    let mut dearest = vec![0_i128; run.len()];
    let stages: Vec<FitStage> = (0..stages as u64)
        .map(|number| {
            let mut draws: Stream = seed.child(1_000 + number).stream(0);
            let base = 5.0 * (draws.normal() * 1.2).exp();
            let effects: Vec<f64> =
                run.iter().map(|run| (0.6 * run + 0.4 * draws.normal()).exp()).collect();
            let candidates: Vec<FitCandidate> = [0.03, 0.2, 0.5, 1.0, 1.4, 2.2]
                .iter()
                .enumerate()
                .map(|(rank, price)| {
                    let cents: Vec<i128> = effects
                        .iter()
                        .map(|e| {
                            (base * price * e * (1.0 + 0.05 * draws.uniform()) * 100.0) as i128
                        })
                        .collect();
                    candidate(&format!("m{rank}"), rank as u16, &cents)
                })
                .collect();
            for (total, cost) in dearest.iter_mut().zip(&candidates[5].costs) {
                *total += cost.pico();
            }
            let role = [Role::FanOut, Role::Single, Role::Reduce][number as usize % 3];
            stage(&format!("s{number}"), role, candidates)
        })
        .collect();
    dearest.sort_unstable();
    let p90 = dearest[dearest.len() * 9 / 10 - 1];
    let amount = Picodollars::from_pico(p90 * amount_per_mille_of_dearest / 1_000);
    input(stages, amount)
}

#[test]
fn twenty_stages_come_close_to_the_bound() {
    for (share, gap_percent_max) in [(50, 30), (150, 25), (400, 8), (800, 0)] {
        let input = large(20, 1_000, share);
        let found = fit(&input).unwrap();
        let routing = routing(&found);
        assert!(matches!(found, Fit::Within(_)), "{share}");
        assert!(routing.cost_p90 <= input.amount);
        assert!(routing.capability <= routing.capability_bound);
        let gap = routing.capability_bound - routing.capability;
        assert!(gap * 100 <= routing.capability_bound * gap_percent_max, "{share}: {routing:?}");
    }
}

#[test]
fn the_same_input_gives_the_same_routing() {
    let input = large(12, 200, 200);
    assert_eq!(fit(&input).unwrap(), fit(&input).unwrap());
}

#[test]
fn absurd_amounts_do_not_overflow() {
    let mut input = review(Picodollars::MAX);
    for stage in &mut input.stages {
        stage.weight = u16::MAX;
        for candidate in &mut stage.candidates {
            candidate.rank = u16::MAX;
            candidate.costs = vec![Picodollars::MAX; 10];
        }
    }
    assert!(matches!(fit(&input).unwrap(), Fit::Within(_)));
}
