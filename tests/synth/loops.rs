//! Shapes that real scripts have: fans, votes and loops.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Ask, Plan, Setup, ask, findings, list, verdict};

const SAMPLES: u64 = 300;

fn key(finding: &Value) -> String {
    format!("{}:{}", finding["file"], finding["line"])
}

fn finders(round: u32, seen: &[String]) -> Vec<Ask> {
    ["bugs", "security", "speed"]
        .iter()
        .map(|lens| {
            let prompt = format!(
                "Hunt for {lens} in this repository. Round {round}. Already known: {}",
                seen.join(", ")
            );
            ask("find:*", &format!("find:{lens}#{round}"), prompt, &findings())
        })
        .collect()
}

/// `while (dry < 2)`: rounds and agents until two rounds bring nothing new.
fn until_dry(plan: &Plan, number: u64) -> (u32, usize) {
    let mut sample = plan.sample(number);
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    let (mut dry, mut round) = (0, 0);
    while dry < 2 && round < 300 {
        round += 1;
        let found = sample.all(&finders(round, &order));
        let fresh: Vec<String> = found
            .iter()
            .flat_map(|result| list(result, "findings"))
            .map(key)
            .filter(|key| seen.insert(key.clone()))
            .collect();
        dry = if fresh.is_empty() { dry + 1 } else { 0 };
        order.extend(fresh);
    }
    (round, seen.len())
}

#[test]
fn a_loop_until_dry_ends_in_a_few_rounds() {
    let plan = Plan::shipped();
    let mut rounds: Vec<u32> = (0..SAMPLES).map(|number| until_dry(&plan, number).0).collect();
    rounds.sort_unstable();
    let (median, p95) = (rounds[150], rounds[285]);
    assert!((3..=9).contains(&median), "median {median}");
    assert!(p95 <= 14, "P95 {p95}");
    assert!(rounds[299] <= 40, "most {}", rounds[299]);
}

#[test]
fn the_first_round_finds_most() {
    let plan = Plan::shipped();
    let mut first = 0;
    let mut total = 0;
    for number in 0..SAMPLES {
        total += until_dry(&plan, number).1;
        let found = plan.sample(number).all(&finders(1, &[]));
        let keys: BTreeSet<String> =
            found.iter().flat_map(|result| list(result, "findings")).map(key).collect();
        first += keys.len();
    }
    let share = first as f64 / total as f64;
    assert!((0.35..0.75).contains(&share), "{share}");
}

#[test]
fn a_loop_until_count_does_not_starve() {
    let plan = Plan::shipped();
    let mut agents: Vec<u32> = (0..SAMPLES)
        .map(|number| {
            let mut sample = plan.sample(number);
            let mut seen = BTreeSet::new();
            let mut calls = 0;
            while seen.len() < 10 && calls < 1_000 {
                calls += 1;
                let result =
                    sample.one(&ask("find", "find", "Find bugs in this code.", &findings()));
                seen.extend(list(&result, "findings").iter().map(key));
            }
            calls
        })
        .collect();
    agents.sort_unstable();
    assert!(agents[150] <= 16 && agents[285] <= 80, "{} {}", agents[150], agents[285]);
    assert!(agents[299] < 1_000, "one starved");
}

#[test]
fn one_agent_per_item_in_a_row_is_not_a_round() {
    // `for (const d of DIMENSIONS) await agent(d.prompt)`: each asks something else.
    let plan = Plan::shipped();
    let (mut early, mut late) = (0, 0);
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        for (position, lens) in
            ["bugs", "leaks", "races", "style", "tests", "docs"].iter().enumerate()
        {
            let prompt = format!("Look for {lens}, and for nothing else, in the code.");
            let result = sample.one(&ask("find:*", &format!("find:{lens}"), prompt, &findings()));
            let count = list(&result, "findings").len();
            if position < 3 { early += count } else { late += count }
        }
    }
    let ratio = late as f64 / early as f64;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn repeats_return_whole_items() {
    let plan = Plan::shipped();
    let mut sample = plan.sample(3);
    let mut known: Vec<Value> = Vec::new();
    let mut repeats = 0;
    for round in 1..8 {
        for result in sample.all(&finders(round, &[])) {
            for item in list(&result, "findings") {
                let twin = known.iter().find(|other| other["title"] == item["title"]);
                if let Some(twin) = twin {
                    assert_eq!(twin, item);
                    repeats += 1;
                }
                known.push(item.clone());
            }
        }
    }
    assert!(repeats > 5, "{repeats}");
}

