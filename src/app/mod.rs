//! Wires layers together; the only place that prints errors or chooses an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::script::sandbox;

/// Runs the command line `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next().is_some_and(|first| first == sandbox::CHILD_ARGUMENT) {
        return sandbox::child_main(|_context, input| input);
    }
    ExitCode::from(2)
}
