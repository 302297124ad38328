//! What Claude Code keeps of a run that can be resumed: its script, and the agents that ended well.
//!
//! `<session>/subagents/workflows/<run>/journal.jsonl` has a line where an agent starts (`key`,
//! `label`) and one where it ended well (`key`, `result`); agents that were denied or failed have no
//! second line. `<session>/workflows/<run>.json` has the script, once the run has ended.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::hook::call::is_run_id;

/// The most that is read of one file, bytes; results can be long.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is left of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumedRun {
    /// Its script, as it was run; `None` while it has not ended.
    pub script: Option<String>,
    /// The first agents of the run, in the order in which they were started, up to the first that
    /// did not end well: Claude Code takes these over and runs the others again.
    pub finished: Vec<FinishedAgent>,
}

/// An agent that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedAgent {
    /// Its label.
    pub label: String,
    /// What it answered, as JSON.
    pub result: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: String,
    key: Option<String>,
    label: Option<String>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Ended {
    script: Option<String>,
}

/// The run called `run` of the session whose transcript is `transcript`; `None` where it left
/// nothing there.
///
/// # Errors
/// A file that is there and cannot be read, or has more than 16 MiB.
pub fn find(transcript: &Path, run: &str) -> io::Result<Option<ResumedRun>> {
    if !is_run_id(run) {
        return Ok(None);
    }
    let session = transcript.with_extension("");
    let journal = session.join("subagents/workflows").join(run).join("journal.jsonl");
    let Some(journal) = read(&journal)? else { return Ok(None) };
    let ended = read(&session.join("workflows").join(format!("{run}.json")))?;
    // A file that is being written is as good as none.
    let script = ended.and_then(|text| serde_json::from_str::<Ended>(&text).ok()?.script);
    Ok(Some(ResumedRun { script, finished: finished(&journal) }))
}

fn finished(journal: &str) -> Vec<FinishedAgent> {
    let mut started: Vec<(String, Option<String>)> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut results: HashMap<String, String> = HashMap::new();
    // The last line can be half a line.
    for line in journal.lines().filter_map(|line| serde_json::from_str::<Line<'_>>(line).ok()) {
        let Some(key) = line.key else { continue };
        match (line.r#type.as_str(), line.result) {
            // Who was started again under the same key is the same call.
            ("started", _) if known.insert(key.clone()) => started.push((key, line.label)),
            ("result", Some(result)) => {
                results.insert(key, result.get().to_owned());
            }
            _ => {}
        }
    }
    started
        .into_iter()
        .map_while(|(key, label)| {
            Some(FinishedAgent { label: label?, result: results.remove(&key)? })
        })
        .collect()
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() <= FILE_BYTES_MAX => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file to be read")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
