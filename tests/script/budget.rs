//! `budget`, and what it stops.

use flyball::ports::script::Outcome;
use serde_json::json;

use super::stage::{Play, text};

const EXCEEDED: &str = "Workflow token budget exceeded (1,200 / 1,200 output tokens). Stopping \
                        further agent() calls. In-flight agents will complete; their results are \
                        preserved.";

#[test]
fn without_a_total_everything_remains() {
    let body = "const before = budget.spent(); await agent('x')
         return [budget.total, before, budget.spent(), budget.remaining() === Infinity]";
    assert_eq!(Play::new(body).value(), json!([null, 0, 100, true]));
}

#[test]
fn spent_grows_by_output_tokens_from_its_baseline() {
    let body = "const a = [budget.total, budget.spent(), budget.remaining()]; await agent('x')
         return [...a, budget.spent(), budget.remaining()]";
    let play = Play::new(body).budget(50_000, 45_720);
    assert_eq!(play.value(), json!([50_000, 45_720, 4_280, 45_820, 4_180]));
}

#[test]
fn a_used_up_budget_rejects_at_the_call() {
    let body = "let n = 0
         try { for (;;) { await agent('x'); n++ } } catch (e) { return [n, e.name, e.message, budget.remaining()] }";
    let value = Play::new(body).budget(1_200, 1_000).value();
    assert_eq!(value, json!([2, "WorkflowBudgetExceededError", EXCEEDED, 0]));
}

#[test]
fn the_loop_until_budget_ends() {
    let body = "let n = 0; while (budget.total && budget.remaining() > 500) { await agent('x'); n++ } return n";
    assert_eq!(Play::new(body).budget(2_000, 0).value(), json!(15));
    assert_eq!(Play::new(body).value(), json!(0));
}

#[test]
fn fan_outs_reject_when_it_is_used_up_before_they_begin() {
    for call in ["parallel([() => 1])", "pipeline([1], x => x)"] {
        let body = format!("return await {call}.catch(e => e.name)");
        let value = Play::new(&body).budget(100, 100).value();
        assert_eq!(value, json!("WorkflowBudgetExceededError"), "{call}");
    }
    assert_eq!(Play::new("return await parallel([])").budget(1, 1).value(), json!([]));
}

#[test]
fn the_same_holds_for_the_cap_on_agents() {
    let body = "await agent('x'); return await parallel([() => 1]).catch(e => e.name)";
    let play = Play::new(body).limits(|limits| limits.agents = 1);
    assert_eq!(play.value(), json!("WorkflowAgentCapError"));
}

#[test]
fn slots_lost_to_the_budget_are_reported_once() {
    let body = "return await parallel(['a', 'b', 'c'].map(p => async () => { await agent(p); return agent(p + 2) }))";
    let played = Play::new(body).budget(200, 0).play(|call| text(&call.prompt));
    // `a` goes on before the budget is used up by `b`.
    assert_eq!(played.value(), json!(["a2", null, null]));
    assert_eq!(played.notes.failures, ["parallel: 2 slot(s) dropped — token budget exceeded"]);
    assert_eq!(played.notes.swallowed, None);
}

#[test]
fn the_host_can_refuse_a_queued_call_in_the_same_words() {
    let Outcome::Rejected { name, message } = Outcome::budget_exceeded(1_200, 1_200) else {
        panic!()
    };
    assert_eq!((name.as_str(), message.as_str()), ("WorkflowBudgetExceededError", EXCEEDED));
    let body = "return await parallel([() => agent('a'), () => agent('b')])";
    let played = Play::new(body).play(|call| match &*call.prompt {
        "a" => text("A"),
        _ => Outcome::budget_exceeded(1_234_567, 1_000_000),
    });
    assert_eq!(played.value(), json!(["A", null]));
    assert_eq!(played.notes.failures, ["parallel: 1 slot(s) dropped — token budget exceeded"]);
}

#[test]
fn changing_the_budget_object_changes_nothing() {
    let body =
        "budget.total = 1e9; budget.spent = () => 0; return await agent('x').catch(e => e.name)";
    let value = Play::new(body).budget(10, 10).value();
    assert_eq!(value, json!("WorkflowBudgetExceededError"));
}
