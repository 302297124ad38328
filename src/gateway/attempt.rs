//! One attempt in flight: what is reserved for it, and how it is charged in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::budget::{Bound, Charge};
use crate::gateway::access::{Access, Fate};
use crate::gateway::caller::Caller;
use crate::gateway::meter::Reading;
use crate::gateway::request::MessagesRequest;
use crate::gateway::route::Routed;
use crate::gateway::server::Shared;
use crate::gateway::settings::MeteredTerms;
use crate::gateway::tape::Tape;
use crate::gateway::tariff::Terms;
use crate::gateway::till::{Ending, Held, Later, Refused};
use crate::id::AttemptId;
use crate::money::Picodollars;

/// An attempt that was admitted. It has to be ended; one that is dropped expires, and says so.
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    /// Until it is ended.
    pub(crate) held: Option<Box<dyn Held>>,
    /// Output that was reserved when it was admitted, tokens.
    pub(crate) granted_output_tokens: u64,
    /// Dollars that were reserved then.
    pub(crate) granted_usd: Picodollars,
    pub(crate) shared: Arc<Shared>,
    pub(crate) request: Arc<MessagesRequest>,
    pub(crate) caller: Arc<Caller>,
    /// What became of its model.
    pub(crate) routed: Option<Arc<Routed>>,
    pub(crate) terms: Terms,
    pub(crate) bound: Bound,
    /// What a second try would have in common with it.
    pub(crate) fingerprint: Option<u128>,
    /// How its reservation grows, where it does.
    pub(crate) metered: Option<MeteredTerms>,
    /// The `max_tokens` that it is sent with.
    pub(crate) sent_output_tokens: u64,
    pub(crate) arrived: Instant,
    pub(crate) waited: Duration,
    pub(crate) status: u16,
    pub(crate) has_begun: bool,
    /// More was asked for than it was admitted with, while its answer was awaited.
    pub(crate) asked_more: bool,
    /// What is reserved for it now.
    pub(crate) reserved_usd: Picodollars,
    /// The id of the message that answers it.
    pub(crate) message: Option<String>,
    /// Which credential it is sent with, see [`PlanWatch`](crate::gateway::PlanWatch).
    pub(crate) credential: u64,
    /// Whose plan windows it moves, once its answer says so.
    pub(crate) account: Option<Arc<str>>,
    /// What is recorded of it.
    pub(crate) tape: Tape,
}

impl Attempt {
    /// Its prompt has been counted: what it can still take is that and its output cap. Not where
    /// tools at the API sample again, whose prompts nobody has counted.
    pub(crate) fn begun(&mut self, reading: &Reading) {
        if self.has_begun || !reading.begun {
            return;
        }
        self.has_begun = true;
        // What was granted meanwhile is beyond what it was admitted with, and stays.
        if self.request.samplings_max > 1 || self.asked_more {
            return;
        }
        let mut most = self.terms.dearest(&reading.usage);
        most.output_tokens = Some(self.granted_output_tokens);
        let model = reading.model.as_deref();
        if let Ok((most, metered)) = self.shared.tariff.charge(&self.terms, &most, model) {
            let prompt_tokens = metered.usage.prompt();
            // No prompt has no tokens: its counts come later.
            if prompt_tokens == 0 {
                return;
            }
            self.counted(prompt_tokens);
            if let Some(held) = &self.held {
                held.shrink(most);
            }
            self.reserved_usd = self.reserved_usd.min(most.usd);
        }
    }

    fn counted(&self, prompt_tokens: u64) {
        let request = &self.request;
        self.shared.conversations.counted(&request.conversation, &request.model, prompt_tokens);
    }

    /// Raises what is reserved for it, at once or not at all.
    pub(crate) fn extend(&mut self, by: Charge) -> Later<Result<(), Refused>> {
        self.asked_more = true;
        match &self.held {
            Some(held) => held.extend(by),
            None => Box::pin(async { Err(Refused::Unavailable("the attempt is over".to_owned())) }),
        }
    }

