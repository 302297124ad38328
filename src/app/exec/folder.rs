//! A folder of one `exec`: the client's settings, and what hooks write down. Only its owner can look
//! into it, and it goes away with the command.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::super::context::Context;
use super::super::error::AppError;

/// A folder that is removed when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// One for `run`.
    pub(super) fn new(run: &str, context: &Context) -> Result<Self, AppError> {
        let state = context.environment.state.as_ref().ok_or_else(|| {
            AppError::usage("there is no home folder to keep the client's settings in")
                .with_hint("set HOME or XDG_STATE_HOME")
        })?;
        let above = state.join("exec");
        // Two with one run at once are told apart by their processes.
        let path = above.join(format!("{run}.{}", std::process::id()));
        let made = fs::create_dir_all(&above).and_then(|()| {
            // What a killed process of the same number left behind is of no use.
            let _none = fs::remove_dir_all(&path);
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder.create(&path)?;
            builder.create(path.join("launches"))?;
            builder.create(path.join("sessions"))
        });
        made.map_err(|error| {
            AppError::bad_input(format!("cannot make `{}`: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    /// Where launches are written down.
    pub(super) fn launches(&self) -> PathBuf {
        self.0.join("launches")
    }

    /// Where sessions are written down.
    pub(super) fn sessions(&self) -> PathBuf {
        self.0.join("sessions")
    }

    /// Writes the client's settings, which only their owner can read; where they are.
    pub(super) fn write_settings(&self, text: &str) -> Result<PathBuf, AppError> {
        let mut options = fs::OpenOptions::new();
        let path = self.0.join("settings.json");
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            AppError::bad_input(format!("cannot write `{}`: {error}", path.display()))
        })?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing in it is of use to anybody; what cannot be removed is in the state folder.
        let _left = fs::remove_dir_all(&self.0);
    }
}
