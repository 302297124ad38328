//! Which plugins Claude Code has installed, and where their folders are: it keeps a list of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::source::{ReadError, SourceFile, TEXT_BYTES_MAX};

/// Plugins looked at, at most.
const PLUGINS_MAX: usize = 200;

/// An installed plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name, without the marketplace it is from: the first half of `plugin:workflow`.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// Claude Code's list, as far as it is needed.
#[derive(Deserialize)]
struct Installed {
    #[serde(default)]
    plugins: BTreeMap<String, Vec<Installation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installation {
    install_path: Option<PathBuf>,
}

/// The plugins installed in Claude Code's folder, by name. None where there is no list; an error
/// where it cannot be read: what it names is then missing, not absent.
pub fn installed(claude_folder: &Path) -> Result<Vec<Plugin>, ReadError> {
    let list = claude_folder.join("plugins").join("installed_plugins.json");
    let source = match SourceFile::read(&list, TEXT_BYTES_MAX) {
        Ok(source) => source,
        Err(ReadError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let list: Installed = serde_json::from_str(&source.text).map_err(|error| ReadError::Io {
        path: source.name,
        error: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })?;
    let named = list.plugins.into_iter().flat_map(|(id, installations)| {
        // `name@marketplace`
        let name = id.split('@').next().unwrap_or(&id).to_owned();
        let folders = installations.into_iter().filter_map(|one| one.install_path);
        folders.map(move |folder| Plugin { name: name.clone(), folder })
    });
    Ok(named.filter(|plugin| plugin.folder.is_absolute()).take(PLUGINS_MAX).collect())
}