    /// Ends it by what was read of its answer: at its usage where that is final, else at its full
    /// reservation.
    pub(crate) fn end(mut self, reading: &Reading, fate: Fate) {
        self.message.clone_from(&reading.message);
        let model = reading.model.as_deref();
        if !reading.is_final() {
            return self.expire(fate, reading.broken.clone());
        }
        if let Some(in_us) = reading.usage.in_us().filter(|_| self.terms.tells_place) {
            self.shared.geography.seen(self.credential, in_us);
        }
        match self.shared.tariff.charge(&self.terms, &reading.usage, model) {
            Ok((charge, metered)) => {
                // What was sampled beside it had another prompt.
                let prompt_tokens = metered.usage.prompt();
                let is_all = self.request.samplings_max == 1 && metered.beside.is_empty();
                if is_all && prompt_tokens > 0 {
                    self.counted(prompt_tokens);
                }
                let cap = self.sent_output_tokens;
                let is_cut = reading.stop_reason.as_deref() == Some("max_tokens");
                let bound_tokens = self.bound.fixed.billed_tokens;
                let note = if metered.disagrees {
                    Some("the counts of cache writes disagree; the larger is charged".to_owned())
                } else if prompt_tokens > bound_tokens {
                    Some(format!("its prompt passed its bound of {bound_tokens} tokens"))
                } else {
                    None
                };
                let access = Access {
                    answered_by: reading.model.clone(),
                    usage: Some(metered.usage),
                    charged: Some(charge.usd),
                    cut_by_cap: is_cut && cap < self.request.asked_output_tokens,
                    ..self.access(fate, note)
                };
                self.finish(Ending::Settled(charge), access);
            }
            Err(why) => self.expire(Fate::Unmetered, Some(why.to_string())),
        }
    }

    /// Ends an answer that was cut off, or that nobody reads on, at the most that it can have taken:
    /// its prompt, where that was counted, and `output_tokens`.
    pub(crate) fn cut(
        mut self,
        reading: &Reading,
        output_tokens: u64,
        fate: Fate,
        why: Option<String>,
    ) {
        self.message.clone_from(&reading.message);
        let mut most = self.terms.dearest(&reading.usage);
        most.output_tokens = Some(most.output_tokens.map_or(0, |seen| seen).max(output_tokens));
        let model = reading.model.as_deref();
        match self.shared.tariff.charge(&self.terms, &most, model) {
            Ok((charge, metered)) if reading.begun => {
                let access = Access {
                    answered_by: reading.model.clone(),
                    usage: Some(metered.usage),
                    charged: Some(charge.usd),
                    ..self.access(fate, why)
                };
                self.finish(Ending::Settled(charge), access);
            }
            _ => self.expire(fate, why),
        }
    }

    /// The upstream refused it, which costs nothing; it was a request all the same.
    pub(crate) fn refused_upstream(self, note: Option<String>) {
        let charge = Charge { requests: 1, ..Charge::ZERO };
        let access =
            Access { charged: Some(charge.usd), ..self.access(Fate::UpstreamRefused, note) };
        self.finish(Ending::Settled(charge), access);
    }

    /// It never left.
    pub(crate) fn release(self, fate: Fate, note: Option<String>) {
        let access = self.access(fate, note);
        self.finish(Ending::Released, access);
    }

    /// What it took is unknown.
    pub(crate) fn expire(self, fate: Fate, note: Option<String>) {
        let access = Access { charged: Some(self.reserved_usd), ..self.access(fate, note) };
        self.finish(Ending::Expired, access);
    }

    /// The model that was asked for; another may have been sent.
    fn asked_model(&self) -> String {
        let routed = self.routed.as_ref().and_then(|routed| routed.asked_model());
        routed.map_or_else(|| self.request.model.clone(), str::to_owned)
    }

    fn access(&self, fate: Fate, note: Option<String>) -> Access {
        Access {
            caller: Arc::clone(&self.caller),
            model: self.asked_model(),
            message: self.message.clone(),
            answered_by: None,
            attempt: Some(self.id.clone()),
            fate,
            status: self.status,
            usage: None,
            reserved: Some(self.granted_usd),
            charged: None,
            output_cap_tokens: (self.request.asked_output_tokens, self.sent_output_tokens),
            cut_by_cap: false,
            waited: self.waited,
            took: self.arrived.elapsed(),
            routed: self.routed.clone(),
            note,
            denial: None,
        }
    }

    fn finish(mut self, ending: Ending, access: Access) {
        self.close(ending, access);
    }

    fn close(&mut self, ending: Ending, access: Access) {
        let Some(held) = self.held.take() else { return };
        self.tape.charged(access.fate);
        if let (Ending::Settled(charge), Some(account)) = (ending, &self.account) {
            self.shared.plan.settled(account, charge.usd);
        }
        held.end(ending);
        self.shared.tallies.landed();
        self.shared.tell(access);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.held.is_none() {
            return;
        }
        // Whoever had it went with its thread: nobody reads its answer any more.
        let access =
            Access { charged: Some(self.reserved_usd), ..self.access(Fate::GatewayEnded, None) };
        self.close(Ending::Expired, access);
    }
}
