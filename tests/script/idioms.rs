//! Whole scripts as people write them.

use flyball::ports::script::{Finish, Outcome};
use serde_json::json;

use super::stage::{Play, json as object, text};

#[test]
fn find_then_verify_with_votes() {
    let body = "
const FINDINGS = { type: 'object', required: ['findings'], properties: { findings: { type: 'array', items: { type: 'object' } } } }
const VERDICT = { type: 'object', required: ['refuted'], properties: { refuted: { type: 'boolean' } } }
phase('Find')
const dims = ['bugs', 'perf']
const found = await pipeline(dims,
  d => agent(`Review ${args.base} for ${d}`, { label: `find:${d}`, schema: FINDINGS }),
  (r, d) => parallel(r.findings.map(f => async () => {
    const votes = await parallel(Array.from({ length: 3 }, (_, i) => () => agent(`Refute ${f.id} (${i})`, { label: `verify:${f.id}`, phase: 'Verify', schema: VERDICT })))
    return votes.filter(Boolean).filter(v => v.refuted).length >= 2 ? null : { ...f, d }
  })))
const real = found.filter(Boolean).flat().filter(Boolean)
log(`${real.length} survive`)
if (!real.length) return { status: 'clean' }
phase('Report')
return { status: 'done', report: await agent('Report on ' + JSON.stringify(real)), real }
";
    let played = Play::new(body).args(r#"{"base":"main"}"#).play(|call| {
        let prompt = &*call.prompt;
        if prompt.starts_with("Review") {
            object(&json!({ "findings": [{ "id": "a" }, { "id": "b" }] }))
        } else if prompt.starts_with("Refute") {
            object(&json!({ "refuted": prompt.contains(" a ") }))
        } else {
            text("# report")
        }
    });
    let value = played.value();
    assert_eq!(value["status"], "done");
    assert_eq!(value["real"], json!([{ "id": "b", "d": "bugs" }, { "id": "b", "d": "perf" }]));
    assert_eq!(played.calls.len(), 2 + 12 + 1);
    assert_eq!(played.notes.logs, ["2 survive"]);
    assert_eq!(played.notes.phases, ["Find", "Report"]);
    assert!(matches!(played.finish, Finish::Returned { line: Some(17), .. }));
}

#[test]
fn loop_until_dry_ends_when_nothing_is_new() {
    let body = "
const seen = new Set(); let dry = 0, rounds = 0
while (dry < 2) {
  rounds++
  const r = await agent(`round ${rounds}`, { schema: { type: 'object' } })
  const fresh = (r?.items ?? []).filter(x => !seen.has(x))
  if (!fresh.length) { dry++; continue }
  dry = 0
  fresh.forEach(x => seen.add(x))
}
return [rounds, [...seen]]";
    let mut left = vec![vec![], vec![], vec!["b", "a"], vec!["a"]];
    let played = Play::new(body).play(|_| object(&json!({ "items": left.pop().unwrap() })));
    assert_eq!(played.value(), json!([4, ["a", "b"]]));
}

#[test]
fn repair_loop_with_bare_promise_all() {
    let body = "
const MAX = 3
for (let r = 0; r < MAX; r++) {
  const [fix, check] = await Promise.all([agent('fix ' + r), agent('check ' + r, { schema: { type: 'object' } })])
  if (check.pass) return { r, fix }
}
return 'gave up'";
    let pass_at = |round: &'static str| {
        move |call: &flyball::ports::script::AgentCall| match call.schema {
            Some(_) => object(&json!({ "pass": call.prompt.ends_with(round) })),
            None => text("fixed"),
        }
    };
    assert_eq!(Play::new(body).play(pass_at("1")).value(), json!({ "r": 1, "fix": "fixed" }));
    assert_eq!(Play::new(body).play(pass_at("9")).value(), json!("gave up"));
}

#[test]
fn a_hand_made_pool_limits_concurrency() {
    let body = "
async function pool(items, width, work) {
  const out = []; let next = 0
  await Promise.all(Array.from({ length: width }, async () => { while (next < items.length) { const i = next++; out[i] = await work(items[i], i) } }))
  return out
}
return await pool([1, 2, 3, 4, 5], 2, n => agent('job ' + n))";
    let play = Play::new(body);
    let mut execution = play.begin().unwrap();
    let first = execution.calls();
    assert_eq!(first.len(), 2);
    let mut open = first;
    let mut most = 0;
    while let Some(call) = open.pop() {
        most = most.max(open.len() + 1);
        execution.deliver(call.id, text(&call.prompt), 1).unwrap();
        open.extend(execution.calls());
    }
    assert_eq!(most, 2);
    let flyball::ports::script::Status::Finished(Finish::Returned { value, .. }) =
        execution.status()
    else {
        panic!()
    };
    assert_eq!(value.unwrap(), r#"["job 1","job 2","job 3","job 4","job 5"]"#);
}

#[test]
fn a_null_in_the_wrong_place_ends_the_run() {
    let body = "const scout = await agent('scout', { schema: { type: 'object' } })\nreturn scout.files.length";
    let played = Play::new(body).play(|_| Outcome::Null);
    let Finish::Threw { name, place, .. } = played.finish else { panic!() };
    assert_eq!((name.as_str(), place.unwrap().line), ("TypeError", 3));
}
