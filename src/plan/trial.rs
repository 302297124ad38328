//! One dry execution of the script on a virtual clock: who is called when, and what the script
//! does with invented results. Owns the discrete-event loop; prices nothing.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::plan::call_spot::CallSpot;
use crate::plan::cast::{Cast, Placed};
use crate::plan::setup::Setup;
use crate::plan::stage::StageIdentity;
use crate::plan::synth::{Extremes, FactorKind, Pushed, Reach};
use crate::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Finish, Outcome, ScriptArgs, ScriptProgram,
    Status,
};
use crate::seed::Seed;

/// Which execution to make.
#[derive(Clone, Debug)]
pub struct TrialSpec {
    /// The sample's number, from 0: the key of its draws.
    pub sample: u32,
    /// What is special about it.
    pub mode: TrialMode,
    /// Whether to keep prompts for counting; for the first trials.
    pub inspect: bool,
}

/// What is special about an execution.
#[derive(Clone, Debug)]
pub enum TrialMode {
    /// Nothing: one sample of the plan.
    Natural,
    /// Results at their extremes, to find what bounds the script.
    Extreme(Extremes),
    /// The same, with a further reach for one stage, to find out whether what that stage answers
    /// is what makes the run grow.
    Stretched {
        /// What all other stages answer.
        extremes: Extremes,
        /// The key of the stage.
        stage: u64,
        /// How far it goes.
        reach: Reach,
    },
    /// Every agent of the stage with this name fails and resolves to `null`.
    NullStage(Arc<str>),
    /// `args` arrive as the JSON text of themselves.
    ArgsAsText,
}

/// One agent call of a trial.
#[derive(Clone, Copy, Debug)]
pub struct CallRecord {
    /// Index into [`Trial::stages`].
    pub stage: u32,
    /// The key of its draws.
    pub identity: u64,
    /// Length of its prompt, bytes.
    pub prompt_bytes: u32,
    /// When it got its slot, virtual milliseconds; `u64::MAX` if it never did.
    pub started: u64,
    /// When it ended, virtual milliseconds.
    pub ended: u64,
    /// Of how many earlier agents its prompt quotes results.
    pub quotes: u16,
    /// Whether it costs nothing: marked by `--done`, or answered by an earlier run.
    pub done: bool,
}

/// What one execution did.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The sample's number.
    pub sample: u32,
    /// Its stages, in first-call order.
    pub stages: Vec<StageIdentity>,
    /// Its calls, in call order.
    pub calls: Vec<CallRecord>,
    /// Means of what was invented, by stage and property.
    pub factors: Vec<TrialFactor>,
    /// How it ended.
    pub finish: Finish,
    /// What was noticed.
    pub notes: ExecutionNotes,
    /// From the first start to the last end, virtual milliseconds.
    pub wall_milliseconds: u64,
    /// Most agents at work at once.
    pub peak: u32,
    /// First prompts of each stage, by index; only if inspected.
    pub prompts: Vec<(u32, String)>,
    /// What an extreme trial pushed, by stage key.
    pub pushed: BTreeSet<(u64, Pushed)>,
    /// Whether a result of an extreme trial was cut short.
    pub cut: bool,
    /// Lines of the script itself from which it called `agent()`.
    pub lines: BTreeSet<u32>,
    /// From where it called the agents of each stage, by index.
    pub spots: BTreeMap<u32, BTreeSet<CallSpot>>,
    /// What it took to make this trial, about in bytes read: a measure that no clock decides, so
    /// that what a plan can afford is the same everywhere.
    pub work: u64,
}

impl Trial {
    /// From where it called the agents of each stage, by the stage's key.
    pub fn spots_by_key(&self) -> impl Iterator<Item = (u64, &BTreeSet<CallSpot>)> {
        let key = |stage: u32| self.stages.get(stage as usize).map_or(0, |of| of.key.0);
        self.spots.iter().map(move |(stage, spots)| (key(*stage), spots))
    }
}

/// The mean over one trial of something invented.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialFactor {
    /// The stage's name.
    pub stage: Arc<str>,
    /// The property.
    pub property: Arc<str>,
    /// What was decided.
    pub kind: FactorKind,
    /// Mean of list lengths or numbers, or share of `true`.
    pub mean: f64,
    /// Over how many values.
    pub count: u32,
}

