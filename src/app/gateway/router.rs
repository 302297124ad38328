//! Applies the rules of a policy to requests, one by one: `--rewrite`.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;

use crate::budget::Bound;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::gateway::{Advice, Asked, ModelRoute, ModelRouter};
use crate::policy::{Candidate, Candidates, Pinned, Policy, RequestFacts, Rule};
use crate::pricing::{Mode, Model, Price, PriceTable, TokenClass};
use crate::report::page::clean;
use crate::tokens::Tokenizer;

/// Whose API the upstream is: names are looked up for it.
const PROVIDER: &str = "anthropic";
/// What the client calls an agent that nobody gave a type of its own.
const PLAIN_AGENT: &str = "workflow-subagent";
/// Room kept in the window for one answer: the least standing cap.
const OUTPUT_MARGIN_TOKENS: u64 = 8_000;
/// The same text has more tokens in the newer tokenizer, by this at most.
const NEWER_TOKENIZER_PER_CENT: i128 = 135;

/// A policy at a gateway.
pub(super) struct PolicyRouter {
    policy: Policy,
    table: Arc<PriceTable>,
}

impl PolicyRouter {
    pub(super) const fn new(policy: Policy, table: Arc<PriceTable>) -> Self {
        Self { policy, table }
    }

    /// What whoever starts it has to know.
    pub(super) fn notice(&self) -> String {
        let policy = &self.policy;
        let mut text = format!(
            "flyball: policy {} may send requests to cheaper models than they ask for; what clients \
             show as their cost is then wrong, the ledger is right\n",
            clean(policy.name())
        );
        for rule in policy.rules() {
            let name = clean(rule.name());
            if let Some(condition) = rule.untold_by_requests() {
                let _ = writeln!(
                    text,
                    "flyball: rule `{name}` never matches here: no request tells whether {}",
                    clean(&condition)
                );
            } else if !self.may_route(rule) {
                let _ = writeln!(
                    text,
                    "flyball: rule `{name}` keeps every model here, since each request names its \
                     own: pinned = \"override\" lets it"
                );
            }
        }
        text
    }

    /// Whether it may change a model, where it is to.
    fn may_route(&self, rule: &Rule) -> bool {
        let pinned = rule.pinned().unwrap_or(self.policy.pinned());
        rule.action().models().is_empty() || pinned == Pinned::Override
    }
}

impl ModelRouter for PolicyRouter {
    fn route(&self, asked: &Asked<'_>) -> Advice {
        let (caller, request) = (asked.caller, asked.request);
        // Rules are about agents. What a client's user talks to is not one.
        if caller.session.is_some() && caller.agent.is_none() {
            return Advice::AsAsked;
        }
        let origin = caller.origin.as_deref();
        let agent_type = origin.and_then(|origin| origin.agent_type.as_deref());
        let facts = RequestFacts {
            model: &request.model,
            effort: request.effort,
            phase: origin.map(|origin| origin.phase.as_deref().unwrap_or("")),
            label: origin.map(|origin| origin.label.as_deref().unwrap_or("")),
            agent_type: agent_type.map(|name| if name == PLAIN_AGENT { "" } else { name }),
        };
        let mut candidates = OfRequest { table: &self.table, asked };
        let routing = self.policy.route_request(&facts, &mut candidates);
        if routing.gate == Gate::Deny {
            let why = routing.gate_reason.unwrap_or_default();
            return Advice::Deny { rule: routing.rule, why };
        }
        let changes = routing.model.is_some() || routing.effort != request.effort;
        if changes || routing.output_cap_tokens.is_some() {
            return Advice::Send(ModelRoute {
                model: routing.model,
                effort: routing.effort,
                output_cap_tokens: routing.output_cap_tokens,
                rule: routing.rule,
            });
        }
        match routing.refusals.last() {
            None => Advice::AsAsked,
            Some(last) => {
                let each = routing.refusals.iter();
                let why: Vec<String> =
                    each.map(|refusal| format!("{}: {}", refusal.model, refusal.reason)).collect();
                Advice::Keep { rule: last.rule.clone(), why: why.join("; ") }
            }
        }
    }
}

