//! Price files that come before the shipped ones: who named them, and which of them count.

use std::path::Path;

use super::context::Context;
use crate::cli::plan::PlanOptions;
use crate::config::settings::Whose;
use crate::diagnostic::{Diagnostic, Severity};
use crate::report::diagnostics::OWN_PRICES;

/// What whoever reads a report has to know of the price files of `options`: a price that somebody
/// lowered makes everything look cheap.
pub(super) fn told(options: &PlanOptions, context: &Context) -> Vec<Diagnostic> {
    let told = |path: &std::path::PathBuf| {
        let of = |whose| named_by(path, whose, context);
        let (severity, who) = if of(Whose::Project) {
            (Severity::Warning, "the project's flyball.toml")
        } else if of(Whose::User) {
            (Severity::Note, "the user's flyball.toml")
        } else {
            (Severity::Note, "--prices")
        };
        let file = shown(path, context);
        let message = format!("prices of {file} come before the shipped ones: named by {who}");
        Diagnostic::new(severity, OWN_PRICES, message)
    };
    options.prices.iter().map(told).collect()
}

/// That the project's price files do not count where money is spent; `None` where it names none.
pub(super) fn left_out(context: &Context) -> Option<String> {
    let files = context.settings_files.iter().filter(|file| file.whose == Whose::Project);
    let named: Vec<String> =
        files.flat_map(|file| &file.settings.prices).map(|path| shown(path, context)).collect();
    (!named.is_empty()).then(|| {
        format!(
            "flyball: prices of {} are left out, since the project's flyball.toml names them: \
             nothing is paid by them unless --prices or your own settings do\n",
            named.join(", ")
        )
    })
}

fn named_by(path: &Path, whose: Whose, context: &Context) -> bool {
    let files = context.settings_files.iter().filter(|file| file.whose == whose);
    files.flat_map(|file| &file.settings.prices).any(|named| named == path)
}

/// As it is found from the working folder, so that reports of two machines read alike.
fn shown(path: &Path, context: &Context) -> String {
    path.strip_prefix(&context.working_folder).unwrap_or(path).display().to_string()
}
