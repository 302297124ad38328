//! What a plan tells the author about the script. Owns the diagnostic passes: executions in which
//! one thing is different.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::plan::PlanError;
use crate::plan::costing::SampleCost;
use crate::plan::evaluation::Priced;
use crate::plan::frame::{Frame, Recorded};
use crate::plan::scope_size;
use crate::plan::setup::Setup;
use crate::plan::trial::{Trial, TrialMode, TrialSpec};
use crate::plan::workers::Workers;
use crate::ports::script::{ExecutionNotes, Finish, ScriptArgs};
use crate::tokens::TokenUsage;
use crate::workflow::WorkflowFacts;

/// Stages whose failure is tried, at most.
const NULL_PASSES_MAX: usize = 12;

/// Everything worth telling, errors first. `unreached` are lines of `agent()` calls that neither
/// samples nor probes reached.
pub fn gather(
    setup: &Setup,
    facts: &WorkflowFacts,
    frame: &Frame,
    priced: &Priced,
    unreached: &[u32],
    workers: &mut dyn Workers,
) -> Result<Vec<Diagnostic>, PlanError> {
    let mut found = facts.warnings.clone();
    let mut unreached: BTreeSet<u32> = unreached.iter().copied().collect();
    found.extend(frame.notes.warnings.iter().cloned());
    if let Some(first) = frame.samples.first() {
        let specs = passes(setup, frame);
        for (trial, spec) in workers.trials(setup, &specs)?.iter().zip(&specs) {
            unreached.retain(|line| !trial.lines.contains(line));
            match &spec.mode {
                TrialMode::NullStage(name) => {
                    let same = frame.samples.iter().find(|sample| sample.number == spec.sample);
                    found
                        .extend(same.and_then(|natural| dies_of_null(facts, natural, trial, name)));
                }
                TrialMode::ArgsAsText => found.extend(differs_as_text(first, trial)),
                TrialMode::Natural | TrialMode::Extreme(_) | TrialMode::Stretched { .. } => {}
            }
        }
        found.extend(no_agents(setup, frame, &first.finish));
        found.extend(no_args(setup, frame));
        found.extend(missing_workflows(&frame.notes));
        found.extend(never_reached(facts, &unreached));
    }
    found.extend(scope_cut(setup));
    found.extend(scope_size::told(setup, facts));
    found.extend(swallowed(frame));
    found.extend(phase_models(setup, facts, frame));
    found.extend(unpriced(setup, frame, priced));
    found.extend(notes_of_routes(priced));
    let unused = setup.assumptions.unused();
    found.extend(unused.into_iter().map(|pin| {
        Diagnostic::new(
            Severity::Warning,
            "plan::unused-assumption",
            format!("`{}` had no effect: {}", pin.flag, pin.reason),
        )
        .with_help("stage and property names are listed under `assumed` and in --format json")
    }));
    dedup(&mut found);
    Ok(found)
}

/// Calls that nothing led to: their agents are in no number of the plan.
fn never_reached(facts: &WorkflowFacts, lines: &BTreeSet<u32>) -> Option<Diagnostic> {
    let first = lines.first()?;
    let site = facts.agent_sites.iter().find(|site| site.place.line == *first)?;
    let mut named: Vec<String> = lines.iter().take(LINES_NAMED_MAX).map(u32::to_string).collect();
    if lines.len() > named.len() {
        named.push(format!("{} more", lines.len() - named.len()));
    }
    let (noun, verb) = if lines.len() == 1 { ("line", "was") } else { ("lines", "were") };
    let message = format!(
        "agent() at {noun} {} {verb} never reached, whatever agents answered: no number of this \
         plan counts it",
        named.join(", ")
    );
    Some(
        Diagnostic::new(Severity::Warning, "plan::never-reached", message)
            .with_help("pin what leads there with --args, --result or --assume")
            .with_place(site.place.clone()),
    )
}

/// Lines that one message names, at most.
const LINES_NAMED_MAX: usize = 6;

