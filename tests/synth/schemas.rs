//! Every result is valid for its schema.

use flyball::id::StageKey;
use flyball::plan::synth::{Booleans, Extremes, Numbers, Reach, SynthCall};
use flyball::ports::script::Outcome;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Plan, ask};

/// Checks some samples of a schema and hands them back.
fn valid(schema: &Value) -> Vec<Value> {
    let plan = Plan::shipped();
    let validator = jsonschema::validator_for(schema).unwrap();
    (0..60)
        .map(|number| {
            let result = plan.sample(number).one(&ask("stage", "label", "Do it.", schema));
            assert!(validator.is_valid(&result), "{schema}\n{result}");
            result
        })
        .collect()
}

fn object(property: &Value) -> Value {
    json!({"type": "object", "required": ["x"], "properties": {"x": property}})
}

#[test]
fn each_keyword_is_honoured() {
    for property in [
        json!({"type": "string", "minLength": 40, "maxLength": 44}),
        json!({"type": "string", "maxLength": 3}),
        json!({"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}$"}),
        json!({"type": "string", "pattern": "^(low|high)-[a-f0-9]+$"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "uri"}),
        json!({"type": "integer", "minimum": 3, "maximum": 4}),
        json!({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "number", "multipleOf": 0.25, "minimum": 2}),
        json!({"type": "integer", "multipleOf": 7, "minimum": 50}),
        json!({"type": ["string", "null"]}),
        json!({"type": ["null", "array"], "items": {"type": "integer"}}),
        json!({"enum": ["a", 3, null, {"k": 1}]}),
        json!({"enum": ["only"]}),
        json!({"const": {"a": [1, 2]}}),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 4, "maxItems": 4}),
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "minItems": 3}),
        json!({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "uniqueItems": true, "minItems": 4}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false, "minItems": 2}),
        json!({"type": "array"}),
        json!({}),
        json!(true),
        json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        json!({"anyOf": [{"type": "null"}, {"type": "object", "required": ["y"], "properties": {"y": {"type": "boolean"}}}]}),
        json!({"oneOf": [
            {"type": "object", "required": ["kind", "a"], "properties": {"kind": {"const": "a"}, "a": {"type": "integer"}}},
            {"type": "object", "required": ["kind", "b"], "properties": {"kind": {"const": "b"}, "b": {"type": "string"}}}
        ]}),
        json!({"allOf": [
            {"type": "object", "required": ["p"], "properties": {"p": {"type": "integer", "minimum": 2}}},
            {"properties": {"p": {"maximum": 3}, "q": {"type": "string"}}}
        ]}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "additionalProperties": false}),
        json!({"type": "object", "minProperties": 2, "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "maxProperties": 1}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "dependentRequired": {"a": ["b"]}}),
        json!({"type": "integer", "not": {"const": 4}}),
        json!({
            "type": "object",
            "required": ["mode"],
            "properties": {"mode": {"enum": ["pass", "fail"]}, "why": {"type": "string"}},
            "if": {"properties": {"mode": {"const": "fail"}}},
            "then": {"required": ["why"]}
        }),
    ] {
        valid(&object(&property));
    }
}

#[test]
fn references_and_recursion_end() {
    let schema = json!({
        "type": "object",
        "required": ["tree", "named"],
        "properties": {"tree": {"$ref": "#/$defs/node"}, "named": {"$ref": "#/definitions/name"}},
        "$defs": {"node": {
            "type": "object",
            "required": ["name", "children"],
            "properties": {
                "name": {"$ref": "#/definitions/name"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}
            }
        }},
        "definitions": {"name": {"type": "string", "minLength": 2}}
    });
    for result in valid(&schema) {
        assert!(result.to_string().len() < 400_000);
    }
    let only_through_all_of = json!({
        "type": "object",
        "properties": {"next": {"allOf": [{"$ref": "#"}]}}
    });
    valid(&only_through_all_of);
}

#[test]
fn optional_properties_come_and_go() {
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "note": {"type": "string"}}
    });
    let present = valid(&schema).iter().filter(|result| result.get("note").is_some()).count();
    assert!((45..60).contains(&present), "{present} of 60");
}

#[test]
fn a_schema_the_runtime_refuses_is_refused() {
    let plan = Plan::shipped();
    for schema in [
        json!({"type": "array"}),
        json!({"type": "object", "required": ["x"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}}),
    ] {
        let mut sample = plan.sample(0);
        let result = sample.all_full(&[ask("stage", "label", "Do it.", &schema)]).remove(0);
        let Outcome::Rejected { name, message } = result.outcome else { panic!("{schema}") };
        assert_eq!(name, "TypeError");
        assert!(
            message.starts_with("agent({schema}) received an invalid JSON Schema"),
            "{message}"
        );
    }
}

#[test]
fn an_enum_leans_to_the_likely_words() {
    let schema = object(&json!({"enum": ["done", "failed", "blocked"]}));
    let plan = Plan::shipped();
    let done = (0..1_000)
        .filter(|number| {
            plan.sample(*number).one(&ask("build", "build", "Do it.", &schema))["x"] == "done"
        })
        .count();
    assert!((720..860).contains(&done), "{done}");
}

