//! `flyball run` through the real binary, with the real engine and the planner's own results.

use flyball::money::Picodollars;
use serde_json::Value;

use super::program::{Ended, Program};

fn run(arguments: &[&str]) -> (Ended, Value) {
    let ended = Program::new().run(arguments);
    let report = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
    (ended, report)
}

fn dollars(report: &Value, pointer: &str) -> Picodollars {
    report.pointer(pointer).and_then(Value::as_str).unwrap().parse().unwrap()
}

const REVIEW: [&str; 12] = [
    "run",
    "example:review-200",
    "--policy",
    "haiku-fanout",
    "--agents",
    "simulated",
    "--yes",
    "--samples",
    "5",
    "--format",
    "json",
    "--budget",
];

#[test]
fn a_short_budget_stops_the_run_below_its_limit_and_leaves_nothing_reserved() {
    for concurrency in ["16", "256"] {
        let mut arguments = REVIEW.to_vec();
        arguments.extend(["1usd", "--concurrency", concurrency]);
        let (ended, report) = run(&arguments);
        assert_eq!(ended.code, 4, "{}", ended.stderr);
        let spent = dollars(&report, "/cost_usd/spent");
        let limit = dollars(&report, "/cost_usd/limit");
        assert_eq!(limit, Picodollars::from_usd(1));
        assert!(spent <= limit, "{} of {}", spent.to_decimal(), limit.to_decimal());
        assert!(spent >= limit.scale_ceil(97, 100), "only {} was used", spent.to_decimal());
        assert_eq!(dollars(&report, "/cost_usd/reserved"), Picodollars::ZERO);
        assert!(report.pointer("/agents/denied").and_then(Value::as_u64).unwrap() > 0);
        let phases = report["phases"].as_array().unwrap();
        let sum: Picodollars = (0..phases.len())
            .map(|n| dollars(&report, &format!("/phases/{n}/cost_usd/spent")))
            .sum();
        assert_eq!(sum, spent, "phases add up to the run");
    }
}

