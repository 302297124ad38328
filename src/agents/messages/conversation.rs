//! One agent as a conversation: what it is told, and what its answers lead to. Knows no connections
//! and no money.

use serde_json::{Value, json};

use crate::agents::messages::ASKED_OUTPUT_TOKENS;
use crate::agents::messages::answer::{Answer, Block};
use crate::ports::agent::{AgentEnd, AgentJob, StopReason};
use crate::ports::script::Outcome;

/// What every agent is told first.
const SYSTEM: &str = "You are a subagent of a workflow script. Do the task that you are given, \
    once and completely. You have no tools to read files or to run commands, and nobody answers \
    questions: work with what the task says. What you write last is handed to the script as it \
    stands, so write the result itself: no greeting, no account of what you did.";
/// The tool that a result with a schema is handed in with, as Claude Code calls it.
const TOOL: &str = "StructuredOutput";
const TOOL_DESCRIPTION: &str =
    "Hand in the result of your task. Call it exactly once, with an input that fits its schema.";
/// How often a result may fail its schema.
const RESULTS_MAX: u32 = 5;
/// How often a text that was cut at its cap is continued.
const CONTINUATIONS_MAX: u32 = 3;
const GO_ON: &str = "Your answer was cut off at its length limit. Go on exactly where it ends, \
    without repeating anything.";
/// A request has at least as many bytes as tokens, beside what the API adds for tools.
const OVERHEAD_TOKENS: u64 = 1_000;
/// Errors of a result that are told of at once.
const ERRORS_MAX: usize = 8;

/// One agent's conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    model: String,
    effort: Option<&'static str>,
    schema: Option<Schema>,
    messages: Vec<Value>,
    /// What was written before the answer that is awaited, in parts that were cut.
    text: String,
    failed_results: u32,
    continuations: u32,
}

#[derive(Debug)]
struct Schema {
    json: Value,
    validator: jsonschema::Validator,
}

/// What an answer leads to.
#[derive(Debug)]
pub(super) enum Next {
    /// One more request.
    Ask,
    /// The agent's end.
    End(AgentEnd),
}

impl Conversation {
    /// The conversation of `job`.
    ///
    /// # Errors
    /// Its schema is none; then what the script is told.
    pub(super) fn new(job: &AgentJob) -> Result<Self, Outcome> {
        let schema = job.call.schema.as_deref().map(Schema::read).transpose();
        let schema = schema.map_err(|why| Outcome::Rejected {
            name: "TypeError".to_owned(),
            message: format!("agent({{schema}}) received an invalid JSON Schema: {why}"),
        })?;
        // The API refuses empty texts.
        let prompt = if job.call.prompt.trim().is_empty() { "(no task)" } else { &job.call.prompt };
        Ok(Self {
            model: job.model.0.to_string(),
            effort: job.effort.map(crate::effort::Effort::name),
            schema,
            messages: vec![json!({ "role": "user", "content": [text_block(prompt)] })],
            text: String::new(),
            failed_results: 0,
            continuations: 0,
        })
    }