/// The executions to compare the samples with.
fn passes(setup: &Setup, frame: &Frame) -> Vec<TrialSpec> {
    let names = distinct_names(frame).into_iter().take(NULL_PASSES_MAX);
    let mut specs: Vec<TrialSpec> = names
        .map(|name| TrialSpec {
            sample: first_sample_with(frame, &name),
            mode: TrialMode::NullStage(name),
            inspect: false,
        })
        .collect();
    let asks_about_text = matches!(&setup.job.start.args, ScriptArgs::Json(text)
        if text.trim_start().starts_with(['{', '[']));
    if asks_about_text && !is_cut(setup, frame) {
        specs.push(TrialSpec { sample: 0, mode: TrialMode::ArgsAsText, inspect: false });
    }
    specs
}

/// Whether the samples ended early, since all of them are stopped before their first agent.
fn is_cut(setup: &Setup, frame: &Frame) -> bool {
    frame.samples.len() < setup.job.samples as usize
}

fn dedup(found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    found.retain(|diagnostic| {
        seen.insert((
            diagnostic.code.clone(),
            diagnostic.message.clone(),
            diagnostic.place.as_ref().map(|place| (place.file.clone(), place.offset)),
        ))
    });
    found.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
}

fn distinct_names(frame: &Frame) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for stage in &frame.stages {
        if !names.contains(&stage.identity.name) {
            names.push(Arc::clone(&stage.identity.name));
        }
    }
    names
}

/// The number of the first sample in which a stage of that name runs.
fn first_sample_with(frame: &Frame, name: &str) -> u32 {
    let runs = |sample: &&Recorded| {
        sample.calls.iter().any(|call| {
            let stage = frame.stages.get(call.stage as usize);
            stage.is_some_and(|stage| *stage.identity.name == *name)
        })
    };
    frame.samples.iter().find(runs).map_or(0, |sample| sample.number)
}

/// What a trial shows in which every agent of a stage is `null`, against the same sample without.
fn dies_of_null(
    facts: &WorkflowFacts,
    natural: &Recorded,
    trial: &Trial,
    name: &str,
) -> Option<Diagnostic> {
    let Finish::Threw { name: error, message, place } = &trial.finish else {
        let swallowed = trial.notes.swallowed.as_ref().filter(|s| s.count > natural.swallowed)?;
        let diagnostic = Diagnostic::new(
            Severity::Note,
            "plan::null-swallowed",
            format!("a failed {name} agent (null) makes a callback throw: {}", swallowed.first),
        )
        .with_help("parallel() and pipeline() turn that throw into null; check for null first");
        return Some(at(diagnostic, swallowed.place.clone()));
    };
    if matches!(natural.finish, Finish::Threw { .. }) {
        return None;
    }
    let diagnostic = Diagnostic::new(
        Severity::Warning,
        "plan::null-ends-run",
        format!("a failed {name} agent (null) would end the run: {error}: {message}"),
    )
    .with_help(null_help(facts, error, place.as_ref()));
    Some(at(diagnostic, place.clone()))
}

/// What to do about a line that ends the run at a null.
fn null_help(facts: &WorkflowFacts, error: &str, place: Option<&Place>) -> &'static str {
    let line = match place {
        Some(Place { file: None, line, .. }) => {
            facts.body.text.lines().nth((*line as usize).saturating_sub(1)).unwrap_or("")
        }
        _ => "",
    };
    if line.contains("throw ") || error != "TypeError" {
        "the script means to: agents that fail or are skipped resolve to null, and so the work \
         that is paid by then is lost"
    } else if line.contains(".filter(Boolean)") {
        "agents that fail or are skipped resolve to null; check for null before it is read"
    } else {
        "agents that fail or are skipped resolve to null; use `.filter(Boolean)` or `?.`"
    }
}

fn at(diagnostic: Diagnostic, place: Option<Place>) -> Diagnostic {
    match place {
        Some(place) => diagnostic.with_place(place),
        None => diagnostic,
    }
}

fn differs_as_text(natural: &Recorded, trial: &Trial) -> Option<Diagnostic> {
    let same = natural.calls.len() == trial.calls.len()
        && std::mem::discriminant(&natural.finish) == std::mem::discriminant(&trial.finish);
    if same {
        return None;
    }
    let (with, without) = (natural.calls.len(), trial.calls.len());
    Some(
        Diagnostic::new(
            Severity::Warning,
            "plan::args-as-text",
            format!(
                "if args arrive as a JSON string, this script starts {without} agents, not {with}"
            ),
        )
        .with_help("write `const a = typeof args === 'string' ? JSON.parse(args) : args`"),
    )
}

