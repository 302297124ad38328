//! A plan as a job of the child process: what is sent, what comes back, and the threads that run
//! trials there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};

use super::child::Job;
use crate::plan::PlanError;
use crate::plan::job::PlanJob;
use crate::plan::planner::{self, Plan};
use crate::plan::setup::Setup;
use crate::plan::trial::{self, Trial, TrialSpec};
use crate::plan::workers::Workers;
use crate::ports::script::EngineError;
use crate::script::engine::Program;
use crate::script::sandbox::{Activity, JobContext, Sandbox, Watched};
use crate::usage::TokenCounter;
use crate::workflow::{FoundIn, FoundWorkflow, SourceSet, WorkflowFacts};

/// What the child is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// The script and what it may call.
    pub(super) sources: SourceSet,
    /// What to plan.
    pub(super) job: PlanJob,
    /// Files that the script names as children and that could not be read.
    pub(super) unreadable: Vec<String>,
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// A plan, and what is known of the script.
    Planned(Box<(Plan, WorkflowFacts)>),
    /// The script names these files as child workflows.
    Needs(Vec<String>),
    /// None.
    Failed(PlanError),
}

/// The child's side.
pub(super) fn answer(context: &JobContext, request: Request) -> Answer {
    let program = match Program::compile(&request.sources) {
        Ok(program) => program,
        Err(error) => return Answer::Failed(PlanError::Script(error)),
    };
    let facts = program.facts().clone();
    let mut needs = missing_paths(&facts, &request.sources);
    needs.retain(|path| !request.unreadable.contains(path));
    if !needs.is_empty() {
        return Answer::Needs(needs);
    }
    context.turn_to(Activity::Reckoning);
    let counter = OnceLock::new();
    let by_bytes = request.job.work_max.is_some();
    let mut workers = Threads { program: &program, context, counter: &counter, by_bytes };
    match planner::plan(request.job, &facts, &mut workers) {
        Ok(plan) => Answer::Planned(Box::new((plan, facts.clone()))),
        Err(error) => Answer::Failed(error),
    }
}

fn missing_paths(facts: &WorkflowFacts, sources: &SourceSet) -> Vec<String> {
    let paths = facts.workflow_calls.iter().filter_map(|call| call.path.clone());
    let known = |path: &String| sources.registry.found.iter().any(|found| found.path == *path);
    let mut needed: Vec<String> = paths.filter(|path| !known(path)).collect();
    needed.sort();
    needed.dedup();
    needed
}

/// Trials on every core, in the order asked.
struct Threads<'a> {
    program: &'a Program,
    context: &'a JobContext,
    counter: &'a OnceLock<TokenCounter>,
    /// Whether texts are counted by their bytes, without a vocabulary.
    by_bytes: bool,
}

impl Workers for Threads<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        let share = specs.len().div_ceil(cores()).max(1);
        let program = Watched::new(self.program, self.context);
        let run = |part: &[TrialSpec]| -> Result<Vec<Trial>, EngineError> {
            part.iter().map(|spec| trial::run(setup, &program, spec)).collect()
        };
        self.context.turn_to(Activity::Running);
        let parts: Vec<Result<Vec<Trial>, EngineError>> = thread::scope(|scope| {
            let handles: Vec<_> =
                specs.chunks(share).map(|part| spawn(scope, move || run(part))).collect();
            handles.into_iter().map(join).collect()
        });
        self.context.turn_to(Activity::Reckoning);
        let mut trials = Vec::with_capacity(specs.len());
        for part in parts {
            trials.extend(part?);
        }
        Ok(trials)
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        if texts.is_empty() {
            return Vec::new();
        }
        if self.by_bytes {
            return texts.iter().map(|text| tokens_by_bytes(text)).collect();
        }
        let counter = self.counter.get_or_init(TokenCounter::load);
        texts.iter().map(|text| counter.count(text)).collect()
    }

    fn trials_while_counting(
        &mut self,
        setup: &Setup,
        specs: &[TrialSpec],
        texts: &[String],
    ) -> Result<(Vec<Trial>, Vec<u64>), EngineError> {
        let counter = self.counter;
        thread::scope(|scope| {
            if !texts.is_empty() && !self.by_bytes {
                scope.spawn(|| counter.get_or_init(TokenCounter::load));
            }
            let trials = self.trials(setup, specs)?;
            Ok((trials, self.count_tokens(texts)))
        })
    }

    fn side_by_side(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < count
            {
                task(number);
            }
        };
        thread::scope(|scope| {
            for _ in 1..cores().min(count) {
                scope.spawn(work);
            }
            work();
        });
    }
}

