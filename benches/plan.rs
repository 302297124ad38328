//! Planning in one process: how long trials and their pricing take, on one core and on two, and
//! what routing and drivers add. Ratios come from the same run; a number of seconds alone says as
//! much about the machine.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark reports and stops")]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use flyball::plan::evaluation::{self, Priced};
use flyball::plan::frame::{Frame, Scouted};
use flyball::plan::job::{NamedText, PlanJob};
use flyball::plan::planner;
use flyball::plan::setup::Setup;
use flyball::plan::synth::shipped_results;
use flyball::plan::trial::{self, Trial, TrialSpec};
use flyball::plan::widths::TreeCounts;
use flyball::plan::workers::Workers;
use flyball::ports::script::{EngineError, Start};
use flyball::pricing::shipped_files;
use flyball::script::engine::Program;
use flyball::usage::shipped_text;
use flyball::workflow::{Source, SourceSet, WorkflowFacts};

const ROUNDS: usize = 5;

/// A script of `agents` agents in the shape of most: finders, a check of each finding, a report.
fn script(agents: usize) -> String {
    let (finders, checks) = (agents / 10, agents - agents / 10 - 1);
    format!(
        "export const meta = {{ name: 'bench', description: 'finders, checks, a report' }};
const FOUND = {{ type: 'object', required: ['summary', 'severity'], properties: {{
  summary: {{ type: 'string' }}, severity: {{ enum: ['low', 'high'] }} }} }};
const CHECKED = {{ type: 'object', required: ['refuted', 'reason'], properties: {{
  refuted: {{ type: 'boolean' }}, reason: {{ type: 'string' }} }} }};
phase('Find');
const found = await parallel(Array.from({{ length: {finders} }}, (_, n) => () =>
  agent(`Look at part ${{n}} of the project for defects.`, {{ label: `find:${{n}}`, schema: FOUND }})));
phase('Check');
const checked = await parallel(Array.from({{ length: {checks} }}, (_, n) => () =>
  agent(`Try to refute this: ${{JSON.stringify(found[n % found.length])}}`,
    {{ label: `check:${{n}}`, schema: CHECKED }})));
phase('Report');
return agent(`Report what holds:\\n${{JSON.stringify(checked.filter((c) => c && !c.refuted).slice(0, 20))}}`,
  {{ label: 'report' }});
"
    )
}

fn named(name: &str) -> NamedText {
    let (name, text) = flyball::policy::shipped().iter().find(|(known, _)| *known == name).unwrap();
    NamedText { name: (*name).to_owned(), text: (*text).to_owned() }
}

