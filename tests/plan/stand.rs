//! One way to plan a script in this process, as small as a test wants it.

use flyball::plan::PlanError;
use flyball::plan::evaluation::{self, Priced};
use flyball::plan::frame::Frame;
use flyball::plan::job::{NamedText, PlanJob};
use flyball::plan::planner::{self, Plan};
use flyball::plan::report::{PlanReport, StagePlan};
use flyball::plan::setup::Setup;
use flyball::plan::synth::shipped_results;
use flyball::plan::widths::TreeCounts;
use flyball::ports::script::{ScriptArgs, ScriptProgram, Start};
use flyball::pricing::{PriceFile, shipped_files};
use flyball::script::engine::Program;
use flyball::usage::shipped_text;
use flyball::workflow::{Source, SourceSet, WorkflowFacts};

use super::fake::{Fake, InOrder, Rounds};

pub(crate) const HEAD: &str = "export const meta = { name: 'mine', description: 'a test' };\n";

/// A finder stage and a check of each finding: `findings` is the schema of the list, `list` the
/// expression that is fanned out over.
pub(crate) fn find_and_check(findings: &str, list: &str) -> String {
    format!(
        "{HEAD}const FOUND = {{ type: 'object', required: ['findings'], properties: {{
  findings: {findings} }} }};
const CHECKED = {{ type: 'object', required: ['refuted', 'evidence'], properties: {{
  refuted: {{ type: 'boolean' }},
  evidence: {{ type: 'array', items: {{ type: 'string' }} }} }} }};
phase('Find');
const found = await parallel(['a', 'b'].map((part) => () =>
  agent(`Find defects in ${{part}}.`, {{ label: `find:${{part}}`, schema: FOUND }})));
const all = found.filter(Boolean).flatMap((one) => one.findings);
phase('Check');
const checked = await parallel({list}.map((finding) => () =>
  agent(`Refute: ${{finding}}`, {{ label: `check:${{finding}}`, schema: CHECKED }})));
return {{ holds: checked.filter((one) => one && !one.refuted).length }};
"
    )
}

pub(crate) const OPEN_LIST: &str = "{ type: 'array', items: { type: 'string' } }";

/// What is planned, and how.
pub(crate) struct Stand {
    program: Box<dyn ScriptProgram>,
    pub(crate) facts: WorkflowFacts,
    pub(crate) job: PlanJob,
}

impl Stand {
    pub(crate) fn script(text: &str) -> Self {
        let source = Source::new("mine.js".to_owned(), text.to_owned());
        let program = Program::compile(&SourceSet::alone(source)).expect("a script that compiles");
        let facts = program.facts().clone();
        Self { program: Box::new(program), facts, job: job() }
    }

    pub(crate) fn fake(rounds: Rounds) -> Self {
        Self { program: Box::new(Fake(rounds)), facts: WorkflowFacts::default(), job: job() }
    }

    pub(crate) fn with(mut self, edit: impl FnOnce(&mut PlanJob)) -> Self {
        edit(&mut self.job);
        self
    }

    pub(crate) fn assume(self, pins: &[&str]) -> Self {
        self.with(|job| job.assumptions = pins.iter().map(|pin| (*pin).to_owned()).collect())
    }

    pub(crate) fn policy(self, rules: &str) -> Self {
        let text = format!("schema = 1\nname = 'mine'\n{rules}");
        self.with(|job| job.policy = NamedText { name: "mine.toml".to_owned(), text })
    }

    pub(crate) fn prices(self, text: &str) -> Self {
        let file = PriceFile { name: "mine.toml".to_owned(), text: text.to_owned() };
        self.with(|job| job.price_files.push(file))
    }

    pub(crate) fn args(self, json: &str) -> Self {
        self.with(|job| job.start.args = ScriptArgs::Json(json.to_owned()))
    }

    /// The plan with what its report leaves out.
    pub(crate) fn whole(&self) -> Plan {
        let mut workers = InOrder(&*self.program);
        planner::plan(self.job.clone(), &self.facts, &mut workers).expect("a plan")
    }

    pub(crate) fn try_plan(&self) -> Result<PlanReport, PlanError> {
        let mut workers = InOrder(&*self.program);
        planner::plan(self.job.clone(), &self.facts, &mut workers).map(|plan| plan.report)
    }

    pub(crate) fn plan(&self) -> PlanReport {
        self.try_plan().expect("a plan")
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup::new(self.job.clone(), &self.facts).expect("a job that parses")
    }

    /// The samples and their prices under the job's own policy.
    pub(crate) fn priced(&self) -> (Setup, Frame, Priced) {
        let mut setup = self.setup();
        let frame = evaluation::sample(&mut setup, &mut InOrder(&*self.program)).unwrap();
        let names = evaluation::unique_names(&frame);
        let priced = evaluation::price(&setup, &frame, &setup.policy, &names).unwrap();
        (setup, frame, priced)
    }

    pub(crate) fn program(&self) -> &dyn ScriptProgram {
        &*self.program
    }
}

pub(crate) fn stage<'a>(report: &'a PlanReport, name: &str) -> &'a StagePlan {
    let names: Vec<&str> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
    let found = report.stages.iter().find(|stage| stage.name == name);
    found.unwrap_or_else(|| panic!("no stage {name} among {names:?}"))
}

/// Whether the plan has a diagnostic of that code; its message.
pub(crate) fn said<'a>(report: &'a PlanReport, code: &str) -> Option<&'a str> {
    let found = report.diagnostics.iter().find(|diagnostic| diagnostic.code == code);
    found.map(|diagnostic| diagnostic.message.as_str())
}

fn job() -> PlanJob {
    let (name, text) = flyball::policy::shipped()[0];
    PlanJob {
        source: "mine.js".to_owned(),
        script_hash: "none".to_owned(),
        start: Start::default(),
        price_files: shipped_files(),
        usage_text: shipped_text().to_owned(),
        results_text: shipped_results().to_owned(),
        policy: NamedText { name: name.to_owned(), text: text.to_owned() },
        suggested_policy: None,
        session_model: "opus".to_owned(),
        session_effort: None,
        provider: "anthropic".to_owned(),
        cache_one_hour: false,
        budgets: Vec::new(),
        fit: None,
        samples: 60,
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
