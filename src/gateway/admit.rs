//! Whether a request may be sent: bound and reserved, or refused in words.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::budget::{Bound, Denial, DenialKind, OutputCap};
use crate::gateway::access::{Access, Fate};
use crate::gateway::attempt::Attempt;
use crate::gateway::body::ReplyBody;
use crate::gateway::caller::Caller;
use crate::gateway::counting;
use crate::gateway::refusal::Refusal;
use crate::gateway::request::MessagesRequest;
use crate::gateway::retry::Chance;
use crate::gateway::rewrite::{Target, rewrite_betas, rewritten};
use crate::gateway::route::{Advice, Asked, ModelRoute, Routed};
use crate::gateway::server::Shared;
use crate::gateway::settings::MeteredTerms;
use crate::gateway::tape::Tape;
use crate::gateway::tariff::{NoTariff, Tariff, Terms};
use crate::gateway::till::{Held, Refused, Wanted};
use crate::id::ModelId;

/// A shorter prompt costs next to nothing, however it is bounded; tokens.
const COUNTED_FROM_TOKENS: u64 = 2_000;

/// A request that was read. It is admitted once for each attempt.
pub(crate) struct Arrival {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    request: Arc<MessagesRequest>,
    /// As it is sent, but for its `max_tokens`.
    body: Bytes,
    /// What a second try would have in common with it; nothing is cut off but where reservations
    /// grow.
    fingerprint: Option<u128>,
    /// What became of its model.
    routed: Option<Arc<Routed>>,
    arrived: Instant,
}

impl Arrival {
    pub(crate) fn new(
        shared: Arc<Shared>,
        caller: Arc<Caller>,
        request: MessagesRequest,
        body: Bytes,
        arrived: Instant,
    ) -> Self {
        let metered = shared.settings.metered.is_some();
        let fingerprint = if metered { MessagesRequest::fingerprint(&body).ok() } else { None };
        let request = Arc::new(request);
        Self { shared, caller, request, body, fingerprint, arrived, routed: None }
    }

    /// The body for an attempt; it stays here only where another may follow.
    pub(crate) fn body_for_one_of(&mut self, chance: Chance) -> Bytes {
        if chance.is_left() { self.body.clone() } else { std::mem::take(&mut self.body) }
    }

