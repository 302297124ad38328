//! A run as it happens: one line that changes on a terminal, plain lines elsewhere.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::alike;
use super::number::{digits, dollars, duration, of_limit, percent};
use super::page::{Page, clean, fitted, wrapped};
use super::words;
use crate::diagnostic::Severity;
use crate::event::{AgentEnding, RunEvent};
use crate::money::Picodollars;

/// Lines for agents that ended are written at most this often, of run time.
const QUIET_MILLISECONDS: u64 = 10_000;

/// Lines of one remark; the rest is in the report.
const REMARK_LINES_MAX: usize = 4;
const REMARK_INDENT: &str = "  ";

/// What is known of a run at one moment; both views say it in the same words.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    queued: u32,
    started: u32,
    ended: u32,
    lost: u32,
    waiting: bool,
    phase: Arc<str>,
    spent_usd: Picodollars,
    limit_usd: Option<Picodollars>,
    at_milliseconds: u64,
}

impl Moment {
    /// Takes `event` into account.
    pub fn observe(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { limit_usd, .. } => self.limit_usd = *limit_usd,
            RunEvent::PhaseStarted { at_milliseconds, phase } => {
                self.at_milliseconds = *at_milliseconds;
                self.phase = Arc::clone(phase);
            }
            RunEvent::AgentQueued { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.queued = self.queued.saturating_add(1);
            }
            RunEvent::AgentStarted { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.started = self.started.saturating_add(1);
            }
            RunEvent::AgentFinished { at_milliseconds, ending, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.ended = self.ended.saturating_add(1);
                let fine = matches!(ending, AgentEnding::Done | AgentEnding::Replayed);
                self.lost = self.lost.saturating_add(u32::from(!fine));
            }
            RunEvent::RequestReserved { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.waiting = false;
            }
            RunEvent::RequestWaiting { at_milliseconds, .. }
            | RunEvent::RequestHeldBack { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.waiting = true;
            }
            RunEvent::RequestSettled { at_milliseconds, spent_usd, .. } => {
                self.at_milliseconds = *at_milliseconds;
                self.spent_usd = *spent_usd;
            }
            RunEvent::Denied { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
                // Who was refused waits no longer.
                self.waiting = false;
            }
            RunEvent::Threshold { at_milliseconds, .. }
            | RunEvent::SteppedDown { at_milliseconds, .. }
            | RunEvent::Log { at_milliseconds, .. }
            | RunEvent::Diagnostic { at_milliseconds, .. }
            | RunEvent::RunEnded { at_milliseconds, .. } => {
                self.at_milliseconds = *at_milliseconds;
            }
        }
    }

    /// `Verify: 12 of 66 agents, 4 at work, $1.20 of $5.00, 3 min`.
    pub fn line(&self) -> String {
        let phase = if self.phase.is_empty() {
            String::new()
        } else {
            format!("{}: ", fitted(&self.phase, 20))
        };
        let at_work = self.started.saturating_sub(self.ended);
        let lost = if self.lost == 0 { String::new() } else { format!(", {} lost", self.lost) };
        let money = self.limit_usd.map(|limit| of_limit(self.spent_usd, limit)).map_or_else(
            || dollars(self.spent_usd),
            |(spent, limit)| format!("{spent} of {limit}"),
        );
        let waiting = if self.waiting { ", waiting" } else { "" };
        format!(
            "{phase}{} of {} agents, {at_work} at work{lost}, {money}{waiting}, {}",
            digits(u64::from(self.ended)),
            digits(u64::from(self.queued)),
            duration(self.at_milliseconds / 1_000),
        )
    }
}

/// What is worth a line of its own, in both views.
fn remark(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Denied { denial, .. } => Some(format!("denied: {}", clean(&denial.to_string()))),
        RunEvent::Threshold { warning, .. } => {
            let share = percent(u32::from(warning.threshold_per_mille));
            let (unit, scope) = (warning.unit, clean(&warning.scope));
            let (spent, limit) = unit.say_both(warning.settled, warning.limit);
            Some(format!("{scope} has spent {share} of its {unit}: {spent} of {limit}"))
        }
        RunEvent::SteppedDown {
            stage, rule, from, model, scope, unit, share_per_mille, ..
        } => {
            let (from, model) = (words::model(&from.0), words::model(&model.0));
            Some(format!(
                "{}: agents start on {model}, not {from} [{}]: {} has {} of its {unit} taken",
                clean(stage),
                clean(rule),
                clean(scope),
                percent(*share_per_mille)
            ))
        }
        RunEvent::Log { line, .. } => Some(format!("log: {}", clean(line))),
        RunEvent::Diagnostic { diagnostic, .. } => {
            let severity = match diagnostic.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            Some(format!("{severity}: {}", clean(&diagnostic.message)))
        }
        _ => None,
    }
}

