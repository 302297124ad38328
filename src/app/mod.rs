//! Wires layers together; the only place that prints errors or chooses an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::command::{ColourChoice, GlobalFlags};
use crate::cli::{Command, CommandLine};
use crate::script::sandbox;

mod amounts;
mod books;
mod budget;
mod charged;
mod child;
pub mod context;
mod conversations;
mod doctor;
pub mod error;
mod exec;
pub mod exit;
mod gateway;
mod health;
mod hook;
mod init;
pub mod inputs;
mod keeper;
pub mod knowledge;
mod ledger;
mod output;
mod own_prices;
mod pace;
mod panic;
pub mod plan;
mod plan_windows;
mod planning;
mod policy;
pub mod pricing;
mod reconcile;
pub mod run;
mod runs;
mod saved;
mod shell;
mod simulate_upstream;
mod simulation;
mod standing;
mod statusline;
mod wider;
mod workflows;

pub use context::Context;
pub use error::AppError;
pub use exit::Exit;

/// The command that Claude Code starts before it starts something.
const HOOK_COMMAND: &str = "hook";

/// Runs the command line `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|first| first == sandbox::CHILD_ARGUMENT) {
        return sandbox::child_main(|context, input| child::handle(context, &input));
    }
    panic::install_hook();
    // Claude Code goes on after every code but one.
    let is_hook = arguments.iter().any(|argument| argument == HOOK_COMMAND);
    let of_bug = if is_hook { Exit::Blocked } else { Exit::Bug };
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(
            || match CommandLine::try_parse_from(arguments) {
                Ok(command_line) => dispatch(command_line),
                Err(error) => refuse(&error),
            },
        ));
    // The hook has said what happened.
    outcome.unwrap_or(of_bug).into()
}

/// Prints help, the version, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> Exit {
    if let Some(amount) = below_zero(error) {
        let why = format!("`-{amount}` is no amount: a budget is zero or more, without a sign");
        return AppError::usage(why)
            .with_hint("lower a budget by setting it: flyball budget set day 5usd")
            .report(ColourChoice::Auto);
    }
    // A closed pipe is the reader's choice.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

/// What was typed after a minus where an amount is expected: to clap it is a flag that nobody knows.
fn below_zero(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return None };
    let amount = typed.strip_prefix('-').filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    amount
        .starts_with(|first: char| first.is_ascii_digit() || first == '$')
        .then(|| amount.to_owned())
}

fn dispatch(command_line: CommandLine) -> Exit {
    let global = command_line.global;
    match execute(command_line.command, global) {
        Ok(exit) => exit,
        Err(error) => error.report(global.color),
    }
}

fn execute(command: Command, global: GlobalFlags) -> Result<Exit, AppError> {
    let context = || Context::of_process(global);
    match command {
        Command::Plan(typed) => plan::run(*typed, &context()?),
        Command::Run(typed) => run::run(*typed, &context()?),
        Command::Exec(typed) => exec::run(&typed, &context()?),
        Command::Gateway(typed) => gateway::run(&typed, &context()?),
        Command::Hook(command) => Ok(hook::run(command, global)),
        Command::Init(typed) => init::run(&typed, &context()?).map(|()| Exit::Done),
        Command::Doctor(typed) => doctor::run(&typed, global),
        Command::Statusline(typed) => Ok(statusline::run(typed, global)),
        Command::Policy(command) => policy::run(command, &context()?),
        Command::Pricing(arguments) => pricing::command(&arguments, &context()?),
        Command::Budget(command) => budget::run(command, &context()?),
        Command::Ledger(command) => ledger::run(command, &context()?),
        Command::Runs(command) => runs::run(command, &context()?),
        Command::Workflows(command) => workflows::run(command, &context()?),
        Command::SimulateUpstream(typed) => simulate_upstream::run(&typed, &context()?),
        Command::Completions(typed) => shell::completions(typed),
        Command::Man(typed) => shell::man(&typed),
    }
}
