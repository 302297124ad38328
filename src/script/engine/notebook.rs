//! The record of an execution, capped so that a script cannot fill memory with it.

use std::collections::VecDeque;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::ports::script::{ExecutionNotes, Swallowed};

use super::thrown::cut;

/// The most failures lines kept.
const FAILURES_MAX: usize = 100;
/// The most entries of the other lists kept.
const LIST_MAX: usize = 1_000;
/// The most characters kept of a line.
const LINE_MAX: usize = 2_000;

/// What was noticed so far.
#[derive(Default)]
pub(super) struct Notebook {
    logs: VecDeque<String>,
    log_lines_max: usize,
    notes: ExecutionNotes,
}

impl Notebook {
    pub(super) fn new(log_lines_max: u32) -> Self {
        Self { log_lines_max: log_lines_max as usize, ..Self::default() }
    }

    /// Keeps a line of `log`; the oldest make room.
    pub(super) fn log(&mut self, line: String) {
        if self.log_lines_max == 0 {
            return;
        }
        if self.logs.len() >= self.log_lines_max {
            self.logs.pop_front();
        }
        self.logs.push_back(cut(line, LINE_MAX));
    }

    pub(super) fn failure(&mut self, line: String) {
        if self.notes.failures.len() < FAILURES_MAX {
            self.notes.failures.push(cut(line, LINE_MAX));
        }
    }

    pub(super) fn swallowed(&mut self, first: impl FnOnce() -> (String, Option<Place>)) {
        match &mut self.notes.swallowed {
            Some(swallowed) => swallowed.count = swallowed.count.saturating_add(1),
            empty => {
                let (first, place) = first();
                *empty = Some(Swallowed { count: 1, first, place });
            }
        }
    }

    pub(super) fn args_touched(&mut self) {
        self.notes.args_touched = true;
    }

    pub(super) fn args_read(&mut self, key: &str) {
        self.notes.args_touched = true;
        add(&mut self.notes.args_read, key);
    }

    pub(super) fn phase(&mut self, title: &str) {
        add(&mut self.notes.phases, title);
    }

    pub(super) fn workflow_missing(&mut self, name: &str) {
        add(&mut self.notes.workflows_missing, name);
    }

    /// Keeps a warning once per code and message.
    pub(super) fn warn(&mut self, code: &str, message: String, help: &str, place: Option<Place>) {
        let known = self
            .notes
            .warnings
            .iter()
            .any(|warning| warning.code == code && warning.message == message);
        if known || self.notes.warnings.len() >= FAILURES_MAX {
            return;
        }
        let mut warning = Diagnostic::new(Severity::Warning, code, message).with_help(help);
        warning.place = place;
        self.notes.warnings.push(warning);
    }

    /// The record, taken.
    pub(super) fn take(&mut self) -> ExecutionNotes {
        let mut notes = std::mem::take(&mut self.notes);
        notes.logs = std::mem::take(&mut self.logs).into();
        notes
    }
}

fn add(list: &mut Vec<String>, entry: &str) {
    if list.len() < LIST_MAX && !list.iter().any(|known| known == entry) {
        list.push(cut(entry.to_owned(), LINE_MAX));
    }
}
