//! Transcripts: which messages the API answered a session or an agent with, and what each took.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::messages::WireUsage;

/// The longest line that is read, bytes; what a line holds beyond that is a file that was shown.
const LINE_BYTES_MAX: u64 = 32 << 20;
/// The model of messages that the client made up itself.
const MADE_UP: &str = "<synthetic>";

/// A message that the API answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The model that it names.
    pub model: String,
    /// What it took, as the API said.
    pub usage: WireUsage,
}

/// A workflow that was started by a call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The call.
    pub tool_use_id: String,
    /// The run, `wf_…`.
    pub run: String,
}

/// What a transcript says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The working folder of its first line that has one.
    pub working_folder: Option<String>,
    /// When its first line that says so was written.
    pub began: Option<Timestamp>,
    /// Messages, each once, in the order they came.
    pub messages: Vec<Message>,
    /// Workflows that were started.
    pub started: Vec<Started>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    timestamp: Option<String>,
    cwd: Option<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    model: String,
    usage: WireUsage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Launched {
    run_id: String,
}

#[derive(Deserialize)]
struct Results {
    content: Vec<ToolResult>,
}

#[derive(Deserialize)]
struct ToolResult {
    tool_use_id: Option<String>,
}

impl Transcript {
    /// Reads the file at `path`, its lines since `since` only. Lines that cannot be read are passed
    /// over: the last may not be written to its end, and others may be of a newer client.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path, since: Timestamp) -> io::Result<Self> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut transcript = Self::default();
        let mut known = HashMap::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(transcript);
            }
            if line.last() == Some(&b'\n') {
                transcript.take(&line, since, &mut known);
            } else {
                // Too long, or not written to its end: its rest is passed over.
                reader.skip_until(b'\n')?;
            }
        }
    }

    fn take(&mut self, line: &[u8], since: Timestamp, known: &mut HashMap<String, usize>) {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return };
        if self.working_folder.is_none() {
            self.working_folder = line.cwd;
        }
        let at = line.timestamp.and_then(|at| at.parse::<Timestamp>().ok());
        self.began = self.began.or(at);
        if at.is_none_or(|at| at < since) {
            return;
        }
        let Some(message) = line.message else { return };
        match line.kind.as_deref() {
            Some("assistant") => {
                let Ok(Answer { id, model, usage }) = serde_json::from_str(message.get()) else {
                    return;
                };
                if model == MADE_UP {
                    return;
                }
                // Each block of a message is a line, with the counts as they then were.
                let before = known.get(&id).and_then(|index| self.messages.get_mut(*index));
                if let Some(message) = before {
                    message.usage.take(usage);
                } else {
                    known.insert(id.clone(), self.messages.len());
                    self.messages.push(Message { id, model, usage });
                }
            }
            Some("user") => {
                let Some(result) = line.tool_use_result else { return };
                let Ok(Launched { run_id }) = serde_json::from_str(result.get()) else { return };
                let Ok(Results { content }) = serde_json::from_str(message.get()) else { return };
                let of_tool = content.into_iter().find_map(|result| result.tool_use_id);
                self.started
                    .extend(of_tool.map(|tool_use_id| Started { tool_use_id, run: run_id }));
            }
            _ => {}
        }
    }
}
