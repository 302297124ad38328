//! What is wrong with a price file, where, and what to do about it.

use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::diagnostic::{self, Place, Severity};

/// A price file that cannot be used. Renders with its source through miette.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{}:{}:{}: {problem}", source_text.name(), place.line, place.column)]
#[diagnostic(code(pricing::bad_file))]
pub struct PricingError {
    /// What is the matter.
    pub problem: String,
    /// What to do.
    #[help]
    pub help: String,
    /// Where.
    pub place: Place,
    #[source_code]
    source_text: Arc<NamedSource<String>>,
    #[label]
    span: SourceSpan,
}

impl PricingError {
    pub(super) fn new(
        file: &str,
        text: &str,
        span: Range<usize>,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let place = Place::at(text, span.start, span.end.saturating_sub(span.start));
        let span = (place.offset as usize, place.length as usize).into();
        Self {
            problem: problem.into(),
            help: help.into(),
            place,
            source_text: Arc::new(NamedSource::new(file, text.to_owned()).with_language("toml")),
            span,
        }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.source_text.name()
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        self.source_text.inner()
    }

    /// As one message about an input, for reports.
    pub fn to_diagnostic(&self) -> diagnostic::Diagnostic {
        let message = format!("{}: {}", self.file(), self.problem);
        diagnostic::Diagnostic::new(Severity::Error, "pricing::bad-file", message)
            .with_help(self.help.clone())
            .with_place(self.place.clone())
    }
}
