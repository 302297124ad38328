//! `flyball.toml` and the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use flyball::amount::Amount;
use flyball::cli::{Command, CommandLine, PlanOptions};
use flyball::config::held::GateSettings;
use flyball::config::hook_settings::HookSettings;
use flyball::config::settings::{SettingsError, Whose, closest, duration};
use flyball::config::{Environment, Settings};
use flyball::effort::Effort;
use flyball::gate::Gate;
use flyball::money::Picodollars;
use flyball::pricing::CacheTtl;

use super::program::Program;

const ALL: &str = r#"
model = "opus"
effort = "high"
policy = "policies/mine.toml"
budget = ["10usd", "40agents"]
samples = 50
seed = 3
scope = "src"
concurrency = 4
prices = ["prices.toml"]
usage = "usage.toml"
cache-ttl = "1h"
time-limit = "2m"
provider = "bedrock"

[hook]
allow-under = "1usd"
ask-over = "2usd"
deny-over = "3usd"
built-in = "deny"
fail-open = true
"#;

fn environment(home: &Path, more: &[(&str, &str)]) -> Environment {
    let home = home.as_os_str().to_owned();
    let more: Vec<(String, String)> =
        more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Environment::read(move |name| {
        if name == "HOME" {
            return Some(home.clone());
        }
        more.iter().find(|(known, _)| known == name).map(|(_, value)| value.into())
    })
}

fn options(arguments: &[&str], settings: &Settings, environment: &Environment) -> PlanOptions {
    let arguments = ["flyball", "plan", "a.js"].iter().chain(arguments);
    let Command::Plan(typed) = CommandLine::try_parse_from(arguments).unwrap().command else {
        panic!("a plan was typed");
    };
    typed.flags.resolve(typed.workflow, settings, environment)
}

#[test]
fn every_setting_is_read_and_paths_start_at_its_file() {
    let settings = Settings::parse("flyball.toml", ALL, Path::new("/repo")).unwrap();
    let expected = Settings {
        model: Some("opus".to_owned()),
        effort: Some(Effort::High),
        policy: Some("/repo/policies/mine.toml".to_owned()),
        budget: vec![Amount::Usd(Picodollars::from_usd(10)), Amount::Agents(40)],
        at_most: Vec::new(),
        samples: Some(50),
        seed: Some(3),
        scope: Some(PathBuf::from("/repo/src")),
        concurrency: Some(4),
        prices: vec![PathBuf::from("/repo/prices.toml")],
        usage: Some(PathBuf::from("/repo/usage.toml")),
        cache_ttl: Some(CacheTtl::OneHour),
        time_limit: Some(Duration::from_mins(2)),
        provider: Some("bedrock".to_owned()),
        hook: HookSettings {
            allow_under: Some(Picodollars::from_usd(1)),
            ask_over: Some(Picodollars::from_usd(2)),
            deny_over: Some(Picodollars::from_usd(3)),
            built_in: Some(Gate::Deny),
            fail_open: Some(true),
        },
    };
    assert_eq!(settings, expected);
    let named = Settings::parse("flyball.toml", "policy = \"ci\"", Path::new("/repo")).unwrap();
    assert_eq!(named.policy.as_deref(), Some("ci"));
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let cases = [
        ("modle = \"opus\"", "there is no setting `modle`", Some("did you mean `model`?")),
        (
            "cache_ttl = \"5m\"",
            "there is no setting `cache_ttl`",
            Some("did you mean `cache-ttl`?"),
        ),
        ("zzz = 1", "there is no setting `zzz`", Some("the settings are model, effort")),
        ("budget = \"5\"", "`5` has no unit", None),
        ("budget = [\"5usd\", \"-1usd\"]", "is negative", None),
        ("budget = \"25%5h\"", "cannot be held", None),
        ("budget = 5", "write an amount such as", None),
        ("samples = 0", "write 1 to 20000", None),
        ("concurrency = 1000", "write 1 to 256", None),
        ("effort = \"huge\"", "write one of low", None),
        ("cache-ttl = \"2h\"", "write 5m or 1h", None),
        ("time-limit = \"90\"", "has no unit", None),
        ("model = ", "", None),
        ("model = \"a\"\nmodel = \"b\"", "duplicate key", None),
    ];
    for (text, message, help) in cases {
        let error = Settings::parse("flyball.toml", text, Path::new("/repo")).unwrap_err();
        let SettingsError::Content { diagnostics, .. } = error else { panic!("{text}: {error}") };
        let first = &diagnostics[0];
        assert!(first.message.contains(message), "{text}: {}", first.message);
        assert!(first.place.is_some(), "{text}");
        if let Some(help) = help {
            assert!(first.help.as_ref().unwrap().contains(help), "{text}: {:?}", first.help);
        }
    }
}