/// A stage that is asked the same again and again: all it says is valid, and so is what is
/// remembered of it.
fn asked_again(schema: &Value, number: u64, rounds: usize) {
    let plan = Plan::shipped();
    let validator = jsonschema::validator_for(schema).unwrap();
    let mut sample = plan.sample(number);
    for round in 0..rounds {
        let mut result =
            sample.all_full(&[ask("stage", "label", format!("Do it, {round}."), schema)]);
        let Outcome::Json(text) = result.remove(0).outcome else { panic!("{schema}") };
        let parsed = serde_json::from_str::<Value>(&text);
        let parsed = parsed.unwrap_or_else(|error| panic!("{schema}\n{text}\n{error}"));
        assert!(validator.is_valid(&parsed), "{schema}\n{text}");
    }
    for item in sample.state.items() {
        assert!(serde_json::from_str::<Value>(item).is_ok(), "{schema}\n{item}");
    }
}

#[test]
fn a_list_of_few_words_stays_whole_when_it_is_asked_for_again() {
    let words = json!({"enum": ["north", "south"]});
    let few = json!({"type": "integer", "minimum": 1, "maximum": 3});
    for items in [
        json!({"type": "array", "items": words}),
        json!({"type": "array", "items": words, "uniqueItems": true}),
        json!({"type": "array", "items": {"const": "north"}, "minItems": 1}),
        json!({"type": "array", "items": few, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "string", "maxLength": 1}, "uniqueItems": true}),
    ] {
        let schema = json!({
            "type": "object", "required": ["steps", "note"],
            "properties": {"steps": items, "note": {"type": "string"}}
        });
        for number in 0..40 {
            asked_again(&schema, number, 4);
        }
    }
}

/// Random schemas, some of them with keywords that cannot all be met by construction.
fn any_schema() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "findings", "id", "pass", "score", "file", "deps", "note", "line",
    ]);
    let leaf = prop_oneof![
        Just(json!({"type": "boolean"})),
        (0_usize..30, 0_usize..40).prop_map(
            |(min, more)| json!({"type": "string", "minLength": min, "maxLength": min + more})
        ),
        (-50_i64..50, 0_i64..60).prop_map(
            |(min, more)| json!({"type": "integer", "minimum": min, "maximum": min + more})
        ),
        (-5_i64..5, 1_i64..9).prop_map(
            |(min, more)| json!({"type": "number", "minimum": min, "maximum": min + more})
        ),
        prop::collection::btree_set("[a-z]{1,6}", 1..5).prop_map(|words| json!({"enum": words})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": "string", "pattern": "^[a-z]+-[0-9]{2}$"})),
        Just(json!({})),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let name = name.clone();
        let fields = prop::collection::vec((name, inner.clone(), any::<bool>()), 0..5);
        prop_oneof![
            (fields, any::<bool>()).prop_map(|(fields, closed)| {
                let mut properties = Map::new();
                let mut required = Vec::new();
                for (name, schema, is_required) in fields {
                    if is_required && !required.contains(&name) {
                        required.push(name);
                    }
                    properties.insert(name.to_owned(), schema);
                }
                json!({"type": "object", "properties": properties, "required": required, "additionalProperties": !closed})
            }),
            (inner.clone(), 0_usize..4, 0_usize..5, any::<bool>()).prop_map(|(item, min, more, open)| {
                if open { json!({"type": "array", "items": item}) } else { json!({"type": "array", "items": item, "minItems": min, "maxItems": min + more}) }
            }),
            prop::collection::vec(inner, 1..3).prop_map(|variants| json!({"anyOf": variants})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_json(inner in any_schema(), unique in any::<bool>(), number in 0_u64..1_000) {
        let list = json!({"type": "array", "items": inner, "uniqueItems": unique});
        asked_again(&object(&list), number, 3);
    }

    #[test]
    fn results_are_valid(inner in any_schema(), number in 0_u64..1_000, extreme in 0_usize..4) {
        let schema = object(&inner);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let plan = Plan::shipped();
        let mut sample = plan.sample(number);
        let result = sample.one(&ask("stage", "label", "Do it.", &schema));
        prop_assert!(validator.is_valid(&result), "{}\n{}", schema, result);
        let text = schema.to_string().into();
        let call = SynthCall {
            stage: StageKey(9), stage_name: "probe", identity: 5, ordinal: 0, delivered: 0,
            label: None, prompt: "Do it.", schema: Some(&text), text_tokens: 0,
        };
        let booleans = [Booleans::True, Booleans::False, Booleans::MoreWork, Booleans::LessWork][extreme];
        let numbers = [Numbers::AllHigh, Numbers::AllLow, Numbers::MoreWork, Numbers::High][extreme];
        let reach = Reach { lists: extreme * 3, numbers: 1 + extreme * 3, texts: 1 };
        let to = Extremes { reach, booleans, enum_index: extreme, numbers, marked: false };
        let Outcome::Json(probed) = plan.synthesizer.probe(&mut sample.state, &call, &to).outcome else { panic!() };
        let probed: Value = serde_json::from_str(&probed).unwrap();
        prop_assert!(validator.is_valid(&probed), "{}\n{}", schema, probed);
    }
}