    /// Finds its route, and makes the request one for that; a denial is what the client is told.
    pub(crate) fn take_route(
        &mut self,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<Response<ReplyBody>>> {
        let Some(decides) = self.shared.router.clone() else { return Ok(()) };
        let on = today();
        let counted =
            |model: &ModelId| self.shared.conversations.bound(&self.request.conversation, &model.0);
        let asked = Asked { caller: &self.caller, request: &self.request, on, counted: &counted };
        let route = match decides.route(&asked) {
            Advice::AsAsked => return Ok(()),
            Advice::Send(route) => route,
            Advice::Keep { rule, why } => {
                self.routed = Some(Arc::new(Routed::Kept { rule, why }));
                return Ok(());
            }
            Advice::Deny { rule, why } => {
                return Err(self.refuse(Fate::Denied, &Refusal::by_rule(&rule, &why)));
            }
        };
        let routed = match self.goes_elsewhere(route, headers, on) {
            Ok(sent) => sent,
            Err((rule, why)) => Routed::Kept { rule, why },
        };
        self.routed = Some(Arc::new(routed));
        Ok(())
    }

    fn goes_elsewhere(
        &mut self,
        route: ModelRoute,
        headers: &mut HeaderMap,
        on: Date,
    ) -> Result<Routed, (String, String)> {
        let kept = |why: String| (route.rule.clone(), why);
        let tariff = &self.shared.tariff;
        let model = route.model.as_ref();
        let model = model.map(|id| tariff.model(id).ok_or_else(|| kept(format!("{id} is gone"))));
        let model = model.transpose()?;
        let mode = self.request.mode;
        let drops_fast = mode.fast && model.is_some_and(|model| model.price(on, mode).is_err());
        let target = Target { model, effort: route.effort, drops_fast };
        let body = rewritten(&self.body, &self.request, &target).map_err(kept)?;
        let mut request = MessagesRequest::read(&body).map_err(|why| kept(why.0))?;
        // Prompts are known by what the client asks, on each model by itself.
        request.conversation = self.request.conversation.clone();
        rewrite_betas(headers, &target);
        let effort =
            (self.request.effort != route.effort).then_some((self.request.effort, route.effort));
        let routed = Routed::Sent {
            asked: self.request.model.clone(),
            model: request.model.clone(),
            effort,
            output_cap_tokens: route.output_cap_tokens,
            rule: route.rule,
        };
        self.body = body;
        self.request = Arc::new(request);
        Ok(routed)
    }

    /// Reserves for one attempt; a refusal is what the client is told.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
    ) -> Result<Attempt, Box<Response<ReplyBody>>> {
        if let Some(why) = self.fingerprint.and_then(|print| self.shared.cuts.take(print)) {
            return Err(self.refuse(Fate::Exhausted, &Refusal::was_cut(&why)));
        }
        let credential = self.within_plan(headers)?;
        let unpriced =
            |why: NoTariff| self.refuse(Fate::Unpriced, &Refusal::unpriced(&why.to_string()));
        let (mut terms, mut wanted) = self.wanted(credential).map_err(unpriced)?;
        let leaves = Leaves(Some(self));
        if terms.straddles(&wanted.bound) && self.count(headers).await {
            (terms, wanted) = self.wanted(credential).map_err(unpriced)?;
        }
        let mut bound = wanted.bound;
        let mut reserved = self.reserve(wanted).await;
        if matches!(&reserved, Err(Refused::Denied(denial)) if denial.kind == DenialKind::Exhausted)
            && self.count(headers).await
        {
            (terms, wanted) = self.wanted(credential).map_err(unpriced)?;
            if wanted.bound.fixed.usd < bound.fixed.usd {
                bound = wanted.bound;
                reserved = self.reserve(wanted).await;
            }
        }
        leaves.stays();
        match reserved {
            Ok(held) => {
                self.shared.tallies.flies().keep();
                Ok(self.attempt(held, terms, bound, credential))
            }
            Err(Refused::Denied(denial)) => {
                let fate = match denial.kind {
                    DenialKind::Exhausted => Fate::Exhausted,
                    DenialKind::Busy => Fate::Busy,
                };
                let help = self.shared.till.help(&self.caller, &denial);
                let refusal = Refusal::denied(&denial, help.as_deref());
                Err(self.refuse_for(fate, &refusal, Some(denial)))
            }
            Err(Refused::Unavailable(why)) => {
                Err(self.refuse(Fate::NoLedger, &Refusal::no_ledger(&why)))
            }
        }
    }

    /// Whether its plan windows leave room for it, as far as somebody has seen; whose they are.
    fn within_plan(&self, headers: &HeaderMap) -> Result<u64, Box<Response<ReplyBody>>> {
        let (plan, now) = (&self.shared.plan, Timestamp::now());
        let credential = plan.credential(self.shared.upstream.credential(), headers);
        plan.reached(credential, now).map_or(Ok(credential), |reached| {
            Err(self.refuse(Fate::Exhausted, &Refusal::plan_window(&reached, now)))
        })
    }

    fn attempt(&self, held: Box<dyn Held>, terms: Terms, bound: Bound, credential: u64) -> Attempt {
        let grant = held.grant();
        let granted_output_tokens = grant.output_cap_tokens;
        let sent_output_tokens = match self.metered() {
            Some(_) => {
                let asked = self.request.asked_output_tokens.min(terms.max_output_tokens);
                // Below its thinking budget a request would be refused.
                let thinking = self.request.thinking_tokens;
                let capped = |rule| OutputCap::new(asked, rule, thinking).standing_tokens;
                self.rule_cap_tokens().map_or(asked, capped)
            }
            None => granted_output_tokens,
        };
        Attempt {
            id: held.attempt().clone(),
            reserved_usd: grant.reserved.usd,
            granted_output_tokens,
            granted_usd: grant.reserved.usd,
            held: Some(held),
            bound,
            metered: self.metered(),
            fingerprint: self.fingerprint,
            sent_output_tokens,
            waited: self.arrived.elapsed(),
            shared: Arc::clone(&self.shared),
            request: Arc::clone(&self.request),
            caller: Arc::clone(&self.caller),
            routed: self.routed.clone(),
            terms,
            arrived: self.arrived,
            status: 0,
            message: None,
            has_begun: false,
            asked_more: false,
            credential,
            account: None,
            tape: Tape::default(),
        }
    }

