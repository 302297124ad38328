//! `flyball run`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::context::Context;
use super::conversations;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::{PlanInputs, json_file};
use super::keeper::Keeper;
use super::pace::Pace;
use super::plan::{self, Planned};
use super::simulation::{Done, Results, Simulation, Work};
use super::{books, knowledge, output, own_prices, planning, wider};
use crate::agents::{Arms, Place, SimulatedBackend};
use crate::cli::ledger::LedgerFlag;
use crate::cli::plan::{ArgsOption, PlanOptions};
use crate::cli::run::Backend;
use crate::cli::value::{self, ArgsSource, Format};
use crate::cli::{RunOptions, RunTyped};
use crate::event::{RunReport, RunResult, RunStatus, StopCause};
use crate::gate::Gate;
use crate::id::RunId;
use crate::plan::job::StandingLimit;
use crate::plan::report::{PLAN_SCHEMA_VERSION, PlanReport};
use crate::plan::setup::Setup;
use crate::plan::{judgement, plan_id};
use crate::policy::{BudgetScope, Rule};
use crate::ports::agent::AgentBackend;
use crate::ports::pace::{NoPacer, Pacer};
use crate::ports::price::RequestPrice;
use crate::pricing::CacheTtl;
use crate::report::progress::{Lines, LiveLine, Progress};
use crate::report::{json, plan as plan_report, run as run_report};
use crate::run::{Routes, RunPorts, RunSetup, forecasts_of};
use crate::script::sandbox::Sandbox;
use crate::seed::Seed;
use crate::workflow::SourceSet;

pub(super) fn run(typed: RunTyped, context: &Context) -> Result<Exit, AppError> {
    let settings = match typed.agents {
        Backend::Simulated => context.settings.clone(),
        Backend::Messages => {
            if let Some(line) = own_prices::left_out(context) {
                output::tell(&line);
            }
            context.payers_settings()
        }
    };
    let mut options = typed.resolve(&settings, &context.environment);
    if let Some(path) = &options.out {
        output::can_be_written(path)?;
    }
    let given = options.plan.as_deref().map(read_plan).transpose()?;
    if let Some(plan) = &given {
        as_planned(&mut options.planning, plan)?;
    }
    let inputs = PlanInputs::load(&options.planning, context)?;
    let subject = match given {
        Some(plan) => Subject::planned_before(plan, &inputs, &options, context)?,
        None => Subject::planned_now(&inputs, &options, context)?,
    };
    if options.format == Format::Table {
        output::print(&plan_report::table(&subject.plan, context.stdout.page()))?;
    }
    gate(&subject.plan, options.yes, context)?;
    let mut report = execute(&subject, &options, context)?;
    report.diagnostics.extend(own_prices::told(&options.planning, context));
    if let Some(path) = &options.out {
        output::write_file(path, &json::pretty(&report))?;
    }
    output::print(&match options.format {
        Format::Table => run_report::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => run_report::markdown(&report),
    })?;
    Ok(exit_of(&report))
}

/// What is executed: a plan, what it was made from, and the script.
struct Subject {
    plan: PlanReport,
    setup: Setup,
    sources: SourceSet,
    sandbox: Sandbox,
}

impl Subject {
    fn planned_now(
        inputs: &PlanInputs,
        options: &RunOptions,
        context: &Context,
    ) -> Result<Self, AppError> {
        let standing = wider_limits(inputs, options, context)?;
        let Planned { plan: made, facts, sources } =
            plan::make(inputs, &options.planning, standing, context)?;
        let job = inputs.job(&options.planning, context)?;
        let setup = Setup::new(job, &facts).map_err(|error| plan::explain(error, inputs))?;
        Ok(Self { plan: made.report, setup, sources, sandbox: plan::sandbox(&options.planning)? })
    }

