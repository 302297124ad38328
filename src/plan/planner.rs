//! The whole of a plan, from a job to its report. Owns the order of the steps; each step has a
//! room of its own.

use serde::{Deserialize, Serialize};

use crate::band::{self, Band};
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::advice;
use crate::plan::assemble;
use crate::plan::call_spot::StageCalls;
use crate::plan::ceiling::{self, Probed, Sampled};
use crate::plan::drivers;
use crate::plan::endings;
use crate::plan::evaluation::{self, Evaluation};
use crate::plan::frame::{Frame, FrameStage};
use crate::plan::hints;
use crate::plan::interventions::{self, Base};
use crate::plan::job::PlanJob;
use crate::plan::judgement;
use crate::plan::one_agent;
use crate::plan::plan_id;
use crate::plan::report::{PLAN_SCHEMA_VERSION, PeakConcurrency, PlanReport, PlanRequest};
use crate::plan::setup::Setup;
use crate::plan::workers::Workers;
use crate::policy::Routing;
use crate::ports::script::ScriptArgs;
use crate::workflow::WorkflowFacts;

/// A plan with what its report leaves out. Lists are by stage, in the report's order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// What is published.
    pub report: PlanReport,
    /// What became of each rule.
    pub routings: Vec<Routing>,
    /// From where the agents are called.
    pub calls: Vec<StageCalls>,
}

/// Plans a job. `facts` are what is known of the script without running it.
pub fn plan(
    job: PlanJob,
    facts: &WorkflowFacts,
    workers: &mut dyn Workers,
) -> Result<Plan, PlanError> {
    let mut setup = Setup::new(job, facts)?;
    let Evaluation { frame, names, mut priced } = evaluation::evaluate(&mut setup, workers)?;
    evaluation::step_down(&setup, &frame, &names, &mut priced);
    let mut totals = assemble::totals(&frame, &priced);
    let dollars = assemble::dollars(&priced);
    let agents: Vec<u64> =
        priced.costs.iter().map(|sample| u64::from(sample.total().agents)).collect();
    let (ending_plans, completes) = endings::group(&frame, dollars.as_deref(), &agents);
    let suggested_budget_usd = suggested_budget(dollars.as_deref(), &completes);
    let per_agent = assemble::agent_prices(&frame, &priced);
    let sampled =
        Sampled { most_agents: agents.iter().copied().max().unwrap_or(0), lines: &frame.lines };
    let Probed { ceiling, unreached } =
        ceiling::probe(&setup, facts, workers, per_agent.as_ref(), &sampled)?;
    let verdict = judgement::judge(&setup, &frame, &priced, &totals, ceiling.agents.is_some())?;
    totals.agents.ceiling = ceiling.agents;
    let ranked = drivers::rank(&frame, &priced.costs);
    let base = Base { setup: &setup, frame: &frame, priced: &priced, names: &names };
    let drivers = interventions::drivers(&base, &ranked, workers)?;
    let diagnostics = hints::gather(&setup, facts, &frame, &priced, &unreached, workers)?;
    let stages = assemble::stages(&frame, &priced, &names);
    let mut to_fit = advice::to_fit(&setup, &frame, &priced, &verdict, suggested_budget_usd);
    // Who launches asks once, and cannot try `--fit`.
    if setup.job.work_max.is_some() {
        let within = advice::within_budget(&setup, &frame, &priced, &names, &verdict)?;
        to_fit.splice(0..0, within);
    }
    let assumptions = advice::assumptions(&setup, facts, &frame, &ranked, &completes);
    let hashes = plan_id::hashes(&setup);
    let report = PlanReport {
        version: PLAN_SCHEMA_VERSION,
        plan_id: plan_id::plan_id(&setup, &hashes),
        workflow: facts.meta.name.clone(),
        source: setup.job.source.clone(),
        verdict,
        phases: assemble::phases(&frame, &priced),
        stages,
        endings: ending_plans,
        drivers,
        savings: advice::savings(&setup, &frame, &priced, &names)?,
        one_agent: one_agent::compare(&setup, &frame, &priced),
        to_fit,
        assumptions,
        diagnostics,
        peak_concurrency: peak(&setup, &frame),
        session_model: setup.session.id.clone(),
        policy: setup.policy.name().to_owned(),
        prices_on: setup.job.on.to_string(),
        seed: setup.job.seed,
        samples: u32::try_from(frame.samples.len()).unwrap_or(u32::MAX),
        request: request(&setup),
        hashes,
        suggested_budget_usd,
        totals,
        ceiling,
    };
    let routings = priced.routes.into_iter().map(|routed| routed.routing).collect();
    let calls = |stage: &FrameStage| StageCalls::of(&stage.identity, &stage.spots);
    Ok(Plan { report, routings, calls: frame.stages.iter().map(calls).collect() })
}

fn suggested_budget(dollars: Option<&[Picodollars]>, completes: &[bool]) -> Option<Picodollars> {
    let mut of: Vec<Picodollars> = dollars?
        .iter()
        .zip(completes)
        .filter_map(|(cost, completes)| completes.then_some(*cost))
        .collect();
    of.sort_unstable();
    band::quantile(&of, 900)
}

fn peak(setup: &Setup, frame: &Frame) -> PeakConcurrency {
    let peaks: Vec<u32> = frame.timed().iter().map(|sample| sample.peak).collect();
    PeakConcurrency {
        p50: Band::of(&peaks).map_or(0, |band| band.p50),
        max: peaks.into_iter().max().unwrap_or(0),
        cap: setup.job.concurrency,
    }
}

fn request(setup: &Setup) -> PlanRequest {
    let job = &setup.job;
    let (args_json, args_text) = match &job.start.args {
        ScriptArgs::Absent => (None, None),
        ScriptArgs::Json(text) => (Some(text.clone()), None),
        ScriptArgs::Text(text) => (None, Some(text.clone())),
    };
    PlanRequest {
        args_json,
        args_text,
        model: job.session_model.clone(),
        effort: job.session_effort,
        provider: job.provider.clone(),
        policy: job.policy.name.clone(),
        budgets: job.budgets.clone(),
        fit: job.fit.clone(),
        turn_budget_tokens: job.start.budget_total_tokens,
        concurrency: job.concurrency,
        cache_one_hour: job.cache_one_hour,
        assumptions: job.assumptions.clone(),
        results: job.results.clone(),
        done: job.done.clone(),
        tree: job.tree.scoped.then_some(job.tree),
    }
}
