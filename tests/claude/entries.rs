//! What is written into settings, over settings of any kind and any layout.

use flyball::claude::entry::{
    LAUNCHES, hooks, put_hook, put_status_line, status_line, without_hook, without_status_line,
};
use flyball::claude::json_text::{JsonText, Step};
use flyball::claude::settings_file::without_secrets;
use flyball::claude::shell_command::{of_flyball, shell_word, words};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

const COMMAND: &str = "flyball hook pre-tool-use --budget 10usd || exit 2";

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z \"\\\\{}\\[\\],:é\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = "[a-z\"\\\\{,: ]{0,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..3)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Settings with hooks of others, or none, in any order.
fn any_settings() -> impl Strategy<Value = Map<String, Value>> {
    let group = prop_oneof![
        Just(json!({ "hooks": [] })),
        Just(json!({ "matcher": "Bash", "hooks": [{ "type": "command", "command": "x || y" }] })),
    ];
    let event = prop::collection::vec(group, 0..3).prop_map(Value::from);
    let hooks = prop_oneof![
        Just(None),
        Just(Some(json!({}))),
        event.clone().prop_map(|event| Some(json!({ "Stop": event }))),
        event.prop_map(|event| Some(json!({ "PreToolUse": event }))),
    ];
    let others = prop::collection::vec(("[a-z]{1,4}", any_value()), 0..4);
    (others, hooks, any::<prop::sample::Index>()).prop_map(|(mut others, hooks, index)| {
        if let Some(hooks) = hooks {
            others.insert(index.index(others.len() + 1), ("hooks".to_owned(), hooks));
        }
        Map::from_iter(others)
    })
}

/// `value` as somebody may have laid it out.
fn laid_out(value: &Map<String, Value>, layout: usize) -> String {
    let indent: &[u8] = match layout {
        0 => return serde_json::to_string(value).unwrap(),
        1 => return format!(" {}\n", serde_json::to_string(value).unwrap().replace(',', ", ")),
        2 => b"  ",
        3 => b"\t",
        _ => b"    ",
    };
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    if layout == 5 { text.replace('\n', "\r\n") } else { text + "\n" }
}

proptest! {
    #[test]
    fn what_is_put_in_comes_out_without_a_trace(
        settings in any_settings(),
        layout in 0_usize..6,
    ) {
        // In texts with a comma, one more space after it.
        let text = laid_out(&settings, layout);
        let before = JsonText::parse(&text).unwrap();
        let hook = put_hook(&before, COMMAND).unwrap();
        let with_hook = JsonText::parse(&hook.text.unwrap()).unwrap();
        let found = hooks(with_hook.value());
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].command, COMMAND);
        prop_assert_eq!(found[0].matcher.clone(), Some(LAUNCHES.join("|")));
        let line = put_status_line(&with_hook, "flyball statusline").unwrap();
        let with_both = JsonText::parse(&line.text.unwrap()).unwrap();
        prop_assert_eq!(status_line(with_both.value()), Some("flyball statusline"));
        for (key, value) in before.value().as_object().unwrap() {
            if key != "hooks" {
                prop_assert_eq!(&with_both.value()[key], value);
            }
        }
        let without_line = without_status_line(&with_both, line.made.as_ref()).unwrap();
        prop_assert_eq!(&without_line, with_hook.text());
        let without = without_hook(&with_hook, hook.made.as_ref()).unwrap();
        prop_assert_eq!(&without, &text);
        // Where nobody knows what was made, nothing of others goes.
        let forgotten = without_hook(&with_hook, None).unwrap();
        let forgotten = JsonText::parse(&forgotten).unwrap();
        for (key, value) in before.value().as_object().unwrap() {
            if key != "hooks" {
                prop_assert_eq!(&forgotten.value()[key], value);
            }
        }
    }

    #[test]
    fn a_quoted_word_is_one_word(word in "\\PC{0,12}") {
        prop_assert_eq!(words(&shell_word(&word)), [word]);
    }
}

#[test]
fn commands_of_flyball_are_known_by_their_program() {
    for (command, expected) in [
        ("flyball statusline", Some(("flyball", &["statusline"][..]))),
        (
            "'/my tools/flyball' hook pre-tool-use || exit 2",
            Some(("/my tools/flyball", &["hook", "pre-tool-use"])),
        ),
        ("A=1 NO_COLOR= flyball.exe doctor; ls", Some(("flyball.exe", &["doctor"]))),
        ("~/bin/flyball \"a b\"c\\ d", Some(("~/bin/flyball", &["a bc d"]))),
        ("echo flyball hook pre-tool-use", None),
        ("myflyball hook", None),
        ("", None),
        ("| flyball", None),
    ] {
        let found = of_flyball(command);
        let expected = expected.map(|(program, words)| {
            (program.to_owned(), words.iter().map(|word| (*word).to_owned()).collect())
        });
        assert_eq!(found, expected, "{command}");
    }
}

#[test]
fn a_member_that_stands_twice_is_the_last() {
    let text = "{\"hooks\":{\"Stop\":[]},\"a\":1,\"hooks\":{}}";
    let json = JsonText::parse(text).unwrap();
    let put = put_hook(&json, COMMAND).unwrap();
    let after = put.text.unwrap();
    assert!(
        after.starts_with("{\"hooks\":{\"Stop\":[]},\"a\":1,\"hooks\":{\"PreToolUse\":"),
        "{after}"
    );
    let after = JsonText::parse(&after).unwrap();
    assert_eq!(without_hook(&after, put.made.as_ref()).as_deref(), Some(text));
}

#[test]
fn keys_are_found_however_they_are_written() {
    let json = JsonText::parse("{ \"ho\\u006fks\": { } }").unwrap();
    assert_eq!(json.hollow(&[Step::Key("hooks")]), Some(" "));
    assert_eq!(json.hollow(&[Step::Key("other")]), None);
}

#[test]
fn secrets_do_not_show() {
    let text = "{ \"env\": { \"A\": \"1\", \"n\": [\"2\"], \"m\": 7 }, \"apiKeyHelper\": \"3\",\n\
        \"mcp\": { \"x\": { \"headers\": { \"a\": \"4\" }, \"authToken\": \"5\", \"url\": \"u\" } } }";
    let shown = without_secrets(&JsonText::parse(text).unwrap());
    let expected = "{ \"env\": { \"A\": \"…\", \"n\": [\"…\"], \"m\": 7 }, \"apiKeyHelper\": \"…\",\n\
        \"mcp\": { \"x\": { \"headers\": { \"a\": \"…\" }, \"authToken\": \"…\", \"url\": \"u\" } } }";
    assert_eq!(shown, expected);
}
