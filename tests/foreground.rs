//! Programs as a shell starts them in the foreground.

use std::process::Command;

/// `program`, heeding what a terminal sends. Tests that run in the background or under `nohup`
/// ignore some of that, and so would what they start. Its input and outputs are still to be set.
pub(crate) fn in_foreground(program: Command) -> Command {
    // Other systems' `env` cannot undo that.
    if !cfg!(target_os = "linux") {
        return program;
    }
    let mut command = Command::new("/usr/bin/env");
    command.arg("--default-signal=INT,HUP").arg(program.get_program()).args(program.get_args());
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}
