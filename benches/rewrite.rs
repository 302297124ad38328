//! Applies a policy to every script below a folder and holds the rewritten text against the
//! original: it differs only within the edits, compiles, and asks for the same agents.
//!
//! `cargo bench --profile dev --bench rewrite -- FOLDER POLICY [ARGS.json]`. A policy is a shipped
//! one or a file. `ARGS.json` maps ends of paths to the `args` of their script.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark reports and stops"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use flyball::plan::job::{NamedText, PlanJob};
use flyball::plan::planner;
use flyball::plan::rewrite::{Rewrite, Why, rewrite};
use flyball::plan::setup::Setup;
use flyball::plan::synth::shipped_results;
use flyball::plan::trial::{self, Trial, TrialSpec};
use flyball::plan::widths::TreeCounts;
use flyball::plan::workers::Workers;
use flyball::ports::script::{EngineError, ScriptArgs, Start};
use flyball::pricing::shipped_files;
use flyball::script::engine::Program;
use flyball::usage::shipped_text;
use flyball::workflow::{
    FoundIn, FoundWorkflow, Source, SourceSet, WorkflowFacts, WorkflowRegistry,
};

#[path = "../tests/plan/same_calls.rs"]
mod same_calls;

use same_calls::asked;

/// Samples of each plan.
const SAMPLES: u32 = 6;
/// Runs of each pair of texts.
const SEEDS: u64 = 3;
/// What parsing deeply nested scripts may take.
const STACK_BYTES: usize = 256 << 20;

struct InOrder<'a>(&'a Program);

impl Workers for InOrder<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        specs.iter().map(|spec| trial::run(setup, self.0, spec)).collect()
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        texts.iter().map(|text| text.len() as u64 / 4).collect()
    }
}

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let arguments: Vec<String> = arguments.collect();
    let [folder, policy, rest @ ..] = arguments.as_slice() else {
        println!("rewrite: give a folder of scripts and a policy");
        return;
    };
    let args: BTreeMap<String, serde_json::Value> =
        rest.first().map_or_else(BTreeMap::new, |path| {
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        });
    let policy = named(policy);
    let folder = PathBuf::from(folder);
    let work = thread::Builder::new().stack_size(STACK_BYTES);
    work.spawn(move || all(&folder, &policy, &args)).unwrap().join().unwrap();
}

fn named(policy: &str) -> NamedText {
    let shipped = flyball::policy::shipped().iter().find(|(name, _)| *name == policy);
    let text = shipped
        .map_or_else(|| std::fs::read_to_string(policy).unwrap(), |(_, text)| (*text).to_owned());
    NamedText { name: policy.to_owned(), text }
}

#[derive(Default)]
struct Totals {
    scripts: usize,
    unusable: usize,
    rewritten: usize,
    sites: usize,
    reached: usize,
    edited: usize,
    moved_stages: usize,
    left: BTreeMap<&'static str, usize>,
    runs: u64,
    calls: usize,
    broken: Vec<String>,
}

fn all(folder: &Path, policy: &NamedText, args: &BTreeMap<String, serde_json::Value>) {
    let mut paths = Vec::new();
    scripts_below(folder, &mut paths);
    paths.sort();
    let mut totals = Totals::default();
    for path in &paths {
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        let mut start = Start::default();
        if let Some((_, value)) = args.iter().find(|(script, _)| path.ends_with(script)) {
            start.args = ScriptArgs::Json(value.to_string());
        }
        println!("{name}: {}", one(path, &name, job(policy, start), &mut totals));
    }
    let Totals { scripts, unusable, rewritten, sites, reached, edited, .. } = &totals;
    println!("{scripts} scripts that run, {unusable} others; {rewritten} rewritten");
    println!("{sites} calls of agent(), {reached} reached, {edited} edited");
    println!("{} stages to move, left: {:?}", totals.moved_stages, totals.left);
    println!("{} pairs of runs with {} agents each way", totals.runs, totals.calls);
    assert!(totals.broken.is_empty(), "{:#?}", totals.broken);
}

fn scripts_below(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts_below(&path, paths);
        } else if path.extension().is_some_and(|kind| kind == "js" || kind == "mjs") {
            paths.push(path);
        }
    }
}

/// The script with its neighbours, which it may call by name.
fn sources(path: &Path, text: &str) -> SourceSet {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let beside = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&beside) else { continue };
        let source = Source::new(beside.to_string_lossy(), text.clone());
        if beside != path
            && let Ok(facts) = WorkflowFacts::read(&source)
        {
            found.push(FoundWorkflow {
                meta_name: Some(facts.meta.name),
                path: source.name,
                found_in: FoundIn::Project { levels_up: 0 },
                text,
            });
        }
    }
    let main = Source::new(path.to_string_lossy(), text);
    SourceSet { main, registry: WorkflowRegistry { found } }
}

