//! Which file a `workflow()` call means. Owns the order of precedence; finds no files itself.

use serde::{Deserialize, Serialize};

use super::source::Source;

/// Where a saved workflow was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundIn {
    /// A project folder `.claude/workflows`, so many folders above the working directory.
    Project {
        /// 0 is the working directory itself; the nearest wins.
        levels_up: u32,
    },
    /// The personal folder.
    Personal,
    /// A plugin; its workflows are named `plugin:name`.
    Plugin {
        /// The plugin's name.
        plugin: String,
    },
    /// Not saved anywhere: known by its path only.
    Path,
}

impl FoundIn {
    fn rank(&self) -> u32 {
        match self {
            Self::Project { levels_up } => *levels_up,
            Self::Personal => u32::MAX - 2,
            Self::Plugin { .. } => u32::MAX - 1,
            Self::Path => u32::MAX,
        }
    }
}

/// A workflow file on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundWorkflow {
    /// `meta.name` as read by whoever found it; `None` where it could not be read.
    pub meta_name: Option<String>,
    /// Its path as `scriptPath` would spell it, absolute or relative to the working directory.
    pub path: String,
    /// Where it was found.
    pub found_in: FoundIn,
    /// Its text.
    pub text: String,
}

impl FoundWorkflow {
    /// The name that `workflow('name')` knows it by.
    pub fn call_name(&self) -> Option<String> {
        let name = self.meta_name.as_deref()?;
        match &self.found_in {
            FoundIn::Plugin { plugin } => Some(format!("{plugin}:{name}")),
            FoundIn::Path => None,
            FoundIn::Project { .. } | FoundIn::Personal => Some(name.to_owned()),
        }
    }

    /// Its text with its path as the name.
    pub fn source(&self) -> Source {
        Source::new(self.path.clone(), self.text.clone())
    }
}

/// All workflow files that a script could call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRegistry {
    /// The files, in any order.
    pub found: Vec<FoundWorkflow>,
}

/// What a `workflow()` call resolved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The file at this position of [`WorkflowRegistry::found`].
    Found(usize),
    /// Nothing.
    Missing,
}

impl WorkflowRegistry {
    /// The file that `workflow(name)` means: the nearest project folder, then the personal one;
    /// plugins answer to `plugin:name`. The client's built-in workflows are not on disk, so their
    /// names are missing here.
    pub fn by_name(&self, name: &str) -> Lookup {
        let best = self
            .found
            .iter()
            .enumerate()
            .filter(|(_, file)| file.call_name().as_deref() == Some(name))
            .min_by_key(|(position, file)| (file.found_in.rank(), *position));
        best.map_or(Lookup::Missing, |(position, _)| Lookup::Found(position))
    }

    /// The file that `workflow({scriptPath})` means. Leading `./` and repeated slashes do not
    /// matter; nothing else is guessed.
    pub fn by_path(&self, path: &str) -> Lookup {
        let wanted = plain_path(path);
        let position = self.found.iter().position(|file| plain_path(&file.path) == wanted);
        position.map_or(Lookup::Missing, Lookup::Found)
    }

    /// The names that can be called, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.found.iter().filter_map(FoundWorkflow::call_name).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn plain_path(path: &str) -> String {
    let absolute = path.starts_with(['/', '\\']);
    let parts: Vec<&str> =
        path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}
