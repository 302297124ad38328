//! Files as text, within limits. Owns what is refused and how it is said.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest script, policy, price table or other file of settings that is read, in bytes.
/// Claude Code refuses scripts above the same size.
pub const TEXT_BYTES_MAX: u64 = 512 << 10;
/// The largest file of data (`--args @FILE`, `--result LABEL=@FILE`, a plan) that is read, in bytes.
pub const DATA_BYTES_MAX: u64 = 16 << 20;
/// The longest name that is looked up; file systems refuse longer ones with unclear errors.
const PATH_BYTES_MAX: usize = 4_096;

/// A text and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As shown to people: the path as given, or `example:NAME`.
    pub name: String,
    /// Where it is on disk, if it is.
    pub path: Option<PathBuf>,
    /// What it says, without a byte-order mark.
    pub text: String,
}

/// Why a file cannot be used as text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing has that name.
    #[error("there is no file `{path}`")]
    Missing {
        /// As given.
        path: String,
    },
    /// A folder has that name.
    #[error("`{path}` is a folder; name a file in it")]
    Folder {
        /// As given.
        path: String,
    },
    /// A socket, a device, a pipe.
    #[error("`{path}` is not a regular file")]
    NotAFile {
        /// As given.
        path: String,
    },
    /// Above the limit.
    #[error("`{path}` has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// As given.
        path: String,
        /// How large it is, or at least the limit plus one.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Not text.
    #[error("`{path}` is not UTF-8 text (byte {offset}){}", binary_hint(*.binary))]
    NotText {
        /// As given.
        path: String,
        /// The first byte that is not UTF-8, or the first zero byte.
        offset: usize,
        /// Whether it looks like a binary.
        binary: bool,
    },
    /// The operating system says no.
    #[error("cannot read `{path}`: {error}")]
    Io {
        /// As given.
        path: String,
        /// What it says.
        #[source]
        error: io::Error,
    },
}

fn binary_hint(binary: bool) -> &'static str {
    if binary { "; it looks like a binary" } else { "; save it as UTF-8" }
}

impl SourceFile {
    /// Reads the text file at `path`, at most `limit` bytes.
    pub fn read(path: &Path, limit: u64) -> Result<Self, ReadError> {
        Self::read_as(path.display().to_string(), path, limit)
    }

    /// The same for a file that people know as `name`.
    pub fn read_as(name: String, path: &Path, limit: u64) -> Result<Self, ReadError> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(ReadError::Missing { path: shortened(&name) });
        }
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ReadError::Missing { path: name.clone() }
            }
            _ => ReadError::Io { path: name.clone(), error },
        };
        // Looked at before it is opened: opening a pipe without a writer would wait for ever.
        let metadata = std::fs::metadata(path).map_err(io)?;
        if metadata.is_dir() {
            return Err(ReadError::Folder { path: name });
        }
        if !metadata.is_file() {
            return Err(ReadError::NotAFile { path: name });
        }
        let file = File::open(path).map_err(io)?;
        let text = read_text(file, &name, limit)?;
        Ok(Self { name, path: Some(path.to_owned()), text })
    }

    /// Reads text from `reader`, at most `limit` bytes; `name` is what errors call it.
    pub fn from_reader(reader: impl Read, name: &str, limit: u64) -> Result<Self, ReadError> {
        let text = read_text(reader, name, limit)?;
        Ok(Self { name: name.to_owned(), path: None, text })
    }
}

fn read_text(reader: impl Read, name: &str, limit: u64) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| ReadError::Io { path: name.to_owned(), error })?;
    let size = bytes.len() as u64;
    if size > limit {
        return Err(ReadError::TooLarge { path: name.to_owned(), bytes: size, limit });
    }
    let not_text = |offset, binary| ReadError::NotText { path: name.to_owned(), offset, binary };
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        return Err(not_text(offset, true));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| not_text(error.utf8_error().valid_up_to(), false))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// The head of a name too long to print.
fn shortened(name: &str) -> String {
    name.chars().take(60).chain(['…']).collect()
}