fn no_agents(setup: &Setup, frame: &Frame, finish: &Finish) -> Option<Diagnostic> {
    let notes = &frame.notes;
    if frame.samples.iter().any(|sample| !sample.calls.is_empty()) {
        return None;
    }
    let ended = match finish {
        Finish::Returned { value: Some(value), .. } => format!("returned {}", clip(value, 300)),
        Finish::Returned { value: None, .. } => "returned nothing".to_owned(),
        Finish::Threw { name, message, .. } => format!("threw {name}: {}", clip(message, 300)),
        Finish::Stuck => "waits for something that never settles".to_owned(),
        Finish::LimitReached { limit } if is_cut(setup, frame) => format!(
            "was stopped at its limit of {limit}, as every run would be: {} of {} samples were made",
            frame.samples.len(),
            setup.job.samples
        ),
        Finish::LimitReached { limit } => format!("was stopped at its limit of {limit}"),
    };
    let diagnostic = Diagnostic::new(
        Severity::Error,
        "plan::no-agents",
        format!("the script started no agent; it {ended}"),
    );
    let help = match (&setup.job.start.args, notes.args_read.is_empty()) {
        _ if let Finish::Threw { name, message, .. } = finish
            && let Some(missing) = missing_global(name, message) =>
        {
            format!(
                "workflow scripts have no `{missing}`, in Claude Code neither; they have agent(), \
                 parallel(), pipeline(), workflow(), phase(), log(), args and budget"
            )
        }
        (ScriptArgs::Absent, false) => {
            format!("it reads args.{}: give --args", notes.args_read.join(", args."))
        }
        (ScriptArgs::Absent, true) if notes.args_touched => {
            "it reads args: give --args JSON or --args-string TEXT".to_owned()
        }
        (_, false) => format!("it read args.{}; check --args", notes.args_read.join(", args.")),
        _ => match finish {
            Finish::Returned { .. } => "see the returned value for the reason",
            Finish::Threw { .. } => "its message is the script's own word on what it needs",
            Finish::Stuck => "look for a promise that is awaited and never resolved",
            Finish::LimitReached { .. } => "look for a recursion or a list without an end",
        }
        .to_owned(),
    };
    let place = match finish {
        Finish::Threw { place, .. } => place.clone(),
        _ => None,
    };
    Some(at(diagnostic.with_help(help), place))
}

/// What a script names that is nowhere: most scripts that do were written for Node.
fn missing_global<'m>(error: &str, message: &'m str) -> Option<&'m str> {
    let name = message.strip_suffix(" is not defined").filter(|_| error == "ReferenceError")?;
    Some(name.trim_matches(['\'', '"']))
}

/// Agents that run without the args they are about do other work than they will.
fn no_args(setup: &Setup, frame: &Frame) -> Option<Diagnostic> {
    let notes = &frame.notes;
    let starts = frame.samples.iter().any(|sample| !sample.calls.is_empty());
    if !starts || setup.job.start.args != ScriptArgs::Absent || !notes.args_touched {
        return None;
    }
    let what = match notes.args_read.as_slice() {
        [] => "args".to_owned(),
        read => format!("args.{}", read.join(", args.")),
    };
    Some(
        Diagnostic::new(
            Severity::Note,
            "plan::no-args",
            format!("no args were given, and the script reads {what}"),
        )
        .with_help("give --args JSON or --args-string TEXT to plan the run you mean"),
    )
}

fn missing_workflows(notes: &ExecutionNotes) -> Vec<Diagnostic> {
    let missing = |name: &String| {
        Diagnostic::new(
            Severity::Warning,
            "plan::workflow-not-found",
            format!("the child workflow `{name}` was not found, so its agents are not counted"),
        )
        .with_help("save it under .claude/workflows/, or pass its path")
    };
    notes.workflows_missing.iter().map(missing).collect()
}

