//! Agent types that a session can start by name: which model they bring.

use std::path::{Path, PathBuf};

/// The most that is read of an agent's definition, bytes.
const DEFINITION_BYTES_MAX: u64 = 64 << 10;
/// Definitions looked at in one folder, at most.
const DEFINITIONS_MAX: usize = 500;
/// Agent types of Claude Code's own that bring a model (as of 2.1.330).
const BUILT_IN_MODELS: [(&str, &str); 1] = [("Explore", "haiku")];
/// The type of an agent for which no type is named.
pub const GENERAL: &str = "general-purpose";

/// The model that the definition of `agent_type` names, if it names one: in `folders`, closest
/// first, else Claude Code's own. A definition is a Markdown file that begins with `name:` and
/// `model:` between two lines of dashes.
pub fn model_of(agent_type: &str, folders: &[PathBuf]) -> Option<String> {
    let defined = folders.iter().find_map(|folder| definition(agent_type, folder));
    let built_in = || BUILT_IN_MODELS.iter().find(|(name, _)| *name == agent_type);
    let model = match defined {
        Some(head) => field(&head, "model").map(str::to_owned),
        None => built_in().map(|(_, model)| (*model).to_owned()),
    };
    model.filter(|model| model != "inherit")
}

/// The head of the definition of `agent_type` in `folder`, if it is there.
fn definition(agent_type: &str, folder: &Path) -> Option<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .take(DEFINITIONS_MAX)
        .collect();
    files.sort();
    files.iter().find_map(|file| {
        let found = std::fs::metadata(file).ok()?;
        if !found.is_file() || found.len() > DEFINITION_BYTES_MAX {
            return None;
        }
        let text = std::fs::read_to_string(file).ok()?;
        let head = text.strip_prefix("---\n")?.split("\n---").next()?;
        (field(head, "name")? == agent_type).then(|| head.to_owned())
    })
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let value =
        head.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then_some(value)
}
