//! What the loader refuses, and how it says so.

use super::{STANDARD, TODAY, parse, price, shipped, usage, usd, user_file};
use flyball::pricing::{PriceTable, shipped_files};
use proptest::prelude::*;

const GOOD: &str = r#"
schema = 1
provider = "p"
[[source]]
id = "page"
url = "https://example.com"
[[model]]
id = "m"
line = "l"
status = "active"
tokenizer = "other"
context = 1000
max_output = 100
efforts = ["low", "high"]
default_effort = "high"
us_multiplier = "1.1"
[[model.price]]
from = 2026-01-01
until = 2026-06-01
status = "confirmed"
sources = ["page"]
input = "1"
output = "5"
batch = "0.5"
[[model.price.tier]]
prompt_tokens_gt = 100
input = "2"
output = "10"
[[model.price]]
from = 2026-06-01
status = "confirmed"
input = "1"
output = "5"
fast = { multiplier = "2", until = 2026-12-01 }
[[alias]]
name = "a"
target = "m"
"#;

/// Replaces one piece of a good file and returns line, problem and help of the refusal.
fn refusal(piece: &str, by: &str) -> (u32, String, String) {
    assert!(GOOD.contains(piece), "{piece}");
    let error = parse(&GOOD.replacen(piece, by, 1)).expect_err(by);
    assert_eq!(error.file(), "user.toml");
    (error.place.line, error.problem, error.help)
}

#[test]
fn the_good_file_parses() {
    assert!(parse(GOOD).is_ok());
}

/// A piece of the good file, what stands in its place, and the refusal: line, problem, help.
type Refusal = (&'static str, &'static str, u32, &'static str, &'static str);

const REFUSALS: &[Refusal] = &[
    ("schema = 1", "schema = 2", 2, "schema 2 is not known", "schema = 1"),
    ("schema = 1", "", 1, "the file has no `schema`", "add schema = 1"),
    ("provider = \"p\"", "", 1, "the file has no `provider`", "add provider ="),
    ("line = \"l\"", "lin = \"l\"", 9, "unknown key `lin` in [[model]]", "did you mean `line`?"),
    (
        "line = \"l\"",
        "colour = \"l\"",
        9,
        "unknown key `colour` in [[model]]",
        "known here: id, provider, line",
    ),
    ("line = \"l\"\n", "", 7, "[[model]] has no `line`", "add line = \"haiku\""),
    (
        "status = \"active\"",
        "status = \"new\"",
        10,
        "`new` is not a value of `status`",
        "one of active, limited",
    ),
    (
        "tokenizer = \"other\"",
        "tokenizer = \"bpe\"",
        11,
        "`bpe` is not a value of `tokenizer`",
        "claude-4.7",
    ),
    (
        "context = 1000",
        "context = -1",
        12,
        "`context` must be a whole number above zero, found integer",
        "write context = 100_000",
    ),
    ("context = 1000", "context = 1e3", 12, "found float", "write context"),
    ("[\"low\", \"high\"]", "[\"low\", \"hihg\"]", 14, "no effort `hihg`", "one of low"),
    ("default_effort = \"high\"", "default_effort = \"max\"", 15, "not among `efforts`", "add it"),
    (
        "input = \"1\"",
        "input = 1.0",
        22,
        "`input` must be dollars as quoted text, found float",
        "write input = \"0.10\"",
    ),
    (
        "input = \"1\"",
        "input = \"1.\u{b2}\"",
        22,
        "is not a decimal amount of dollars",
        "dollars per million tokens",
    ),
    ("input = \"1\"", "input = \"-1\"", 22, "`input` is negative", "zero or more"),
    (
        "input = \"1\"",
        "input = \"0.0000001\"",
        22,
        "`input` is not a whole number of picodollars per token",
        "6 digits",
    ),
    (
        "input = \"1\"",
        "input = \"0.000001\"",
        17,
        "`input` in mode batch is not a whole number",
        "fewer digits",
    ),
    ("output = \"5\"\nbatch", "batch", 17, "[[model.price]] has no `output`", "add output"),
    ("batch = \"0.5\"", "batch = \"0\"", 24, "`0` is not a factor above 0", "write a decimal"),
    (
        "batch = \"0.5\"",
        "batch = 0.5",
        24,
        "`batch` must be a factor as quoted text, found float",
        "\"1.1\"",
    ),
    ("[\"page\"]", "[\"pagge\"]", 7, "source `pagge` is not declared", "did you mean `page`?"),
    (
        "until = 2026-06-01",
        "until = 2026-01-01",
        19,
        "`until` is not after `from`",
        "first day after",
    ),
    (
        "until = 2026-06-01",
        "until = 2026-06-02",
        30,
        "m@2026-06-01 overlaps the period from 2026-01-01",
        "half-open",
    ),
    (
        "until = 2026-06-01",
        "until = 2026-06-01T10:00:00",
        19,
        "`until` must be a day without a time",
        "2026-10-07",
    ),
    ("from = 2026-01-01", "from = 2026-02-30", 18, "not TOML", "dates bare"),
    ("input = \"2\"\n", "", 25, "[[model.price.tier]] has no `input`", "add input"),
    (
        "input = \"2\"",
        "input = \"2\"\ncache_read = \"1\"",
        25,
        "`cache_read` is in the period or its tier only",
        "nothing is inherited",
    ),
    (
        "{ multiplier = \"2\",",
        "{ mutliplier = \"2\",",
        34,
        "unknown key `mutliplier` in fast",
        "did you mean `multiplier`?",
    ),
    (
        "target = \"m\"",
        "target = \"n\"",
        37,
        "an alias stands for `n`, which is no model",
        "did you mean `m`?",
    ),
    ("[[alias]]", "[[model]", 35, "not TOML", "write prices"),
];