/// A remark on a few lines, those after the first indented.
fn remark_lines(remark: &str, page: Page) -> Vec<String> {
    let lines = wrapped(remark, page.message_width() - REMARK_INDENT.len());
    let indented = |(index, line)| match index {
        0 => line,
        _ => format!("{REMARK_INDENT}{line}"),
    };
    lines.into_iter().take(REMARK_LINES_MAX).enumerate().map(indented).collect()
}

/// Denials shown as they happen; a budget that ends refuses many agents in the same words.
const DENIALS_SHOWN: u32 = 3;

/// Which remarks were made: many agents end alike, and the report has them all.
#[derive(Debug, Default)]
struct Remarks {
    denials: u32,
    messages: BTreeSet<String>,
}

impl Remarks {
    /// The remark on `event`, if it is worth another line.
    fn on(&mut self, event: &RunEvent) -> Option<String> {
        let remark = remark(event)?;
        match event {
            RunEvent::Denied { .. } => {
                self.denials = self.denials.saturating_add(1);
                match self.denials {
                    1..=DENIALS_SHOWN => Some(remark),
                    n if n == DENIALS_SHOWN + 1 => {
                        Some("denied: more agents likewise; the report counts them".to_owned())
                    }
                    _ => None,
                }
            }
            // Every agent from then on does the same.
            RunEvent::SteppedDown { stage, rule, scope, .. } => {
                self.messages.insert(format!("{stage}\n{rule}\n{scope}")).then_some(remark)
            }
            // The report counts those that are alike.
            RunEvent::Diagnostic { .. } => {
                self.messages.insert(alike::shape(&remark)).then_some(remark)
            }
            _ => Some(remark),
        }
    }
}

/// Shows a run on its way.
pub trait Progress {
    /// Shows `event`.
    fn show(&mut self, event: &RunEvent);
}

/// Plain lines: remarks at once, the moment at each phase and now and then.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    page: Page,
    moment: Moment,
    remarks: Remarks,
    said_at_milliseconds: Option<u64>,
}

impl<W: Write> Lines<W> {
    /// Lines into `out`.
    pub fn new(out: W, page: Page) -> Self {
        Self {
            out,
            page,
            moment: Moment::default(),
            remarks: Remarks::default(),
            said_at_milliseconds: None,
        }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn say(&mut self, line: &str) {
        // Progress that nobody can read is no reason to end a run.
        let _ = writeln!(self.out, "{}", fitted(line, self.page.message_width()));
    }
}

impl<W: Write> Progress for Lines<W> {
    fn show(&mut self, event: &RunEvent) {
        self.moment.observe(event);
        let page = self.page;
        for line in self.remarks.on(event).iter().flat_map(|remark| remark_lines(remark, page)) {
            self.say(&line);
        }
        let at = self.moment.at_milliseconds;
        let due = self
            .said_at_milliseconds
            .is_none_or(|said| at.saturating_sub(said) >= QUIET_MILLISECONDS.max(said / 4));
        let worth = match event {
            // A run that begins has nothing to say but that it does.
            RunEvent::PhaseStarted { .. } => self.moment.queued > 0,
            RunEvent::RunEnded { .. } => true,
            RunEvent::AgentFinished { .. } => due,
            _ => false,
        };
        if worth {
            let line = self.moment.line();
            self.say(&line);
            self.said_at_milliseconds = Some(at);
        }
    }
}

/// One line on a terminal's standard error, redrawn; remarks scroll above it.
#[derive(Debug)]
pub struct LiveLine {
    bar: ProgressBar,
    page: Page,
    moment: Moment,
    remarks: Remarks,
}

impl LiveLine {
    /// A line on standard error, which must be a terminal.
    pub fn on_stderr(page: Page) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, page, moment: Moment::default(), remarks: Remarks::default() }
    }
}

impl Progress for LiveLine {
    fn show(&mut self, event: &RunEvent) {
        self.moment.observe(event);
        let room = self.page.message_width().saturating_sub(3);
        let page = self.page;
        for line in self.remarks.on(event).iter().flat_map(|remark| remark_lines(remark, page)) {
            self.bar.println(line);
        }
        if matches!(event, RunEvent::RunEnded { .. }) {
            self.bar.finish_and_clear();
        } else {
            self.bar.set_message(fitted(&self.moment.line(), room));
        }
    }
}