    /// The plan executes only what it was made from: script, args, policy, prices, usage model.
    fn planned_before(
        mut given: PlanReport,
        inputs: &PlanInputs,
        options: &RunOptions,
        context: &Context,
    ) -> Result<Self, AppError> {
        let sandbox = plan::sandbox(&options.planning)?;
        let mut sources = inputs.source_set();
        let facts = planning::inspect(&sandbox, &mut sources, &mut |path| inputs.child_text(path))
            .map_err(|error| plan::explain_engine(error, inputs))?;
        let mut job = inputs.job(&options.planning, context)?;
        job.standing = wider_limits(inputs, options, context)?;
        job.results.clone_from(&given.request.results);
        job.tree = given.request.tree.unwrap_or_default();
        let setup = Setup::new(job, &facts).map_err(|error| plan::explain(error, inputs))?;
        let now = plan_id::hashes(&setup);
        let then = &given.hashes;
        let changed: Vec<&str> = [
            ("the script", now.script != then.script),
            ("its args or assumptions", now.args != then.args),
            ("the policy", now.policy != then.policy),
            ("the prices", now.prices != then.prices),
            ("the usage model", now.usage != then.usage),
        ]
        .into_iter()
        .filter_map(|(what, changed)| changed.then_some(what))
        .collect();
        if !changed.is_empty() {
            return Err(AppError::bad_input(format!(
                "plan {} is stale: {} changed since it was made",
                given.plan_id,
                changed.join(", ")
            ))
            .with_hint("plan again: flyball plan WORKFLOW --out plan.json"));
        }
        // What the ledger lacked when the plan was made is told of as it is now.
        given.diagnostics.retain(|said| said.code != wider::UNCOUNTED);
        judgement::hold_now(&mut given, &setup).map_err(|error| plan::explain(error, inputs))?;
        Ok(Self { plan: given, setup, sources, sandbox })
    }
}

/// What is left now of the budgets that the run shares with others. Whoever pays is refused where
/// the policy has one that the ledger does not hold.
fn wider_limits(
    inputs: &PlanInputs,
    options: &RunOptions,
    context: &Context,
) -> Result<Vec<StandingLimit>, AppError> {
    let policy = knowledge::policy(&inputs.policy)?.policy;
    let flag = &options.ledger;
    let pays = options.backend == Backend::Messages;
    let limits = wider::look(flag, context).and_then(|standing| {
        if pays {
            let projects = BTreeSet::from([books::project_here(context)]);
            wider::are_held(policy.name(), policy.budgets(), &standing, &projects, flag)?;
        }
        wider::limits(&standing, &policy, flag, context)
    });
    match limits {
        // It pays nothing, and tells of the ledger once it is over.
        Err(_) if !pays => Ok(Vec::new()),
        limits => limits,
    }
}

/// What the plan was asked for, in place of what flags say.
fn as_planned(options: &mut PlanOptions, plan: &PlanReport) -> Result<(), AppError> {
    let request = &plan.request;
    let unreadable = |what: &str| AppError::bad_input(format!("the plan's {what} cannot be read"));
    plan.source.clone_into(&mut options.workflow);
    options.args = match (&request.args_json, &request.args_text) {
        (Some(json), _) => ArgsOption::Json(ArgsSource::Json(json.clone())),
        (None, Some(text)) => ArgsOption::Text(text.clone()),
        (None, None) => ArgsOption::Absent,
    };
    options.model = Some(request.model.clone());
    options.effort = request.effort;
    request.provider.clone_into(&mut options.provider);
    request.policy.clone_into(&mut options.policy);
    if options.budgets.is_empty() {
        let budgets = request.budgets.iter().map(|text| text.parse());
        options.budgets = budgets.collect::<Result<_, _>>().map_err(|_| unreadable("budget"))?;
    }
    options.turn_budget_tokens = request.turn_budget_tokens;
    options.concurrency = options.concurrency.or(Some(request.concurrency));
    options.cache_ttl =
        if request.cache_one_hour { CacheTtl::OneHour } else { CacheTtl::FiveMinutes };
    options.assume = request
        .assumptions
        .iter()
        .map(|text| value::assume(text))
        .collect::<Result<_, _>>()
        .map_err(|_| unreadable("assumptions"))?;
    options.results = Vec::new();
    options.done.clone_from(&request.done);
    options.samples = plan.samples;
    options.seed = plan.seed;
    options.at = Some(plan.prices_on.parse().map_err(|_| unreadable("date of prices"))?);
    Ok(())
}

/// The plan in the file at `path`, if this flyball can read its version.
fn read_plan(path: &std::path::Path) -> Result<PlanReport, AppError> {
    let source = json_file(path)?;
    let plan: PlanReport = serde_json::from_str(&source.text).map_err(|error| {
        AppError::bad_input(format!("{}: this is not a plan: {error}", source.name))
            .with_hint("make one with: flyball plan WORKFLOW --out plan.json")
    })?;
    if plan.version != PLAN_SCHEMA_VERSION {
        return Err(AppError::bad_input(format!(
            "{}: this plan has version {}; this flyball reads version {PLAN_SCHEMA_VERSION}",
            source.name, plan.version
        ))
        .with_hint("make it anew with: flyball plan WORKFLOW --out plan.json"));
    }
    Ok(plan)
}

