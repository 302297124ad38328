//! Programs as a shell finds them, and what they say of themselves.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::context::Context;

/// The longest that a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of that, bytes.
const BYTES_MAX: u64 = 4_096;

/// Where a shell finds `program`; `None` where it finds nothing.
pub(super) fn found(program: &str, context: &Context) -> Option<PathBuf> {
    if program.contains('/') {
        let path = match program.strip_prefix("~/") {
            Some(rest) => context.environment.home.as_ref()?.join(rest),
            None => context.working_folder.join(program),
        };
        return is_program(&path).then_some(path);
    }
    context.environment.path.iter().map(|folder| folder.join(program)).find(|path| is_program(path))
}

/// Whether there is a file at `path` that may be started.
pub(in crate::app) fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| {
        #[cfg(unix)]
        let may_run = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0;
        #[cfg(not(unix))]
        let may_run = true;
        found.is_file() && may_run
    })
}

/// Whether the program at `path` is this one.
pub(super) fn is_this(path: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    std::env::current_exe().is_ok_and(|own| real(&own).is_some() && real(&own) == real(path))
}

/// The first line that `program --version` prints; `None` where it fails or takes too long.
pub(super) fn version(program: &Path) -> Option<String> {
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut output = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.by_ref().take(BYTES_MAX).read_to_string(&mut text);
        drop(tell.send(read.ok().map(|_| text)));
    });
    let text = told.recv_timeout(PATIENCE).ok().flatten();
    if text.is_none() {
        let _ = child.kill();
    }
    let ended = child.wait().ok()?;
    text.filter(|_| ended.success())?.lines().next().map(str::to_owned)
}
