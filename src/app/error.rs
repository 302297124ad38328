//! What a command failed of: its exit code, the error, and what to do about it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, iter};

use super::context::{Terminal, stderr_terminal};
use super::exit::Exit;
use super::output;
use crate::cli::command::ColourChoice;
use crate::config::settings::closest;
use crate::config::{ReadError, SettingsError};
use crate::diagnostic::Diagnostic;
use crate::report::diagnostics;
use crate::report::page::{clean, wrapped};

/// Who is to blame, and what helps.
const BUG_HINT: &str = "this is a bug in flyball; please report it with the command you ran";
/// Entries of a folder that are looked at for a name like the one that is missing.
const ENTRIES_MAX: usize = 2_000;

/// An error on its way to the user.
#[derive(Debug)]
pub struct AppError {
    exit: Exit,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
    findings: Vec<Findings>,
}

/// Messages about a text, with the text.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The text's name as shown to people.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is the matter with it.
    pub diagnostics: Vec<Diagnostic>,
}

impl AppError {
    /// `source` ends the command with `exit`.
    pub fn new(exit: Exit, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, source: source.into(), hints: Vec::new(), findings: Vec::new() }
    }

    /// A bug in flyball.
    pub fn bug(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Bug, source)
    }

    /// The command line asks for something that cannot be.
    pub fn usage(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, source)
    }

    /// A file is bad.
    pub fn bad_input(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::BadInput, source)
    }

    /// The same with one thing to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, shown as messages that point into a text instead of one line; again for each text.
    #[must_use]
    pub fn with_findings(
        mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let (name, text) = (name.into(), text.into());
        self.findings.push(Findings { name, text, diagnostics });
        self
    }

    /// What went wrong, in one sentence.
    pub fn sentence(&self) -> String {
        self.source.to_string()
    }

    /// What went wrong, where it points and what to do, as one line without a picture.
    pub fn sentence_with_hints(&self) -> String {
        let mut text = self.sentence();
        for findings in &self.findings {
            for finding in &findings.diagnostics {
                // Many errors repeat their first finding in their own text.
                if !text.contains(&finding.message) {
                    let line = finding.place.as_ref().map(|place| format!(" line {}", place.line));
                    let line = line.unwrap_or_default();
                    let _ = write!(text, "; {}{line}: {}", findings.name, finding.message);
                }
            }
        }
        for hint in &self.hints {
            let _ = write!(text, "; {hint}");
        }
        text
    }

    /// How the process ends.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The text for the terminal.
    pub fn render(&self, terminal: Terminal) -> String {
        let page = terminal.page();
        let mut text = String::new();
        for findings in &self.findings {
            text +=
                &diagnostics::render(&findings.diagnostics, &findings.name, &findings.text, page);
        }
        if self.findings.is_empty() {
            text += &self.message(terminal);
        }
        if self.exit == Exit::Bug {
            text += &laid_out(BUG_HINT, "  ", terminal);
        }
        for hint in &self.hints {
            text += &laid_out(&format!("hint: {hint}"), "  ", terminal);
        }
        text
    }

    /// What happened and why, without a picture.
    fn message(&self, terminal: Terminal) -> String {
        let label = if self.exit == Exit::Bug { "bug" } else { "error" };
        let mut text = format!("{label}: {}", self.source);
        let mut cause = self.source.source();
        while let Some(error) = cause {
            // Many errors repeat their cause in their own text.
            if !text.contains(&error.to_string()) {
                let _ = write!(text, ": {error}");
            }
            cause = error.source();
        }
        laid_out(&text, "", terminal).replacen(label, &terminal.page().red(label), 1)
    }

    /// Prints it on stderr.
    pub(super) fn report(&self, colour: ColourChoice) -> Exit {
        output::tell(&self.render(stderr_terminal(colour)));
        self.exit
    }
}

/// `text` behind `indent`: broken for who looks at a terminal, on one line for who searches or
/// copies it. What would act on the terminal, such as escapes in a file's name, does not.
fn laid_out(text: &str, indent: &str, terminal: Terminal) -> String {
    if !terminal.live {
        return format!("{indent}{}\n", clean(text));
    }
    let inner = format!("{indent}  ");
    let lines = wrapped(text, terminal.page().message_width() - inner.len());
    let indents = iter::once(indent).chain(iter::repeat(&*inner));
    indents.zip(lines).map(|(indent, line)| [indent, &line, "\n"].concat()).collect()
}

impl From<ReadError> for AppError {
    fn from(error: ReadError) -> Self {
        let near = match &error {
            ReadError::Missing { path } => neighbour(Path::new(path)),
            _ => None,
        };
        let error = Self::bad_input(error);
        match near {
            Some(name) => error.with_hint(format!("did you mean `{name}`?")),
            None => error,
        }
    }
}

/// The file beside the missing `path` whose name is most like it.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .take(ENTRIES_MAX)
        .collect();
    // Folders are listed in no order; of two names that are as near, the first wins.
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = closest(path.file_name()?.to_str()?, &names)?;
    Some(folder.map_or(near.to_owned(), |folder| folder.join(near).display().to_string()))
}

impl From<SettingsError> for AppError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Content { name, text, diagnostics } => Self::bad_input(
                "the settings cannot be used",
            )
            .with_findings(name, text, diagnostics),
            SettingsError::Read(error) => error.into(),
        }
    }
}
