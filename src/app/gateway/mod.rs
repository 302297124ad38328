//! `flyball gateway`.

mod branch;
mod certificate;
mod console;
mod dead_holders;
mod ends;
mod host;
mod inner;
mod keys;
mod on_ledger;
mod opening;
mod origins;
mod progress;
mod queue;
mod recording;
mod router;
mod scopes;
mod spans;
mod till;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use self::certificate::Certificate;
use self::console::LedgerConsole;
pub(super) use self::host::{Host, Ready, Say};
pub(super) use self::inner::InnerGateway;
use self::on_ledger::{OnLedger, Writer};
pub(super) use self::opening::limits;
pub(super) use self::progress::raising;
use self::router::PolicyRouter;
use self::spans::Spans;
use self::till::{Counter, LedgerTill};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::plan_windows::PlanKeeper;
use super::{inputs, knowledge, output, own_prices};
use crate::cli::gateway::{GatewayCommand, GatewayTyped, Guarantee};
use crate::config::SourceFile;
use crate::config::environment::FLYBALL_UPSTREAM_KEY;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{
    Gateway, GatewaySettings, KeyRing, MeteredTerms, Recorder, TOKEN_BYTES, Tallies, Tariff,
    Upstream, Watching,
};
use crate::pricing::PriceTable;
use crate::report::gateway::{access_line, summary};

/// How often budgets are looked for that were set meanwhile, and what failed is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what could not be written is tried again before the gateway ends all the same.
const LAST_TRIES: u32 = 5;

/// Runs the gateway until it is told to end.
pub(super) fn run(typed: &GatewayTyped, context: &Context) -> Result<Exit, AppError> {
    if let Some(GatewayCommand::Keys(command)) = &typed.command {
        return keys::run(command, context);
    }
    if !typed.listen.ip().is_loopback() && !typed.callers.allow_remote {
        return Err(AppError::usage(format!(
            "{} is not a loopback address, and whoever reaches the gateway can spend",
            typed.listen.ip()
        ))
        .with_hint("listen on 127.0.0.1 or [::1], or ask for keys: --allow-remote --ask-keys"));
    }
    let tallies = serve_until(typed, context, hosted_here(typed))?;
    output::print(&summary(&tallies))?;
    Ok(Exit::Done)
}

/// A command of its own: says what happens while it happens, and ends with a signal.
fn hosted_here(typed: &GatewayTyped) -> Host {
    let quiet = typed.quiet;
    let record = typed.record.clone();
    // With a certificate, that asks for it to be read again.
    let hangs_up = typed.tls.tls_cert.is_none();
    Host {
        say: Arc::new(output::tell),
        on_access: Box::new(move |access| {
            if !quiet {
                output::tell(&access_line(access));
            }
        }),
        ready: Box::new(move |ready| {
            output::tell(&format!(
                "flyball: gateway on {}://{} before {}\n",
                ready.scheme, ready.address, ready.host
            ));
            if let Some(link) = ready.link {
                output::tell(&format!("flyball: watch it at {link}\n"));
            }
            if let Some(path) = &record {
                output::tell(&recording::notice(path));
            }
        }),
        ends: Box::new(move || ends::asked_to_end(hangs_up)),
    }
}

/// Serves until the host ends it; what happened meanwhile.
pub(super) fn serve_until(
    typed: &GatewayTyped,
    context: &Context,
    host: Host,
) -> Result<Arc<Tallies>, AppError> {
    allow_connections();
    let prices = prices(typed, context)?;
    if let Some(line) = own_prices::left_out(context) {
        (host.say)(&line);
    }
    let router = router(typed, &prices)?;
    let access = access(typed, context)?;
    let recorder = typed.record.as_deref().map(recording::start).transpose()?;
    let (recorder, recording) = recorder.unzip();
    let runtime = runtime()?;
    let OnLedger { till, console, plan, writer } =
        OnLedger::open(typed, access.keys.as_ref(), context, runtime.handle(), &host.say)?;
    let counter = till.counter();
    let tariff = Tariff::new(prices);
    let keeper = plan.clone();
    let parts = Parts { tariff, router, access, recorder, till, console, plan };
    let served = runtime.block_on(serve(typed, context, parts, host));
    finish(runtime, counter, writer);
    keeper.end();
    // Everything is written once nobody records any more.
    drop(recording.map(JoinHandle::join));
    served
}

