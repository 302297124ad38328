//! Why a policy file cannot be used: every problem at once, each with its place.

use std::fmt;

use miette::{LabeledSpan, NamedSource, SourceCode};

use crate::diagnostic::{Diagnostic, Severity};

/// A policy file that cannot be used. Holds at least one problem, in file order.
#[derive(Debug)]
pub struct PolicyError {
    name: String,
    source: Box<NamedSource<String>>,
    problems: Vec<Diagnostic>,
}

impl PolicyError {
    pub(super) fn new(name: &str, text: &str, mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.offset));
        Self {
            name: name.to_owned(),
            source: Box::new(NamedSource::new(name, text.to_owned()).with_language("TOML")),
            problems,
        }
    }

    /// The file or policy name that was read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every problem, in file order.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }
}

/// Place and message of the first problem, and how many more there are.
impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(first) = self.problems.first() {
            if let Some(place) = &first.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            write!(f, ": {}", first.message)?;
        }
        match self.problems.len() {
            0 | 1 => Ok(()),
            2 => write!(f, " (and 1 more problem)"),
            more => write!(f, " (and {} more problems)", more - 1),
        }
    }
}

impl std::error::Error for PolicyError {}

impl miette::Diagnostic for PolicyError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problems.first().map(|first| Box::new(&first.code) as Box<dyn fmt::Display>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let first = self.problems.iter().find_map(|problem| problem.help.as_ref())?;
        Some(Box::new(first))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.problems.iter().filter_map(|problem| {
            let place = problem.place.as_ref()?;
            let (offset, length) = (place.offset as usize, place.length as usize);
            Some(LabeledSpan::new(Some(problem.message.clone()), offset, length))
        })))
    }
}

/// Collects what is wrong and what is doubtful while a file is read.
pub(super) struct Problems<'t> {
    text: &'t str,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn place(&self, span: &std::ops::Range<usize>) -> crate::diagnostic::Place {
        crate::diagnostic::Place::at(self.text, span.start, span.end.saturating_sub(span.start))
    }

    pub(super) fn error(
        &mut self,
        code: &str,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let place = self.place(&span);
        let mut problem = Diagnostic::new(Severity::Error, code, message).with_place(place);
        problem.help = help;
        self.errors.push(problem);
    }

    pub(super) fn warning(
        &mut self,
        code: &str,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.place(&span);
        let problem =
            Diagnostic::new(Severity::Warning, code, message).with_place(place).with_help(help);
        self.warnings.push(problem);
    }
}
