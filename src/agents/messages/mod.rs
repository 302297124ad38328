//! Agents as conversations over the Messages API, in real time. They talk to a gateway, which holds
//! what they take to its ledger; what they may take of the run they ask the executor for.
//!
//! An agent has no tools but the one that its result is handed in with.

mod answer;
mod conversation;
mod place;
mod post;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Uri};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use self::answer::{Answer, Refused, Then};
use self::conversation::{Conversation, Next};
pub use self::place::{Place, PlacedPrice};
use self::post::{Post, Posted};
use crate::id::CallId;
use crate::messages::{Metered, WireUsage};
use crate::ports::agent::{
    AgentBackend, AgentEnd, AgentEvent, AgentJob, BackendEvent, Decision, RequestId, RequestWanted,
};
use crate::pricing::CacheTtl;
use crate::seed::{Seed, key_of_parts};
use crate::tokens::TokenUsage;

/// What an agent asks for on its own; its stage's standing cap lowers it.
const ASKED_OUTPUT_TOKENS: u64 = 128_000;
/// No conversation writes to a cache, and a bound that is priced as if it did is one all the same.
const CACHE_WRITE: CacheTtl = CacheTtl::FiveMinutes;
/// How often a request is sent again that came to nothing, and of those how often where it may have
/// cost something.
const RETRIES_MAX: u32 = 8;
const LOST_MAX: u32 = 2;
/// The longest pause before a request is sent again where nobody names one.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a wish to stop may go unheard.
const WAKE_EVERY: Duration = Duration::from_millis(100);

/// Where agents talk to, and how.
pub struct MessagesSettings {
    /// Where `/v1/messages` of a gateway is, over HTTP.
    pub uri: Uri,
    /// Sent with every request: whoever pays. Never shown.
    pub headers: HeaderMap,
    /// The first pause before a request is sent again; each is twice as long as the one before.
    pub pause: Duration,
    /// Spreads the pauses.
    pub seed: Seed,
    /// Told where answers come from.
    pub place: Place,
}

impl fmt::Debug for MessagesSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesSettings").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Agents over the Messages API.
pub struct MessagesBackend {
    post: Post,
    pause: Duration,
    seed: Seed,
    place: Place,
    runtime: Handle,
    began: Instant,
    tell: Sender<Posted>,
    told: Receiver<Posted>,
    agents: BTreeMap<CallId, Agent>,
    /// Requests that were asked for and are not over, by whose they are.
    requests: BTreeMap<RequestId, CallId>,
    /// Agents that ask again, by when.
    pauses: BTreeSet<(Instant, CallId)>,
    ready: VecDeque<AgentEvent>,
    next_request: u64,
}

struct Agent {
    conversation: Conversation,
    /// How often the request at hand came to nothing; and of those, how often at a cost.
    retries: u32,
    lost: u32,
    /// Ends what is on its way.
    sending: Option<AbortHandle>,
}

impl fmt::Debug for MessagesBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesBackend")
            .field("agents", &self.agents.len())
            .finish_non_exhaustive()
    }
}

