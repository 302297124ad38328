//! Where a session left its files: transcripts of the session and its agents, and the runs of its
//! workflows.
//!
//! ```text
//! projects/<slug of the working folder>/
//!     <session>.jsonl                                    the main loop
//!     <session>/subagents/agent-<id>.jsonl               an agent, its description beside it
//!     <session>/subagents/workflows/<wf_run>/agent-<id>.jsonl
//!     <session>/subagents/workflows/<wf_run>/journal.jsonl
//!     <session>/workflows/<wf_run>.json                  written when the run is over
//! ```
//!
//! Ids come from headers and from files that others write: what is no plain name finds nothing. No
//! symbolic link below `projects` is followed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The longest id of a session, a run or an agent, bytes.
const ID_BYTES_MAX: usize = 128;
/// Of a folder no more entries are looked at.
const ENTRIES_MAX: usize = 65_536;
/// Folders in folders are looked into so deep.
const DEPTH_MAX: usize = 4;

/// The files of one session in one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFiles {
    /// Its id.
    pub session: String,
    /// The transcript of its main loop, whether or not it is there.
    pub transcript: PathBuf,
    /// The folder of everything else, whether or not it is there.
    pub folder: PathBuf,
}

/// Whether `text` is the name of one file and nothing more.
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(plain)
}

impl SessionFiles {
    /// Those of `session` below `home`, which is `~/.claude` or `CLAUDE_CONFIG_DIR`: one for each
    /// project that it left something in.
    pub fn of(home: &Path, session: &str) -> Vec<Self> {
        if !is_id(session) {
            return Vec::new();
        }
        let found = folders(&home.join("projects")).map(|project| Self {
            session: session.to_owned(),
            transcript: project.join(format!("{session}.jsonl")),
            folder: project.join(session),
        });
        found.filter(|files| is_file(&files.transcript) || is_folder(&files.folder)).collect()
    }

    /// Every session of any project below `home` whose transcript was written to since `since`.
    pub fn written_since(home: &Path, since: SystemTime) -> Vec<Self> {
        let mut found = Vec::new();
        for project in folders(&home.join("projects")) {
            for path in entries(&project) {
                let Some(session) = path.file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                let Some(session) = session.strip_suffix(".jsonl") else { continue };
                if is_id(session) && was_written(&path, since) {
                    let folder = project.join(session);
                    found.push(Self { session: session.to_owned(), transcript: path, folder });
                }
            }
        }
        found
    }

    /// The transcripts that were written to since `since`, of the main loop and of every agent.
    pub fn transcripts(&self, since: SystemTime) -> Vec<PathBuf> {
        let mut found = vec![self.transcript.clone()];
        transcripts_below(&self.folder.join("subagents"), 0, &mut found);
        found.retain(|path| is_file(path) && was_written(path, since));
        found
    }

    /// The folders of its workflows' runs.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut runs = runs_below(&self.folder.join("subagents").join("workflows"));
        runs.sort();
        runs
    }
}

fn transcripts_below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > DEPTH_MAX || !is_folder(folder) {
        return;
    }
    for path in entries(folder) {
        if is_folder(&path) {
            transcripts_below(&path, depth + 1, found);
        } else if name_of(&path).is_some_and(|name| name.starts_with("agent-"))
            && path.extension().is_some_and(|end| end == "jsonl")
        {
            found.push(path);
        }
    }
}

/// The name of a file or folder, where it is text.
pub(super) fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX);
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// The folders in `folder`, links aside.
pub(super) fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX);
    let entries = entries.filter_map(Result::ok);
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_folder).map(|entry| entry.path())
}

/// The folders in `folder` that are runs of workflows.
pub(super) fn runs_below(folder: &Path) -> Vec<PathBuf> {
    let is_run =
        |run: &PathBuf| name_of(run).is_some_and(|name| name.starts_with("wf_") && is_id(name));
    folders(folder).filter(is_run).collect()
}

/// Whether it is a folder and no link to one.
pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Whether it is a file and no link to one.
pub(super) fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn was_written(path: &Path, since: SystemTime) -> bool {
    fs::symlink_metadata(path).and_then(|found| found.modified()).is_ok_and(|at| at >= since)
}
