//! Data on its way out: standard output and files.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::AppError;
use super::exit::Exit;

/// Writes `text` to standard output. A reader that has gone (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<(), AppError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(AppError::new(Exit::BadInput, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes `text` to standard error. Where that is closed, nobody is left to tell.
pub(super) fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Asks the terminal; anything but a yes is a no.
pub(super) fn confirm(question: &str) -> bool {
    let mut stderr = io::stderr().lock();
    if write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let heard = io::stdin().read_line(&mut answer).is_ok();
    heard && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Whether [`write_file`] could write to `path` now: for what is known only after much was paid.
pub(super) fn can_be_written(path: &Path) -> Result<(), AppError> {
    not_a_folder(path)?;
    if path.exists() && !path.is_file() {
        let opened = File::options().write(true).open(path);
        return opened.map(drop).map_err(|error| cannot_write(path, &error));
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&target);
    let made = File::create_new(&beside).and_then(|_| std::fs::remove_file(&beside));
    made.map_err(|error| cannot_write(path, &error))
}

fn not_a_folder(path: &Path) -> Result<(), AppError> {
    if path.is_dir() {
        let shown = path.display();
        return Err(AppError::bad_input(format!("`{shown}` is a folder; name a file in it")));
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> AppError {
    let shown = path.display();
    let app_error = AppError::bad_input(format!("cannot write `{shown}`: {error}"));
    match error.kind() {
        ErrorKind::NotFound => app_error.with_hint("create its folder first"),
        _ => app_error,
    }
}

/// Writes `text` to `path` whole or not at all: to a new file beside it that then takes its name.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), AppError> {
    not_a_folder(path)?;
    // A device or a pipe, such as /dev/stdout, cannot be replaced; it is written to.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, text).map_err(|error| cannot_write(path, &error));
    }
    // Through a link, the file it leads to is replaced, not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&target);
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &target)
    });
    written.map_err(|error| {
        if error.kind() != ErrorKind::AlreadyExists {
            // What is left of it is of no use; failing to remove it changes nothing.
            let _ = std::fs::remove_file(&beside);
        }
        cannot_write(path, &error)
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}
