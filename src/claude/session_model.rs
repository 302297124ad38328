//! The model that a session talks to: its transcript says so, a hook's input does not.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// How much of the transcript's end is read: results of tools can make lines long.
const TAIL_BYTES: [u64; 3] = [64 << 10, 1 << 20, 8 << 20];
/// What stands for a model where Claude Code itself answered.
const SYNTHETIC: &str = "<synthetic>";

#[derive(Deserialize)]
struct Line<'a> {
    r#type: Option<&'a str>,
    #[serde(rename = "isSidechain", default)]
    is_sidechain: bool,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    model: Option<&'a str>,
}

/// The model of the last answer in the session's own thread; `None` where there is none in the last
/// 8 MiB, or no transcript yet.
pub fn last_model(transcript: &Path) -> io::Result<Option<String>> {
    // Looked at before it is opened: opening a pipe without a writer would wait for ever.
    match std::fs::metadata(transcript) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut file = File::open(transcript)?;
    let size = file.metadata()?.len();
    for tail in TAIL_BYTES {
        let start = size.saturating_sub(tail);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut file).take(tail).read_to_end(&mut bytes)?;
        let whole = if start == 0 { Some(&*bytes) } else { after_first_line(&bytes) };
        let found = whole.and_then(|lines| lines.rsplit(|byte| *byte == b'\n').find_map(model_of));
        if found.is_some() || start == 0 {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What follows the first line end: the line before began further up.
fn after_first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    bytes.get(end + 1..)
}

/// The model of an answer; `None` for every other line.
fn model_of(line: &[u8]) -> Option<String> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let model = line.message?.model?;
    let own = line.r#type == Some("assistant") && !line.is_sidechain;
    (own && model != SYNTHETIC && !model.is_empty()).then(|| model.to_owned())
}
