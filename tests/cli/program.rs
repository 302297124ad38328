//! The binary in a folder of its own, with an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A throw-away folder to start flyball in.
pub(super) struct Program {
    folder: TempDir,
}

/// What it printed and how it ended.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Program {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir_all(folder.path().join("work/.git")).unwrap();
        std::fs::create_dir_all(folder.path().join("home")).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        write(&self.path(name), text.as_ref());
        self
    }

    pub(super) fn write_home(&self, name: &str, text: &str) -> &Self {
        write(&self.home().join(name), text.as_bytes());
        self
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        command
            .env_clear()
            .env("HOME", self.home())
            .current_dir(self.path("."))
            .stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&self.command().args(arguments).output().unwrap())
    }
}

pub(super) fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn write(path: &Path, text: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