#[test]
fn flags_beat_the_project_which_beats_the_user() {
    let program = Program::new();
    program
        .write("flyball.toml", "seed = 2\nmodel = \"project\"\nprices = [\"near.toml\"]\n")
        .write("sub/x", "")
        .write_home(
            ".config/flyball/flyball.toml",
            "seed = 1\nmodel = \"user\"\nsamples = 11\nprices = [\"far.toml\"]\n",
        );
    let environment = environment(&program.home(), &[("ANTHROPIC_MODEL", "environment")]);
    let (settings, files) = Settings::load(&program.path("sub"), &environment).unwrap();
    assert_eq!(files.len(), 2);

    let resolved = options(&["--seed", "3", "--prices", "flag.toml"], &settings, &environment);
    assert_eq!(resolved.seed, 3);
    assert_eq!(resolved.model.as_deref(), Some("project"));
    assert_eq!(resolved.samples, 11);
    let names: Vec<_> = resolved.prices.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["far.toml", "near.toml", "flag.toml"], "later ones override");

    let bare = options(&[], &Settings::default(), &environment);
    assert_eq!(bare.model.as_deref(), Some("environment"));
    assert_eq!((bare.samples, bare.seed), (200, 7));
    assert_eq!(bare.policy, "as-written");
    assert_eq!(bare.cache_ttl, CacheTtl::FiveMinutes);
}

#[test]
fn the_environment_is_read_as_documented() {
    let home = Path::new("/home/someone");
    let read = |more: &[(&str, &str)]| environment(home, more);
    let plain = read(&[]);
    let user = "/home/someone/.config/flyball/flyball.toml";
    assert_eq!(plain.user_settings.as_deref(), Some(Path::new(user)));
    assert_eq!(plain.claude_folder.as_deref(), Some(Path::new("/home/someone/.claude")));
    assert!(!plain.no_colour);

    let set = read(&[
        ("FLYBALL_CONFIG", ""),
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        ("CLAUDE_CONFIG_DIR", "/claude"),
        ("CLAUDE_CODE_SUBAGENT_MODEL", "inherit"),
        ("ANTHROPIC_DEFAULT_OPUS_MODEL", "claude-opus-5"),
        ("CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS", "12"),
    ]);
    assert_eq!(set.user_settings, None);
    assert!(set.no_colour && set.dumb_terminal);
    assert_eq!(set.claude_folder.as_deref(), Some(Path::new("/claude")));
    assert_eq!(set.subagent_model, None);
    assert_eq!(set.alias_models.get("opus").map(String::as_str), Some("claude-opus-5"));
    assert_eq!(set.concurrency, Some(12));
    let above = read(&[("CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS", "257")]);
    assert_eq!(above.concurrency, None);
    assert!(!read(&[("NO_COLOR", "")]).no_colour, "empty is unset");
}