/// Refuses what the plan denies; what it asks about needs a yes, from the flag or the terminal.
fn gate(plan: &PlanReport, yes: bool, context: &Context) -> Result<(), AppError> {
    match plan.verdict.gate {
        Gate::Allow => Ok(()),
        Gate::Ask if yes || (context.stderr.live && output::confirm("run it?")) => Ok(()),
        Gate::Ask => Err(AppError::new(Exit::OverBudget, "the plan needs a yes before it runs")
            .with_hint("the reasons stand above; run it all the same with --yes")),
        Gate::Deny => {
            Err(AppError::new(Exit::OverBudget, "the plan is denied; nothing was started")
                .with_hint("flyball plan says why, and what would fit"))
        }
    }
}

/// Where the run is shown while it runs.
fn progress(context: &Context) -> Box<dyn Progress> {
    let page = context.stderr.page();
    if context.stderr.live {
        Box::new(LiveLine::on_stderr(page))
    } else {
        Box::new(Lines::new(std::io::stderr(), page))
    }
}

fn execute(
    subject: &Subject,
    options: &RunOptions,
    context: &Context,
) -> Result<RunReport, AppError> {
    match options.backend {
        Backend::Simulated => simulated(subject, options, context),
        Backend::Messages => over_messages(subject, options, context),
    }
}

/// A run whose agents are made up: one more sample of its plan.
fn simulated(
    subject: &Subject,
    options: &RunOptions,
    context: &Context,
) -> Result<RunReport, AppError> {
    let Subject { plan, setup, .. } = subject;
    let simulation =
        Simulation::new(setup, expected_agents(plan), Box::new(|name| price_of(setup, name)));
    let (mut work, mut results) = (Work(&simulation), Results(&simulation));
    let seed = Seed::new(setup.job.seed).child(u64::MAX);
    let mut backend = SimulatedBackend::new(&mut work, &mut results, Arms::default(), seed);
    let run_id = RunId::from(format!("sim-{}-{}", plan.plan_id, setup.job.seed));
    let mut run_setup = run_setup(plan, setup, run_id)?;
    run_setup.seed = Some(setup.job.seed);
    let keeper = Keeper::of_simulated(&options.ledger, context)?;
    let stop = interrupts()?;
    let mut pacer = Pace::new(options.time_scale, &stop);
    let mut live = Live { simulation: &simulation, backend: &mut backend, pacer: &mut pacer };
    carry_out(subject, run_setup, &mut live, &stop, (keeper, &options.ledger), context)
}

/// A run whose agents talk to the API, and pay.
fn over_messages(
    subject: &Subject,
    options: &RunOptions,
    context: &Context,
) -> Result<RunReport, AppError> {
    let Subject { plan, setup, .. } = subject;
    conversations::check(plan, setup, options)?;
    let mut run_setup = run_setup(plan, setup, conversations::run_id(plan)?)?;
    // Nothing of a conversation is cached, so nobody waits for another's prefix; most are one
    // request, so none ends half done; and what is planned is planned for agents with tools.
    run_setup.stagger_milliseconds = 0;
    run_setup.finishes_first = false;
    run_setup.forecasts.clear();
    let place = Place::default();
    let price_of = |name: &str| conversations::price_of(setup, &place, name);
    run_setup.routes = routes(plan, setup, price_of);
    let keeper = Keeper::of_paying(&options.ledger, &run_setup.run_id, context)?;
    let gateway = conversations::gateway(&run_setup, setup, options, context)?;
    let simulation = Simulation::new(setup, expected_agents(plan), Box::new(price_of));
    let stop = interrupts()?;
    let mut backend = conversations::agents(&run_setup, &gateway, place.clone(), options, context)?;
    let mut live = Live { simulation: &simulation, backend: &mut backend, pacer: &mut NoPacer };
    let report =
        carry_out(subject, run_setup, &mut live, &stop, (keeper, &options.ledger), context);
    gateway.end()?;
    report
}

/// The routes of `plan`, with what they cost by `price_of`.
fn routes(
    plan: &PlanReport,
    setup: &Setup,
    price_of: impl Fn(&str) -> Option<Arc<dyn RequestPrice>>,
) -> Routes {
    let by_effort = setup.policy.rules().iter().any(Rule::tells_efforts_apart);
    Routes::of_plan(plan, price_of).by_effort(by_effort)
}

/// The price of the model that is called `name`.
fn price_of(setup: &Setup, name: &str) -> Option<Arc<dyn RequestPrice>> {
    Some(Arc::new(setup.price_of(name).ok()?))
}

fn expected_agents(plan: &PlanReport) -> u32 {
    u32::try_from(plan.totals.agents.p50).unwrap_or(u32::MAX)
}

