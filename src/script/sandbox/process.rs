//! A running child: requests out, answers in, and how it died if it did.

use std::ffi::OsString;
use std::io::{BufReader, BufWriter, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::activity::Activity;
use super::frame::{Frame, Kind};
use super::limits::SandboxLimits;
use super::watch::Watch;
use crate::ports::script::EngineError;

/// The last bytes of standard error that are kept to explain a death.
const LAST_WORDS_BYTES: usize = 4_096;

/// How long a child may take to end once its output is closed.
const ENDING_ROUND: Duration = Duration::from_millis(2);
const ENDING_ROUNDS: u32 = 150;

/// A child process with its pipes. Killed when dropped.
pub(super) struct Process {
    child: Child,
    limits: SandboxLimits,
    requests: Option<Sender<Frame>>,
    answers: Receiver<Frame>,
    last_words: Option<JoinHandle<String>>,
    dead: Option<EngineError>,
}

impl Process {
    /// Starts `executable` with an empty environment.
    pub(super) fn spawn(
        executable: &Path,
        arguments: &[OsString],
        limits: SandboxLimits,
    ) -> Result<Self, EngineError> {
        let mut command = Command::new(executable);
        command.args(arguments).env_clear().env("TZ", "UTC");
        #[cfg(windows)]
        if let Some(root) = std::env::var_os("SystemRoot") {
            // Without it the system's own libraries are not found.
            command.env("SystemRoot", root);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        apart_from_terminal(&mut command);
        let failed = |what: &str| {
            EngineError::Internal(format!("cannot start {}: {what}", executable.display()))
        };
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed("it has no pipes"));
        };
        let (requests, outbox) = channel();
        let (inbox, answers) = channel();
        thread::spawn(move || send(stdin, &outbox));
        thread::spawn(move || receive(stdout, &inbox));
        let last_words = Some(thread::spawn(move || listen(stderr)));
        let process =
            Self { child, limits, requests: Some(requests), answers, last_words, dead: None };
        let setup =
            Frame::json(Kind::Setup, &limits).map_err(|error| failed(&error.to_string()))?;
        process.post(setup);
        Ok(process)
    }

    /// Sends a request and waits for its answer, for as long as the limits allow.
    pub(super) fn request(&mut self, request: Frame) -> Result<Frame, EngineError> {
        if let Some(dead) = &self.dead {
            return Err(dead.clone());
        }
        let mut watch = Watch::new(self.limits, self.child.id(), Activity::of(request.kind));
        self.post(request);
        loop {
            match self.answers.recv_timeout(watch.patience()) {
                Ok(frame) if frame.kind == Kind::Progress => {
                    if let Ok(activity) = frame.parse() {
                        watch.heard(activity);
                    }
                }
                Ok(frame) if frame.kind == Kind::Reply => return Ok(frame),
                Ok(frame) => {
                    let message = String::from_utf8_lossy(&frame.payload).into_owned();
                    return Err(EngineError::Internal(format!("the child panicked: {message}")));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
            }
            if let Some(error) = watch.overdue() {
                self.kill();
                self.dead = Some(error.clone());
                return Err(error);
            }
        }
    }

    /// A failed send shows as a closed answer pipe.
    fn post(&self, frame: Frame) {
        if let Some(requests) = &self.requests {
            let _gone = requests.send(frame);
        }
    }

    /// Its answers ended: it is dead or dying.
    fn died(&mut self) -> EngineError {
        self.requests = None;
        let status = self.last_status();
        let words = self.last_words.take().and_then(|thread| thread.join().ok());
        let error = autopsy(status, &words.unwrap_or_default());
        self.dead = Some(error.clone());
        error
    }

    /// The status of a child whose output is closed: it ends by itself, or is ended.
    fn last_status(&mut self) -> Option<ExitStatus> {
        for _ in 0..ENDING_ROUNDS {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(ENDING_ROUND),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
        let _ended = self.child.kill();
        self.child.wait().ok()
    }

    fn kill(&mut self) {
        self.requests = None;
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn killed(reason: String, help: &str) -> EngineError {
    EngineError::Killed { reason, help: help.to_owned() }
}

/// Why a child died, from its status and what it said last.
fn autopsy(status: Option<ExitStatus>, words: &str) -> EngineError {
    const NESTING: &str = "the script nests functions, brackets or calls too deeply";
    const MEMORY: &str = "the script builds arrays or strings that do not fit";
    if words.contains("overflowed its stack") {
        return killed("stack exhausted".to_owned(), NESTING);
    }
    if words.contains("memory allocation of") {
        return killed("memory exhausted".to_owned(), MEMORY);
    }
    match status.and_then(signal) {
        Some(9) => killed("memory, or from outside (signal 9)".to_owned(), MEMORY),
        Some(24) => killed("processor time".to_owned(), "look for a loop that never ends"),
        Some(signal) => killed(format!("crash (signal {signal})"), NESTING),
        None => {
            let code = status.and_then(|status| status.code()).unwrap_or(-1);
            let last = words.lines().last().unwrap_or("");
            EngineError::Internal(format!("the child ended with code {code}: {last}"))
        }
    }
}

/// A terminal sends Ctrl-C to the whole group in its foreground. What that means is the parent's to
/// decide: a child that died of it would look like a script that crashed. Where the parent dies,
/// the child's input ends, and it with that.
#[cfg(unix)]
fn apart_from_terminal(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn apart_from_terminal(_command: &mut Command) {}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Writes requests on a thread of its own: a child that does not read must not hold the caller.
fn send(stdin: ChildStdin, outbox: &Receiver<Frame>) {
    let mut stdin = BufWriter::new(stdin);
    for frame in outbox {
        if frame.write(&mut stdin).is_err() {
            return;
        }
    }
}

fn receive(stdout: ChildStdout, inbox: &Sender<Frame>) {
    let mut stdout = BufReader::new(stdout);
    while let Ok(Some(frame)) = Frame::read(&mut stdout) {
        if inbox.send(frame).is_err() {
            return;
        }
    }
}

/// Reads standard error to its end and keeps the last of it.
fn listen(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 1_024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
        let excess = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
