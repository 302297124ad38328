//! `flyball hook pre-tool-use`: Claude Code says what it is about to start, and is answered.
//!
//! Whatever goes wrong ends with exit code 2, the only one that blocks a call, unless the user has
//! chosen that unchecked calls go ahead. One answer is given, by whoever is first: this room or its
//! watchdog.

mod checking;
mod forecast;
mod held;
mod launches;
mod routing;
mod subject;
mod watchdog;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::watchdog::Watchdog;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::claude::hook::{Answer, Launch, ToolCall};
use crate::cli::command::GlobalFlags;
use crate::cli::hook::{HookCommand, HookTyped};
use crate::config::settings::Whose;
use crate::report::page::clean;

/// The most that is read of a call, bytes. A script has at most 512 KiB, its args may have more.
const CALL_BYTES_MAX: u64 = 16 << 20;

pub(super) fn run(command: HookCommand, global: GlobalFlags) -> Exit {
    let HookCommand::PreToolUse(typed) = command;
    guarded(&typed, |failure, watchdog| answer(&typed, global, failure, watchdog))
}

/// What becomes of a call that cannot be checked.
#[derive(Clone)]
struct Failure {
    /// Whether it goes ahead.
    open: Arc<AtomicBool>,
}

impl Failure {
    /// Says why, and how the process ends.
    fn told(&self, why: &str) -> Exit {
        let why = clean(why);
        if !self.open.load(Ordering::SeqCst) {
            output::tell(&format!(
                "flyball could not check this launch, so it is blocked: {why}\n"
            ));
            return Exit::Blocked;
        }
        let shown = format!("flyball did not check this launch: {why}");
        let answer = Answer { shown: Some(shown), ..Answer::default() };
        let written = answer.to_json().map(|json| deliver(&json));
        if matches!(written, Ok(Ok(()))) { Exit::Done } else { Exit::Blocked }
    }
}

/// Carries out `check` under a watchdog, and turns everything that goes wrong into a failure.
fn guarded(
    typed: &HookTyped,
    check: impl FnOnce(&Failure, &Watchdog) -> Result<Option<Answer>, AppError>,
) -> Exit {
    let failure = Failure { open: Arc::new(AtomicBool::new(typed.fail_open)) };
    let late = failure.clone();
    let limit = typed.time_limit;
    let watchdog = Watchdog::start(limit, move || {
        let exit = late.told(&format!("no answer within {limit:?}"));
        end(exit);
    });
    let watchdog = match watchdog {
        Ok(watchdog) => watchdog,
        Err(error) => return failure.told(&format!("no thread for its watchdog: {error}")),
    };
    let checked = catch_unwind(AssertUnwindSafe(|| check(&failure, &watchdog)));
    watchdog.take_answer();
    let answer = match checked {
        Ok(Ok(None)) => return Exit::Done,
        Ok(Ok(Some(answer))) => answer,
        Ok(Err(error)) => return failure.told(&error.sentence_with_hints()),
        // The panic hook has said where.
        Err(_) => return failure.told("a bug in flyball"),
    };
    let written = answer.to_json().map_err(std::io::Error::from).and_then(|json| deliver(&json));
    match written {
        Ok(()) => Exit::Done,
        Err(error) => failure.told(&format!("its answer cannot be written: {error}")),
    }
}

/// Ends the process from the watchdog's thread: the main thread may be busy for long.
#[expect(
    clippy::exit,
    reason = "nothing else ends a thread that is stuck, and the answer is given"
)]
fn end(exit: Exit) {
    std::process::exit(exit.code().into());
}

/// The whole answer, or an error: a client that reads half of it would go ahead.
fn deliver(json: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(json.as_bytes())?;
    stdout.flush()
}

/// The answer to the call on standard input; none where it is not this hook's business.
fn answer(
    typed: &HookTyped,
    global: GlobalFlags,
    failure: &Failure,
    watchdog: &Watchdog,
) -> Result<Option<Answer>, AppError> {
    let call = ToolCall::read(&read_call()?).map_err(AppError::bad_input)?;
    if matches!(call.launch, Launch::Other) {
        return Ok(None);
    }
    let context = context(&call, global)?;
    // A project's file is as easily written as the script is: it does not open the gate.
    let opened = context
        .settings_files
        .iter()
        .any(|file| file.whose == Whose::User && file.settings.hook.fail_open == Some(true));
    failure.open.fetch_or(opened, Ordering::SeqCst);
    checking::answer(typed, &call, &context, watchdog).map(Some)
}

fn read_call() -> Result<String, AppError> {
    let mut bytes = Vec::new();
    let unreadable = |error| AppError::bad_input(format!("standard input cannot be read: {error}"));
    std::io::stdin().lock().take(CALL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > CALL_BYTES_MAX {
        return Err(AppError::bad_input(format!("the call has more than {CALL_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| AppError::bad_input("the call is not UTF-8 text"))
}

/// Where the call is about: the session's folder, which need not be the hook's own.
fn context(call: &ToolCall, global: GlobalFlags) -> Result<Context, AppError> {
    match call.cwd.clone().filter(|folder: &PathBuf| folder.is_absolute() && folder.is_dir()) {
        Some(folder) => Context::at(folder, global),
        None => Context::of_process(global),
    }
}