#[test]
fn refusals_say_where_what_and_what_to_do() {
    let mut wrong = Vec::new();
    for (piece, by, line, problem, help) in REFUSALS {
        let (found_line, found_problem, found_help) = refusal(piece, by);
        let told = found_problem.contains(problem) && found_help.contains(help);
        if !told || found_line != *line {
            wrong.push(format!("{by:?}: line {found_line}: {found_problem}: {found_help}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_refusal_renders_with_its_source() {
    let error = parse(&GOOD.replacen("line = \"l\"", "lin = \"l\"", 1)).expect_err("unknown key");
    assert_eq!(error.to_string(), "user.toml:9:1: unknown key `lin` in [[model]]");
    let mut rendered = String::new();
    let handler = miette::NarratableReportHandler::new();
    handler.render_report(&mut rendered, &error).expect("renders");
    assert!(rendered.contains("lin = \"l\""), "{rendered}");
    assert!(rendered.contains("did you mean `line`?"), "{rendered}");
    let diagnostic = error.to_diagnostic();
    assert_eq!(diagnostic.place.map(|place| (place.line, place.column)), Some((9, 1)));
}

#[test]
fn two_models_and_two_rows_clash() {
    let twice = format!(
        "{GOOD}{}",
        GOOD.split_once("[[alias]]")
            .expect("parts")
            .0
            .split_once("[[model]]")
            .map(|(_, rest)| format!("[[model]]{rest}"))
            .expect("a model")
    );
    assert!(parse(&twice).expect_err("twice").problem.contains("listed twice"));
    let alias = format!("{GOOD}[[alias]]\nname = \"A\"\ntarget = \"m\"\nfrom = 2026-01-01\n");
    assert!(parse(&alias).expect_err("overlap").problem.contains("hold on the same day"));
    let ids = GOOD.replacen("us_multiplier", "ids = { cloud = [\"x\", \"m2\"] }\nus_multiplier", 1);
    let other = ids.split_once("[[alias]]").expect("parts").0.replace("id = \"m\"", "id = \"x\"");
    let both = PriceTable::parse(&[user_file(&ids), user_file(&other)]).map(|_| ());
    assert!(both.expect_err("taken").problem.contains("already names the model m"));
}

#[test]
fn a_later_file_replaces_a_model() {
    let mut files = shipped_files();
    let before = PriceTable::parse(&files).expect("shipped");
    files.push(user_file(
        r#"
schema = 1
provider = "anthropic"
[[model]]
id = "claude-haiku-5-5"
line = "haiku"
status = "active"
tokenizer = "claude-4.7"
context = 1_000_000
max_output = 128_000
[[model.price]]
from = 2026-10-07
status = "confirmed"
basis = "our contract"
input = "0.09"
output = "0.45"
"#,
    ));
    let table = PriceTable::parse(&files).expect("well-formed");
    let million = usage(1_000_000, 0, 0, 0, 0);
    let haiku = price(&table, "haiku", TODAY, STANDARD);
    assert_eq!(haiku.cost(&million), Ok(usd("0.09")), "no tier is inherited either");
    assert_eq!(table.models().count(), before.models().count());
    assert_ne!(table.hash(), before.hash());
}

#[test]
fn the_examples_of_the_guide_work() {
    let guide = include_str!("../../docs/pricing.md");
    let mut files = shipped_files();
    let examples = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    files.extend(examples.map(user_file));
    assert_eq!(files.len(), shipped_files().len() + 2);
    let table = PriceTable::parse(&files).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        &*table.resolve("my-deployment", "bedrock", TODAY).unwrap().id.0,
        "claude-haiku-5-5"
    );
    assert_eq!(&*table.resolve("haiku", "anthropic", TODAY).unwrap().id.0, "claude-haiku-4-5");
}

#[test]
fn the_hash_is_of_prices_not_of_text() {
    let hash = |text: &str| parse(text).expect("well-formed").hash().to_owned();
    let good = hash(GOOD);
    assert_eq!(good.len(), 64);
    assert_eq!(good, hash(&GOOD.replace("\"5\"", "\"5.00\"")));
    assert_eq!(good, hash(&format!("# a comment\n{GOOD}")));
    assert_eq!(good, hash(&GOOD.replace("https://example.com", "https://example.org")));
    for (piece, by) in [
        ("input = \"1\"", "input = \"2\""),
        ("2026-12-01", "2026-12-02"),
        ("prompt_tokens_gt = 100", "prompt_tokens_gt = 101"),
        ("name = \"a\"", "name = \"b\""),
        ("us_multiplier = \"1.1\"", "us_multiplier = \"1.2\""),
    ] {
        assert_ne!(good, hash(&GOOD.replacen(piece, by, 1)), "{by}");
    }
    assert_eq!(shipped().hash(), shipped().hash());
}

#[test]
fn the_order_of_files_does_not_change_the_hash() {
    let mut files = shipped_files();
    files.reverse();
    assert_eq!(PriceTable::parse(&files).expect("shipped").hash(), shipped().hash());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
        let _ = parse(&format!("schema = 1\nprovider = \"p\"\n{text}"));
        let _ = shipped().resolve(&text, "anthropic", TODAY);
    }

    #[test]
    fn damaged_files_never_panic(at in 0usize..1_200, junk in "\\PC{0,6}", cut in 0usize..40) {
        let mut start = at.min(GOOD.len());
        while !GOOD.is_char_boundary(start) { start -= 1; }
        let end = (start + cut).min(GOOD.len());
        let text = format!("{}{junk}{}", &GOOD[..start], &GOOD[end..]);
        if let Err(error) = parse(&text) {
            prop_assert!(!error.help.is_empty());
            prop_assert!(error.place.offset as usize <= text.len());
        }
    }
}
