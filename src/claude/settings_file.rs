//! A settings file of Claude Code on disk: read whole, written whole or not at all, and never where
//! it is not what it seems. What stands in it is not this file's business.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::json_text::{BadJson, JsonText};

/// The largest settings file that is read, bytes.
pub const BYTES_MAX: u64 = 1 << 20;
/// What some editors put before a text.
const MARK: &str = "\u{feff}";

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    /// It says something else than an object of JSON.
    #[error("`{path}` is not JSON that can be changed: {error}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: BadJson,
    },
    /// It cannot be read or written, or should not be.
    #[error("`{path}` {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, as a predicate.
        why: String,
    },
}

/// A settings file as it was found.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// Where people know it.
    pub path: PathBuf,
    /// Where it is: behind links.
    target: PathBuf,
    /// What it says; `None` where there is no such file.
    pub json: Option<JsonText>,
    marked: bool,
    permissions: Option<Permissions>,
}

impl SettingsFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It is there and is no JSON object of at most 1 MiB in a regular file.
    pub fn read(path: &Path) -> Result<Self, SettingsFileError> {
        let unusable = |why: String| SettingsFileError::Unusable { path: path.to_owned(), why };
        let mut found = Self {
            path: path.to_owned(),
            target: path.to_owned(),
            json: None,
            marked: false,
            permissions: None,
        };
        match fs::symlink_metadata(path) {
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Ok(found),
            Err(error) => return Err(unusable(format!("cannot be read: {error}"))),
        }
        found.target = fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unusable("is a link that leads nowhere".to_owned()),
            _ => unusable(format!("cannot be read: {error}")),
        })?;
        // Looked at before it is opened: opening a pipe without a writer would wait for ever.
        let metadata = fs::metadata(&found.target)
            .map_err(|error| unusable(format!("cannot be read: {error}")))?;
        if !metadata.is_file() {
            return Err(unusable("is not a file".to_owned()));
        }
        let text = read_text(&found.target).map_err(unusable)?;
        let plain = text.strip_prefix(MARK);
        found.marked = plain.is_some();
        let json = JsonText::parse(plain.unwrap_or(&text))
            .map_err(|error| SettingsFileError::Json { path: path.to_owned(), error })?;
        found.json = Some(json);
        found.permissions = Some(metadata.permissions());
        Ok(found)
    }

    /// What it says; nothing where it is not there.
    pub fn text(&self) -> &str {
        self.json.as_ref().map_or("", JsonText::text)
    }

    /// Whether somebody has asked that it is not changed.
    pub fn is_read_only(&self) -> bool {
        self.permissions.as_ref().is_some_and(Permissions::readonly)
    }

    /// Writes `text` in its place, with the same access rights. The folder is made where it is
    /// missing.
    ///
    /// # Errors
    /// It is read-only, has changed since it was read, or cannot be written. It is as it was then.
    pub fn write(&self, text: &str) -> Result<(), SettingsFileError> {
        let failed = |error: &io::Error| self.unusable(format!("cannot be written: {error}"));
        self.still_the_same()?;
        let folder = self.target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let beside = beside(&self.target);
        let written = File::create_new(&beside).and_then(|mut file| {
            if self.marked {
                file.write_all(MARK.as_bytes())?;
            }
            file.write_all(text.as_bytes())?;
            if let Some(permissions) = &self.permissions {
                file.set_permissions(permissions.clone())?;
            }
            file.sync_all()?;
            fs::rename(&beside, &self.target)
        });
        written.map_err(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                // What is left of it is of no use; failing to remove it changes nothing.
                let _ = fs::remove_file(&beside);
            }
            failed(&error)
        })
    }

    /// Takes the file away, and its folder where `with_folder` says so and nothing else is in it.
    ///
    /// # Errors
    /// It is read-only, has changed since it was read, or cannot be removed.
    pub fn remove(&self, with_folder: bool) -> Result<(), SettingsFileError> {
        self.still_the_same()?;
        fs::remove_file(&self.target)
            .map_err(|error| self.unusable(format!("cannot be removed: {error}")))?;
        if let Some(folder) = self.target.parent().filter(|_| with_folder) {
            // A folder that holds something stays.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    fn still_the_same(&self) -> Result<(), SettingsFileError> {
        if self.is_read_only() {
            return Err(self.unusable("is read-only".to_owned()));
        }
        let now = Self::read(&self.path)?;
        if now.json.is_some() != self.json.is_some() || now.text() != self.text() {
            return Err(self.unusable("was changed in the meantime".to_owned()));
        }
        Ok(())
    }

    fn unusable(&self, why: String) -> SettingsFileError {
        SettingsFileError::Unusable { path: self.path.clone(), why }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The text of a file, or why not.
fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("has more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

/// What settings say, without their values that are nobody's business: everything in `env`, and
/// whatever is called a key, a token, a secret or a password.
pub fn without_secrets(settings: &JsonText) -> String {
    const NAMES: [&str; 6] = ["key", "token", "secret", "password", "credential", "header"];
    settings.hiding(&|keys| {
        let named = |key: &&str| {
            let key = key.to_ascii_lowercase();
            NAMES.iter().any(|name| key.contains(name))
        };
        keys.first() == Some(&"env") || keys.iter().any(named)
    })
}
