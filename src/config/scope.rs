//! What the working tree holds, in counts. Owns the limits on looking; reads no file's content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ignore::WalkBuilder;
use serde::{Deserialize, Serialize};

use crate::plan::widths::CountLimit;

/// Limits on looking at a folder, so that a home folder cannot hold up a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeLimits {
    /// Files and folders looked at; counting stops there.
    pub entries: u32,
    /// Folders below the scope.
    pub depth: u32,
    /// Time for looking at files.
    pub walk_time: Duration,
    /// Time for asking git about changes.
    pub git_time: Duration,
}

impl Default for ScopeLimits {
    fn default() -> Self {
        Self {
            entries: 50_000,
            depth: 24,
            walk_time: Duration::from_secs(3),
            git_time: Duration::from_secs(2),
        }
    }
}

/// What a folder holds. Ignored and hidden files do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeCounts {
    /// The folder as given.
    pub folder: PathBuf,
    /// Files.
    pub files: u64,
    /// Their sizes, bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Files that look like source code.
    pub source_files: u64,
    /// Files by lower-case ending; files without one under the empty string.
    pub by_extension: BTreeMap<String, u64>,
    /// Folders that directly hold source files.
    pub modules: u64,
    /// Files that differ from the last commit, new ones included; `None` where git cannot tell.
    pub changed_files: Option<u64>,
    /// What cut the counting short; the counts are then lower bounds.
    pub cut_by: Option<CountLimit>,
}

const SOURCE_ENDINGS: [&str; 48] = [
    "astro", "bash", "c", "cc", "clj", "cpp", "cs", "cts", "cxx", "dart", "ex", "exs", "fs", "go",
    "gd", "h", "hpp", "hs", "java", "jl", "js", "jsx", "kt", "kts", "lua", "m", "ml", "mjs", "mm",
    "mts", "nim", "php", "pl", "proto", "py", "r", "rb", "rs", "scala", "sh", "sol", "sql",
    "svelte", "swift", "ts", "tsx", "vue", "zig",
];

impl ScopeCounts {
    /// Counts what `folder` holds, within `limits`.
    pub fn of(folder: &Path, limits: ScopeLimits) -> std::io::Result<Self> {
        if !std::fs::metadata(folder)?.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::NotADirectory));
        }
        let git = GitQuestion::ask(folder);
        let mut counts = Self { folder: folder.to_owned(), ..Self::default() };
        let mut modules = BTreeSet::new();
        let deadline = Instant::now() + limits.walk_time;
        let deepest = usize::try_from(limits.depth).unwrap_or(usize::MAX);
        let walk = WalkBuilder::new(folder)
            .max_depth(Some(deepest))
            .follow_links(false)
            .same_file_system(true)
            .require_git(false)
            .build();
        for (looked_at, entry) in (0_u32..).zip(walk) {
            if looked_at >= limits.entries {
                counts.cut_by = Some(CountLimit::Entries(limits.entries));
                break;
            }
            if looked_at % 256 == 0 && Instant::now() >= deadline {
                counts.cut_by = Some(CountLimit::Seconds(limits.walk_time.as_secs()));
                break;
            }
            // A folder that cannot be read holds nothing that agents could be given either.
            let Ok(entry) = entry else { continue };
            let Some(kind) = entry.file_type() else { continue };
            if kind.is_file() {
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                counts.add(entry.path(), bytes, &mut modules);
            } else if kind.is_dir() && entry.depth() >= deepest && holds_anything(entry.path()) {
                counts.cut_by = Some(CountLimit::Depth(limits.depth));
            }
        }
        counts.modules = modules.len() as u64;
        counts.changed_files = git.and_then(|question| question.answer(limits.git_time));
        Ok(counts)
    }

    fn add(&mut self, path: &Path, bytes: u64, modules: &mut BTreeSet<PathBuf>) {
        let ending = path.extension().and_then(|end| end.to_str()).unwrap_or("").to_lowercase();
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if SOURCE_ENDINGS.contains(&ending.as_str()) {
            self.source_files += 1;
            if let Some(parent) = path.parent() {
                modules.insert(parent.to_owned());
            }
        }
        *self.by_extension.entry(ending).or_default() += 1;
    }
}

fn holds_anything(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// A running `git status`, beside which the files are counted.
struct GitQuestion(Child);

impl GitQuestion {
    fn ask(folder: &Path) -> Option<Self> {
        let mut command = Command::new("git");
        // No lock is taken, and no program that a repository's own settings name is started.
        command
            .args(["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath="])
            .args(["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"])
            .args(["--ignore-submodules=all", "--", "."])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command.spawn().ok().map(Self)
    }

    /// How many paths it names; `None` if it fails or takes longer than `limit`.
    fn answer(mut self, limit: Duration) -> Option<u64> {
        let mut output = self.0.stdout.take()?;
        let (sender, receiver) = std::sync::mpsc::channel();
        // Read beside the wait: a full pipe would keep git from ever ending.
        std::thread::spawn(move || {
            let mut paths = 0_u64;
            let mut buffer = [0_u8; 8_192];
            while let Ok(read) = std::io::Read::read(&mut output, &mut buffer) {
                if read == 0 {
                    break;
                }
                let ends = buffer.iter().take(read).filter(|byte| **byte == 0).count();
                paths += ends as u64;
            }
            let _ = sender.send(paths);
        });
        let paths = receiver.recv_timeout(limit).ok();
        if paths.is_none() {
            let _ = self.0.kill();
        }
        let ended = self.0.wait().ok()?;
        paths.filter(|_| ended.success())
    }
}
