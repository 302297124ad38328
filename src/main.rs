//! The `flyball` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    flyball::app::main(std::env::args_os())
}
