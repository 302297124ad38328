//! Exit codes: a contract with scripts that call flyball. `docs/exit-codes.md` says the same.

use std::process::ExitCode;

/// How flyball ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// A bug in flyball.
    Bug,
    /// The command line is wrong.
    Usage,
    /// The launch hook could not check a call, which blocks it. Claude Code knows this code only, so
    /// it is the one of a wrong command line too.
    Blocked,
    /// The plan is over its budget, too likely to be, or the policy denies it; nothing was started.
    OverBudget,
    /// The budget stopped a run.
    BudgetStopped,
    /// The script failed, or refused its input.
    ScriptFailed,
    /// A file is bad: script, policy, prices, usage model, settings, plan, recording.
    BadInput,
    /// An upstream or an agent backend failed.
    Upstream,
    /// Interrupted by a signal.
    Interrupted,
    /// As the client that was started ended, whatever that means.
    Client(u8),
}

impl Exit {
    /// Every way to end that has a code of its own.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::OverBudget,
        Self::BudgetStopped,
        Self::ScriptFailed,
        Self::BadInput,
        Self::Upstream,
        Self::Interrupted,
    ];

    /// The code that the parent process sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage | Self::Blocked => 2,
            Self::OverBudget => 3,
            Self::BudgetStopped => 4,
            Self::ScriptFailed => 5,
            Self::BadInput => 6,
            Self::Upstream => 7,
            Self::Interrupted => 130,
            Self::Client(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
