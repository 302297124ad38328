//! `@simulate {…}` in a prompt: what a test makes the answer be.

use serde::Deserialize;
use serde_json::Value;

use super::ask::{Ask, list, text_of};
use super::envelope::Refusal;
use super::fault::Fault;
use super::limits::DIRECTIVES_MAX;
use crate::seed::{key_of, key_of_parts};

const MARK: &str = "@simulate";

/// One directive as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tool: Option<String>,
    input: Option<Value>,
    text: Option<String>,
    fault: Option<String>,
    times: Option<u64>,
    output_tokens: Option<u64>,
    turns: Option<u64>,
}

/// A call of a tool that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DirectedTool {
    /// The tool.
    pub(super) name: String,
    /// Its input, as JSON.
    pub(super) input: String,
    /// The id of the call: the same for the same directive, so that it is known once it was made.
    pub(super) id: String,
}

/// All directives of a request together; later ones win.
#[derive(Clone, Debug, Default)]
pub(super) struct Directives {
    /// Calls, in order; each is made once.
    pub(super) tools: Vec<DirectedTool>,
    /// The text of the answer.
    pub(super) text: Option<String>,
    /// The fault, and to how many of the first requests it happens; to all where absent.
    pub(super) fault: Option<(Fault, Option<u64>)>,
    /// Tokens of output.
    pub(super) output_tokens: Option<u64>,
    /// Requests of the conversation.
    pub(super) turns: Option<u64>,
}

impl Directives {
    /// Those in the first and in the last message of the user.
    pub(super) fn of(ask: &Ask) -> Result<Self, Refusal> {
        let mut directives = Self::default();
        let mut from_user =
            ask.messages().iter().filter(|message| text_of(message, "role") == Some("user"));
        let first = from_user.next();
        let last = from_user.next_back();
        let mut read = 0;
        for message in [first, last].into_iter().flatten() {
            if let Some(text) = text_of(message, "content") {
                directives.read(text, &mut read)?;
            }
            for block in list(message, "content") {
                let text =
                    text_of(block, "text").filter(|_| text_of(block, "type") == Some("text"));
                directives.read(text.unwrap_or(""), &mut read)?;
            }
        }
        Ok(directives)
    }

    /// Reads those in `text`. What stands inside one, such as in a script, is not read.
    fn read(&mut self, text: &str, read: &mut usize) -> Result<(), Refusal> {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(MARK) {
            rest = after;
            let json = after.trim_start();
            if !json.starts_with('{') {
                continue;
            }
            *read += 1;
            if *read > DIRECTIVES_MAX {
                return Err(refused(&format!("more than {DIRECTIVES_MAX} directives")));
            }
            let (written, used) = parse(json).map_err(|error| refused(&error.to_string()))?;
            self.add(written)?;
            rest = json.get(used..).unwrap_or("");
        }
        Ok(())
    }

    fn add(&mut self, written: Written) -> Result<(), Refusal> {
        if written.input.is_some() && written.tool.is_none() {
            return Err(refused("`input` belongs to a `tool`"));
        }
        if written.times.is_some() && written.fault.is_none() {
            return Err(refused("`times` belongs to a `fault`"));
        }
        if let Some(name) = written.tool {
            let input = written.input.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let input = input.to_string();
            let key = key_of_parts(&[key_of(&name), key_of(&input)]);
            let tool = DirectedTool { name, input, id: format!("toolu_sim{key:016x}") };
            if !self.tools.contains(&tool) {
                self.tools.push(tool);
            }
        }
        if let Some(fault) = written.fault {
            let fault = fault.parse::<Fault>().map_err(|error| refused(&error.to_string()))?;
            self.fault = Some((fault, written.times));
        }
        self.text = written.text.or(self.text.take());
        self.output_tokens = written.output_tokens.or(self.output_tokens);
        self.turns = written.turns.or(self.turns);
        Ok(())
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::invalid(format!("{MARK}: {why}"))
}

/// The directive at the start of `text`, and its length in bytes. A client may have broken it over
/// lines; inside a text of JSON, a line end with the indentation after it was a space.
fn parse(text: &str) -> serde_json::Result<(Written, usize)> {
    let first = parse_exactly(text);
    if first.is_ok() || !text.contains('\n') {
        return first;
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let joined = lines.join(" ");
    // What was wrong with it as written says more.
    let Ok((written, used)) = parse_exactly(&joined) else { return first };
    let marks = joined.get(..used).unwrap_or("").chars().filter(|c| !c.is_whitespace()).count();
    let end = text.char_indices().filter(|(_, c)| !c.is_whitespace()).nth(marks);
    Ok((written, end.map_or(text.len(), |(offset, _)| offset)))
}

fn parse_exactly(text: &str) -> serde_json::Result<(Written, usize)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Written>();
    match stream.next() {
        Some(written) => Ok((written?, stream.byte_offset())),
        None => Err(serde::de::Error::custom("nothing follows")),
    }
}