#[test]
fn votes_on_one_item_agree_more_than_chance() {
    let plan = Plan::shipped();
    let (mut agree, mut pairs, mut real, mut votes) = (0, 0, 0, 0);
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let found = sample.one(&ask("find", "find", "Find bugs.", &findings()));
        for finding in list(&found, "findings") {
            let asks: Vec<Ask> = ["correctness", "security", "repro"]
                .iter()
                .map(|lens| {
                    let prompt = format!("Judge by {lens}: {finding}");
                    ask("verify:*", &format!("verify:{lens}"), prompt, &verdict())
                })
                .collect();
            let answers: Vec<bool> =
                sample.all(&asks).iter().map(|vote| vote["real"].as_bool().unwrap()).collect();
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                pairs += 1;
                agree += i32::from(answers[a] == answers[b]);
            }
            votes += 3;
            real += answers.iter().filter(|real| **real).count();
        }
    }
    let agreement = f64::from(agree) / f64::from(pairs);
    let share = real as f64 / f64::from(votes);
    assert!((0.70..0.90).contains(&agreement), "{agreement}");
    assert!((0.54..0.66).contains(&share), "{share}");
}

fn check() -> Value {
    json!({
        "type": "object",
        "required": ["pass", "errors"],
        "properties": {
            "pass": {"type": "boolean"},
            "errors": {"type": "array", "items": {"type": "string"}}
        }
    })
}

#[test]
fn a_repair_loop_ends() {
    let plan = Plan::shipped();
    let mut rounds: Vec<u32> = (0..SAMPLES)
        .map(|number| {
            let mut sample = plan.sample(number);
            let mut round = 0;
            loop {
                round += 1;
                let label = format!("check r{round}");
                let result = sample.one(&ask("check", &label, "Run the tests.", &check()));
                if result["pass"] == true || round > 200 {
                    break round;
                }
                let errors = result["errors"].to_string();
                let fix = json!({"type": "object", "properties": {"summary": {"type": "string"}}});
                sample.one(&ask("fix", "fix", format!("Fix these: {errors}"), &fix));
            }
        })
        .collect();
    rounds.sort_unstable();
    let once = rounds.iter().filter(|round| **round == 1).count();
    assert!((150..250).contains(&once), "{once} of 300 pass at once");
    assert!(rounds[285] <= 4, "P95 {}", rounds[285]);
    assert!(rounds[299] <= 12, "most {}", rounds[299]);
}

#[test]
fn a_score_rises_with_repairs() {
    let schema = json!({
        "type": "object",
        "required": ["score"],
        "properties": {"score": {"type": "number", "minimum": 0, "maximum": 10}}
    });
    let plan = Plan::shipped();
    let rounds: u32 = (0..SAMPLES)
        .map(|number| {
            let mut sample = plan.sample(number);
            (1..100)
                .find(|round| {
                    let asked =
                        ask("judge", &format!("judge#{round}"), "Score the draft.", &schema);
                    let score = sample.one(&asked)["score"].as_f64().unwrap();
                    sample.one(&ask("revise", "revise", "Revise the draft.", &schema));
                    score >= 9.0
                })
                .unwrap_or(100)
        })
        .sum();
    let mean = f64::from(rounds) / 300.0;
    assert!((1.5..4.5).contains(&mean), "{mean}");
}