/// About as many o200k tokens as `text` has: a quarter of its ASCII, a third of its other bytes.
fn tokens_by_bytes(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let other = text.len() as u64 - ascii;
    ascii.div_ceil(4) + other.div_ceil(3)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

type Part = Result<Vec<Trial>, EngineError>;

fn spawn<'scope, 'env>(
    scope: &'scope thread::Scope<'scope, 'env>,
    work: impl FnOnce() -> Part + Send + 'scope,
) -> std::io::Result<thread::ScopedJoinHandle<'scope, Part>> {
    thread::Builder::new().stack_size(TRIAL_STACK_BYTES).spawn_scoped(scope, work)
}

/// Above the script's own stack limit, so that the engine refuses before the thread overflows.
const TRIAL_STACK_BYTES: usize = 16 << 20;

fn join(handle: std::io::Result<thread::ScopedJoinHandle<'_, Part>>) -> Part {
    let failed = |what: &str| EngineError::Internal(what.to_owned());
    let handle = handle.map_err(|error| failed(&format!("no thread for trials: {error}")))?;
    handle.join().unwrap_or_else(|_| Err(failed("a trial ended unexpectedly")))
}

/// The parent's side: asks a child for a plan, and reads in the files that the script names.
pub(super) fn plan(
    sandbox: &Sandbox,
    sources: &mut SourceSet,
    job: PlanJob,
    read_child: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<(Plan, WorkflowFacts), PlanError> {
    let mut request = Request { sources: sources.clone(), job, unreadable: Vec::new() };
    for _ in 0..CHILD_ROUNDS_MAX {
        match Job::Plan(Box::new(request.clone())).ask(sandbox)? {
            Answer::Planned(planned) => {
                *sources = request.sources;
                return Ok(*planned);
            }
            Answer::Failed(error) => return Err(error),
            Answer::Needs(paths) => {
                let unreadable = add_children(&mut request.sources, paths, read_child);
                request.unreadable.extend(unreadable);
            }
        }
    }
    let message = "the script names ever more child workflows".to_owned();
    Err(PlanError::Script(EngineError::Internal(message)))
}

/// Facts of a script, with the files that it names as children read in.
pub(super) fn inspect(
    sandbox: &Sandbox,
    sources: &mut SourceSet,
    read_child: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<WorkflowFacts, EngineError> {
    let facts = sandbox.inspect(sources)?.facts;
    add_children(sources, missing_paths(&facts, sources), read_child);
    Ok(facts)
}

/// Reads in what it can and returns the rest: the script is told of those as the client tells it.
fn add_children(
    sources: &mut SourceSet,
    paths: Vec<String>,
    read_child: &mut dyn FnMut(&str) -> Option<String>,
) -> Vec<String> {
    let mut unreadable = Vec::new();
    for path in paths {
        match read_child(&path) {
            Some(text) => sources.registry.found.push(FoundWorkflow {
                meta_name: None,
                path,
                found_in: FoundIn::Path,
                text,
            }),
            None => unreadable.push(path),
        }
    }
    unreadable
}

/// A script names its children by path at once; one more round for what those rounds left.
const CHILD_ROUNDS_MAX: u32 = 3;