/// What a gateway runs on, besides threads of its own that serve.
fn runtime() -> Result<Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("flyball runtime")
        .build()
        .map_err(AppError::bug)
}

/// Takes as many file descriptors as the system lets one have: every request needs two.
fn allow_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // Without, there are fewer connections, and those that come wait.
        let _fewer = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// What requests cost by the price files of the user's settings, then those of `typed`.
pub(super) fn tariff(typed: &GatewayTyped, context: &Context) -> Result<Tariff, AppError> {
    prices(typed, context).map(Tariff::new)
}

fn prices(typed: &GatewayTyped, context: &Context) -> Result<Arc<PriceTable>, AppError> {
    let of_user = context.payers_settings().prices;
    let read = |path: &std::path::PathBuf| SourceFile::read(path, TEXT_BYTES_MAX);
    let paths = of_user.iter().chain(&typed.prices);
    let files: Vec<SourceFile> = paths.map(read).collect::<Result<_, _>>()?;
    Ok(Arc::new(knowledge::price_table(&files)?))
}

fn router(
    typed: &GatewayTyped,
    prices: &Arc<PriceTable>,
) -> Result<Option<PolicyRouter>, AppError> {
    let Some(policy) = typed.policy.as_deref().filter(|_| typed.rewrite) else { return Ok(None) };
    let policy = knowledge::policy(&inputs::policy_source(policy)?)?.policy;
    Ok(Some(PolicyRouter::new(policy, Arc::clone(prices))))
}

/// Who is let in and how, and with which key requests go upstream.
struct Access {
    certificate: Option<Certificate>,
    keys: Option<KeyRing>,
    upstream_key: Option<String>,
}

fn access(typed: &GatewayTyped, context: &Context) -> Result<Access, AppError> {
    let certificate = Certificate::read(&typed.tls)?;
    if !typed.callers.ask_keys {
        return Ok(Access { certificate, keys: None, upstream_key: None });
    }
    let key = context.environment.upstream_key.clone().ok_or_else(|| {
        AppError::usage("callers have keys of the gateway, so it needs one for the upstream")
            .with_hint(format!("set {FLYBALL_UPSTREAM_KEY} in its environment"))
    })?;
    let file = keys::read(context)?;
    Ok(Access { certificate, keys: Some(KeyRing::of(&file)), upstream_key: Some(key.0) })
}

/// What a gateway is put together from.
struct Parts {
    tariff: Tariff,
    router: Option<PolicyRouter>,
    access: Access,
    recorder: Option<Recorder>,
    till: LedgerTill,
    console: Option<LedgerConsole>,
    plan: PlanKeeper,
}