#[test]
fn a_bad_settings_file_ends_with_6_and_shows_where() {
    let program = Program::new();
    program.write("flyball.toml", "seed = 7\nmodle = \"opus\"\n");
    let ended = program.run(&["workflows", "list"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let shown = ended.stderr.replace(&program.path("").display().to_string(), "");
    assert!(shown.contains("flyball.toml:2:1"), "{shown}");
    assert!(shown.contains("did you mean `model`?"), "{shown}");
}

#[test]
fn lengths_of_time_have_a_unit() {
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("10m"), Ok(Duration::from_mins(10)));
    assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    for wrong in ["", "s", "90", "-1s", "1.5h", "99999999999999999999s", "1d"] {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_what_is_near_is_suggested() {
    assert_eq!(closest("modle", &["model", "seed"]), Some("model"));
    assert_eq!(closest("xyzzy", &["model", "seed"]), None);
}

/// Opus for next to nothing.
const CHEAP: &str = "schema = 1\nprovider = \"anthropic\"\n\
    [[source]]\nid = \"contract\"\nurl = \"https://example.com/contract\"\n\
    [[model]]\nid = \"claude-opus-5-5\"\nline = \"opus\"\nrank = 355\nstatus = \"active\"\n\
    released = 2026-09-22\ntokenizer = \"claude-4.7\"\ncontext = 1_000_000\n\
    max_output = 128_000\nmin_cache = 512\nefforts = [\"low\", \"medium\", \"high\"]\n\
    default_effort = \"medium\"\n[[model.price]]\nfrom = 2026-09-22\nstatus = \"confirmed\"\n\
    sources = [\"contract\"]\nchecked = 2026-11-22\ninput = \"0.001\"\noutput = \"0.001\"\n\
    cache_write_5m = \"0.001\"\ncache_write_1h = \"0.001\"\ncache_read = \"0.001\"\n";

const ONE: &str = "export const meta = { name: 'one', description: 'One agent' }\n\
    return await agent('Look at the code', { label: 'look', model: 'opus' })\n";

#[test]
fn every_report_names_the_prices_that_replaced_shipped_ones() {
    let program = Program::new();
    program
        .write("one.js", ONE)
        .write("p.toml", CHEAP)
        .write("flyball.toml", "prices = [\"p.toml\"]\n");
    let told = "prices of p.toml come before the shipped ones: named by the project's flyball.toml";
    let plan = ["plan", "one.js", "--samples", "5", "--budget", "0.05usd", "--at", "2026-11-22"];
    for format in ["table", "json", "markdown"] {
        let ended = program.run(&[&plan[..], &["--format", format]].concat());
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let words: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains(told), "{}", ended.stdout);
    }
    // In a pull request it stands above what is folded away.
    let shown = program.run(&[&plan[..], &["--format", "markdown"]].concat()).stdout;
    let (above, _) = shown.split_once("<details>").unwrap();
    assert!(above.contains("prices of p.toml"), "{shown}");
    let run = ["run", "one.js", "--agents", "simulated", "--samples", "5", "--at", "2026-11-22"];
    for format in ["table", "json", "markdown"] {
        let ended = program.run(&[&run[..], &["--yes", "--format", format]].concat());
        let words: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains(told), "{}", ended.stdout);
    }
    let flagged =
        program.run(&[&plan[..], &["--no-project-settings", "--prices", "p.toml"]].concat());
    assert!(flagged.stdout.contains("named by --prices"), "{}", flagged.stdout);
    let bare = program.run(&[&["--no-project-settings"], &plan[..]].concat());
    assert_eq!(bare.code, 3, "{}", bare.stdout);
    assert!(!bare.stdout.contains("p.toml"), "{}", bare.stdout);
    program.write("flyball.toml", "nonsense = 1\n");
    assert_eq!(program.run(&plan).code, 6);
    assert_eq!(program.run(&[&plan[..], &["--no-project-settings"]].concat()).code, 3);
}

#[test]
fn what_a_project_says_of_a_run_that_pays_is_only_stricter() {
    let program = Program::new();
    program
        .write("flyball.toml", "budget = [\"5usd\", \"40agents\"]\nprices = [\"near.toml\"]\npolicy = \"frugal\"\nsamples = 9\n")
        .write_home(".config/flyball/flyball.toml", "budget = [\"2usd\", \"50agents\"]\nprices = [\"far.toml\"]\n");
    let environment = environment(&program.home(), &[]);
    let (_, files) = Settings::load(&program.path(""), &environment).unwrap();
    let payer = Settings::of_payer(&files);
    let amounts =
        |usd, agents| vec![Amount::Usd(Picodollars::from_usd(usd)), Amount::Agents(agents)];
    assert_eq!((payer.budget, payer.at_most), (amounts(2, 50), amounts(5, 40)));
    assert_eq!(payer.samples, None);
    assert_eq!(payer.prices, [program.home().join(".config/flyball/far.toml")]);
    // With no policy of the user's, the project's holds its budgets.
    assert_eq!(payer.policy.as_deref(), Some("frugal"));
    let gate = GateSettings::of(&files);
    assert_eq!(
        (gate.own.budget, gate.own.at_most, gate.own.policy, gate.own.samples),
        (amounts(2, 50), amounts(5, 40), None, None)
    );
    // A file that the user names is the user's, wherever it lies.
    let named = program.path("flyball.toml");
    let environment =
        self::environment(&program.home(), &[("FLYBALL_CONFIG", named.to_str().unwrap())]);
    let (_, files) = Settings::load(&program.path(""), &environment).unwrap();
    assert_eq!(files.iter().map(|file| file.whose).collect::<Vec<_>>(), [Whose::User]);
}