/// What one request would be on other models.
struct OfRequest<'a> {
    table: &'a PriceTable,
    asked: &'a Asked<'a>,
}

impl Candidates for OfRequest<'_> {
    fn assess(&mut self, name: &str, effort: Option<Effort>) -> Candidate {
        let (request, on) = (self.asked.request, self.asked.on);
        let model = match self.table.resolve(name, PROVIDER, on) {
            Ok(model) => model,
            Err(unknown) => return Candidate::Unknown(unknown.to_string()),
        };
        let price = match price(model, on, request.mode) {
            Ok(price) => price,
            Err(why) => return Candidate::Unpriced(why),
        };
        let own = self.table.resolve(&request.model, PROVIDER, on).ok();
        if let Some(own) = own.filter(|own| own.id != model.id)
            && let Some(why) = self.unfit(own, model, &price)
        {
            return Candidate::Unfit(why);
        }
        let prompt_tokens = self.prompt_tokens_max(model);
        let output_tokens = by_effort(request.asked_output_tokens, effort.or(model.default_effort));
        match Bound::of(&price, prompt_tokens, output_tokens, request.write) {
            Ok(bound) => Candidate::Known {
                model: model.id.clone(),
                context_window_tokens: model.context_tokens,
                context_p90_tokens: 0,
                expected_cost: bound.charge(output_tokens).usd,
                efforts: model.efforts.clone(),
            },
            Err(none) => Candidate::Unpriced(none.to_string()),
        }
    }
}

impl OfRequest<'_> {
    fn prompt_tokens_max(&self, model: &Model) -> u64 {
        let counted = (self.asked.counted)(&model.id).unwrap_or(u64::MAX);
        self.asked.request.prompt_tokens_max.min(counted)
    }

    /// Why a request for `own` may not go to `model`; `None` where it may.
    fn unfit(&self, own: &Model, model: &Model, price: &Price) -> Option<String> {
        let request = self.asked.request;
        if model.provider != PROVIDER {
            return Some(format!("{} is a model of {}", model.id, model.provider));
        }
        if request.has_api_tools {
            return Some("it has tools of the API's own, which not every model has".to_owned());
        }
        let (prompt, window) = (self.prompt_tokens_max(model), model.context_tokens);
        if prompt.saturating_add(OUTPUT_MARGIN_TOKENS) > window {
            return Some(format!("its prompt of at most {prompt} tokens does not fit {window}"));
        }
        let own_price = own.price(self.asked.on, request.mode).ok()?;
        let longer = match (own.tokenizer, model.tokenizer) {
            (Tokenizer::ClaudeOld, Tokenizer::Claude47) => NEWER_TOKENIZER_PER_CENT,
            _ => 100,
        };
        // Its dearest tier that this prompt can reach against the cheapest of the other.
        let reached = price.rates(prompt);
        let own_rates = own_price.rates(0);
        let dearer = TokenClass::ALL.into_iter().find(|class| {
            match (reached.get(*class), own_rates.get(*class)) {
                (Some(rate), Some(own)) => {
                    rate.pico_per_token().saturating_mul(longer)
                        > own.pico_per_token().saturating_mul(100)
                }
                (rate, own) => rate.is_some() != own.is_some(),
            }
        });
        dearer.map(|class| format!("its {class} can be dearer than that of {}", own.id))
    }
}

/// The price in the mode that was asked for; where it is not served fast, the one that it has.
fn price(model: &Model, on: Date, mode: Mode) -> Result<Price, String> {
    let slower = Mode { fast: false, ..mode };
    model.price(on, mode).or_else(|_| model.price(on, slower)).map_err(|none| none.to_string())
}

/// An answer at a lower effort is shorter, nobody knows by how much: only the order counts.
fn by_effort(tokens: u64, effort: Option<Effort>) -> u64 {
    let level = effort.and_then(|effort| Effort::ALL.iter().position(|known| *known == effort));
    let level = level.and_then(|level| u64::try_from(level).ok()).unwrap_or(2);
    tokens.saturating_mul(1_000 + level) / 1_000
}
