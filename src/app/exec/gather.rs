//! What the client's own files say of what it did, beside what the gateway saw.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::seen::Seen;
use crate::claude::launch_record::LaunchRecord;
use crate::claude::outcome::{AgentOutcome, Spent, SpentByAgent, WorkflowOutcome};
use crate::claude::session_files::{SessionFiles, is_id};
use crate::claude::transcript::{Message, Started, Transcript};
use crate::claude::workflow_run::WorkflowRun;
use crate::gateway::Tariff;
use crate::money::Picodollars;
use crate::plan::report::PlanReport;
use crate::report::exec::{Bypass, LaunchDecided};

/// The largest file of a hook or beside an agent that is read, bytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Sessions of one command; more are not looked at.
const SESSIONS_MAX: usize = 1_000;

/// Where to look, and since when.
pub(super) struct Places<'a> {
    /// Claude Code's folder.
    pub(super) home: &'a Path,
    /// Where the client was started.
    pub(super) working_folder: &'a Path,
    /// What hooks wrote down of sessions.
    pub(super) sessions: PathBuf,
    /// What the launch gate wrote down.
    pub(super) launches: PathBuf,
    /// The sessions that the client's arguments name.
    pub(super) named: Vec<&'a str>,
    /// When the client was started.
    pub(super) since: Timestamp,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By agent: what the gateway charged, or what transcripts come to at list price.
    pub(super) spent: SpentByAgent,
    pub(super) workflows: Vec<WorkflowOutcome>,
    pub(super) other_agents: Vec<AgentOutcome>,
    pub(super) launches: Vec<LaunchDecided>,
    pub(super) bypassed: Vec<Bypass>,
    /// The session that wrote last.
    pub(super) last_session: Option<String>,
    /// Whether the launch gate wrote anything down.
    pub(super) gate_was_asked: bool,
}

/// What one session left.
struct Session {
    files: SessionFiles,
    is_ours: bool,
    written: SystemTime,
    /// Messages by agent.
    messages: Vec<(Option<String>, Message)>,
    started: Vec<Started>,
}

/// Gathers. `seen` is what the gateway saw, where that is one of this command.
pub(super) fn gather(places: &Places<'_>, seen: Option<&Seen>, tariff: &Tariff) -> Gathered {
    let sessions = sessions(places, seen);
    let mut gathered = Gathered::default();
    match seen {
        Some(seen) => {
            gathered.spent = seen.spent.clone();
            gathered.bypassed = bypassed(&sessions, seen, tariff);
        }
        None => gathered.spent = by_transcripts(&sessions, tariff),
    }
    let ours = || sessions.iter().filter(|session| session.is_ours);
    let last = ours().max_by_key(|session| session.written);
    gathered.last_session = last.map(|session| session.files.session.clone());
    let records = LaunchRecord::all(&places.launches);
    gathered.gate_was_asked = !records.is_empty();
    let mut of_workflows = HashSet::new();
    for session in ours() {
        let outcomes = workflows(session, &gathered.spent, &records, &mut of_workflows);
        gathered.workflows.extend(outcomes);
    }
    gathered.other_agents = others(&sessions, &gathered.spent, &of_workflows);
    gathered.launches = decided(&records);
    gathered
}

/// Every session of this command that can be known: those that the gateway saw, those that a hook
/// told of, and those that arguments name. Beside them, those that wrote in the same folder
/// meanwhile: where none of this command is known, one that began since then is taken for it.
fn sessions(places: &Places<'_>, seen: Option<&Seen>) -> Vec<Session> {
    let mut ours = told(&places.sessions);
    ours.extend(seen.map(Seen::sessions).into_iter().flatten());
    ours.extend(places.named.iter().map(|session| (*session).to_owned()));
    let since = SystemTime::from(places.since);
    let mut found: Vec<Session> = ours
        .iter()
        .take(SESSIONS_MAX)
        .flat_map(|session| SessionFiles::of(places.home, session))
        .map(|files| read(files, true, places.since))
        .collect();
    let others = SessionFiles::written_since(places.home, since).into_iter();
    let others = others.filter(|files| !ours.contains(&files.session)).take(SESSIONS_MAX);
    for files in others {
        let Ok(transcript) = Transcript::read(&files.transcript, places.since) else { continue };
        let folder = transcript.working_folder;
        if folder.is_some_and(|folder| Path::new(&folder) == places.working_folder) {
            let is_new = transcript.began.is_some_and(|began| began >= places.since);
            found.push(read(files, is_new && ours.is_empty(), places.since));
        }
    }
    found
}

#[derive(Deserialize)]
struct Told {
    session_id: String,
}

/// The sessions that a hook told of.
fn told(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let read = |path: PathBuf| {
        let told: Told = serde_json::from_slice(&small(&path)?).ok()?;
        is_id(&told.session_id).then_some(told.session_id)
    };
    entries.filter_map(|entry| read(entry.path())).collect()
}

fn small(path: &Path) -> Option<Vec<u8>> {
    let found = fs::symlink_metadata(path).ok()?;
    (found.is_file() && found.len() <= SMALL_BYTES_MAX).then(|| fs::read(path).ok()).flatten()
}

