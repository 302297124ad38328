//! `flyball pricing` from typed arguments to text.

use std::fs;
use std::path::Path;

use super::TODAY;
use clap::Parser;
use flyball::app::pricing::{PricingFailure, PricingOutcome, PricingScene, run};
use flyball::cli::pricing::PricingArgs;
use flyball::pricing::shipped_files;
use flyball::report::Page;

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    pricing: PricingArgs,
}

fn pricing_in(folder: &Path, words: &[&str]) -> Result<PricingOutcome, PricingFailure> {
    let typed = Typed::try_parse_from(["pricing"].iter().chain(words)).expect("well typed");
    let files = shipped_files();
    let scene =
        PricingScene { files: &files, working_folder: folder, today: TODAY, page: Page::plain() };
    run(&typed.pricing, &scene)
}

fn pricing(words: &[&str]) -> Result<PricingOutcome, PricingFailure> {
    pricing_in(Path::new("tests/data/pricing"), words)
}

fn stdout(words: &[&str]) -> String {
    let text = pricing(words).unwrap_or_else(|error| panic!("{words:?}: {error}")).stdout;
    for line in text.lines().filter(|_| !words.contains(&"json")) {
        assert!(line.chars().count() <= 80, "{words:?} is too wide: {line}");
        assert_eq!(line, line.trim_end(), "{words:?} has blanks at the end");
    }
    text
}

#[test]
fn list_shows_tiers_and_hides_retired_models() {
    let text = stdout(&["list", "--vendor", "anthropic"]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let haiku = rows.iter().position(|row| row.first() == Some(&"claude-haiku-5-5"));
    let haiku = haiku.expect("listed");
    assert_eq!(rows[haiku], ["claude-haiku-5-5", "0.10", "0.50", "0.125", "0.20", "0.01"]);
    assert_eq!(rows[haiku + 1], ["prompt", ">", "100k", "0.50", "2.50", "0.625", "1.00", "0.05"]);
    assert!(!text.contains("gpt-") && !text.contains("claude-3-haiku"));
    assert!(text.ends_with("6 retired models: --all\n"), "{text}");
    assert!(stdout(&["list", "--all"]).contains("claude-3-haiku-20240307"));
    let later = stdout(&["list", "--at", "2026-12-01", "--vendor", "google"]);
    assert!(later.contains("gemini-4-argon") && later.contains("no price"), "{later}");
    let unknown = pricing(&["list", "--vendor", "anthropc"]).expect_err("no such vendor");
    assert_eq!(unknown.exit_code(), 2);
    assert!(unknown.to_string().contains("vendors: anthropic, google, openai"));
}

#[test]
fn show_tells_all_of_one_model() {
    insta::assert_snapshot!("show_sonnet", stdout(&["show", "sonnet"]));
    insta::assert_snapshot!(
        "show_regional",
        stdout(&["show", "us.anthropic.claude-opus-4-8", "--provider", "bedrock"])
    );
    insta::assert_snapshot!(
        "show_announced",
        stdout(&["show", "gemini-4-argon", "--at", "2026-12-01"])
    );
}

#[test]
fn show_depends_on_provider_and_day() {
    assert!(stdout(&["show", "haiku"]).starts_with("haiku = claude-haiku-5-5\n"));
    assert!(
        stdout(&["show", "haiku", "--provider", "gateway"])
            .starts_with("haiku = claude-haiku-4-5\n")
    );
    assert!(
        stdout(&["show", "haiku", "--at", "2026-10-06"]).starts_with("haiku = claude-haiku-4-5\n")
    );
    let unknown = pricing(&["show", "claude-haiku-55"]).expect_err("no such model");
    assert_eq!(unknown.exit_code(), 2);
    assert!(unknown.to_string().contains("near: claude-haiku-5-5"));
}

#[test]
fn every_model_can_be_shown() {
    for model in super::shipped().models() {
        for day in ["2024-01-01", "2026-11-22", "2027-06-01"] {
            stdout(&["show", &model.id.0, "--at", day]);
        }
    }
}

#[test]
fn json_is_complete() {
    let show: serde_json::Value =
        serde_json::from_str(&stdout(&["show", "haiku", "--format", "json"])).expect("JSON");
    assert_eq!(show["version"], 1);
    assert_eq!(show["id"], "claude-haiku-5-5");
    assert_eq!(show["usd_per_million_tokens"]["batch+us"][1]["rates"]["cache_read"], "0.0275");
    assert_eq!(show["periods"][0]["tiers"][0]["prompt_tokens_gt"], 100_000);
    let list: serde_json::Value =
        serde_json::from_str(&stdout(&["list", "--format", "json"])).expect("JSON");
    let count = list["models"].as_array().map(Vec::len);
    assert_eq!(count, Some(super::shipped().models().count()));
    let check: serde_json::Value =
        serde_json::from_str(&stdout(&["check", "--format", "json"])).expect("JSON");
    assert_eq!(check["findings"][0]["severity"], "note");
    let import = ["import", "--from", "litellm.json", "--format", "json"];
    let import: serde_json::Value = serde_json::from_str(&stdout(&import)).expect("JSON");
    assert_eq!(import["changed"][0]["differences"][0]["theirs"], "3");
}

#[test]
fn check_lays_a_users_file_over_the_shipped_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    assert!(!pricing(&["check", "--strict"]).expect("clean").bad_files);
    write("unit.toml", UNIT);
    let outcome = pricing_in(folder.path(), &["check", "unit.toml"]).expect("it parses");
    assert!(outcome.stdout.starts_with("warning: mine@2026-01-01: input is $0.000003 per million"));
    assert!(!outcome.bad_files, "a warning alone is tolerated");
    assert!(
        pricing_in(folder.path(), &["check", "unit.toml", "--strict"]).expect("parses").bad_files
    );
    write("bad.toml", &UNIT.replace("input", "inptu"));
    let bad = pricing_in(folder.path(), &["check", "bad.toml"]).expect_err("unknown key");
    assert_eq!(bad.exit_code(), 6);
    assert!(bad.to_string().starts_with("bad.toml:13:1: unknown key `inptu`"), "{bad}");
    let missing = pricing_in(folder.path(), &["check", "none.toml"]).expect_err("no file");
    assert_eq!(missing.exit_code(), 6);
}