fn job(samples: u32, agents_max: u32) -> PlanJob {
    let mut start = Start::default();
    start.limits.agents = agents_max;
    start.limits.items = start.limits.items.max(agents_max);
    PlanJob {
        source: "bench.js".to_owned(),
        script_hash: String::new(),
        start,
        price_files: shipped_files(),
        usage_text: shipped_text().to_owned(),
        results_text: shipped_results().to_owned(),
        policy: named("as-written"),
        suggested_policy: Some(named("haiku-fanout")),
        session_model: "default".to_owned(),
        session_effort: None,
        provider: "anthropic".to_owned(),
        cache_one_hour: false,
        budgets: vec!["10usd".to_owned()],
        fit: None,
        samples,
        work_max: None,
        seed: 7,
        concurrency: 16,
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

/// Trials on so many threads; a token is four bytes, since the vocabulary is a benchmark of its own.
struct Cores<'a>(&'a Program, usize);

impl Workers for Cores<'_> {
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError> {
        let program = self.0;
        let run = |part: &[TrialSpec]| -> Result<Vec<Trial>, EngineError> {
            part.iter().map(|spec| trial::run(setup, program, spec)).collect()
        };
        let share = specs.len().div_ceil(self.1).max(1);
        let parts: Vec<_> = thread::scope(|scope| {
            let spawn = |part| {
                let builder = thread::Builder::new().stack_size(16 << 20);
                builder.spawn_scoped(scope, move || run(part)).unwrap()
            };
            let handles: Vec<_> = specs.chunks(share).map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        let parts: Result<Vec<_>, _> = parts.into_iter().collect();
        Ok(parts?.into_iter().flatten().collect())
    }

    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64> {
        texts.iter().map(|text| text.len() as u64 / 4).collect()
    }
}

struct Bench {
    program: Program,
    facts: WorkflowFacts,
    job: PlanJob,
}

impl Bench {
    fn new(text: &str, samples: u32, agents_max: u32) -> Self {
        let source = Source::new("bench.js".to_owned(), text.to_owned());
        let program = Program::compile(&SourceSet::alone(source)).unwrap();
        let facts = program.facts().clone();
        Self { program, facts, job: job(samples, agents_max) }
    }

    fn setup(&self) -> Setup {
        Setup::new(self.job.clone(), &self.facts).unwrap()
    }

    /// Samples and their costs: what every number of a plan starts from.
    fn sampled(&self, cores: usize) -> (Setup, Frame) {
        let mut setup = self.setup();
        let frame = evaluation::sample(&mut setup, &mut Cores(&self.program, cores)).unwrap();
        (setup, frame)
    }

    fn priced(setup: &Setup, frame: &Frame) -> Priced {
        let names = evaluation::unique_names(frame);
        evaluation::price(setup, frame, &setup.policy, &names).unwrap()
    }

    fn costed(&self, cores: usize) -> usize {
        let (setup, frame) = self.sampled(cores);
        Self::priced(&setup, &frame).costs.len()
    }

    /// The whole plan: ceiling, drivers, hints and all.
    fn whole(&self, cores: usize) -> usize {
        let mut workers = Cores(&self.program, cores);
        planner::plan(self.job.clone(), &self.facts, &mut workers).unwrap().report.stages.len()
    }
}

fn main() {
    let small = Bench::new(include_str!("eight-agents.js"), 200, 1_000);
    let hundred = Bench::new(&script(100), 1_000, 1_000);
    let huge = Bench::new(&script(10_000), 1, 10_000);

    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    criterion.bench_function("200 samples of 8 agents, costed", |bencher| {
        bencher.iter(|| black_box(small.costed(1)));
    });
    criterion.bench_function("200 samples of 8 agents, whole plan", |bencher| {
        bencher.iter(|| black_box(small.whole(1)));
    });
    criterion.bench_function("1 sample of 10,000 agents, costed", |bencher| {
        bencher.iter(|| {
            let setup = huge.setup();
            let spec = TrialSpec { sample: 0, mode: trial::TrialMode::Natural, inspect: false };
            let trial = trial::run(&setup, &huge.program, &spec).unwrap();
            let frame = Frame::join(&setup, vec![trial], &Scouted::default());
            black_box(Bench::priced(&setup, &frame).costs.len())
        });
    });
    criterion.final_summary();

    // Turn by turn, so that all meet the same load; the fastest is the least disturbed.
    let mut best = [Duration::MAX; 5];
    let (setup, frame) = hundred.sampled(2);
    for _ in 0..ROUNDS {
        let runs: [&dyn Fn() -> usize; 5] = [
            &|| hundred.costed(1),
            &|| hundred.costed(2),
            &|| Bench::priced(&setup, &frame).costs.len(),
            &|| hundred.whole(1),
            &|| hundred.whole(2),
        ];
        for (best, run) in best.iter_mut().zip(runs) {
            let begin = Instant::now();
            black_box(run());
            *best = (*best).min(begin.elapsed());
        }
    }
    let [one, two, priced, whole_one, whole_two] = best;
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!("1,000 samples of 100 agents, best of {ROUNDS}:");
    println!("  costed      one core {one:.2?}, two {two:.2?}, ratio {:.2}", ratio(one, two));
    println!("  of which routing and pricing on one core {priced:.2?}");
    println!(
        "  whole plan  one core {whole_one:.2?}, two {whole_two:.2?}, ratio {:.2}",
        ratio(whole_one, whole_two)
    );
}
