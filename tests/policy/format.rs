//! The file format: what is read, and what people are told about mistakes.

use flyball::diagnostic::Diagnostic;
use flyball::id::ModelId;
use flyball::policy::{BudgetScope, POLICY_BYTES_MAX, Pinned, Policy, PolicyError, Unpriced};
use miette::Diagnostic as _;
use proptest::prelude::*;

use super::stand::policy;

fn error(body: &str) -> PolicyError {
    let text = format!("schema = 1\nname = \"test\"\n{body}");
    Policy::parse("team.toml", &text).expect_err(body)
}

/// `line:column [text under the span] message`.
fn told(text: &str, problems: &[Diagnostic]) -> String {
    let line = |problem: &Diagnostic| {
        let place = problem.place.as_ref().unwrap();
        let (start, length) = (place.offset as usize, place.length as usize);
        let under = text[start..start + length].lines().next().unwrap_or("");
        format!("{}:{} [{under}] {}", place.line, place.column, problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn told_of(body: &str) -> String {
    let text = format!("schema = 1\nname = \"test\"\n{body}");
    told(&text, error(body).problems())
}

#[test]
fn a_full_file_is_read() {
    let policy = policy(
        r#"
description = "All of it."
pinned = "override"
ladder = ["haiku", "opus"]
suggests = "frugal"
questions = "deny"
unpriced = "max"

[[rule]]
name = "one"
pinned = "respect"
when = { phase = "Find" }
then = { model = ["haiku", "opus"], effort = "low", output_cap = 8_000 }

[budget]
agent = "50kout"
run = ["$10", "2mtok", "40agents", "25%5h", "8%week"]
day = "100usd"
org = "$5000"
phase = { "Verify" = "$3", "Find" = ["$1", "5agents"] }

[thresholds]
ask = { exceed = "2.5%" }
deny = { exceed = "100%", cost = "$50" }
warn = ["90%", "50%"]
"#,
    );
    assert_eq!(policy.name(), "test");
    assert_eq!(policy.description(), "All of it.");
    assert_eq!(policy.pinned(), Pinned::Override);
    assert_eq!(policy.unpriced(), Unpriced::Max);
    assert_eq!(policy.suggests(), Some("frugal"));
    assert_eq!(policy.hash().len(), 64);
    let rule = &policy.rules()[0];
    assert_eq!(rule.pinned(), Some(Pinned::Respect));
    assert_eq!(rule.action().output_cap_tokens(), Some(8_000));
    let budgets: Vec<String> =
        policy.budgets().iter().map(|limit| format!("{} {}", limit.scope, limit.amount)).collect();
    assert_eq!(
        budgets,
        [
            "agent 50kout",
            "phase Verify 3usd",
            "phase Find 1usd",
            "phase Find 5agents",
            "run 10usd",
            "run 2mtok",
            "run 40agents",
            "run 25%5h",
            "run 8%week",
            "day 100usd",
            "org 5000usd"
        ]
    );
    assert_eq!(policy.budgets()[1].scope, BudgetScope::Phase("Verify".to_owned()));
    assert_eq!(policy.budgets()[1].place.line, 22);
    assert_eq!(policy.thresholds().ask.exceed_per_mille, Some(25));
    assert_eq!(policy.thresholds().deny.exceed_per_mille, Some(1_000));
    assert_eq!(policy.thresholds().warn_per_mille, [500, 900]);
}

#[test]
fn output_caps_have_several_spellings() {
    for cap in ["8000", "8_000", "'8ktok'", "'8kout'", "'8k'", "'8000tok'", "'8K'"] {
        let policy = policy(&format!("[[rule]]\nname = 'r'\nthen = {{ output_cap = {cap} }}"));
        assert_eq!(policy.rules()[0].action().output_cap_tokens(), Some(8_000), "{cap}");
    }
}

#[test]
fn slips_of_the_hand_are_named() {
    insta::assert_snapshot!(told_of(
        "pined = 'respect'\n[[rule]]\nname = 'a'\nwhen = { lable = 'x', role = 'fanout' }\n\
         then = { modle = 'haiku', effort = 'hihg', gate = 'denny' }\n[budget]\nrunn = '$5'\n\
         [thresholds]\nask = { exeed = '10%' }"
    ), @r"
    3:1 [pined] unknown key `pined`, did you mean `pinned`?
    6:10 [lable] unknown key `lable`, did you mean `label`?
    6:30 ['fanout'] unknown role `fanout`, did you mean `fan-out`?
    7:10 [modle] unknown key `modle`, did you mean `model`?
    7:36 ['hihg'] unknown effort `hihg`, did you mean `high`?
    7:51 ['denny'] unknown gate `denny`, did you mean `deny`?
    9:1 [runn] unknown key `runn`, did you mean `run`?
    11:9 [exeed] unknown key `exeed`, did you mean `exceed`?
    ");
}

#[test]
fn a_phase_has_one_budget_however_it_is_spelled() {
    insta::assert_snapshot!(told_of(
        "[budget]\nphase = { 'Verify' = '$3', 'Find' = '$1', 'verify ' = '$1' }\n"
    ), @r"
    4:43 ['verify '] `verify ` is the phase `Verify` again: case does not count
    ");
}

#[test]
fn wrong_values_are_named() {
    insta::assert_snapshot!(told_of(
        "[[rule]]\nname = 'a'\nwhen = { width = 'many', context_tokens = { min = 9, max = 1 }, \
         phase = [], schema = 3, effort = '>= session', not = {} }\nthen = { model = 3, output_cap = 0 }\n\
         [[rule]]\nthen = 'leave'\n[[rule]]\nname = 'a'\nthen = {}\n[[rule]]\nname = 'b'\n\
         [budget]\nrun = 10\nday = '10'\nweek = '5 bananas'\nmonth = ['$1', '2usd']\nproject = '-$1'\n\
         agent = '3agents'\norg = '5%week'\nphase = '$1'\n\
         [thresholds]\nwarn = '110%'\nask = { exceed = 10, cost = '5ktok', agents = -1 }"
    ), @r"
    5:18 ['many'] `width` is not a range of whole numbers
    5:43 [{ min = 9, max = 1 }] `context_tokens` is not a range of whole numbers
    5:73 [[]] `phase` is an empty list
    5:86 [3] `schema` must be true, false, or the name of one of its properties
    5:98 ['>= session'] unknown effort `session`
    5:118 [{}] `not` is empty
    6:18 [3] `model` must be a text in quotes, and this is a TOML integer
    6:34 [0] `output_cap` is not a number of output tokens
    7:1 [[[rule]]] this rule has no name
    8:8 ['leave'] `leave` is not something a rule can do
    10:8 ['a'] two rules are named `a`; the first is on line 4
    11:8 [{}] `then` is empty
    12:1 [[[rule]]] this rule does nothing: it has no `then`
    15:7 [10] `run` must be an amount with its unit, in quotes
    16:7 ['10'] `day`: `10` has no unit: write 10usd, or ktok, kout, agents, %5h, %week after a number
    17:8 ['5 bananas'] `week` is not an amount: `5 bananas`
    18:16 ['2usd'] `month` has two amounts in one unit
    19:11 ['-$1'] `project`: `-$1` is negative; a budget is zero or more
    20:9 ['3agents'] an agent cannot have a budget of agents
    21:7 ['5%week'] a share of a plan window is only observed per run, not `org`
    22:9 ['$1'] `phase` needs the titles of phases
    24:8 ['110%'] `warn` is not a share: `110%`
    25:18 [10] `exceed` is not a share: integer
    25:29 ['5ktok'] `cost` is an amount of dollars
    25:47 [-1] `agents` must be zero or more, and this is out of range
    ");
}

#[test]
fn the_head_is_required() {
    let problems = |text: &str| told(text, Policy::parse("x", text).unwrap_err().problems());
    insta::assert_snapshot!(problems(""), @r"
    1:1 [] the policy has no `schema`
    1:1 [] the policy has no `name`
    ");
    insta::assert_snapshot!(problems("schema = 2\nname = ' '"), @r"
    1:10 [2] schema 2 is not one that this flyball reads
    2:8 [' '] `name` is empty
    ");
    insta::assert_snapshot!(problems("schema = 1\nname = \"é\" oops"), @"2:12 [] unexpected key or value, expected newline, `#`");
    let large = format!("#{}", " ".repeat(POLICY_BYTES_MAX));
    assert!(problems(&large).contains("256 KiB"));
}

#[test]
fn errors_point_into_the_file() {
    let error = error("[[rule]]\nname = \"r\"\nthen = { modle = \"haiku\" }");
    assert_eq!(error.to_string(), "team.toml:5:10: unknown key `modle`, did you mean `model`?");
    assert_eq!(
        error.help().unwrap().to_string(),
        "keys of `then`: model, effort, raise, output_cap, gate, reason"
    );
    let handler =
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none()).with_width(80);
    let mut shown = String::new();
    handler.render_report(&mut shown, &error).unwrap();
    assert!(shown.contains("[team.toml:5:10]"), "{shown}");
    assert!(shown.contains("then = { modle = \"haiku\" }"), "{shown}");
}

#[test]
fn ladders_and_raises_need_each_other() {
    insta::assert_snapshot!(told_of(
        "ladder = ['haiku']\n[[rule]]\nname = 'a'\nthen = { model = 'opus', raise = true }\n\
         [[rule]]\nname = 'b'\nwhen = { role = 'single' }\nthen = { raise = true }"
    ), @r"
    6:34 [true] `raise` to `opus`, which is not on the ladder
    10:18 [true] `raise` without a model or an effort to raise to
    ");
    insta::assert_snapshot!(
        told_of("[[rule]]\nname = 'a'\nthen = { model = 'ladder' }"),
        @"5:18 ['ladder'] the policy has no ladder"
    );
}

fn warnings(body: &str) -> String {
    let text = format!("schema = 1\nname = \"test\"\n{body}");
    let policy = Policy::parse("team.toml", &text).unwrap();
    let known = ["haiku", "opus"];
    told(
        &text,
        &policy.check(&mut |name| {
            if known.contains(&name) {
                Ok(ModelId::from(format!("claude-{name}")))
            } else {
                Err("no such model".to_owned())
            }
        }),
    )
}

#[test]
fn doubtful_things_are_warned_about() {
    insta::assert_snapshot!(warnings(
        "ladder = ['haiku', 'opsu']\n\
         [[rule]]\nname = 'a'\nwhen = { role = 'single' }\nthen = { model = ['session', 'gpt-99'] }\n\
         [[rule]]\nname = 'b'\nwhen = { role = 'single', width = 3 }\nthen = { model = 'ladder' }\n\
         [[rule]]\nname = 'c'\nthen = { gate = 'deny' }\n\
         [[rule]]\nname = 'd'\nwhen = { width = 9 }\nthen = { output_cap = 500 }"
    ), @r"
    3:20 ['opsu'] no price table knows the model `opsu`: no such model
    7:30 ['gpt-99'] no price table knows the model `gpt-99`: no such model
    9:8 ['b'] rule `b` never applies: `a` on line 5 already matches all its stages
    14:17 ['deny'] `gate` without a `reason`
    16:8 ['d'] rule `d` never applies: `c` on line 13 already matches all its stages
    18:23 [500] an output cap of 500 tokens cuts many answers
    ");
    assert_eq!(warnings("[[rule]]\nname = 'a'\nthen = { model = 'haiku' }"), "");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        drop(Policy::parse("x", &text));
    }

    #[test]
    fn broken_policies_never_panic(
        file in 0_usize..5,
        cut in any::<prop::sample::Index>(),
        insert in "[\\[\\]{}=\"'.,#é0-9a-z\\n ]{0,6}",
        drop_bytes in 0_usize..8,
    ) {
        let text = flyball::policy::shipped()[file].1;
        let mut at = cut.index(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        let mut end = (at + drop_bytes).min(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        let broken = format!("{}{insert}{}", &text[..at], &text[end..]);
        match Policy::parse("x", &broken) {
            Ok(policy) => drop(policy.check(&mut |name| Ok(ModelId::from(name)))),
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                for problem in error.problems() {
                    let place = problem.place.as_ref().unwrap();
                    prop_assert!((place.offset + place.length) as usize <= broken.len());
                }
                let mut shown = String::new();
                miette::GraphicalReportHandler::new().render_report(&mut shown, &error).unwrap();
            }
        }
    }
}
