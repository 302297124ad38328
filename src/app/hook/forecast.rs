//! The plans of one launch: of its script as it is, and as it would be after a change.

use std::time::Duration;

use super::super::context::Context;
use super::super::error::AppError;
use super::super::inputs::PlanInputs;
use super::super::plan::Planned;
use super::super::{plan, planning};
use super::subject::Subject;
use super::watchdog::Watchdog;
use crate::amount::Amount;
use crate::cli::plan::PlanOptions;
use crate::diagnostic::Diagnostic;
use crate::plan::PlanError;
use crate::plan::job::PlanJob;
use crate::ports::script::{EngineError, ScriptArgs};
use crate::script::sandbox::Sandbox;
use crate::workflow::{SourceSet, asks_for_everything};

/// Kept back for what comes after a plan, so that a plan that takes too long is told as such.
const RESERVE: Duration = Duration::from_millis(300);
/// Interrupt polls of a dry run: a tenth of a second, of which there are several. Scripts compute little.
const STEPS_MAX: u64 = 400;

/// A launch that can be planned.
pub(super) struct Forecast<'a> {
    planning: PlanOptions,
    inputs: PlanInputs,
    sources: SourceSet,
    job: PlanJob,
    watchdog: &'a Watchdog,
}

/// A plan, or what is wrong with the script.
pub(super) type Forecasted = Result<Planned, Vec<Diagnostic>>;

impl<'a> Forecast<'a> {
    /// `subject`, held against `budgets`.
    pub(super) fn new(
        subject: Subject,
        planning: &PlanOptions,
        budgets: Vec<Amount>,
        context: &Context,
        watchdog: &'a Watchdog,
    ) -> Result<Self, AppError> {
        let mut planning = planning.clone();
        planning.workflow = subject.named;
        planning.budgets = budgets;
        // Whoever is to read everything is bounded by the folder alone: so it is counted.
        if planning.scope.is_none() && asks_for_everything(&subject.script.text) {
            planning.scope = Some(context.working_folder.clone());
        }
        let mut inputs = PlanInputs::of_script(subject.script, subject.registry, &planning)?;
        inputs.args = subject.args;
        let mut job = inputs.job(&planning, context)?;
        job.replayed = subject.replayed;
        job.subagent_model.clone_from(&context.environment.subagent_model);
        job.start.limits.steps = job.start.limits.steps.min(STEPS_MAX);
        let sources = inputs.source_set();
        Ok(Self { planning, inputs, sources, job, watchdog })
    }

    /// The launch as the policy routes it.
    pub(super) fn as_routed(&mut self) -> Result<Forecasted, AppError> {
        self.make(self.job.clone())
    }

    /// The launch as it is written.
    pub(super) fn as_written(&mut self) -> Result<Forecasted, AppError> {
        self.make(PlanJob { as_written: true, ..self.job.clone() })
    }

    /// From now on the script has this text.
    pub(super) fn set_text(&mut self, text: &str) {
        text.clone_into(&mut self.sources.main.text);
    }

    /// From now on the script is called with these.
    pub(super) fn set_args(&mut self, args: ScriptArgs) {
        self.job.start.args = args;
    }

    /// What it is planned with.
    pub(super) fn inputs(&self) -> &PlanInputs {
        &self.inputs
    }

    /// The day whose prices apply, and who bills.
    pub(super) fn job(&self) -> &PlanJob {
        &self.job
    }

    /// A child process with what is left of the time.
    pub(super) fn sandbox(&self) -> Result<Sandbox, AppError> {
        let time_limit = self.watchdog.left().saturating_sub(RESERVE);
        plan::sandbox(&PlanOptions { time_limit, ..self.planning.clone() })
    }

    fn make(&mut self, job: PlanJob) -> Result<Forecasted, AppError> {
        let sandbox = self.sandbox()?;
        let inputs = &self.inputs;
        let mut read_child = |path: &str| inputs.child_text(path);
        match planning::plan(&sandbox, &mut self.sources, job, &mut read_child) {
            Ok((plan, facts)) => Ok(Ok(Planned { plan, facts, sources: self.sources.clone() })),
            Err(PlanError::Script(EngineError::Refused(problems))) => Ok(Err(problems)),
            // Nobody may allow a hook more time.
            Err(PlanError::Script(EngineError::OutOfTime { limit })) => {
                Err(plan::out_of_time(limit, inputs).with_hint("take fewer samples (--samples)"))
            }
            Err(error) => Err(plan::explain(error, &self.inputs)),
        }
    }
}