#[test]
fn an_ample_budget_lets_the_run_complete() {
    let mut arguments = REVIEW.to_vec();
    arguments.push("1000usd");
    let (ended, report) = run(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(report["status"], "complete");
    assert_eq!(report["agents"]["denied"], 0);
    assert_eq!(report["simulated"], true);
}

#[test]
fn the_same_seed_runs_the_same_run() {
    let mut arguments = REVIEW.to_vec();
    arguments.push("1usd");
    assert_eq!(run(&arguments).1, run(&arguments).1);
}

#[test]
fn a_plan_is_run_as_it_was_made_and_refused_once_it_is_stale() {
    let text = "export const meta = { name: 'two', description: 'two agents' };\n\
                const a = await agent('one', { label: 'first' });\n\
                return await agent('two ' + a, { label: 'second' });\n";
    let program = Program::new();
    program.write("two.js", text);
    let planned = program.run(&[
        "plan",
        "two.js",
        "--samples",
        "5",
        "--budget",
        "50usd",
        "--out",
        "plan.json",
    ]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let arguments = ["run", "--plan", "plan.json", "--agents", "simulated", "--format", "json"];
    let ended = program.run(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["agents"]["done"], 2);
    assert_eq!(dollars(&report, "/cost_usd/limit"), Picodollars::from_usd(50));

    program.write("two.js", text.replace("'one'", "'another'"));
    let ended = program.run(&arguments);
    assert_eq!(ended.code, 6);
    assert!(
        ended.stderr.contains("stale") && ended.stderr.contains("the script"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_plan_steps_down_as_it_was_made() {
    let program = Program::new();
    program.write(
        "tight.toml",
        "schema = 1\nname = 'tight'\n[[step_down]]\nname = 'last'\nabove = '10%'\n\
         when = { role = 'fan-out' }\nmodel = 'haiku'\n[budget]\nrun = '$300'\n",
    );
    let mut plan = vec!["plan", "example:review-200", "--policy", "tight.toml"];
    plan.extend(["--samples", "5", "--out", "plan.json"]);
    assert_eq!(program.run(&plan).code, 0);
    let run = ["run", "--plan", "plan.json", "--agents", "simulated", "--yes", "--format", "json"];
    let read = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).unwrap();
    let (ended, again) = (program.run(&run), program.run(&run));
    assert_eq!(ended.stdout, again.stdout);
    let report = read(&ended);
    let steps = report["step_downs"].as_array().unwrap_or_else(|| panic!("{}", ended.stderr));
    for step in steps {
        assert_eq!((&step["rule"], &step["model"]), (&"last".into(), &"claude-haiku-5-5".into()));
        assert!(step["share_per_mille"].as_u64().unwrap() >= 100, "{step}");
    }
    assert!(dollars(&report, "/cost_usd/spent") <= Picodollars::from_usd(300));
    assert!(ended.stderr.contains("agents start on haiku-5-5, not opus-5-5 [last]"));
    // Past runs show it too, without a label: a label can be the head of a prompt.
    let plan: Value =
        serde_json::from_slice(&std::fs::read(program.path("plan.json")).unwrap()).unwrap();
    let kept = format!("sim-{}-1", plan["plan_id"].as_str().unwrap());
    let shown = program.run(&["runs", "show", &kept]);
    assert!(shown.stdout.contains("on haiku-5-5, not opus-5-5 [last]"), "{}", shown.stdout);

    // Steps that the plan does not have are not taken.
    let mut plan = plan;
    for stage in plan["stages"].as_array_mut().unwrap() {
        stage["route"].as_object_mut().unwrap().remove("step_downs");
    }
    program.write("plan.json", plan.to_string());
    assert_eq!(read(&program.run(&run)).get("step_downs"), None);
}

#[test]
fn a_plan_with_a_scope_is_run_with_what_was_counted_then() {
    let program = Program::new();
    program.write("src/a.rs", "").write(
        "one.js",
        "export const meta = { name: 'one', description: 'one agent' };\n\
         return await agent('one', { label: 'first' });\n",
    );
    let mut plan = vec!["plan", "one.js", "--samples", "5", "--budget", "50usd"];
    plan.extend(["--scope", "src", "--out", "plan.json"]);
    assert_eq!(program.run(&plan).code, 0);
    program.write("src/b.rs", "");
    let ended = program.run(&["run", "--plan", "plan.json", "--agents", "simulated"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn what_needs_a_yes_is_not_started_without_one() {
    let arguments: Vec<&str> =
        REVIEW.iter().copied().filter(|argument| *argument != "--yes").chain(["1usd"]).collect();
    let (ended, _) = run(&arguments);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
}

#[test]
fn a_done_agent_costs_nothing() {
    let program = Program::new();
    program.write(
        "one.js",
        "export const meta = { name: 'one', description: 'one agent' };\n\
         return await agent('one', { label: 'first' });\n",
    );
    let ended = program.run(&[
        "run",
        "one.js",
        "--agents",
        "simulated",
        "--done",
        "first",
        "--budget",
        "1usd",
        "--samples",
        "5",
        "--format",
        "json",
    ]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["agents"]["replayed"], 1, "{report}");
    assert_eq!(dollars(&report, "/cost_usd/spent"), Picodollars::ZERO);
}

/// One agent whose token use is pinned, on a session model, with `options` of its own: its plan,
/// and that plan's run.
fn pinned_on(session: &str, options: &str) -> (Value, Value) {
    let program = Program::new();
    program.write(
        "one.js",
        format!(
            "export const meta = {{ name: 'one', description: 'one agent' }};\n\
             return await agent('one', {{ label: 'first'{options} }});\n"
        ),
    );
    let mut arguments = vec!["plan", "one.js", "--samples", "5", "--budget", "9usd"];
    arguments.extend(["--model", session, "--provider", "bedrock"]);
    arguments.extend(["--at", "2026-11-22", "--out", "plan.json"]);
    arguments.extend(["--assume", "first.requests=3", "--assume", "first.first_context=40k"]);
    arguments.extend(["--assume", "first.output_per_request=1000"]);
    arguments.extend(["--assume", "first.growth=20k"]);
    arguments.extend(["--format", "json"]);
    let planned = program.run(&arguments);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let run = ["run", "--plan", "plan.json", "--agents", "simulated", "--format", "json"];
    let ended = program.run(&run);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let json = |text: &str| serde_json::from_str(text).unwrap();
    (json(&planned.stdout), json(&ended.stdout))
}

#[test]
fn a_regional_name_costs_a_run_what_it_costs_its_plan() {
    let regional = "us.anthropic.claude-haiku-4-5";
    let asked = pinned_on("anthropic.claude-opus-5-5", &format!(", model: '{regional}'"));
    let inherited = pinned_on(regional, "");
    for (plan, run) in [&asked, &inherited] {
        assert_eq!(plan["stages"][0]["route"]["priced_as"], regional);
        let spent = dollars(run, "/cost_usd/spent");
        // Only what the cache keeps is left to chance, so that the run is like one of the samples.
        let planned = |key: &str| dollars(plan, &format!("/totals/cost_usd/{key}"));
        let samples = ["p10", "p50", "p90", "stress"].map(planned);
        assert!(samples.contains(&spent), "{spent} is none of {samples:?}");
        // By hand: $1 in, $1.25 written, $0.10 read, $5 out per million tokens, a tenth on top.
        let tokens = |class: &str| run["tokens"][class].as_i64().unwrap();
        let of_prompts =
            20 * tokens("fresh") + 25 * tokens("cache_write_5m") + 2 * tokens("cache_read");
        let twentieths = i128::from(of_prompts + 100 * tokens("output"));
        assert_eq!(spent, Picodollars::from_pico(twentieths * 1_000_000 / 20 * 11 / 10));
    }
    let (plan, own) = pinned_on("anthropic.claude-haiku-4-5", "");
    assert_eq!(plan["stages"][0]["route"].get("priced_as"), None);
    let spent = dollars(&inherited.1, "/cost_usd/spent");
    assert_eq!(spent, dollars(&own, "/cost_usd/spent").scale_ceil(11, 10));
}

/// A call that gets its slot once the turn's output tokens are spent is refused as the client
/// refuses it, in a run as in the samples of its plan.
#[test]
fn a_turn_budget_ends_a_run_where_its_plan_says() {
    let program = Program::new();
    program.write(
        "fix.js",
        "export const meta = { name: 'fix', description: 'many at once' }\n\
         const all = await parallel(Array.from({ length: 100 }, (_, i) => () =>\n\
           agent(`Fix ${i}`, { label: `fix:${i}` })))\n\
         return all.filter(Boolean).length\n",
    );
    let flags = [
        "fix.js",
        "--samples",
        "40",
        "--format",
        "json",
        "--turn-budget",
        "50k",
        "--concurrency",
        "16",
    ];
    let planned = program.run(&[&["plan"], &flags[..]].concat());
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    let agents = |key: &str| plan["totals"]["agents"][key].as_u64().unwrap();
    assert!(agents("p10") >= 16 && agents("stress") < 60, "{}", plan["totals"]["agents"]);
    for seed in ["5", "6", "7", "8"] {
        let own = ["--agents", "simulated", "--yes", "--seed", seed];
        let ended = program.run(&[&["run"], &flags[..], &own].concat());
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let done = report["agents"]["done"].as_u64().unwrap();
        assert!((16..60).contains(&done), "{done}");
        assert_eq!(report["agents"]["denied"], 100 - done);
        assert_eq!((ended.code, &report["status"]), (4, &"partial".into()));
        assert_eq!(report["result"]["value"], done.to_string());
        let notes = report["diagnostics"].as_array().unwrap();
        let told = notes.iter().filter(|note| note["code"] == "run::turn-budget").count();
        assert_eq!(told, 1, "{notes:?}");
    }
}