    /// The request, for an answer of at most so many tokens. Whatever that number, it is as long as
    /// with [`ASKED_OUTPUT_TOKENS`]: its bound, which its length is part of, is made before its cap
    /// is known, and whoever bounds it on its way is to find the same.
    pub(super) fn body(&self, max_tokens: u64) -> Vec<u8> {
        let mut body = json!({
            "model": self.model,
            "max_tokens": max_tokens,
            "stream": true,
            "system": SYSTEM,
            "messages": self.messages,
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(schema) = &self.schema {
                let tool = json!({
                    "name": TOOL, "description": TOOL_DESCRIPTION, "input_schema": schema.json,
                });
                fields.insert("tools".to_owned(), json!([tool]));
                fields.insert("tool_choice".to_owned(), json!({ "type": "tool", "name": TOOL }));
            }
            if let Some(effort) = self.effort {
                fields.insert("output_config".to_owned(), json!({ "effort": effort }));
            }
        }
        let digits = |number: u64| number.to_string().len();
        let blanks = digits(ASKED_OUTPUT_TOKENS).saturating_sub(digits(max_tokens));
        format!("{body}{}", " ".repeat(blanks)).into_bytes()
    }

    /// No prompt of the next request has more tokens.
    pub(super) fn prompt_tokens_max(&self) -> u64 {
        u64::try_from(self.body(ASKED_OUTPUT_TOKENS).len())
            .unwrap_or(u64::MAX)
            .saturating_add(OVERHEAD_TOKENS)
    }

    /// Takes an answer; why it ended, and what comes next.
    pub(super) fn answered(&mut self, answer: &Answer) -> (StopReason, Next) {
        let cut = answer.stop.as_deref() == Some("max_tokens");
        let stop = if cut { StopReason::MaxTokens } else { StopReason::Complete };
        let next = match (answer.stop.as_deref(), &self.schema) {
            (Some("refusal"), _) => {
                Next::End(AgentEnd::Failed("the model refused the task".to_owned()))
            }
            (_, Some(_)) => self.result(answer, cut),
            (_, None) => self.words(answer, cut),
        };
        (stop, next)
    }

    /// An answer in words: the whole of it is the result.
    fn words(&mut self, answer: &Answer, cut: bool) -> Next {
        let mut part = String::new();
        for block in &answer.blocks {
            if let Block::Text(text) = block {
                part.push_str(text);
            }
        }
        self.text.push_str(&part);
        // Nothing can be continued of which nothing was seen.
        if cut && self.continuations < CONTINUATIONS_MAX && !part.trim().is_empty() {
            self.continuations += 1;
            // The API refuses an answer that ends with spaces.
            self.say("assistant", &text_block(part.trim_end()));
            self.say("user", &text_block(GO_ON));
            return Next::Ask;
        }
        Next::End(AgentEnd::Finished(Outcome::Text(std::mem::take(&mut self.text))))
    }

    /// An answer that is to hand in a result.
    fn result(&mut self, answer: &Answer, cut: bool) -> Next {
        let called = answer.blocks.iter().find_map(|block| match block {
            Block::Tool { id, name, input } if name == TOOL => Some((id, input)),
            _ => None,
        });
        // Of an empty input nothing streams at all.
        let written =
            called.map(|(_, input)| if input.is_empty() && !cut { "{}" } else { input.as_str() });
        let value = written.and_then(|input| serde_json::from_str::<Value>(input).ok());
        let errors = match (&self.schema, &value) {
            (Some(schema), Some(value)) => schema.errors(value),
            _ if cut => "it was cut off at its length limit: hand in a shorter one".to_owned(),
            _ if called.is_some() => "it is not JSON".to_owned(),
            _ => format!("there is none: call {TOOL} with it"),
        };
        if errors.is_empty()
            && let Some(value) = value
        {
            return Next::End(AgentEnd::Finished(Outcome::Json(value.to_string())));
        }
        self.failed_results += 1;
        if self.failed_results >= RESULTS_MAX {
            let message = format!(
                "agent({{schema}}): StructuredOutput retry cap ({RESULTS_MAX}) exceeded — \
                 {RESULTS_MAX} failed calls with no valid output"
            );
            let name = "Error".to_owned();
            return Next::End(AgentEnd::Finished(Outcome::Rejected { name, message }));
        }
        self.correct(called.map(|(id, _)| &**id).zip(value), &errors);
        Next::Ask
    }

    /// Says what is wrong with a result. A call that came whole is answered; of what did not, the
    /// task just gets one more sentence.
    fn correct(&mut self, called: Option<(&str, Value)>, errors: &str) {
        let sentence = format!("Your result cannot be used: {errors}");
        if let Some((id, input)) = called {
            let call = json!({ "type": "tool_use", "id": id, "name": TOOL, "input": input });
            self.say("assistant", &call);
            let result = json!({
                "type": "tool_result", "tool_use_id": id, "is_error": true, "content": sentence,
            });
            self.say("user", &result);
            return;
        }
        let last = self.messages.last_mut().and_then(|last| last.get_mut("content"));
        if let Some(Value::Array(blocks)) = last {
            blocks.push(text_block(&sentence));
        }
    }

    fn say(&mut self, role: &str, block: &Value) {
        self.messages.push(json!({ "role": role, "content": [block] }));
    }
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

impl Schema {
    fn read(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let validator = jsonschema::validator_for(&json).map_err(|error| error.to_string())?;
        Ok(Self { json, validator })
    }

    /// What is wrong with `value`, in words; empty where nothing is.
    fn errors(&self, value: &Value) -> String {
        let one = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the root".to_owned() } else { place };
            format!("{place}: {error}")
        };
        let errors: Vec<String> =
            self.validator.iter_errors(value).take(ERRORS_MAX).map(one).collect();
        errors.join("; ")
    }
}
