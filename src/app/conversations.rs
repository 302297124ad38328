//! `flyball run --agents messages`: agents that talk to the API through a gateway of their own.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri};

use super::context::Context;
use super::error::AppError;
use super::gateway::InnerGateway;
use super::output;
use crate::agents::{MessagesBackend, MessagesSettings, Place, PlacedPrice};
use crate::cli::RunOptions;
use crate::config::environment::ANTHROPIC_API_KEY;
use crate::id::RunId;
use crate::plan::report::PlanReport;
use crate::plan::setup::Setup;
use crate::ports::price::RequestPrice;
use crate::report::page::clean;
use crate::run::RunSetup;
use crate::seed::Seed;

/// Whose API it is; the gateway prices by its names.
const PROVIDER: &str = "anthropic";
/// The first pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// The id of a run that no other has: it names a scope of the ledger.
pub(super) fn run_id(plan: &PlanReport) -> Result<RunId, AppError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)
        .map_err(|error| AppError::bug(format!("the system has no chance: {error}")))?;
    Ok(RunId::from(format!("{}-{:08x}", plan.plan_id, u32::from_be_bytes(random))))
}

/// Refuses what only simulated agents can be told.
pub(super) fn check(
    plan: &PlanReport,
    setup: &Setup,
    options: &RunOptions,
) -> Result<(), AppError> {
    let only_simulated = |what: &str| {
        AppError::usage(format!("{what} is for agents that are simulated"))
            .with_hint("leave it out, or take --agents simulated")
    };
    if options.time_scale.abs() > 0.0 {
        return Err(only_simulated("--time-scale"));
    }
    if !plan.request.done.is_empty() || !setup.job.done.is_empty() {
        return Err(only_simulated("--done"));
    }
    if !plan.request.results.is_empty() || !setup.job.results.is_empty() {
        return Err(only_simulated("--result"));
    }
    if setup.job.provider != PROVIDER {
        return Err(AppError::usage(format!(
            "agents talk to the Messages API, and `{}` is another provider",
            setup.job.provider
        )));
    }
    Ok(())
}

/// A gateway in front of the upstream that `options` name.
pub(super) fn gateway(
    run: &RunSetup,
    setup: &Setup,
    options: &RunOptions,
    context: &Context,
) -> Result<InnerGateway, AppError> {
    let prices = Arc::clone(&setup.table);
    InnerGateway::start(&options.upstream, prices, &options.ledger, run.limits, context)
}

/// The price of the model that is called `name`, by where the run's requests turn out to be served.
pub(super) fn price_of(setup: &Setup, place: &Place, name: &str) -> Option<Arc<dyn RequestPrice>> {
    let (anywhere, in_us) = (setup.price_of(name).ok()?, setup.price_in_us(name));
    Some(Arc::new(PlacedPrice::new(anywhere, in_us, place.clone())))
}

/// The agents of `run`, who talk to `gateway`.
pub(super) fn agents(
    run: &RunSetup,
    gateway: &InnerGateway,
    place: Place,
    options: &RunOptions,
    context: &Context,
) -> Result<MessagesBackend, AppError> {
    let uri: Uri = format!("http://{}/run/{}/v1/messages", gateway.address(), run.run_id)
        .parse()
        .map_err(AppError::bug)?;
    let headers = credentials(&options.upstream, context)?;
    output::tell(&format!(
        "flyball: run {} talks to {}; its agents have no tools: they read no files and run no \
         commands\n",
        run.run_id,
        clean(&options.upstream)
    ));
    let seed = Seed::new(0);
    let settings = MessagesSettings { uri, headers, pause: PAUSE, seed, place };
    Ok(MessagesBackend::new(settings, gateway.runtime().clone()))
}

fn credentials(upstream: &str, context: &Context) -> Result<HeaderMap, AppError> {
    let mut headers = HeaderMap::new();
    match &context.environment.api_key {
        Some(key) => {
            let mut key = HeaderValue::from_str(&key.0).map_err(|_| {
                AppError::usage(format!("what {ANTHROPIC_API_KEY} holds cannot be a key"))
            })?;
            key.set_sensitive(true);
            headers.insert("x-api-key", key);
        }
        // A simulated upstream asks for none, and speaks no TLS.
        None if upstream.starts_with("http://") => {}
        None => {
            return Err(AppError::usage("there is no key of the API to talk to it with")
                .with_hint(format!(
                    "set {ANTHROPIC_API_KEY}, or try without: flyball simulate-upstream"
                )));
        }
    }
    Ok(headers)
}
