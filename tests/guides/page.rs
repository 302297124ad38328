//! A page of the documentation, its fenced blocks, and the folder that its commands run in.

use std::fs;
use std::path::{Path, PathBuf};

use flyball::config::examples::EXAMPLES;

/// The script that the guides call `review.js`.
const REVIEW: &str = "review-diff";

/// A page.
pub(super) struct Page {
    /// Relative to the repository's root, with `/` between parts.
    pub(super) path: String,
    text: String,
}

/// A fenced block.
pub(super) struct Block {
    /// What stands after the opening fence: the language, then perhaps a file's name.
    pub(super) info: String,
    /// What stands between the fences.
    pub(super) text: String,
    /// The line of the opening fence, from 1.
    pub(super) line: usize,
}

impl Block {
    /// The lines between the fences, with their numbers in the page.
    pub(super) fn numbered_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (self.line + 1 + index, line))
    }

    /// The file that the block is the content of: the word after its language.
    fn file(&self) -> Option<&str> {
        self.info.split_whitespace().nth(1)
    }
}

/// The README and every guide.
pub(super) fn all() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guides = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let guides = guides.map(|name| name.into_string().unwrap());
    let mut paths: Vec<String> = guides
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    paths.push("README.md".to_owned());
    paths.sort();
    let read = |path: String| Page { text: fs::read_to_string(root.join(&path)).unwrap(), path };
    paths.into_iter().map(read).collect()
}

impl Page {
    /// The fenced blocks, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(info), None) => {
                    let info = info.trim().to_owned();
                    open = Some(Block { info, text: String::new(), line: index + 1 });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.text += line;
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block without an end", self.path);
        blocks
    }

    /// Puts a copy of the page below `stage`, and beside it the folder that its commands run in:
    /// the script of the guides, and each block that names a file. Returns the copy's path.
    pub(super) fn set_up(&self, stage: &Path) -> PathBuf {
        let copy = stage.join(&self.path);
        let folder = copy.with_extension("in");
        // Settings are looked for up to the root of a repository.
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::write(&copy, &self.text).unwrap();
        let review = EXAMPLES.iter().find(|example| example.name == REVIEW).unwrap();
        fs::write(folder.join("review.js"), review.text).unwrap();
        for block in self.blocks() {
            if let Some(name) = block.file() {
                fs::write(folder.join(name), &block.text).unwrap();
            }
        }
        copy
    }

    /// Writes the copy below `stage` back, where `TRYCMD=overwrite` changed it.
    pub(super) fn take_over(&self, stage: &Path) {
        let now = fs::read_to_string(stage.join(&self.path)).unwrap();
        if now != self.text {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(&self.path), now).unwrap();
        }
    }
}