#[test]
fn import_shows_a_difference_and_writes_only_when_asked() {
    insta::assert_snapshot!("import_litellm", stdout(&["import", "--from", "litellm.json"]));
    insta::assert_snapshot!(
        "import_genai_prices",
        stdout(&["import", "--from", "genai_prices.json"])
    );
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy("tests/data/pricing/litellm.json", folder.path().join("t.json")).expect("copied");
    let import = |words: &[&str]| {
        let words: Vec<&str> =
            ["import", "--from", "t.json"].iter().chain(words).copied().collect();
        pricing_in(folder.path(), &words)
    };
    import(&[]).expect("a comparison");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was written");
    let outcome = import(&["--write", "mine.toml"]).expect("written");
    assert_eq!(outcome.stderr, "wrote mine.toml: compare it with the vendors' pages\n");
    let checked = pricing_in(folder.path(), &["check", "mine.toml"]).expect("it parses");
    assert!(!checked.bad_files);
    let again = import(&["--write", "mine.toml"]).expect_err("never replaced");
    assert_eq!(again.exit_code(), 6);
    let absent = import(&["--write", "b.toml", "--model", "claude-fable-5"]).expect_err("equal");
    assert_eq!(absent.exit_code(), 2);
    fs::write(folder.path().join("t.json"), "{}").expect("written");
    assert_eq!(import(&[]).expect_err("no table").exit_code(), 6);
}

const UNIT: &str = r#"
schema = 1
provider = "mine"
[[model]]
id = "mine"
line = "l"
status = "active"
tokenizer = "other"
context = 1000
max_output = 100
[[model.price]]
from = 2026-01-01
input = "0.000003"
output = "15"
status = "confirmed"
"#;
