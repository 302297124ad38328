//! `--record`: what is said of it, and the file.

use std::path::Path;
use std::thread::JoinHandle;

use crate::app::error::AppError;
use crate::app::output;
use crate::gateway::Recorder;
use crate::report::page::clean;

/// Who writes what passes, and the thread that does.
pub(super) fn start(path: &Path) -> Result<(Recorder, JoinHandle<()>), AppError> {
    let shown = clean(&path.display().to_string());
    let tell = move |why: &str| {
        output::tell(&format!(
            "flyball: not everything is recorded in {shown}: {why}; requests go on, and this is \
             said once\n"
        ));
    };
    Recorder::open(path, tell).map_err(|error| {
        AppError::bad_input(format!("cannot record in `{}`: {error}", path.display()))
            .with_hint("name a file that can be written: --record exchanges.jsonl")
    })
}

/// What whoever starts it has to know.
pub(super) fn notice(path: &Path) -> String {
    let shown = clean(&path.display().to_string());
    format!(
        "flyball: prompts and answers are being written to {shown}, since --record asks for it; \
         keys are not\n"
    )
}
