//! Plan windows on the ledger: the soft limits in force, what was seen, what a percent is worth.

use std::collections::BTreeMap;
use std::io::stdin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::gateway::Say;
use crate::amount::{PlanWindow, percent};
use crate::budget::PlanLimits;
use crate::calibrate::{Calibration, Sighting, WindowRate, window_rate};
use crate::claude::rate_limits;
use crate::cli::ledger::LedgerFlag;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{PlanWatch, UNNAMED_ACCOUNT};
use crate::ledger::{PlanWindowRow, WindowLimit};
use crate::messages::WindowReading;
use crate::money::Picodollars;
use crate::report::plan_windows::{ShownPlan, ShownRate, ShownWindow};

/// So many rows are read back to learn from: weeks of work.
const ROWS_MAX: usize = 20_000;
/// So many are read to see what others have seen meanwhile.
const LATEST_MAX: usize = 64;

/// What a ledger knows of plan windows.
struct Known {
    limits: PlanLimits,
    /// In the order they were written.
    sightings: Vec<Sighting>,
}

impl Known {
    fn read(ledger: &OpenLedger, last: usize) -> Result<Self, AppError> {
        let rows = ledger.read(|ledger| ledger.plan_windows(last))?;
        let mut known = Self { limits: PlanLimits::default(), sightings: Vec::new() };
        for row in rows {
            match row {
                PlanWindowRow::Limit(limit) => {
                    known.limits.set(limit.window, limit.most_milli_percent);
                    known.limits.plan = limit.plan;
                }
                PlanWindowRow::Seen(seen) => known.sightings.push(seen),
            }
        }
        Ok(known)
    }

    /// Sightings of one window by account.
    fn by_account(&self, window: PlanWindow) -> BTreeMap<&str, Vec<Sighting>> {
        let mut found: BTreeMap<&str, Vec<Sighting>> = BTreeMap::new();
        for seen in self.sightings.iter().filter(|seen| seen.window == window) {
            found.entry(&seen.account).or_default().push(seen.clone());
        }
        found
    }
}

/// Sets every limit of the plan's windows, those that are none too.
pub(super) fn limit(ledger: &mut OpenLedger, limits: &PlanLimits) -> Result<(), AppError> {
    let at = Timestamp::now();
    let row = |window: PlanWindow| {
        PlanWindowRow::Limit(WindowLimit {
            at,
            plan: limits.plan.clone(),
            window,
            most_milli_percent: limits.get(window),
        })
    };
    ledger.store(|store| store.record_plan_windows(&PlanWindow::ALL.map(row)))
}

/// Notes what a status line was told.
pub(super) fn observe(flag: &LedgerFlag, context: &Context) -> Result<(), AppError> {
    let told = SourceFile::from_reader(stdin().lock(), "standard input", TEXT_BYTES_MAX)?;
    let readings = rate_limits::observe(&told.text).map_err(|error| {
        AppError::bad_input(format!("standard input: this is not a status line's JSON: {error}"))
            .with_hint("pipe what Claude Code hands to its status line command")
    })?;
    if readings.is_empty() {
        return Ok(());
    }
    note(&mut OpenLedger::create(flag, context)?, readings)
}

