//! What a model's text may say, and what is said when it may not.

use flyball::usage::{UsageModel, shipped_text};

fn refusal(text: &str) -> String {
    UsageModel::parse(text).unwrap_err().to_string()
}

/// The shipped text with one line changed; the change must hit.
fn with(from: &str, to: &str) -> String {
    let text = shipped_text();
    assert_eq!(text.matches(from).count(), 1, "{from:?} must stand once");
    text.replacen(from, to, 1)
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let text = with("[requests]\n", "[requests]\nmedain = 3.0\n");
    let message = refusal(&text);
    assert!(message.contains("unknown field `medain`"), "{message}");
    assert!(message.contains(&format!("line {}", line_of(&text, "medain"))), "{message}");
}

#[test]
fn a_missing_number_is_refused_by_name() {
    let message = refusal(&with("rewrite_share = 0.075", "# gone: 0.075"));
    assert!(message.contains("missing field `rewrite_share`"), "{message}");
    let message = refusal(&with("[kinds.verify]", "[kinds.verify_]"));
    assert!(message.contains("verify_"), "{message}");
}

#[test]
fn nonsense_is_refused() {
    let table = [
        ("rewrite_share = 0.075", "rewrite_share = 7.5", "cache.rewrite_share is 7.5"),
        ("rewrite_share = 0.075", "rewrite_share = nan", "cache.rewrite_share is NaN"),
        ("median = 10.0 ", "median = -10.0 ", "requests.median is -10"),
        ("log_sd = 0.73", "log_sd = inf", "growth.log_sd is inf"),
        ("fan_out_slope = -0.18", "fan_out_slope = 0.18", "requests.fan_out_slope is 0.18"),
        ("o200k_factor = 1.55", "o200k_factor = 0.0", "tokenizers.claude-4.7.o200k_factor is 0"),
        ("requests_factor = 0.72", "requests_factor = 0", "effort.low.requests_factor is 0"),
        ("final_text_tokens = 600", "final_text_tokens = 0", "kinds.verify.final_text_tokens is 0"),
        (
            "step_tokens_min = 100 ",
            "step_tokens_min = 9000000 ",
            "output.step_tokens_min is 9000000, it must be at most 1000000",
        ),
        ("max = 400", "max = 0", "requests.max is 0"),
        (
            "weights = { run = 0.4, stage = 0.4, agent = 0.3 }",
            "weights = { run = 0, stage = 0, agent = 0 }",
            "growth.weights summed is 0",
        ),
        ("schema = 1", "schema = 2", "schema 2, this program reads schema 1"),
        ("median = 10.0 ", "median = \"ten\" ", "invalid type: string \"ten\""),
        ("max = 400", "max = -1", "invalid value"),
        ("reduce_kind = \"synthesis\"", "reduce_kind = \"poetry\"", "unknown variant `poetry`"),
        ("\"audit*\"", "\"Audit*\"", "words.research has \"Audit*\": use lower-case letters"),
        ("\"audit*\"", "\"*\"", "words.research has \"*\": use lower-case letters"),
        ("\"audit*\"", "\"verif*\"", "words.research has \"verif*\": it stands in two lists"),
    ];
    for (from, to, expected) in table {
        let message = refusal(&with(from, to));
        assert!(message.contains(expected), "{to}: {message}");
        assert!(message.starts_with("usage model"), "{message}");
    }
    for text in ["", "]", "schema = 1", "\0", "schema = 99999999999999999999"] {
        assert!(UsageModel::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_hash_is_of_the_text() {
    let hash = |text: &str| UsageModel::parse(text).unwrap().hash().to_owned();
    assert_eq!(hash(shipped_text()).len(), 64);
    assert_eq!(hash(shipped_text()), hash(shipped_text()));
    assert_ne!(hash(shipped_text()), hash(&with("rewrite_share = 0.075", "rewrite_share = 0.08")));
}

#[test]
fn a_prior_survives_being_written_and_read() {
    let model = UsageModel::parse(shipped_text()).unwrap();
    let text = toml::to_string(model.prior()).unwrap();
    assert_eq!(UsageModel::parse(&text).unwrap().prior(), model.prior());
}

#[test]
fn every_number_of_the_shipped_text_names_its_source() {
    let mut bare = Vec::new();
    for (index, line) in shipped_text().lines().enumerate() {
        let is_number = line.split_once('=').is_some_and(|(key, value)| {
            let value = value.trim_start();
            !key.contains(['#', '"'])
                && value.starts_with(|c: char| c.is_ascii_digit() || "-{".contains(c))
        });
        if is_number && !line.starts_with("schema") && !line.contains('#') {
            bare.push(format!("line {}: {line}", index + 1));
        }
    }
    assert!(bare.is_empty(), "numbers without a comment: {bare:#?}");
}