    async fn reserve(&self, wanted: Wanted) -> Result<Box<dyn Held>, Refused> {
        let _counted = self.shared.tallies.waits();
        self.shared.till.reserve(wanted).await
    }

    /// Whether the prompt could be counted, so that it has a closer bound.
    async fn count(&self, headers: &HeaderMap) -> bool {
        self.request.prompt_tokens_max >= COUNTED_FROM_TOKENS
            && counting::count(&self.shared, &self.request, headers, &self.body).await
    }

    /// What it asks for. A model that the client has not asked for is not asked for more than it has.
    fn asked_output_tokens(&self, terms: &Terms) -> u64 {
        let asked = self.request.asked_output_tokens;
        let is_elsewhere = self.routed.as_ref().is_some_and(|routed| routed.sent_model().is_some());
        if is_elsewhere { asked.min(terms.max_output_tokens) } else { asked }
    }

    /// The longest answer that its rule allows, tokens.
    fn rule_cap_tokens(&self) -> Option<u64> {
        self.routed.as_ref().and_then(|routed| routed.output_cap_tokens())
    }

    fn wanted(&self, credential: u64) -> Result<(Terms, Wanted), NoTariff> {
        let (shared, request) = (&self.shared, &self.request);
        let mut terms = shared.tariff.terms(request, today())?;
        if !shared.geography.may_be_us(credential) {
            terms.us_price = None;
        }
        let stage_tokens = match self.metered() {
            Some(metered) => metered.output_tokens,
            None => shared.settings.output_cap_tokens,
        };
        let cap = OutputCap::new(
            self.asked_output_tokens(&terms),
            self.rule_cap_tokens().map_or(stage_tokens, |rule| rule.min(stage_tokens)),
            if self.metered().is_some() { 0 } else { request.thinking_tokens },
        );
        let counted = shared.conversations.bound(&request.conversation, &request.model);
        let bound = shared.tariff.bound(&terms, request, counted, cap.standing_tokens)?;
        let caller = Arc::clone(&self.caller);
        let hold = shared.settings.hold_max.saturating_sub(self.arrived.elapsed());
        let price = Tariff::price_id(&terms);
        Ok((terms, Wanted { caller, price, bound, cap, hold }))
    }

    /// How its reservation grows, where it does: what does not stream cannot be watched, and what is
    /// sampled several times says nothing of it until the end.
    fn metered(&self) -> Option<MeteredTerms> {
        let watched = self.request.stream && self.request.samplings_max == 1;
        self.shared.settings.metered.filter(|_| watched)
    }

    /// The model that was asked for; another may have been taken.
    fn asked_model(&self) -> String {
        let routed = self.routed.as_ref().and_then(|routed| routed.asked_model());
        routed.map_or_else(|| self.request.model.clone(), str::to_owned)
    }

    fn refuse(&self, fate: Fate, refusal: &Refusal) -> Box<Response<ReplyBody>> {
        self.refuse_for(fate, refusal, None)
    }

    fn refuse_for(
        &self,
        fate: Fate,
        refusal: &Refusal,
        denial: Option<Box<Denial>>,
    ) -> Box<Response<ReplyBody>> {
        let caller = Arc::clone(&self.caller);
        let mut access = Access::refused(caller, self.asked_model(), fate, refusal, self.arrived);
        access.routed.clone_from(&self.routed);
        access.output_cap_tokens.0 = self.request.asked_output_tokens;
        access.denial = denial;
        Box::new(self.shared.refuse(refusal, Some(access)))
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Notes that a client went away while its request waited.
struct Leaves<'a>(Option<&'a Arrival>);

impl Leaves<'_> {
    fn stays(mut self) {
        self.0 = None;
    }
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let Some(arrival) = self.0 else { return };
        let (caller, model) = (Arc::clone(&arrival.caller), arrival.asked_model());
        arrival.shared.tell(Access {
            took: arrival.arrived.elapsed(),
            waited: arrival.arrived.elapsed(),
            ..Access::empty(caller, model, Fate::LeftQueue)
        });
    }
}