/// What carries a run out, and in which time.
struct Live<'a, 'b> {
    simulation: &'a Simulation<'b>,
    backend: &'a mut dyn AgentBackend,
    pacer: &'a mut dyn Pacer,
}

fn carry_out(
    subject: &Subject,
    mut run_setup: RunSetup,
    live: &mut Live<'_, '_>,
    stop: &AtomicU8,
    (mut keeper, ledger): (Keeper, &LedgerFlag),
    context: &Context,
) -> Result<RunReport, AppError> {
    let Subject { plan, setup, sources, sandbox } = subject;
    let mut execution = sandbox
        .start(sources, &setup.job.start)
        .map_err(|error| AppError::new(Exit::ScriptFailed, error))?;
    let mut progress = progress(context);
    run_setup.wider = keeper.wider(&setup.policy, ledger)?;
    keeper.begin(&run_setup)?;
    let mut report = crate::run::run(
        &run_setup,
        RunPorts {
            execution: &mut *execution,
            backend: &mut *live.backend,
            stages: live.simulation,
            replay: &mut Done(live.simulation),
            pacer: &mut *live.pacer,
            stop,
            keep: &mut |account, scope| keeper.keep(&plan.plan_id, account, scope),
            on_event: &mut |event| progress.show(event),
        },
    );
    report.diagnostics.extend(keeper.record(&report));
    Ok(report)
}

/// The run's limits, routes and prices, from its plan and policy.
fn run_setup(plan: &PlanReport, setup: &Setup, run_id: RunId) -> Result<RunSetup, AppError> {
    let mut run = RunSetup::new(run_id, &plan.workflow);
    let usage = |error: crate::plan::PlanError| AppError::usage(error);
    for amount in setup.budgets().map_err(usage)? {
        run.limits = run.limits.and(amount).ok_or_else(|| {
            AppError::usage(format!("{amount} is only observed, so no run can be held to it"))
                .with_hint("give the run dollars, tokens or agents: --budget 5usd")
        })?;
    }
    for limit in setup.policy.budgets() {
        let into = match &limit.scope {
            BudgetScope::Agent => &mut run.agent_limits,
            BudgetScope::Phase(title) => run.phase_limits.entry(title),
            // The run's own limit and wider budgets are in force already.
            _ => continue,
        };
        if let Some(limits) = into.and(limit.amount) {
            *into = limits;
        }
    }
    run.thresholds_per_mille = setup
        .policy
        .thresholds()
        .warn_per_mille
        .iter()
        .filter_map(|share| u16::try_from(*share).ok())
        .collect();
    run.concurrency = setup.job.concurrency;
    run.turn_budget_tokens = setup.job.start.budget_total_tokens;
    run.turn_spent_tokens = setup.job.start.budget_spent_tokens;
    run.stagger_milliseconds = setup.job.prefix_stagger_milliseconds;
    run.routes = routes(plan, setup, |name| price_of(setup, name));
    run.forecasts = forecasts_of(plan);
    run.hashes = plan.hashes.clone();
    Ok(run)
}

/// How often somebody pressed Ctrl-C.
fn interrupts() -> Result<Arc<AtomicU8>, AppError> {
    let pressed = Arc::new(AtomicU8::new(0));
    let counter = Arc::clone(&pressed);
    ctrlc::set_handler(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })
    .map_err(|error| AppError::bug(format!("Ctrl-C cannot be handled: {error}")))?;
    Ok(pressed)
}

/// What a run's end means to the caller.
pub fn exit_of(report: &RunReport) -> Exit {
    let broken = report.requests.released + report.requests.expired > 0;
    let nobody_answered = report.agents.done == 0 && report.agents.failed > 0 && broken;
    match (report.status, report.stopped_by) {
        (RunStatus::Complete, _) => Exit::Done,
        // What was refused is missing from the result, though the script went on without it.
        (_, Some(StopCause::Budget)) => Exit::BudgetStopped,
        (_, Some(StopCause::Signal)) => Exit::Interrupted,
        (_, Some(StopCause::Backend)) => Exit::Upstream,
        (RunStatus::Partial, None) if report.agents.denied > 0 => Exit::BudgetStopped,
        // A script that goes on without any answer has no result, whatever it returns.
        (_, None) if nobody_answered => Exit::Upstream,
        (RunStatus::Partial, None) => Exit::Done,
        (RunStatus::Stopped | RunStatus::Failed, None) => match report.result {
            RunResult::EngineFailed { .. } => Exit::BadInput,
            _ => Exit::ScriptFailed,
        },
    }
}