const PROMPTS_KEPT_PER_STAGE: usize = 3;
const PROMPT_BYTES_KEPT: usize = 16 * 1024;
/// Work of one call besides its texts.
const CALL_WORK: u64 = 4 << 10;
/// Work of one interrupt poll of the interpreter.
const STEP_WORK: u64 = 32 << 10;
/// Interrupt polls of an extreme trial: a script that needs more with long lists is not bounded in
/// any useful way, and the plan must not wait for it.
const PROBE_STEPS: u64 = 500;
/// Bytes of all its prompts, likewise.
const PROBE_BYTES_MAX: usize = 4 << 20;
/// Heap of its script, likewise: probes run beside each other.
const PROBE_MEMORY_BYTES: u64 = 48 << 20;
/// Events per trial; a guard against scripts whose timers never end.
const EVENTS_MAX: u32 = 4_000_000;

/// Runs one trial.
pub fn run(
    setup: &Setup,
    program: &dyn ScriptProgram,
    spec: &TrialSpec,
) -> Result<Trial, EngineError> {
    let mut start = setup.job.start.clone();
    if let (TrialMode::ArgsAsText, ScriptArgs::Json(text)) = (&spec.mode, &start.args) {
        start.args = ScriptArgs::Text(text.clone());
    }
    if extremes_for(&spec.mode, 0).is_some() {
        start.limits.steps = start.limits.steps.min(PROBE_STEPS);
        start.limits.memory_bytes = start.limits.memory_bytes.min(PROBE_MEMORY_BYTES);
    }
    let execution = program.start(&start)?;
    let seed = Seed::new(setup.job.seed).child(u64::from(spec.sample));
    let mut simulation = Simulation {
        setup,
        spec,
        execution,
        cast: Cast::new(setup, seed),
        pushed: BTreeSet::new(),
        cut: false,
        calls: Vec::new(),
        records: Vec::new(),
        queue: VecDeque::new(),
        ends: BinaryHeap::new(),
        warm: BTreeMap::new(),
        factors: BTreeMap::new(),
        prompts: Vec::new(),
        clock: 0,
        running: 0,
        peak: 0,
        spent_tokens: setup.job.start.budget_spent_tokens,
        probed_bytes: 0,
        lines: BTreeSet::new(),
        spots: BTreeMap::new(),
        text_bytes: 0,
    };
    let finish = simulation.drive()?;
    Ok(simulation.into_trial(finish))
}

/// The extremes that the calls of a stage are answered with.
fn extremes_for(mode: &TrialMode, stage: u64) -> Option<Extremes> {
    match mode {
        TrialMode::Extreme(extremes) => Some(extremes.clone()),
        TrialMode::Stretched { extremes, stage: stretched, reach } => {
            let reach = if stage == *stretched { *reach } else { extremes.reach };
            Some(Extremes { reach, ..extremes.clone() })
        }
        TrialMode::Natural | TrialMode::NullStage(_) | TrialMode::ArgsAsText => None,
    }
}

/// A call, where it stands, and what it will be answered once it has a slot.
struct OpenCall {
    call: AgentCall,
    placed: Placed,
    work: Option<Work>,
}

/// An agent at work, and what it will answer.
struct Work {
    outcome: Outcome,
    output_tokens: u64,
    /// Virtual milliseconds.
    duration: u64,
    paid: bool,
}

/// What was decided, the values together, and how many they are.
type Sum = (FactorKind, f64, u32);

struct Simulation<'a> {
    setup: &'a Setup,
    spec: &'a TrialSpec,
    execution: Box<dyn Execution>,
    cast: Cast<'a>,
    calls: Vec<OpenCall>,
    records: Vec<CallRecord>,
    queue: VecDeque<usize>,
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    /// When the shared prefix of a group can be read.
    warm: BTreeMap<u64, u64>,
    factors: BTreeMap<(Arc<str>, Arc<str>), Sum>,
    pushed: BTreeSet<(u64, Pushed)>,
    cut: bool,
    prompts: Vec<(u32, String)>,
    clock: u64,
    running: u32,
    peak: u32,
    spent_tokens: u64,
    /// Bytes of all prompts of an extreme trial.
    probed_bytes: usize,
    lines: BTreeSet<u32>,
    spots: BTreeMap<u32, BTreeSet<CallSpot>>,
    /// Bytes of all prompts and results.
    text_bytes: u64,
}