fn one(path: &Path, name: &str, job: PlanJob, totals: &mut Totals) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let mut sources = sources(path, &text);
    let program = match Program::compile(&sources) {
        Ok(program) => program,
        Err(error) => {
            totals.unusable += 1;
            return format!("{error}");
        }
    };
    let facts = program.facts();
    let plan = match planner::plan(job.clone(), facts, &mut InOrder(&program)) {
        Ok(plan) => plan,
        Err(error) => {
            totals.unusable += 1;
            return format!("{error:?}");
        }
    };
    let made = rewrite(&text, facts, &plan).unwrap();
    totals.count(&made, facts);
    let stages = plan.report.stages.iter();
    totals.moved_stages +=
        stages.filter(|stage| stage.route.model != stage.route.as_written).count();
    if let Some(what) = outside_edits(&text, &made) {
        totals.broken.push(format!("{name}: {what}"));
    }
    sources.main.text.clone_from(&made.text);
    let now = match Program::compile(&sources) {
        Ok(now) => now,
        Err(error) => {
            totals.broken.push(format!("{name}: {error}"));
            return "broken".to_owned();
        }
    };
    let setup = Setup::new(job, facts).unwrap();
    for seed in 0..SEEDS {
        let (was, is) = (asked(&program, &setup, seed), asked(&now, &setup, seed));
        totals.runs += 1;
        totals.calls += was.calls.len();
        if was != is {
            let at = was.calls.iter().zip(&is.calls).find(|(a, b)| a != b);
            totals.broken.push(format!("{name}: seed {seed}: {at:?}"));
        }
    }
    format!("{} edits, {} changed, {} left", made.edits.len(), made.changed.len(), made.left.len())
}

impl Totals {
    fn count(&mut self, made: &Rewrite, facts: &WorkflowFacts) {
        self.scripts += 1;
        self.rewritten += usize::from(!made.edits.is_empty());
        self.sites += facts.agent_sites.len();
        let places = made.changed.iter().map(|one| (one.line, one.column));
        self.edited += places.collect::<std::collections::BTreeSet<_>>().len();
        self.reached += facts.agent_sites.len();
        for left in &made.left {
            let reason = match left.why {
                Why::Unreached => "unreached",
                Why::Shared { .. } => "shared",
                Why::Efforts => "efforts",
                Why::Spread => "spread",
                Why::Child { .. } => "child",
                Why::Unnamed => "unnamed",
                Why::TooMany => "too many",
            };
            *self.left.entry(reason).or_default() += 1;
            self.reached -= usize::from(left.why == Why::Unreached);
        }
    }
}

/// Where the text differs besides its edits.
fn outside_edits(was: &str, made: &Rewrite) -> Option<String> {
    let (mut done, mut rest) = (0, made.text.as_str());
    for edit in &made.edits {
        let start = edit.place.offset as usize;
        let there = rest.strip_prefix(&was[done..start]);
        let Some(after) = there.and_then(|there| there.strip_prefix(edit.now.as_str())) else {
            return Some(format!("differs before line {}", edit.place.line));
        };
        (done, rest) = (start + edit.was.len(), after);
    }
    (rest != &was[done..]).then(|| "differs behind the last edit".to_owned())
}

fn job(policy: &NamedText, start: Start) -> PlanJob {
    PlanJob {
        source: "script.js".to_owned(),
        script_hash: "none".to_owned(),
        start,
        price_files: shipped_files(),
        usage_text: shipped_text().to_owned(),
        results_text: shipped_results().to_owned(),
        policy: policy.clone(),
        suggested_policy: None,
        session_model: "opus".to_owned(),
        session_effort: None,
        provider: "anthropic".to_owned(),
        cache_one_hour: false,
        budgets: Vec::new(),
        fit: None,
        samples: SAMPLES,
        work_max: None,
        seed: 7,
        concurrency: 8,
        prefix_stagger_milliseconds: 5_000,
        on: jiff::civil::date(2026, 11, 22),
        assumptions: Vec::new(),
        results: Vec::new(),
        done: Vec::new(),
        replayed: Vec::new(),
        as_written: false,
        subagent_model: None,
        tree: TreeCounts::default(),
        standing: Vec::new(),
        window_rates: Vec::new(),
    }
}
