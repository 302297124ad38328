//! One call checked: which script, which limits, which plan, and what follows.

use super::super::context::Context;
use super::super::error::AppError;
use super::super::inputs::policy_source;
use super::super::knowledge;
use super::forecast::Forecast;
use super::held::{self, Held};
use super::launches::Decided;
use super::routing;
use super::subject::{self, Found, Subject};
use super::watchdog::Watchdog;
use crate::claude::hook::decision::{LaunchLimits, decide};
use crate::claude::hook::{Answer, Launch, ToolCall};
use crate::claude::session_model::last_model;
use crate::cli::hook::{HookOptions, HookTyped};
use crate::config::settings::Whose;
use crate::diagnostic::Diagnostic;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::plan::report::PlanReport;
use crate::report::launch;

/// What `call` is answered.
pub(super) fn answer(
    typed: &HookTyped,
    call: &ToolCall,
    context: &Context,
    watchdog: &Watchdog,
) -> Result<Answer, AppError> {
    let mut options = typed.resolve(&context.gate_settings(), &context.environment);
    let model_from = set_session(&mut options, call)?;
    let found = match &call.launch {
        Launch::Workflow(launch) => subject::of_workflow(launch, call, context)?,
        Launch::Agent(launch) => Found::Subject(Box::new(subject::of_agent(launch, context))),
        Launch::Other => return Ok(Answer::default()),
    };
    let mut decided = Decided::about(call);
    let answered = match found {
        Found::BuiltIn(name) => {
            let words = launch::built_in(&name, options.built_in);
            Answered::unplanned(&name, options.built_in, words)
        }
        Found::Nothing(why) => Answered::unplanned("", Gate::Deny, launch::refused(&why)),
        Found::Subject(subject) => {
            let checking = Checking { call, typed, options: &options, context, watchdog };
            checking.planned(*subject, model_from)?
        }
    };
    if let Some(folder) = &context.environment.launches {
        decided.workflow = &answered.workflow;
        decided.decision = answered.decision();
        decided.plan = answered.plan.as_ref();
        decided.reason = answered.answer.reason.as_deref();
        decided.write(folder)?;
    }
    Ok(answered.answer)
}

/// An answer with what it rests on.
struct Answered {
    answer: Answer,
    workflow: String,
    plan: Option<PlanReport>,
}

impl Answered {
    /// For what could not be planned.
    fn unplanned(workflow: &str, gate: Gate, words: String) -> Self {
        let shown = (gate != Gate::Deny).then(|| words.clone());
        let answer =
            Answer { decision: Some(gate), reason: Some(words), shown, ..Answer::default() };
        Self { answer, workflow: workflow.to_owned(), plan: None }
    }

    /// For a script that is none.
    fn refused(problems: &[Diagnostic]) -> Self {
        Self::unplanned("", Gate::Deny, launch::refused_script(problems))
    }

    fn decision(&self) -> &'static str {
        match self.answer.decision {
            Some(Gate::Deny) => "deny",
            Some(Gate::Ask) => "ask",
            _ if self.answer.updated_input.is_some() => "rewrite",
            _ => "allow",
        }
    }
}

/// The session's model and effort, as far as they are known; says where the model is from.
fn set_session(options: &mut HookOptions, call: &ToolCall) -> Result<&'static str, AppError> {
    if let Some(effort) = call.effort.as_deref().and_then(Effort::from_name) {
        options.planning.effort = Some(effort);
    }
    let unreadable =
        |error| AppError::bad_input(format!("the session's transcript cannot be read: {error}"));
    let found = call.transcript_path.as_deref().map(last_model).transpose().map_err(unreadable)?;
    Ok(match (found.flatten(), &options.planning.model) {
        (Some(model), _) => {
            options.planning.model = Some(model);
            "as its transcript says"
        }
        (None, Some(_)) => "as set; no transcript names one",
        (None, None) => "the client's default; no transcript names one",
    })
}

/// What of the project's settings does not count here, in words.
fn not_the_projects(context: &Context) -> Option<String> {
    let project = context.settings_files.iter().find(|file| file.whose == Whose::Project)?;
    let settings = &project.settings;
    let keys = [
        ("policy", settings.policy.is_some()),
        ("prices", !settings.prices.is_empty()),
        ("usage", settings.usage.is_some()),
        ("provider", settings.provider.is_some()),
    ];
    let keys: Vec<&str> =
        keys.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect();
    (!keys.is_empty()).then(|| format!("without {} of the project's flyball.toml", keys.join(", ")))
}

/// What a call is checked with.
struct Checking<'a> {
    call: &'a ToolCall,
    typed: &'a HookTyped,
    options: &'a HookOptions,
    context: &'a Context,
    watchdog: &'a Watchdog,
}

impl Checking<'_> {
    fn planned(&self, mut subject: Subject, model_from: &str) -> Result<Answered, AppError> {
        let planning = &self.options.planning;
        let policy = knowledge::policy(&policy_source(&planning.policy)?)?.policy;
        let Held { limits: held, uncounted } =
            held::look(self.typed, self.options, &policy, self.context)?;
        let limits = LaunchLimits {
            allow_under: self.options.allow_under,
            ask_over: self.options.ask_over,
            held,
        };
        let budgets = limits.held.iter().map(|limit| limit.left).collect();
        let mut notes = std::mem::take(&mut subject.notes);
        let input = subject.input.take();
        let mut forecast = Forecast::new(subject, planning, budgets, self.context, self.watchdog)?;
        let environment = &self.context.environment;
        let routed = match routing::route(&self.call.launch, &mut forecast, environment)? {
            Ok(routed) => routed,
            Err(problems) => return Ok(Answered::refused(&problems)),
        };
        let report = routed.report;
        let decision = decide(&report, &limits);
        notes.splice(0..0, routed.left.iter().cloned());
        notes.extend(uncounted.iter().cloned());
        notes.push(match &environment.subagent_model {
            Some(model) => format!("every agent on {model}: CLAUDE_CODE_SUBAGENT_MODEL"),
            None => format!("session model {}: {model_from}", report.session_model),
        });
        notes.extend(not_the_projects(self.context));
        let mut answer = Answer { decision: Some(decision.gate), ..Answer::default() };
        if decision.gate != Gate::Allow {
            answer.reason = Some(launch::reason(&report, &decision, &limits));
        }
        if decision.gate != Gate::Deny {
            let told = launch::routed(&report.workflow, &routed.changed, &routed.left);
            answer.updated_input = routed.input.or(input);
            answer.context.clone_from(&told);
            answer.shown = if decision.quiet {
                // Nobody is to believe in a limit that does not count, however cheap the launch.
                let lines: Vec<String> = told.into_iter().chain(uncounted).collect();
                (!lines.is_empty()).then(|| lines.join("\n"))
            } else {
                Some(launch::preview(&report, &routed.changed, &notes))
            };
        }
        Ok(Answered { answer, workflow: report.workflow.clone(), plan: Some(report) })
    }
}