fn read(files: SessionFiles, is_ours: bool, since: Timestamp) -> Session {
    let mut session = Session {
        is_ours,
        written: SystemTime::UNIX_EPOCH,
        messages: Vec::new(),
        started: Vec::new(),
        files,
    };
    for path in session.files.transcripts(since.into()) {
        let written = fs::metadata(&path).and_then(|found| found.modified());
        session.written = written.map_or(session.written, |at| at.max(session.written));
        let Ok(transcript) = Transcript::read(&path, since) else { continue };
        let agent = path.file_stem().and_then(|name| name.to_str());
        let agent = agent.and_then(|name| name.strip_prefix("agent-")).map(str::to_owned);
        let messages = transcript.messages.into_iter().map(|message| (agent.clone(), message));
        session.messages.extend(messages);
        session.started.extend(transcript.started);
    }
    session
}

fn price(message: &Message, tariff: &Tariff) -> Option<Picodollars> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    tariff.of_message(&message.model, &message.usage, today).ok().map(|charge| charge.usd)
}

/// Messages that no answer of the gateway had.
fn bypassed(sessions: &[Session], seen: &Seen, tariff: &Tariff) -> Vec<Bypass> {
    if !seen.knows_all() {
        return Vec::new();
    }
    let mut found: BTreeMap<(&str, bool), Bypass> = BTreeMap::new();
    let mut counted = HashSet::new();
    for session in sessions {
        for (_, message) in &session.messages {
            // A session that is forked repeats what was said before.
            if seen.passed(&message.id) || !counted.insert(message.id.as_str()) {
                continue;
            }
            let id = session.files.session.as_str();
            let bypass = found.entry((id, session.is_ours)).or_insert_with(|| Bypass {
                session: id.to_owned(),
                requests: 0,
                usd: Some(Picodollars::ZERO),
                is_ours: session.is_ours,
            });
            bypass.requests += 1;
            bypass.usd = bypass.usd.zip(price(message, tariff)).map(|(sum, usd)| sum + usd);
        }
    }
    found.into_values().collect()
}

/// What transcripts come to, by agent; what has no price is left out, and the sum of the ledger shows
/// it.
fn by_transcripts(sessions: &[Session], tariff: &Tariff) -> SpentByAgent {
    let mut spent = SpentByAgent::new();
    for session in sessions.iter().filter(|session| session.is_ours) {
        for (agent, message) in &session.messages {
            let key = (session.files.session.clone(), agent.clone());
            let of: &mut Spent = spent.entry(key).or_default();
            of.requests += 1;
            if let Some(usd) = price(message, tariff) {
                of.usd += usd;
            }
        }
    }
    spent
}

/// The workflows of a session that did something, each beside its forecast.
fn workflows(
    session: &Session,
    spent: &SpentByAgent,
    records: &[LaunchRecord],
    of_workflows: &mut HashSet<(String, String)>,
) -> Vec<WorkflowOutcome> {
    let id = &session.files.session;
    let plans = plans(session, records);
    let mut outcomes = Vec::new();
    for folder in session.files.runs() {
        let Some(run) = WorkflowRun::read(&session.files.folder, &folder) else { continue };
        let agents = || run.calls.iter().flat_map(|call| &call.agents);
        let has_asked = |agent: &&String| spent.contains_key(&(id.clone(), Some((*agent).clone())));
        let was_started = session.started.iter().any(|started| started.run == run.id);
        if !was_started && !agents().any(|agent| has_asked(&agent)) {
            continue;
        }
        of_workflows.extend(agents().map(|agent| (id.clone(), agent.clone())));
        outcomes.push(WorkflowOutcome::of(id, &run, spent, plans.get(&run.id).copied()));
    }
    outcomes
}

/// What was forecast of the runs of a session: of several launches of one run, the first.
fn plans<'a>(session: &Session, records: &'a [LaunchRecord]) -> HashMap<String, &'a PlanReport> {
    let mut plans = HashMap::new();
    for started in &session.started {
        let of_call = records.iter().find(|record| record.tool_use_id == started.tool_use_id);
        if let Some(plan) = of_call.and_then(|record| record.plan.as_deref()) {
            plans.entry(started.run.clone()).or_insert(plan);
        }
    }
    plans
}

#[derive(Deserialize)]
struct Described {
    description: Option<String>,
}

/// Agents that no workflow started.
fn others(
    sessions: &[Session],
    spent: &SpentByAgent,
    of_workflows: &HashSet<(String, String)>,
) -> Vec<AgentOutcome> {
    let described = |session: &str, agent: &str| {
        let files = sessions.iter().find(|one| one.files.session == session)?;
        let path = files.files.folder.join(format!("subagents/agent-{agent}.meta.json"));
        let read: Described = serde_json::from_slice(&small(&path)?).ok()?;
        read.description
    };
    let mut found = Vec::new();
    for ((session, agent), of) in spent {
        let Some(agent) = agent else { continue };
        if of_workflows.contains(&(session.clone(), agent.clone())) {
            continue;
        }
        let label = if is_id(agent) { described(session, agent) } else { None };
        found.push(AgentOutcome {
            label: label.unwrap_or_else(|| format!("agent {agent}")),
            ending: None,
            requests: of.requests,
            refused_requests: of.refused_requests,
            spent_usd: of.usd,
        });
    }
    found
}

fn decided(records: &[LaunchRecord]) -> Vec<LaunchDecided> {
    let told = records.iter().filter(|record| record.decision != "allow");
    told.map(|record| LaunchDecided {
        workflow: record.workflow.clone(),
        decision: record.decision.clone(),
        reason: record.reason.clone(),
    })
    .collect()
}