impl MessagesBackend {
    /// Agents that are carried out on `runtime`. The run begins now.
    pub fn new(settings: MessagesSettings, runtime: Handle) -> Self {
        let (tell, told) = channel();
        Self {
            post: Post::new(settings.uri, settings.headers),
            pause: settings.pause,
            seed: settings.seed,
            place: settings.place,
            runtime,
            began: Instant::now(),
            tell,
            told,
            agents: BTreeMap::new(),
            requests: BTreeMap::new(),
            pauses: BTreeSet::new(),
            ready: VecDeque::new(),
            next_request: 1,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An agent asks whether its next request may be sent.
    fn want(&mut self, agent: CallId) {
        let Some(known) = self.agents.get(&agent) else { return };
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(request, agent);
        self.ready.push_back(AgentEvent::RequestWanted(RequestWanted {
            request,
            agent,
            prompt_tokens_max: known.conversation.prompt_tokens_max(),
            asked_output_tokens: ASKED_OUTPUT_TOKENS,
            thinking_tokens: 0,
            cache_write: CACHE_WRITE,
        }));
    }

    fn send(&mut self, request: RequestId, max_tokens: u64) {
        let Some(agent) = self.requests.get(&request).copied() else { return };
        let Some(known) = self.agents.get_mut(&agent) else { return };
        let body = known.conversation.body(max_tokens);
        let name = HeaderValue::from(agent.0);
        let sending = self.post.clone().send(request, name, body, self.tell.clone());
        known.sending = Some(self.runtime.spawn(sending).abort_handle());
    }

    fn end(&mut self, agent: CallId, end: AgentEnd) {
        self.agents.remove(&agent);
        self.ready.push_back(AgentEvent::Ended { agent, end });
    }

    fn heard(&mut self, posted: Posted) {
        match posted {
            Posted::Begun(request, usage) => {
                self.place.seen(&usage);
                // A count that is not plain is settled at the end, and reserved in full until then.
                let plain = usage.metered(CACHE_WRITE).as_ref().and_then(plain);
                if let (Some(prompt), true) = (plain, self.requests.contains_key(&request)) {
                    let prompt = TokenUsage { output: 0, ..prompt };
                    self.ready.push_back(AgentEvent::MessageStart { request, prompt });
                }
            }
            Posted::Answered(request, answer) => {
                if let Some(agent) = self.requests.remove(&request) {
                    self.answered(request, agent, &answer);
                }
            }
            Posted::Refused(request, refused) => {
                if let Some(agent) = self.requests.remove(&request) {
                    self.refused(request, agent, refused);
                }
            }
        }
    }

    fn answered(&mut self, request: RequestId, agent: CallId, answer: &Answer) {
        let Some(known) = self.agents.get_mut(&agent) else { return };
        (known.retries, known.lost, known.sending) = (0, 0, None);
        let (stop, next) = known.conversation.answered(answer);
        self.place.seen(&answer.usage);
        self.ready.push_back(match usage_of(&answer.usage) {
            Some(usage) => AgentEvent::RequestDone { request, usage, stop },
            // It was paid for, and nobody can say how much.
            None => AgentEvent::RequestLost { request },
        });
        match next {
            Next::Ask => self.want(agent),
            Next::End(end) => self.end(agent, end),
        }
    }

    fn refused(&mut self, request: RequestId, agent: CallId, refused: Refused) {
        let Refused { why, may_cost, then } = refused;
        self.ready.push_back(if may_cost {
            AgentEvent::RequestLost { request }
        } else {
            AgentEvent::RequestUnsent { request }
        });
        let Some(known) = self.agents.get_mut(&agent) else { return };
        known.sending = None;
        known.retries += 1;
        known.lost += u32::from(may_cost);
        let again = known.retries <= RETRIES_MAX && known.lost <= LOST_MAX;
        match then {
            Then::Again(after) if again => {
                let retries = known.retries;
                let pause = after.unwrap_or_else(|| self.pause_before(agent, retries));
                self.pauses.insert((Instant::now() + pause, agent));
            }
            Then::Again(_) => {
                let retries = known.retries;
                self.end(agent, AgentEnd::Failed(format!("{why} (after {retries} attempts)")));
            }
            Then::Fail => self.end(agent, AgentEnd::Failed(why)),
            Then::Denied => self.end(agent, AgentEnd::Denied(why)),
        }
    }

    /// Twice as long each time, and never the same for all.
    fn pause_before(&self, agent: CallId, retries: u32) -> Duration {
        let doubled = self.pause.saturating_mul(1_u32.checked_shl(retries - 1).unwrap_or(u32::MAX));
        let key = key_of_parts(&[agent.0.into(), retries.into()]);
        doubled.min(PAUSE_MAX).mul_f64(0.5 + self.seed.uniform(key) / 2.0)
    }

    /// Lets those ask again whose pause is over.
    fn wake_who_paused(&mut self) {
        while let Some(&(due, agent)) = self.pauses.first()
            && due <= Instant::now()
        {
            self.pauses.pop_first();
            self.want(agent);
        }
    }

    fn is_idle(&self) -> bool {
        let on_its_way = self.agents.values().any(|agent| agent.sending.is_some());
        !on_its_way && self.pauses.is_empty()
    }
}

/// What an answer took; `None` where it has no count, or took what only the gateway can price.
fn usage_of(usage: &WireUsage) -> Option<TokenUsage> {
    usage.metered(CACHE_WRITE).as_ref().and_then(plain)
}

fn plain(metered: &Metered) -> Option<TokenUsage> {
    let plain = metered.beside.is_empty() && metered.web_searches == 0;
    plain.then_some(metered.usage)
}

impl AgentBackend for MessagesBackend {
    fn start(&mut self, job: AgentJob) {
        let agent = job.call.id;
        match Conversation::new(&job) {
            Ok(conversation) => {
                let known = Agent { conversation, retries: 0, lost: 0, sending: None };
                self.agents.insert(agent, known);
                self.want(agent);
            }
            Err(outcome) => self.end(agent, AgentEnd::Finished(outcome)),
        }
    }

    fn decide(&mut self, request: RequestId, decision: Decision) {
        match decision {
            Decision::Proceed { output_cap_tokens } => self.send(request, output_cap_tokens),
            Decision::Refuse { .. } => {
                if let Some(agent) = self.requests.remove(&request) {
                    self.end(agent, AgentEnd::Refused);
                }
            }
        }
    }

    fn abandon(&mut self, agent: CallId) {
        if let Some(sending) = self.agents.remove(&agent).and_then(|known| known.sending) {
            sending.abort();
        }
        self.requests.retain(|_, of| *of != agent);
        self.pauses.retain(|(_, of)| *of != agent);
    }

    fn next(&mut self, until_milliseconds: Option<u64>) -> BackendEvent {
        loop {
            self.wake_who_paused();
            let at_milliseconds = self.now();
            if let Some(event) = self.ready.pop_front() {
                return BackendEvent { at_milliseconds, event };
            }
            let until = until_milliseconds.map(|until| until.saturating_sub(at_milliseconds));
            if until == Some(0) || (until.is_none() && self.is_idle()) {
                let event = if until.is_none() { AgentEvent::Idle } else { AgentEvent::Wake };
                return BackendEvent { at_milliseconds, event };
            }
            let due =
                self.pauses.first().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            let wait = until.map_or(WAKE_EVERY, Duration::from_millis).min(WAKE_EVERY);
            match self.told.recv_timeout(due.map_or(wait, |due| due.min(wait))) {
                Ok(posted) => self.heard(posted),
                // A `Wake` now and then, so that a wish to stop is heard.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if self.pauses.first().is_none_or(|(due, _)| *due > Instant::now()) {
                        let (at_milliseconds, event) = (self.now(), AgentEvent::Wake);
                        return BackendEvent { at_milliseconds, event };
                    }
                }
            }
        }
    }

    fn simulated(&self) -> bool {
        false
    }
}