async fn serve(
    typed: &GatewayTyped,
    context: &Context,
    parts: Parts,
    host: Host,
) -> Result<Arc<Tallies>, AppError> {
    let Parts { tariff, router, access, recorder, till, console, plan } = parts;
    let upstream = Upstream::new(&typed.upstream, access.upstream_key.as_deref())
        .map_err(|error| AppError::usage(error).with_hint("such as https://api.anthropic.com"))?;
    let name = upstream.host().to_owned();
    let spans = Spans::start(&context.environment, &name, &Handle::current())?;
    let counter = till.counter();
    let settings = settings(typed, &access, recorder);
    let listener = TcpListener::bind(typed.listen).await.map_err(|error| {
        AppError::usage(format!("cannot listen on {}: {error}", typed.listen))
            .with_hint("name another address: --listen 127.0.0.1:0 takes a free port")
    })?;
    let address = listener.local_addr().map_err(AppError::bug)?;
    let secure = access.certificate.is_some();
    let watching = console.map(|console| watching(console, address, secure)).transpose()?.flatten();
    let link = watching.as_ref().map(|watching| watching.link().to_owned());
    let (record, tell) = (spans.recorder(), host.on_access);
    let mut gateway =
        Gateway::new(settings, upstream, tariff, Arc::new(till), watching, move |access| {
            record(access);
            tell(access);
        });
    gateway = gateway.with_plan_watch(plan.watch());
    if let Some(origins) = counter.scopes().origins() {
        gateway = gateway.with_origins(Arc::new(origins.clone()));
    }
    let routes = router.as_ref().map(PolicyRouter::notice);
    if let Some(router) = router {
        gateway = gateway.with_router(Arc::new(router));
    }
    let ends = (host.ends)().map_err(AppError::bug)?;
    let renewal = access.certificate.map(renewal).transpose()?;
    let scheme = if secure { "https" } else { "http" };
    (host.ready)(Ready { scheme, address, host: name, link });
    if let Some(routes) = routes {
        (host.say)(&routes);
    }
    let mut looks = vec![tokio::spawn(look_again(counter)), tokio::spawn(plan.keep(LOOK_EVERY))];
    if let Some(ring) = access.keys {
        looks.push(tokio::spawn(keys::follow(ring, keys::path(context)?, Arc::clone(&host.say))));
    }
    let served = gateway.serve(listener, ends).await;
    looks.iter().for_each(tokio::task::JoinHandle::abort);
    if let Some(renewal) = renewal {
        renewal.abort();
    }
    // The till goes with the gateway: its ledger is closed once nobody asks any more.
    let tallies = gateway.tallies();
    drop(gateway);
    spans.end().await;
    served.map_err(AppError::bug)?;
    Ok(tallies)
}

fn settings(typed: &GatewayTyped, access: &Access, recorder: Option<Recorder>) -> GatewaySettings {
    GatewaySettings {
        output_cap_tokens: typed.output_cap,
        hold_max: Duration::from_secs(typed.max_hold),
        metered: (typed.guarantee == Guarantee::Metered).then(MeteredTerms::default),
        retries_max: typed.retries,
        keys: access.keys.clone(),
        tls: access.certificate.as_ref().map(Certificate::tls),
        recorder,
        ..GatewaySettings::default()
    }
}

/// Goes on reading a certificate again whenever it is asked to.
fn renewal(certificate: Certificate) -> Result<tokio::task::JoinHandle<()>, AppError> {
    let hangups = signal(SignalKind::hangup()).map_err(AppError::bug)?;
    Ok(tokio::spawn(certificate.renew(hangups)))
}

/// The live page of a gateway that listens at `address`, where somebody at this machine reaches it.
fn watching(
    console: LedgerConsole,
    address: SocketAddr,
    secure: bool,
) -> Result<Option<Watching>, AppError> {
    Ok(Watching::new(Arc::new(console), address, secure, random()?))
}

/// Bytes that nobody guesses.
pub(super) fn random() -> Result<[u8; TOKEN_BYTES], AppError> {
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| AppError::bug(format!("the system has no chance: {error}")))?;
    Ok(random)
}

async fn look_again(counter: Arc<Counter>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if counter.trouble().is_some() {
            counter.try_again();
        }
        // What cannot be read now is asked for again when a request needs it.
        let _later = counter.scopes().look().await;
    }
}

/// Ends what is left, writes what has to be written, and gives slices back.
fn finish(runtime: Runtime, counter: Arc<Counter>, writer: Writer) {
    runtime.shutdown_timeout(LOOK_EVERY);
    for _ in 0..LAST_TRIES {
        if counter.try_again() == 0 {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // The desk gives its slices back, and the writer ends with its last caller.
    drop(counter);
    drop(writer.join());
}
