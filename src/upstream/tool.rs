//! Which tool an answer calls: one that does no harm, or the one that a result is handed in with.

use serde_json::Value;

use super::ask::{Ask, list, text_of};
use super::schema_value;
use crate::seed::Stream;

/// How clients ask an agent with a schema for its result.
const RESULT_TOOL: &str = "StructuredOutput";
/// How often a result is handed in again where the client refused it.
const RESULT_TRIES_MAX: usize = 3;

/// Tools that are known to change nothing with this input, the best first.
const HARMLESS: [(&str, &str); 4] = [
    ("Bash", r#"{"command":"true","description":"Do nothing, successfully"}"#),
    ("Read", r#"{"file_path":"/nonexistent/flyball-simulated.txt"}"#),
    ("Glob", r#"{"pattern":"flyball-simulated-*.none"}"#),
    ("Grep", r#"{"pattern":"flyball-simulated-none"}"#),
];

/// A call: the tool, and its input as JSON.
pub(super) type ToolCall = (String, String);

/// The tool that is called next, `None` for an answer in words. `turns` is how many requests the
/// conversation makes in all.
pub(super) fn next_call(ask: &Ask, turns: u64, draws: &mut Stream) -> Option<ToolCall> {
    match ask.tool_choice() {
        (Some("none"), _) => return None,
        (Some("tool"), Some(name)) => return forced(ask, Some(name), draws),
        (Some("any"), _) => {
            return harmless(ask).or_else(|| forced(ask, None, draws));
        }
        _ => {}
    }
    let asked = ask.messages().iter().filter(|one| text_of(one, "role") == Some("assistant"));
    let is_last = asked.count() as u64 + 1 >= turns;
    if !is_last && let Some(call) = harmless(ask) {
        return Some(call);
    }
    if is_handed_in(ask) { None } else { forced(ask, Some(RESULT_TOOL), draws) }
}

/// Whether the request offers a tool of that name.
pub(super) fn offers(ask: &Ask, name: &str) -> bool {
    ask.tools().iter().any(|tool| text_of(tool, "name") == Some(name))
}

fn harmless(ask: &Ask) -> Option<ToolCall> {
    let known = HARMLESS.iter().find(|(name, _)| offers(ask, name));
    known.map(|(name, input)| ((*name).to_owned(), (*input).to_owned()))
}

/// A call of `name`, or of the first tool there is, with an input of its schema.
fn forced(ask: &Ask, name: Option<&str>, draws: &mut Stream) -> Option<ToolCall> {
    let named = |tool: &&Value| name.is_none() || text_of(tool, "name") == name;
    let tool = ask.tools().iter().find(named)?;
    let schema = tool.get("input_schema")?;
    Some((text_of(tool, "name")?.to_owned(), schema_value::of(schema, draws).to_string()))
}

/// Every block of the conversation of that kind.
pub(super) fn blocks<'a>(ask: &'a Ask, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let all = ask.messages().iter().flat_map(|message| list(message, "content"));
    all.filter(move |block| text_of(block, "type") == Some(kind))
}

/// Whether the result was taken, or refused so often that it never will be.
fn is_handed_in(ask: &Ask) -> bool {
    let calls: Vec<&str> = blocks(ask, "tool_use")
        .filter(|block| text_of(block, "name") == Some(RESULT_TOOL))
        .filter_map(|block| text_of(block, "id"))
        .collect();
    let refused = |result: &&Value| {
        let id = text_of(result, "tool_use_id");
        id.is_some_and(|id| calls.contains(&id))
            && result.get("is_error").and_then(Value::as_bool) == Some(true)
    };
    let refusals = blocks(ask, "tool_result").filter(refused).count();
    !calls.is_empty() && (refusals < calls.len() || refusals >= RESULT_TRIES_MAX)
}
