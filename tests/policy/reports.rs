//! What `policy check` and `policy explain` print, and how they are typed.

use clap::{Args, Parser, Subcommand};
use flyball::cli::policy::PolicyCommand;
use flyball::cli::value::PlainFormat;
use flyball::id::ModelId;
use flyball::policy::{Policy, StageFacts};
use flyball::report::Page;
use flyball::report::page::width_of;
use flyball::report::policy::{
    ExplainedStage, POLICY_REPORT_VERSION, PolicyCheckReport, PolicyExplainReport, check, explain,
};
use flyball::role::Role;
use proptest::prelude::*;

use super::stand::{Stand, facts, policy, shipped};

fn explained(policy: &Policy, facts: &StageFacts<'_>) -> ExplainedStage {
    ExplainedStage {
        name: facts.name.to_owned(),
        phase: facts.phase.to_owned(),
        role: facts.role,
        agents_p50: facts.agents_p50,
        as_written: Some(ModelId::from("claude-opus-5-5")),
        requested: facts.requested_model.map(str::to_owned),
        routing: policy.route(facts, &mut Stand::default()),
    }
}

fn report(policy: &Policy, stages: &[StageFacts<'_>]) -> PolicyExplainReport {
    PolicyExplainReport {
        version: POLICY_REPORT_VERSION,
        policy: policy.name().to_owned(),
        stages: stages.iter().map(|facts| explained(policy, facts)).collect(),
    }
}

#[test]
fn check_says_what_a_policy_does() {
    insta::assert_snapshot!(check(&shipped("ci"), &[], "ci.toml", Page::plain()), @r"
    ci          No questions: deny over budget, hard caps on everything.
    pinned      models and efforts that the script asks for stay
    rules       1 answers are capped: output cap 16000 tokens
                    all stages
    budgets     agent 2usd
                run 10usd
                run 250agents
                day 100usd
    thresholds  denies where more than 10 % of runs pass a budget, above 250 agents,
                above 60 minutes
                also denies (nobody is asked) where more than 10 % of runs pass a
                budget
                warns at 75 %, 90 % of a budget spent
    problems    none
    ");
    insta::assert_snapshot!(check(&shipped("quality"), &[], "quality.toml", Page::plain()), @r"
    quality     Raises what decides, keeps what verifies, moves only trivial
                fan-out.
    pinned      models and efforts that the script asks for stay
    rules       1 reduce: model at least opus; effort at least high
                    role is reduce
                2 verify by label: keep as written
                    label is verif* or review* or judge* or critic* or audit* or
                    vote*
                3 verify by phase: keep as written
                    phase is *verif* or *review* or *judge* or *critique* or *audit*
                4 trivial fanout: model haiku
                    role is fan-out, width >= 8, has a schema, context_tokens <=
                    60000, not: agent_type is *, not: effort >= medium, not:
                    isolation is worktree
    budgets     none of its own
    thresholds  denies never
                asks where more than 10 % of runs pass a budget
                warns at 75 %, 90 % of a budget spent
    problems    none
    ");
}

#[test]
fn check_places_what_is_doubtful() {
    let policy = policy("[[rule]]\nname = 'a'\nthen = { model = 'gpt-99' }");
    let found = policy.check(&mut |_| Err("no price table knows the model `gpt-99`".to_owned()));
    let text = check(&policy, &found, "team.toml", Page::plain());
    assert!(text.contains("team.toml:5:18: no price table knows the model `gpt-99`"), "{text}");
    let json = serde_json::to_value(PolicyCheckReport::of(&policy, found)).unwrap();
    assert_eq!(json["rules"][0], "a");
    assert_eq!(json["diagnostics"][0]["code"], "policy::unknown-model");
}

#[test]
fn explain_says_why() {
    let pinned =
        StageFacts { name: "find:*", phase: "Find", requested_model: Some("opus"), ..facts() };
    let reduce = StageFacts { name: "report", phase: "", role: Role::Reduce, ..facts() };
    let report = report(&shipped("haiku-fanout"), &[facts(), pinned, reduce]);
    insta::assert_snapshot!(explain(&report, Page::plain()), @r"
    verify:* in Verify: fan-out, 12 agents
      model     session (claude-opus-5-5) -> claude-haiku-5-5 [fanout]
      cost      $0.1500 expected, $3.00 as written
      rules     1 worktrees stay (line 10) no: isolation is worktree (it is none)
                2 high effort stays (line 15) no: effort >= high (it is session)
                3 custom agent types stay (line 20) no: agent_type is * (it is none)
                4 fanout (line 25) MATCHED: role is fan-out

    find:* in Find: fan-out, 12 agents
      model     opus (claude-opus-5-5), stays [pinned by script]
      refused   haiku [fanout]: pinned by script, which asks for opus
      rules     1 worktrees stay (line 10) no: isolation is worktree (it is none)
                2 high effort stays (line 15) no: effort >= high (it is session)
                3 custom agent types stay (line 20) no: agent_type is * (it is none)
                4 fanout (line 25) MATCHED: role is fan-out

    report: reduce, 12 agents
      model     session (claude-opus-5-5), stays [as written]
      rules     1 worktrees stay (line 10) no: isolation is worktree (it is none)
                2 high effort stays (line 15) no: effort >= high (it is session)
                3 custom agent types stay (line 20) no: agent_type is * (it is none)
                4 fanout (line 25) no: role is fan-out (it is reduce)
    ");
}

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Top,
}

#[derive(Debug, Subcommand)]
enum Top {
    #[command(subcommand)]
    Policy(PolicyCommand<Flags>),
}

#[derive(Clone, Debug, Args)]
struct Flags {
    #[arg(long)]
    policy: Option<String>,
}

#[test]
fn the_commands_are_typed_like_this() {
    let line = ["flyball", "policy", "check", "team.toml", "--format", "json"];
    let Top::Policy(PolicyCommand::Check(check)) = Line::parse_from(line).command else {
        panic!("not a check");
    };
    assert_eq!((check.policy.as_str(), check.format), ("team.toml", PlainFormat::Json));
    let line = ["flyball", "policy", "explain", "a.js", "--stage", "x*", "--policy", "frugal"];
    let Top::Policy(PolicyCommand::Explain(explain)) = Line::parse_from(line).command else {
        panic!("not an explain");
    };
    assert_eq!(
        (explain.workflow.as_str(), explain.stage.as_slice()),
        ("a.js", &["x*".to_owned()][..])
    );
    assert_eq!(explain.flags.policy.as_deref(), Some("frugal"));
    assert!(Line::try_parse_from(["flyball", "policy", "check"]).is_err());
}

proptest! {
    #[test]
    fn reports_keep_to_the_width(name in ".{0,120}", width in 76_usize..120) {
        let text = format!(
            "schema = 1\nname = {0}\n[[rule]]\nname = {0}\nwhen = {{ label = {0} }}\nthen = \"keep\"",
            toml::Value::String(format!("n{name}"))
        );
        let policy = Policy::parse("x", &text).unwrap();
        let stage = StageFacts { name: &name, phase: &name, label: &name, ..facts() };
        let page = Page::new(width, false);
        for shown in [explain(&report(&policy, &[stage]), page), check(&policy, &[], &name, page)] {
            for line in shown.lines() {
                prop_assert!(width_of(line) <= width, "{line}");
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