/// Notes what a status line was told where that is new.
pub(super) fn note(ledger: &mut OpenLedger, readings: Vec<WindowReading>) -> Result<(), AppError> {
    let known = Known::read(ledger, LATEST_MAX)?;
    let at = Timestamp::now();
    let mut rows = Vec::new();
    for reading in readings {
        let mut same = known.sightings.iter().rev();
        // The end of a window tells whose it is; a gateway knows the name.
        let same =
            same.find(|seen| seen.window == reading.window && seen.is_of_end(reading.resets_at));
        if same.is_some_and(|seen| seen.used_milli_percent == reading.used_milli_percent) {
            continue;
        }
        let account = same.map_or(UNNAMED_ACCOUNT, |seen| &*seen.account).to_owned();
        rows.push(PlanWindowRow::Seen(Sighting {
            at,
            account,
            window: reading.window,
            used_milli_percent: reading.used_milli_percent,
            resets_at: reading.resets_at,
            settled: Picodollars::ZERO,
        }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    ledger.store(|store| store.record_plan_windows(&rows))
}

/// What is worth showing; nothing where no limit is set and nothing was seen.
pub(super) fn shown(ledger: &OpenLedger) -> Result<Option<ShownPlan>, AppError> {
    Ok(shown_of(Known::read(ledger, ROWS_MAX)?))
}

/// The windows as they were seen last, however few rows that takes.
pub(super) fn latest(ledger: &OpenLedger) -> Result<Vec<ShownWindow>, AppError> {
    let known = Known::read(ledger, LATEST_MAX)?;
    Ok(shown_of(known).map_or_else(Vec::new, |plan| plan.windows))
}

fn shown_of(known: Known) -> Option<ShownPlan> {
    if known.limits.is_none() && known.sightings.is_empty() {
        return None;
    }
    let now = Timestamp::now();
    let mut windows = Vec::new();
    for window in PlanWindow::ALL {
        let limit_milli_percent = known.limits.get(window);
        let by_account = known.by_account(window);
        if by_account.is_empty() && limit_milli_percent.is_some() {
            windows.push(ShownWindow::never_seen(window, limit_milli_percent));
        }
        for (account, sightings) in by_account {
            let Some(latest) = sightings.iter().max_by_key(|seen| seen.at) else { continue };
            windows.push(ShownWindow {
                window,
                account: Some(account.to_owned()),
                limit_milli_percent,
                used_milli_percent: Some(latest.used_milli_percent),
                seen_at: Some(latest.at),
                resets_at: Some(latest.resets_at),
                open: latest.is_open(now),
                usd_per_percent: ShownRate::of(window_rate(window, &sightings)),
            });
        }
    }
    let plan = (!known.limits.plan.is_empty()).then_some(known.limits.plan);
    Some(ShownPlan { plan, soft: true, windows })
}

/// What a percent of each window is worth where that is known: on the account that was seen last.
pub(super) fn rates(ledger: &OpenLedger) -> Result<Vec<WindowRate>, AppError> {
    let known = Known::read(ledger, ROWS_MAX)?;
    let rate = |window| {
        let by_account = known.by_account(window);
        let latest = |sightings: &Vec<Sighting>| sightings.iter().map(|seen| seen.at).max();
        let sightings = by_account.into_values().max_by_key(latest)?;
        match window_rate(window, &sightings) {
            Calibration::Calibrated(rate) => Some(rate),
            Calibration::TooLittle { .. } => None,
        }
    };
    Ok(PlanWindow::ALL.into_iter().filter_map(rate).collect())
}

/// Keeps what a gateway sees of plan windows in the ledger, and tells it the limits there.
#[derive(Clone)]
pub(super) struct PlanKeeper {
    watch: Arc<PlanWatch>,
    ledger: Arc<Mutex<OpenLedger>>,
}

impl PlanKeeper {
    /// Begins with what `ledger` knows, a connection of its own; says what is limited.
    pub(super) fn start(ledger: OpenLedger, say: &Say) -> Result<Self, AppError> {
        let known = Known::read(&ledger, LATEST_MAX)?;
        if let Some(notice) = notice(&known, Timestamp::now()) {
            say(&notice);
        }
        let watch = Arc::new(PlanWatch::default());
        watch.learn(known.limits, known.sightings);
        Ok(Self { watch, ledger: Arc::new(Mutex::new(ledger)) })
    }

    /// Where the gateway notes what it sees.
    pub(super) fn watch(&self) -> Arc<PlanWatch> {
        Arc::clone(&self.watch)
    }

    /// Looks again and again.
    pub(super) async fn keep(self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let keeper = self.clone();
            let _again = tokio::task::spawn_blocking(move || keeper.look()).await;
        }
    }

    /// Writes what is left, once nothing more is seen.
    pub(super) fn end(&self) {
        self.watch.close();
        self.look();
    }

    /// Writes what was seen, and reads what was set or seen elsewhere. What fails is tried again with
    /// the next look; limits stay as they were.
    pub(super) fn look(&self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let sightings = self.watch.take_unwritten();
        if !sightings.is_empty() {
            let rows: Vec<_> = sightings.iter().cloned().map(PlanWindowRow::Seen).collect();
            if ledger.store(|store| store.record_plan_windows(&rows)).is_err() {
                self.watch.put_back(sightings);
            }
        }
        if let Ok(known) = Known::read(&ledger, LATEST_MAX) {
            self.watch.learn(known.limits, known.sightings);
        }
    }
}

/// What a gateway says of soft limits at its start, where there are any.
fn notice(known: &Known, now: Timestamp) -> Option<String> {
    let each = |window: PlanWindow| {
        let most = known.limits.get(window)?;
        let open = |seen: &&Sighting| seen.window == window && seen.is_open(now);
        let seen = known.sightings.iter().rev().find(open).map_or_else(
            || "not seen yet, so it passes".to_owned(),
            |seen| format!("{} used when last seen", percent(seen.used_milli_percent)),
        );
        Some(format!("{window} at most {} ({seen})", percent(most)))
    };
    let limits: Vec<String> = PlanWindow::ALL.into_iter().filter_map(each).collect();
    (!limits.is_empty()).then(|| {
        format!("flyball: plan {}, soft limits: {}\n", known.limits.plan, limits.join(", "))
    })
}
