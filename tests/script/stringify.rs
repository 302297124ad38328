//! `JSON.stringify` of plain data comes from the host: it must say what the engine says. A replacer
//! that changes nothing makes the engine write.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::stage::Play;

/// Whether both agree, for every indent that scripts use.
const AGREE: &str = "const same = (k, v) => v
    return args.cases.map((v) => [undefined, 0, 2, 10, 1.7].map((indent) =>
      JSON.stringify(v, null, indent) === JSON.stringify(v, same, indent)))";

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z\"\\\\\n\t\u{0}-\u{1f}é💥 ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof!["[0-9]{1,3}", "[a-z]{0,6}", any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_says_what_the_engine_says(cases in prop::collection::vec(any_json(), 1..8)) {
        let count = cases.len();
        let args = json!({ "cases": cases }).to_string();
        prop_assert_eq!(Play::new(AGREE).args(&args).value(), json!(vec![[true; 5]; count]));
    }
}

#[test]
fn what_is_not_plain_is_as_the_engine_has_it() {
    let body = r"const same = (k, v) => v
      class Named { constructor() { this.a = 1 } }
      class Said { toJSON() { return 'said' } }
      class List extends Array {}
      const bare = Object.create(null); bare.x = 1
      const got = { get late() { return 'got' }, plain: 1 }
      const hidden = {}; Object.defineProperty(hidden, 'h', { value: 1, enumerable: false })
      const holes = [1, , 3]; holes[7] = 8
      const marked = [1]; marked.toJSON = () => 'list'
      const dearer = { a: { toJSON: () => 'inner' } }
      const cases = [
        { a: undefined, f() {}, s: Symbol('s'), [Symbol('k')]: 1, b: 2 }, [undefined, () => 1, Symbol('s'), null],
        { u: undefined }, [], {}, [[]], [{}], { a: [] }, new Named(), new Said(), { s: new Said() }, List.from([1, 2]), bare, got, hidden,
        holes, marked, dearer, new Date(0), { d: new Date(0) }, new Map([[1, 2]]), new Set([1]), /x/g, new Error('e'),
        new Number(3), new String('ab'), new Boolean(false), [new Number(3)], { 2: 'b', 1: 'a', z: 0, [-1]: 'c' },
        -0, 0, NaN, Infinity, [-0, NaN, -Infinity, 1e21, 1e-7, 0.1, 123456789012345680000, 5e-324, 2 ** 31, -(2 ** 31)],
        'text', '\ud800', { '\udfff': 1 }, ['\ud83d'], '\u2028\u007f', true, null, new Proxy({ a: 1 }, {}), new Proxy([1], {}),
        { __proto__: { inherited: 1 }, own: 1 }, Object.assign(Object.create({ toJSON: () => 'up' }), { a: 1 }),
      ]
      return cases.map((v, n) => [undefined, 2].map((i) => JSON.stringify(v, null, i) === JSON.stringify(v, same, i) ? 'same' : n + ': ' + JSON.stringify(v, null, i)))";
    let value = Play::new(body).value();
    for case in value.as_array().unwrap() {
        assert_eq!(*case, json!(["same", "same"]));
    }
}

#[test]
fn throws_and_oddities_stay() {
    let body = r"const said = (f) => { try { return f() } catch (e) { return e.name + ': ' + e.message } }
      const ring = {}; ring.self = ring
      const deep = []; let at = deep; for (let i = 0; i < 200; i++) { at[0] = []; at = at[0] }
      const out = [
        said(() => JSON.stringify(ring)), said(() => JSON.stringify([1n])),
        said(() => JSON.stringify({ get a() { throw new Error('no') } })),
        JSON.stringify(deep).length, JSON.stringify('x'.repeat(3e6)).length, JSON.stringify(['x'.repeat(3e6)]).length,
        JSON.stringify(undefined) === undefined, JSON.stringify(() => 1) === undefined,
        JSON.stringify({ a: 1, b: 2 }, ['a']), JSON.stringify({ a: 1 }, null, '--'), JSON.stringify([1], null, 99),
        JSON.stringify.name, JSON.stringify.length, said(() => new JSON.stringify()),
      ]
      Array.prototype.toJSON = () => 'all lists'
      out.push(JSON.stringify({ a: [1] }))
      delete Array.prototype.toJSON
      Object.prototype.toJSON = () => 'everything'
      out.push(JSON.stringify({ a: 1 }), JSON.stringify([1]))
      delete Object.prototype.toJSON
      return out";
    let value = Play::new(body).value();
    assert_eq!(
        value,
        json!([
            "TypeError: circular reference",
            "TypeError: BigInt are forbidden in JSON.stringify",
            "Error: no",
            402,
            3_000_002,
            3_000_004,
            true,
            true,
            "{\"a\":1}",
            "{\n--\"a\": 1\n}",
            "[\n          1\n]",
            "stringify",
            3,
            "TypeError: not a constructor",
            "{\"a\":\"all lists\"}",
            "\"everything\"",
            "\"everything\"",
        ])
    );
}