/// Counts of a working tree that was not looked at to its end.
fn scope_cut(setup: &Setup) -> Option<Diagnostic> {
    let tree = &setup.job.tree;
    let limit = tree.cut_by?;
    let files = tree.files.unwrap_or(0);
    let message = format!(
        "counting the files of --scope stopped at its limit of {limit}: its counts are lower \
         bounds ({files} files)"
    );
    Some(
        Diagnostic::new(Severity::Warning, "plan::scope-cut", message)
            .with_help("name a smaller folder, or pin the lists with --assume STAGE.LIST=LENGTH"),
    )
}

fn swallowed(frame: &Frame) -> Option<Diagnostic> {
    let with: Vec<_> = frame.samples.iter().filter(|sample| sample.swallowed > 0).collect();
    let first = with.first()?.swallowed_first.clone().unwrap_or_default();
    Some(
        Diagnostic::new(
            Severity::Warning,
            "plan::swallowed-throws",
            format!(
                "in {} of {} samples parallel() or pipeline() turned a throw into null: {first}",
                with.len(),
                frame.samples.len()
            ),
        )
        .with_help("the work of those slots is paid and lost; the author sees only null"),
    )
}

/// `meta.phases[].model` routes nothing; where it disagrees with what agents ask for, readers of
/// the approval dialog are misled.
fn phase_models(setup: &Setup, facts: &WorkflowFacts, frame: &Frame) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let id = |name: Option<&str>| setup.written_model(name).ok().map(|model| model.id.clone());
    for phase in &facts.meta.phases {
        let Some(shown) = &phase.model else { continue };
        let disagrees =
            frame.stages.iter().filter(|stage| *stage.identity.phase == *phase.title).find(
                |stage| {
                    let asked = stage.identity.model.as_deref();
                    // Two names of one model agree.
                    asked != Some(shown.as_str())
                        && (asked.is_none() || id(asked).is_none() || id(asked) != id(Some(shown)))
                },
            );
        let Some(stage) = disagrees else { continue };
        let asked = stage.identity.model.as_deref().unwrap_or("the session model");
        found.push(at(
            Diagnostic::new(
                Severity::Warning,
                "plan::phase-model",
                format!(
                    "meta.phases shows {shown} for `{}`, but its agents ask for {asked}",
                    phase.title
                ),
            )
            .with_help("meta.phases[].model is only displayed; set `model` on each agent()"),
            Some(phase.place.clone()),
        ));
    }
    found
}

fn unpriced(setup: &Setup, frame: &Frame, priced: &Priced) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, (stage, routed)) in frame.stages.iter().zip(&priced.routes).enumerate() {
        let of_stage = |sample: &SampleCost| sample.stages.get(index).is_some_and(|c| c.unpriced);
        let reason = match &routed.choice.price {
            Some(price) if priced.costs.iter().any(of_stage) => {
                let (five, hour) = if setup.job.cache_one_hour { (0, 1) } else { (1, 0) };
                let one_of_each = TokenUsage {
                    fresh: 1,
                    cache_write_5m: five,
                    cache_write_1h: hour,
                    cache_read: 1,
                    output: 1,
                };
                let missing = price.cost(&one_of_each).err();
                missing.map_or_else(
                    || format!("{} has no rate for some tokens", routed.choice.model),
                    |missing| missing.to_string(),
                )
            }
            Some(_) => continue,
            None => priced
                .written
                .get(index)
                .and_then(|(_, reason)| reason.clone())
                .unwrap_or_else(|| format!("{} has no price", routed.choice.model)),
        };
        found.push(
            Diagnostic::new(
                Severity::Error,
                "plan::unpriced",
                format!("stage {} is unpriced: {reason}", stage.identity.name),
            )
            .with_help("route it to a priced model, or add its price with --prices FILE"),
        );
    }
    found
}

fn notes_of_routes(priced: &Priced) -> Vec<Diagnostic> {
    let notes = priced.routes.iter().flat_map(|routed| &routed.routing.notes);
    notes.map(|note| Diagnostic::new(Severity::Note, "plan::route", note.clone())).collect()
}

fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let cut: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{cut}…")
}
