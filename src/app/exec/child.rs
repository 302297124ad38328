//! The client as a child process: it has the terminal, and gets the signals that are meant for it.

use std::io::IsTerminal;
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use super::super::error::AppError;

/// Runs `command` until it ends. Signals that this process gets meanwhile are passed on; those of a
/// terminal's keys reach the client by themselves.
pub(super) fn run(mut command: Command) -> Result<ExitStatus, AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AppError::bug)?;
    let program = command.get_program().to_string_lossy().into_owned();
    runtime.block_on(async move {
        // Before it is started: a signal that comes now is meant for it too.
        let mut relay = Relay::new().map_err(AppError::bug)?;
        let mut child = command.spawn().map_err(|error| {
            AppError::usage(format!("cannot start `{program}`: {error}"))
                .with_hint("the command after `--` is started as it stands, without a shell")
        })?;
        let id = Pid::from_child(&child);
        // It stays a zombie until nobody can signal it any more, so that its number is its own.
        let mut ended = tokio::task::spawn_blocking(move || until_ended(id));
        loop {
            tokio::select! {
                ended = &mut ended => {
                    ended.map_err(AppError::bug)?.map_err(AppError::bug)?;
                    return reap(&mut child);
                }
                signal = relay.next() => {
                    // One that has just ended needs none.
                    let _ended = kill_process(id, signal);
                }
            }
        }
    })
}

fn until_ended(id: Pid) -> Result<(), Errno> {
    loop {
        match waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            ended => return ended.map(drop),
        }
    }
}

fn reap(child: &mut Child) -> Result<ExitStatus, AppError> {
    child.wait().map_err(AppError::bug)
}

/// The signals that this process gets.
struct Relay {
    interrupts: Signals,
    quits: Signals,
    terminations: Signals,
    hangups: Signals,
    /// Whether Ctrl-C goes to every process of the terminal.
    has_terminal: bool,
}

impl Relay {
    fn new() -> std::io::Result<Self> {
        let has_terminal = std::io::stdin().is_terminal()
            || std::io::stdout().is_terminal()
            || std::io::stderr().is_terminal();
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            quits: signal(SignalKind::quit())?,
            terminations: signal(SignalKind::terminate())?,
            hangups: signal(SignalKind::hangup())?,
            has_terminal,
        })
    }

    /// The next one that is to be passed on.
    async fn next(&mut self) -> Signal {
        loop {
            let (signal, of_keys) = tokio::select! {
                _ = self.interrupts.recv() => (Signal::INT, true),
                _ = self.quits.recv() => (Signal::QUIT, true),
                _ = self.terminations.recv() => (Signal::TERM, false),
                _ = self.hangups.recv() => (Signal::HUP, false),
            };
            if !(of_keys && self.has_terminal) {
                return signal;
            }
        }
    }
}
