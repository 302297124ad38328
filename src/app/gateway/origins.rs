//! Where agents come from, as Claude Code's folder says: asked before the first request of an agent
//! is admitted, remembered after that. The client writes an agent down about when it sends its first
//! request, so that request waits for the files, for a bounded time; no other does.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::claude::run_folder::{Found, RunFolders, WorkflowAgent};
use crate::gateway::{Later, Origin, Origins};

/// Beyond so many agents all are forgotten and looked for again.
const KNOWN_MAX: usize = 65_536;
/// The first pause between two looks; every other is twice as long, up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// An agent that was not found is looked for once more after so long, without waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What is known of an agent.
#[derive(Clone, Debug)]
enum Known {
    /// A workflow started it.
    Workflow(Arc<Origin>),
    /// Something else did.
    Elsewhere,
    /// Nothing at that moment.
    Unknown(Instant),
}

/// Where one agent stands.
enum Agent {
    Known(Known),
    /// Somebody looks; whoever asks meanwhile hears of it.
    LookedFor(watch::Receiver<Option<Known>>),
}

/// The origins of the agents of one machine.
#[derive(Clone)]
pub(in crate::app) struct RunFolderOrigins(Arc<Shared>);

struct Shared {
    folders: RunFolders,
    within: Duration,
    runtime: Handle,
    /// By session and agent.
    agents: Mutex<HashMap<(String, String), Agent>>,
    unknown: AtomicU64,
    looked_for: AtomicU64,
}

impl RunFolderOrigins {
    /// The origins that the files below `home` tell, Claude Code's folder; the first request of an
    /// agent waits for them at most `within`.
    pub(in crate::app) fn new(home: &Path, within: Duration, runtime: Handle) -> Self {
        Self(Arc::new(Shared {
            folders: RunFolders::new(home),
            within,
            runtime,
            agents: Mutex::default(),
            unknown: AtomicU64::new(0),
            looked_for: AtomicU64::new(0),
        }))
    }

    /// Whether it is known that no workflow started `agent`.
    pub(super) fn is_elsewhere(&self, session: &str, agent: &str) -> bool {
        let agent = (session.to_owned(), agent.to_owned());
        matches!(self.0.agents().get(&agent), Some(Agent::Known(Known::Elsewhere)))
    }
}

impl Origins for RunFolderOrigins {
    fn of(&self, session: &str, agent: &str) -> Later<Option<Arc<Origin>>> {
        let mut hears = match self.0.asked(session, agent) {
            Agent::Known(known) => return Box::pin(std::future::ready(known.origin())),
            Agent::LookedFor(hears) => hears,
        };
        Box::pin(async move {
            let told = hears.wait_for(Option::is_some).await;
            told.ok().and_then(|known| known.as_ref()?.origin())
        })
    }

    fn unknown(&self) -> u64 {
        self.0.unknown.load(Ordering::Relaxed)
    }

    fn looked_for(&self) -> u64 {
        self.0.looked_for.load(Ordering::Relaxed)
    }
}

impl Known {
    fn origin(&self) -> Option<Arc<Origin>> {
        match self {
            Self::Workflow(origin) => Some(Arc::clone(origin)),
            Self::Elsewhere | Self::Unknown(_) => None,
        }
    }
}

impl Shared {
    /// Where an agent stands; begins to look for it where nobody knows and nobody looks.
    fn asked(self: &Arc<Self>, session: &str, agent: &str) -> Agent {
        let key = (session.to_owned(), agent.to_owned());
        let mut agents = self.agents();
        let is_first = match agents.get(&key) {
            Some(Agent::LookedFor(hears)) => return Agent::LookedFor(hears.clone()),
            Some(Agent::Known(Known::Unknown(at))) if at.elapsed() >= LOOK_AGAIN => false,
            Some(Agent::Known(known)) => return Agent::Known(known.clone()),
            None => true,
        };
        if agents.len() >= KNOWN_MAX {
            agents.retain(|_, agent| matches!(agent, Agent::LookedFor(_)));
        }
        let (tells, hears) = watch::channel(None);
        agents.insert(key.clone(), Agent::LookedFor(hears.clone()));
        drop(agents);
        self.looked_for.fetch_add(1, Ordering::Relaxed);
        drop(self.runtime.spawn(Arc::clone(self).look(key, is_first, tells)));
        Agent::LookedFor(hears)
    }

    /// Looks for an agent until it is found; for as long as one may wait where it is asked about for
    /// the first time, else once.
    async fn look(
        self: Arc<Self>,
        key: (String, String),
        is_first: bool,
        tells: watch::Sender<Option<Known>>,
    ) {
        let began = Instant::now();
        let within = if is_first { self.within } else { Duration::ZERO };
        let mut pause = PAUSE_MIN;
        let found = loop {
            let (shared, (session, agent)) = (Arc::clone(&self), key.clone());
            let looked =
                self.runtime.spawn_blocking(move || shared.folders.find(&session, &agent)).await;
            let left = within.saturating_sub(began.elapsed());
            match looked.unwrap_or(Found::NotYet) {
                Found::NotYet if !left.is_zero() => tokio::time::sleep(pause.min(left)).await,
                found => break found,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        };
        let known = self.known(found, is_first);
        self.agents().insert(key, Agent::Known(known.clone()));
        self.looked_for.fetch_sub(1, Ordering::Relaxed);
        let _nobody = tells.send(Some(known));
    }

    fn known(&self, found: Found, is_first: bool) -> Known {
        match found {
            Found::Workflow(agent) => Known::Workflow(Arc::new(origin(agent))),
            Found::Elsewhere => Known::Elsewhere,
            Found::NotYet | Found::Never => {
                // Who is looked for again was counted before.
                self.unknown.fetch_add(u64::from(is_first), Ordering::Relaxed);
                Known::Unknown(Instant::now())
            }
        }
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<(String, String), Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn origin(agent: WorkflowAgent) -> Origin {
    let WorkflowAgent { run, workflow, phase, label, agent_type } = agent;
    Origin { run, workflow, phase, label, agent_type }
}
