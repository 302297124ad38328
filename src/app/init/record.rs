//! What `init` remembers of the files it wrote: what it had to make for its entries, so that taking
//! them out leaves the very bytes that were there before. No content of a file is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::context::Context;
use super::super::error::AppError;
use super::super::output;
use crate::claude::entry::Made;
use crate::report::json;

const VERSION: u32 = 1;
const FILE_NAME: &str = "init.json";

/// What is remembered of every file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Records {
    version: u32,
    files: BTreeMap<String, FileRecord>,
}

/// What was made in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FileRecord {
    /// The file itself.
    pub(super) file: bool,
    /// Its folder.
    pub(super) folder: bool,
    /// For the hook.
    pub(super) hook: Option<Made>,
    /// For the status line.
    pub(super) status_line: Option<Made>,
}

impl Records {
    /// What is remembered; nothing where that cannot be read, since entries can be taken out without.
    pub(super) fn read(context: &Context) -> Self {
        let text = place(context).and_then(|path| fs::read_to_string(path).ok());
        let records: Option<Self> = text.and_then(|text| serde_json::from_str(&text).ok());
        records.filter(|records| records.version == VERSION).unwrap_or_default()
    }

    pub(super) fn of(&self, path: &Path) -> Option<&FileRecord> {
        self.files.get(&key(path))
    }

    /// Remembers `record` of the file at `path`, or forgets it.
    pub(super) fn keep(
        &mut self,
        path: &Path,
        record: Option<FileRecord>,
        context: &Context,
    ) -> Result<(), AppError> {
        match record {
            Some(record) => self.files.insert(key(path), record),
            None => self.files.remove(&key(path)),
        };
        self.version = VERSION;
        // Without a home there is nowhere to remember anything.
        let Some(place) = place(context) else { return Ok(()) };
        if self.files.is_empty() {
            // Nothing to forget is as good.
            let _ = fs::remove_file(place);
            return Ok(());
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                AppError::bad_input(format!("cannot make `{}`: {error}", folder.display()))
            })?;
        }
        output::write_file(&place, &json::pretty(self))
    }
}

fn place(context: &Context) -> Option<PathBuf> {
    context.environment.state.as_ref().map(|state| state.join(FILE_NAME))
}

fn key(path: &Path) -> String {
    path.display().to_string()
}