impl Simulation<'_> {
    fn drive(&mut self) -> Result<Finish, EngineError> {
        for _ in 0..EVENTS_MAX {
            loop {
                self.take_calls();
                if self.probed_bytes > PROBE_BYTES_MAX {
                    return Ok(Finish::LimitReached { limit: "prompt bytes".into() });
                }
                if self.running >= self.setup.job.concurrency {
                    break;
                }
                let Some(position) = self.queue.pop_front() else { break };
                self.begin(position)?;
            }
            let (open, timer) = match self.execution.status() {
                Status::Finished(finish) => {
                    self.let_the_rest_finish();
                    return Ok(finish);
                }
                Status::Waiting { open_calls, next_timer_milliseconds } => {
                    (open_calls, next_timer_milliseconds)
                }
            };
            match (self.ends.peek(), timer) {
                (Some(Reverse((end, _))), Some(due)) if due <= *end => self.pass_time(due)?,
                (Some(_), _) => self.end_next()?,
                (None, Some(due)) => self.pass_time(due)?,
                (None, None) if open == 0 => return Ok(Finish::Stuck),
                (None, None) => {
                    return Err(EngineError::Internal("open calls without an agent".into()));
                }
            }
        }
        Ok(Finish::LimitReached { limit: "events".into() })
    }

    fn take_calls(&mut self) {
        for call in self.execution.calls() {
            let placed = self.cast.place(&call);
            let position = self.records.len();
            let stage = u32::try_from(placed.placement.stage).unwrap_or(u32::MAX);
            self.records.push(CallRecord {
                stage,
                identity: placed.placement.identity,
                prompt_bytes: u32::try_from(call.prompt.len()).unwrap_or(u32::MAX),
                started: u64::MAX,
                ended: u64::MAX,
                quotes: 0,
                done: false,
            });
            self.text_bytes += call.prompt.len() as u64;
            self.lines.extend(call.line.filter(|_| call.child_workflow.is_none()));
            self.spots.entry(stage).or_default().insert(CallSpot::of(&call));
            if extremes_for(&self.spec.mode, 0).is_some() {
                self.probed_bytes += call.prompt.len();
            }
            if self.spec.inspect {
                self.keep_prompt(stage, &call.prompt);
            }
            self.calls.push(OpenCall { call, placed, work: None });
            self.queue.push_back(position);
        }
    }

    fn keep_prompt(&mut self, stage: u32, prompt: &str) {
        let kept = self.prompts.iter().filter(|(of, _)| *of == stage).count();
        if kept < PROMPTS_KEPT_PER_STAGE {
            let mut end = prompt.len().min(PROMPT_BYTES_KEPT);
            while !prompt.is_char_boundary(end) {
                end -= 1;
            }
            self.prompts.push((stage, prompt.get(..end).unwrap_or("").to_owned()));
        }
    }

    /// Gives a queued call its slot, or answers it where the turn's budget is used up by then.
    fn begin(&mut self, position: usize) -> Result<(), EngineError> {
        // The client checks again when a queued call gets its slot.
        if let Some(total) = self.setup.job.start.budget_total_tokens
            && self.spent_tokens >= total
        {
            let outcome = Outcome::budget_exceeded(self.spent_tokens, total);
            let Some(open) = self.calls.get(position) else { return Ok(()) };
            return self.execution.deliver(open.call.id, outcome, 0);
        }
        self.running += 1;
        self.peak = self.peak.max(self.running);
        let work = self.work(position)?;
        if let Outcome::Text(text) | Outcome::Json(text) = &work.outcome {
            self.text_bytes += text.len() as u64;
        }
        let held = self.hold_for_prefix(position, work.duration);
        let end = self.clock.saturating_add(held).saturating_add(work.duration);
        if let Some(record) = self.records.get_mut(position) {
            record.started = self.clock;
            record.ended = end;
            record.done = !work.paid;
        }
        if let Some(open) = self.calls.get_mut(position) {
            open.work = Some(work);
        }
        self.ends.push(Reverse((end, position)));
        Ok(())
    }

    /// What the agent does and answers.
    fn work(&mut self, position: usize) -> Result<Work, EngineError> {
        let missing = || EngineError::Internal("a call without a stage".into());
        let OpenCall { call, placed, .. } = self.calls.get(position).ok_or_else(missing)?;
        if let Some(outcome) = self.cast.replay(*placed) {
            return Ok(Work { outcome, output_tokens: 0, duration: 0, paid: false });
        }
        let stage = self.cast.stage(*placed).ok_or_else(missing)?;
        let (key, name) = (stage.key.0, Arc::clone(&stage.name));
        let prompt_tokens = call.prompt.len() as u64 / 4;
        let (agent, text_tokens) = self.cast.work(*placed, prompt_tokens).ok_or_else(missing)?;
        let outcome = match (&self.spec.mode, extremes_for(&self.spec.mode, key)) {
            (TrialMode::NullStage(null), _) if *null == name => Outcome::Null,
            (_, Some(extremes)) => {
                let probe = self.cast.probe(*placed, call, text_tokens, &extremes);
                let probe = probe.ok_or_else(missing)?;
                self.pushed.extend(probe.pushed.into_iter().map(|pushed| (key, pushed)));
                self.cut |= probe.cut;
                probe.outcome
            }
            _ => {
                let answer = self.cast.answer(*placed, call, text_tokens).ok_or_else(missing)?;
                let answer =
                    answer.map_err(|error| EngineError::Unanswerable(error.to_string()))?;
                for factor in answer.factors {
                    let key = (Arc::clone(&name), factor.key.1);
                    let sum = self.factors.entry(key).or_insert((factor.kind, 0.0, 0));
                    sum.1 += factor.value;
                    sum.2 += 1;
                }
                if let Some(record) = self.records.get_mut(position) {
                    record.quotes = u16::try_from(answer.quoted_calls).unwrap_or(u16::MAX);
                }
                answer.outcome
            }
        };
        if self.cast.is_done(*placed, call) {
            return Ok(Work { outcome, output_tokens: 0, duration: 0, paid: false });
        }
        Ok(Work {
            outcome,
            output_tokens: agent.output_tokens,
            duration: agent.duration_milliseconds,
            paid: true,
        })
    }

    /// Siblings that share a prefix wait until the first one's response begins, at most the
    /// stagger. The first response is taken to begin after an eighth of the agent's time.
    fn hold_for_prefix(&mut self, position: usize, duration: u64) -> u64 {
        let stagger = self.setup.job.prefix_stagger_milliseconds;
        let placed = self.calls.get(position).map(|open| open.placed);
        let traits = placed.and_then(|placed| self.cast.running_traits(placed));
        let Some(traits) = traits else { return 0 };
        if stagger == 0 || duration == 0 || traits.worktree {
            return 0;
        }
        match self.warm.entry(traits.prefix_group) {
            Entry::Vacant(first) => {
                first.insert(self.clock.saturating_add(stagger.min(duration / 8)));
                0
            }
            Entry::Occupied(warm) => warm.get().saturating_sub(self.clock),
        }
    }

    fn end_next(&mut self) -> Result<(), EngineError> {
        let Some(Reverse((end, position))) = self.ends.pop() else { return Ok(()) };
        self.clock = end;
        self.running -= 1;
        let Some(open) = self.calls.get_mut(position) else { return Ok(()) };
        let Some(work) = open.work.take() else { return Ok(()) };
        self.cast.delivered(open.placed);
        self.spent_tokens = self.spent_tokens.saturating_add(work.output_tokens);
        self.execution.deliver(open.call.id, work.outcome, work.output_tokens)
    }

    fn pass_time(&mut self, due: u64) -> Result<(), EngineError> {
        self.clock = self.clock.max(due);
        self.execution.advance_to(self.clock)
    }

    /// Agents that the script did not wait for are paid all the same; calls still queued when
    /// it ended never start.
    fn let_the_rest_finish(&mut self) {
        while let Some(Reverse((end, _))) = self.ends.pop() {
            self.clock = self.clock.max(end);
        }
    }

    fn into_trial(mut self, finish: Finish) -> Trial {
        let started = |record: &&CallRecord| record.started != u64::MAX;
        let first = self.records.iter().filter(started).map(|r| r.started).min().unwrap_or(0);
        let last = self.records.iter().filter(started).map(|r| r.ended).max().unwrap_or(0);
        let notes = self.execution.notes();
        let calls = self.records.len() as u64 * CALL_WORK;
        Trial {
            sample: self.spec.sample,
            work: self.text_bytes + calls + notes.steps.saturating_mul(STEP_WORK),
            lines: self.lines,
            spots: self.spots,
            notes,
            stages: self.cast.into_stages(),
            calls: self.records,
            factors: self
                .factors
                .into_iter()
                .map(|((stage, property), (kind, sum, count))| TrialFactor {
                    stage,
                    property,
                    kind,
                    mean: sum / f64::from(count.max(1)),
                    count,
                })
                .collect(),
            finish,
            wall_milliseconds: last.saturating_sub(first),
            peak: self.peak,
            prompts: self.prompts,
            pushed: self.pushed,
            cut: self.cut,
        }
    }
}