#[test]
fn checks_of_different_items_do_not_wear_off() {
    // One pipeline per item, every check under the same label: no repeats of one check.
    let plan = Plan::shipped();
    let (mut early, mut late, mut total) = (0, 0, 0);
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let found = sample.all(&finders(1, &[]));
        let items: Vec<&Value> = found.iter().flat_map(|r| list(r, "findings")).take(8).collect();
        if items.len() < 8 {
            continue;
        }
        total += 4;
        for (position, item) in items.iter().enumerate() {
            sample.one(&ask("fix", "fix", format!("Fix {item}"), &verdict()));
            let result = sample.one(&ask("check", "check", format!("Check {item}"), &check()));
            let passed = u32::from(result["pass"] == true);
            if position < 4 { early += passed } else { late += passed }
        }
    }
    let (early, late) = (f64::from(early) / f64::from(total), f64::from(late) / f64::from(total));
    assert!((0.6..0.8).contains(&early), "{early}");
    assert!((early - late).abs() < 0.06, "{early} {late}");
}

#[test]
fn a_check_keeps_its_answer_while_nothing_is_done() {
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let answers: Vec<Value> = (1..4)
            .map(|round| {
                let label = format!("check r{round}");
                sample.one(&ask("check", &label, "Run the tests.", &check()))["pass"].clone()
            })
            .collect();
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }
}

#[test]
fn a_check_says_one_thing() {
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let result = plan.sample(number).one(&ask("check", "check", "Run the tests.", &check()));
        assert_eq!(result["pass"] == true, list(&result, "errors").is_empty(), "{result}");
    }
}

#[test]
fn a_clean_repository_is_clean_for_every_finder() {
    // Given that one finder has nothing, another has nothing more often than overall.
    let plan = Plan::shipped();
    let (mut none, mut both, mut total) = (0.0, 0.0, 0.0);
    for number in 0..3_000 {
        let found = plan.sample(number).all(&finders(1, &[]));
        let empty: Vec<bool> = found.iter().map(|r| list(r, "findings").is_empty()).collect();
        none += f64::from(u8::from(empty[0]));
        both += f64::from(u8::from(empty[0] && empty[1]));
        total += 1.0;
    }
    let alone: f64 = none / total;
    assert!((0.02..0.09).contains(&alone), "{alone}");
    assert!(both / none > 2.0 * alone, "{} against {alone}", both / none);
}

#[test]
fn has_more_runs_out() {
    let schema = json!({
        "type": "object",
        "required": ["items", "hasMore"],
        "properties": {
            "items": {"type": "array", "items": {"type": "string"}},
            "hasMore": {"type": "boolean"}
        }
    });
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let mut pages = 0;
        while pages < 50 {
            pages += 1;
            let prompt = format!("Read page {pages} of the list.");
            if sample.one(&ask("page", "page", prompt, &schema))["hasMore"] == false {
                break;
            }
        }
        assert!(pages < 15, "{pages}");
    }
}

#[test]
fn one_more_agent_leaves_the_others_alone() {
    let plan = Plan::new(&Setup::default());
    for number in 0..50 {
        let mut with = plan.sample(number);
        let mut without = plan.sample(number);
        let extra = ask(
            "scout",
            "scout",
            "Look around.",
            &json!({"type": "object", "properties": {"files": {"type": "array", "items": {"type": "string"}}}}),
        );
        with.one(&extra);
        assert_eq!(with.all(&finders(1, &[])), without.all(&finders(1, &[])));
    }
}

#[test]
fn same_seed_same_bytes() {
    let run = || {
        let plan = Plan::shipped();
        let mut sample = plan.sample(11);
        let mut all = Vec::new();
        for round in 1..5 {
            all.extend(sample.all_full(&finders(round, &[])));
        }
        format!("{all:?}")
    };
    assert_eq!(run(), run());
}
