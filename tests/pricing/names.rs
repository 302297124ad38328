//! How a name finds its model.

use super::{STANDARD, TODAY, US, parse, shipped, usage, usd};
use flyball::pricing::UnknownReason;
use jiff::civil::date;

#[test]
fn names_resolve() {
    let table = shipped();
    let rows = [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("opus", "claude-opus-5-5"),
        ("Opus", "claude-opus-5-5"),
        ("opus[1m]", "claude-opus-5-5"),
        ("sonnet[1m]", "claude-sonnet-5-5"),
        ("claude-sonnet-4-6[1m]", "claude-sonnet-4-6"),
        ("best", "claude-fable-5-1"),
        ("default", "claude-opus-5-5"),
        ("opusplan", "claude-sonnet-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-5-5@default", "claude-haiku-5-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("global.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("bedrock/us-gov.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("vertex_ai/claude-opus-5-5@default", "claude-opus-5-5"),
        ("anthropic/claude-sonnet-5", "claude-sonnet-5"),
        ("claude-opus-4-20250514", "claude-opus-4-0"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3-7-sonnet-20250219"),
        ("openai/gpt-6-luna", "gpt-6-luna"),
        ("gemini/gemini-4-argon", "gemini-4-argon"),
    ];
    for (name, id) in rows {
        let model = table.resolve(name, "anthropic", TODAY);
        assert_eq!(model.map(|model| &*model.id.0).map_err(|e| e.to_string()), Ok(id));
    }
}

#[test]
fn an_alias_depends_on_provider_and_day() {
    let table = shipped();
    let (before, after) = (date(2026, 10, 6), date(2026, 10, 7));
    let rows = [
        ("haiku", "anthropic", before, "claude-haiku-4-5"),
        ("haiku", "anthropic", after, "claude-haiku-5-5"),
        ("haiku", "bedrock", after, "claude-haiku-4-5"),
        ("haiku", "vertex", after, "claude-haiku-4-5"),
        ("haiku", "foundry", after, "claude-haiku-4-5"),
        ("haiku", "gateway", after, "claude-haiku-4-5"),
        ("haiku[1m]", "gateway", after, "claude-haiku-4-5"),
        ("opus", "anthropic", date(2026, 9, 21), "claude-opus-5"),
        ("opus", "anthropic", date(2026, 9, 22), "claude-opus-5-5"),
        ("fable", "anthropic", date(2026, 8, 31), "claude-fable-5"),
        ("opusplan", "anthropic", date(2026, 7, 1), "claude-sonnet-5"),
        // A full identifier means the same everywhere.
        ("claude-haiku-5-5", "gateway", after, "claude-haiku-5-5"),
    ];
    for (name, provider, on, id) in rows {
        let model = table.resolve(name, provider, on).expect("known");
        assert_eq!(&*model.id.0, id, "{name} on {provider} on {on}");
    }
}

#[test]
fn names_never_match_by_prefix() {
    let table = shipped();
    let read = |name: &str| {
        let price = table.resolve(name, "anthropic", TODAY).expect("known").price(TODAY, STANDARD);
        price.expect("a price").cost(&usage(0, 0, 1_000_000, 0, 0)).expect("a rate")
    };
    assert_eq!(read("claude-fable-5"), usd("1"));
    assert_eq!(read("claude-fable-5-1"), usd("0.25"));
    assert_eq!(read("claude-fable-5-2"), usd("0.2"));
    for name in ["claude-fable-5-3", "claude-fable", "claude-haiku-5", "claude", "", "[1m]", "us."]
    {
        assert!(table.resolve(name, "anthropic", TODAY).is_err(), "{name}");
    }
}

#[test]
fn an_unknown_model_names_its_neighbours() {
    let unknown = shipped().resolve("claude-haiku-5.5", "anthropic", TODAY).expect_err("a dot");
    assert_eq!(unknown.reason, UnknownReason::NotListed);
    assert_eq!(unknown.nearest.first().map(String::as_str), Some("claude-haiku-5-5"));
    assert!(unknown.to_string().contains("no price table knows the model `claude-haiku-5.5`"));
}

#[test]
fn inherit_is_not_a_model() {
    let refused = shipped().resolve("inherit", "anthropic", TODAY).expect_err("reserved");
    assert!(matches!(refused.reason, UnknownReason::Reserved(_)));
    assert!(refused.to_string().contains("session's model"));
}

#[test]
fn a_regional_prefix_raises_the_price() {
    let table = shipped();
    let million = usage(1_000_000, 0, 0, 0, 0);
    let rows = [
        ("claude-opus-5-5", "4"),
        ("global.anthropic.claude-opus-5-5", "4"),
        ("us.anthropic.claude-opus-5-5", "4.4"),
        ("jp.anthropic.claude-opus-5-5", "4.4"),
        ("us-gov.anthropic.claude-opus-5-5", "4.8"),
    ];
    for (name, expected) in rows {
        let resolved = table.resolve_name(name, "bedrock", TODAY).expect("known");
        let price = resolved.price(TODAY, STANDARD).expect("a price");
        assert_eq!(price.cost(&million), Ok(usd(expected)), "{name}");
    }
    let regional = table.resolve_name("us.anthropic.claude-opus-5-5", "bedrock", TODAY);
    assert!(regional.expect("known").price(TODAY, US).is_err(), "regional twice");
}

#[test]
fn a_user_row_replaces_every_row_of_its_alias() {
    let mut files = flyball::pricing::shipped_files();
    files.push(super::user_file(
        "schema = 1\n[[alias]]\nname = \"haiku\"\ntarget = \"claude-haiku-4-5\"\n",
    ));
    let table = flyball::pricing::PriceTable::parse(&files).expect("well-formed");
    for provider in ["anthropic", "bedrock"] {
        let model = table.resolve("haiku", provider, TODAY).expect("known");
        assert_eq!(&*model.id.0, "claude-haiku-4-5");
    }
}

#[test]
fn an_alias_cycle_resolves_to_nothing() {
    let text = "schema = 1\n[[alias]]\nname = \"a\"\ntarget = \"b\"\n[[alias]]\nname = \"b\"\ntarget = \"a\"\n";
    let refused = parse(text).expect("well-formed").resolve("a", "anthropic", TODAY).map(|_| ());
    assert_eq!(refused.expect_err("a cycle").reason, UnknownReason::AliasNotInForce);
}
