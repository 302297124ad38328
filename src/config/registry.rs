//! Where a workflow's name leads. Owns the search path; a saved workflow's own name (`meta.name`)
//! is for the caller to read, since script text is parsed elsewhere.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::examples;
use super::plugins;
use super::source::{ReadError, SourceFile, TEXT_BYTES_MAX};

/// Folders looked at between the working folder and the repository's root, at most.
const PARENTS_MAX: usize = 64;
/// Saved workflows read, at most; more are not looked at.
pub const SAVED_MAX: usize = 1_000;

/// What stands before the name of a shipped workflow.
pub const EXAMPLE_PREFIX: &str = "example:";

/// What the command line calls a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkflowReference {
    /// A file.
    Path(PathBuf),
    /// A saved workflow.
    Name(String),
    /// A shipped workflow.
    Example(String),
}

impl WorkflowReference {
    /// How `text` is meant: `example:NAME`; a path where it has a separator, a script's ending or
    /// names something on disk; else a saved workflow's name.
    pub fn from_text(text: &str, working_folder: &Path) -> Self {
        if let Some(name) = text.strip_prefix(EXAMPLE_PREFIX) {
            return Self::Example(name.to_owned());
        }
        let path = Path::new(text);
        let script = path.extension().is_some_and(|end| end == "js" || end == "mjs" || end == "ts");
        let separated = text.contains('/') || text.contains(std::path::MAIN_SEPARATOR);
        if script || separated || text == "." || text == ".." {
            return Self::Path(path.to_owned());
        }
        let file = std::fs::metadata(working_folder.join(path)).is_ok_and(|found| found.is_file());
        if file { Self::Path(path.to_owned()) } else { Self::Name(text.to_owned()) }
    }
}

/// Where a saved workflow is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `.claude/workflows/` of the working folder or of one above, up to the repository's root.
    Project,
    /// `workflows/` of Claude Code's own folder.
    Personal,
    /// `workflows/` of a plugin that is installed in Claude Code.
    Plugin,
}

impl Origin {
    /// The name used in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Personal => "personal",
            Self::Plugin => "plugin",
        }
    }
}

/// One script in a search folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedWorkflow {
    /// Where it is.
    pub path: PathBuf,
    /// Which kind of folder.
    pub origin: Origin,
    /// The plugin that it is from; it is called `plugin:name`.
    pub plugin: Option<String>,
    /// The file's name without `.js`: its name where `meta.name` is absent.
    pub stem: String,
    /// The script.
    pub text: String,
}

impl SavedWorkflow {
    /// What it is called, given its own name; the file's stem where it has none.
    pub fn call_name(&self, own: Option<&str>) -> String {
        let own = own.unwrap_or(&self.stem);
        self.plugin.as_ref().map_or_else(|| own.to_owned(), |plugin| format!("{plugin}:{own}"))
    }
}

/// The scripts of the search folders, closest first, then by file name.
#[derive(Debug, Default)]
pub struct Registry {
    /// The scripts.
    pub workflows: Vec<SavedWorkflow>,
    /// The folders that were looked in, closest first, whether or not they exist.
    pub folders: Vec<PathBuf>,
    /// Files that look like scripts and cannot be read.
    pub unreadable: Vec<ReadError>,
}

impl Registry {
    /// Reads the search folders of `working_folder`.
    pub fn scan(working_folder: &Path, environment: &Environment) -> Self {
        let mut registry = Self::default();
        for folder in project_folders(working_folder) {
            let folder = folder.join(".claude").join("workflows");
            registry.read_folder(folder, Origin::Project, None);
        }
        let Some(personal) = &environment.claude_folder else { return registry };
        registry.read_folder(personal.join("workflows"), Origin::Personal, None);
        match plugins::installed(personal) {
            Ok(plugins) => {
                for plugin in plugins {
                    let folder = plugin.folder.join("workflows");
                    registry.read_folder(folder, Origin::Plugin, Some(&plugin.name));
                }
            }
            Err(error) => registry.unreadable.push(error),
        }
        registry
    }

    /// The closest workflow that `name_of` gives this name, and the others of the same name that
    /// it hides. `name_of` reads a script's `meta.name`; where it has none, the file's stem counts.
    pub fn named(
        &self,
        name: &str,
        mut name_of: impl FnMut(&SavedWorkflow) -> Option<String>,
    ) -> Vec<&SavedWorkflow> {
        self.workflows
            .iter()
            .filter(|saved| saved.call_name(name_of(saved).as_deref()) == name)
            .collect()
    }

    fn read_folder(&mut self, folder: PathBuf, origin: Origin, plugin: Option<&str>) {
        // The personal folder can also be found on the way up; each folder counts once.
        if self.folders.contains(&folder) {
            return;
        }
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "js"))
            .collect();
        paths.sort();
        self.folders.push(folder);
        for path in paths {
            if self.workflows.len() >= SAVED_MAX {
                return;
            }
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned)
            else {
                continue;
            };
            match SourceFile::read(&path, TEXT_BYTES_MAX) {
                Ok(source) => {
                    let (plugin, text) = (plugin.map(str::to_owned), source.text);
                    self.workflows.push(SavedWorkflow { path, origin, plugin, stem, text });
                }
                Err(error) => self.unreadable.push(error),
            }
        }
    }
}

/// `working_folder` and its parents up to the repository's root; only itself outside one.
pub fn project_folders(working_folder: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in working_folder.ancestors().take(PARENTS_MAX) {
        folders.push(folder.to_owned());
        if folder.join(".git").exists() {
            return folders;
        }
    }
    vec![working_folder.to_owned()]
}

/// The shipped workflow of that name as a source; else the names there are.
pub fn example_source(name: &str) -> Result<SourceFile, Vec<&'static str>> {
    match examples::example(name) {
        Some(example) => Ok(SourceFile {
            name: format!("{EXAMPLE_PREFIX}{name}"),
            path: None,
            text: example.text.to_owned(),
        }),
        None => Err(examples::EXAMPLES.iter().map(|example| example.name).collect()),
    }
}
