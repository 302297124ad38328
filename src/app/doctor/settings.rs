//! Claude Code's settings files, strongest first.

use std::path::PathBuf;

use serde_json::Value;

use super::super::context::Context;
use super::super::error::AppError;
use super::failed;
use crate::claude::settings_file::SettingsFile;
use crate::report::checkup::Check;

/// Where an organisation's settings are.
const MANAGED: &str = if cfg!(target_os = "macos") {
    "/Library/Application Support/ClaudeCode/managed-settings.json"
} else {
    "/etc/claude-code/managed-settings.json"
};

/// Every settings file that is there and can be read.
pub(super) struct ClientSettings {
    /// Strongest first: the organisation's, yours for this folder, the folder's, your own.
    pub(super) files: Vec<ClientFile>,
}

/// One of them.
pub(super) struct ClientFile {
    pub(super) path: PathBuf,
    pub(super) settings: Value,
    /// Whether an organisation has put it there.
    pub(super) managed: bool,
}

impl ClientFile {
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The variable that it sets for the client.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match self.settings.get("env")?.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.settings.get(key) == Some(&Value::Bool(true))
    }
}

impl ClientSettings {
    /// Reads them; says which cannot be read.
    pub(super) fn read(context: &Context, checks: &mut Vec<Check>) -> Self {
        // Those of the folder that Claude Code is started in, and of no folder above it.
        let project = context.working_folder.join(".claude");
        let user = context.environment.claude_folder.as_ref();
        let places = [
            Some((PathBuf::from(MANAGED), true)),
            Some((project.join("settings.local.json"), false)),
            Some((project.join("settings.json"), false)),
            user.map(|folder| (folder.join("settings.json"), false)),
        ];
        let mut files: Vec<ClientFile> = Vec::new();
        for (path, managed) in places.into_iter().flatten() {
            if files.iter().any(|file| file.path == path) {
                continue;
            }
            match SettingsFile::read(&path) {
                Ok(SettingsFile { json: Some(json), .. }) => {
                    files.push(ClientFile { path, settings: json.value().clone(), managed });
                }
                Ok(_) => {}
                Err(error) => checks.push(failed(
                    "settings",
                    &AppError::bad_input(error).with_hint(
                        "mend it: Claude Code ignores a file that it cannot read, hooks included",
                    ),
                )),
            }
        }
        Self { files }
    }
}
