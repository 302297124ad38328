//! What a command failed of: its exit code, the error, and what to do about it.

use std::error::Error;
use std::fmt::Write as _;

use super::context::{Terminal, stderr_terminal};
use super::exit::Exit;
use super::output;
use crate::cli::command::ColourChoice;
use crate::config::{ReadError, SettingsError};
use crate::diagnostic::Diagnostic;
use crate::report::diagnostics;

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
            let label = if self.exit == Exit::Bug { "bug" } else { "error" };
            let _ = write!(text, "{}: {}", page.red(label), self.source);
            let mut cause = self.source.source();
            while let Some(error) = cause {
                // Many errors repeat their cause in their own text.
                if !text.contains(&error.to_string()) {
                    let _ = write!(text, ": {error}");
                }
                cause = error.source();
            }
            text.push('\n');
        }
        if self.exit == Exit::Bug {
            text += "  this is a bug in flyball; please report it with the command you ran\n";
        }
        for hint in &self.hints {
            let _ = writeln!(text, "  hint: {hint}");
        }
        text
    }

    /// Prints it on stderr.
    pub(super) fn report(&self, colour: ColourChoice) -> Exit {
        output::tell(&self.render(stderr_terminal(colour)));
        self.exit
    }
}

impl From<ReadError> for AppError {
    fn from(error: ReadError) -> Self {
        Self::bad_input(error)
    }
}

impl From<SettingsError> for AppError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Content { name, text, diagnostics } => Self::bad_input(
                "the settings cannot be used",
            )
            .with_findings(name, text, diagnostics),
            SettingsError::Read(error) => Self::bad_input(error),
        }
    }
}
