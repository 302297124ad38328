//! `flyball gateway`.

mod branch;
mod console;
mod host;
mod keys;
mod opening;
mod origins;
mod progress;
mod recording;
mod scopes;
mod till;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use self::console::LedgerConsole;
pub(super) use self::host::{Host, Ready, Say};
use self::opening::HeldTo;
pub(super) use self::opening::limits;
use self::origins::RunFolderOrigins;
pub(super) use self::progress::raising;
use self::scopes::Scopes;
use self::till::{Counter, LedgerTill};
use super::books::{self, OpenLedger};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::{knowledge, output};
use crate::budget::Effects;
use crate::cli::gateway::{GatewayCommand, GatewayTyped, Guarantee, JoinTyped};
use crate::config::SourceFile;
use crate::config::environment::FLYBALL_UPSTREAM_KEY;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{
    Gateway, GatewaySettings, KeyRing, MeteredTerms, Recorder, TOKEN_BYTES, Tallies, Tariff,
    Upstream, Watching,
};
use crate::ledger::{GroupCommit, LeaseDesk, LeaseTerms, Ledger};
use crate::report::gateway::{access_line, summary};

/// Requests that wait for balance at once; more are refused as busy.
const WAITING_MAX: usize = 4_096;
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
    Host {
        say: Arc::new(output::tell),
        on_access: Box::new(move |access| {
            if !quiet {
                output::tell(&access_line(access));
            }
        }),
        ready: Box::new(move |ready| {
            output::tell(&format!(
                "flyball: gateway on http://{} before {}\n",
                ready.address, ready.host
            ));
            if let Some(link) = ready.link {
                output::tell(&format!("flyball: watch it at {link}\n"));
            }
            if let Some(path) = &record {
                output::tell(&recording::notice(path));
            }
        }),
        ends: Box::new(|| {
            let mut terminated = signal(SignalKind::terminate())?;
            Ok(Box::pin(async move {
                tokio::select! {
                    _interrupt = tokio::signal::ctrl_c() => {}
                    _terminate = terminated.recv() => {}
                }
            }))
        }),
    }
}

/// Serves until the host ends it; what happened meanwhile.
pub(super) fn serve_until(
    typed: &GatewayTyped,
    context: &Context,
    host: Host,
) -> Result<Arc<Tallies>, AppError> {
    allow_connections();
    let tariff = tariff(typed)?;
    let access = access(typed, context)?;
    let recorder = typed.record.as_deref().map(recording::start).transpose()?;
    let (recorder, recording) = recorder.unzip();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("flyball runtime")
        .build()
        .map_err(AppError::bug)?;
    let on_ledger = on_ledger(typed, context, &runtime, &host.say)?;
    let OnLedger { till, console, writer } = on_ledger;
    let counter = till.counter();
    let settings = settings(typed, access.keys, recorder);
    let upstream = Upstream::new(&typed.upstream, access.upstream_key.as_deref())
        .map_err(|error| AppError::usage(error).with_hint("such as https://api.anthropic.com"));
    let served = upstream.and_then(|upstream| {
        let front = Front { settings, upstream, tariff };
        runtime.block_on(serve(typed.listen, front, till, console, host))
    });
    finish(runtime, counter, writer);
    // Everything is written once nobody records any more.
    drop(recording.map(JoinHandle::join));
    served
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

pub(super) fn tariff(typed: &GatewayTyped) -> Result<Tariff, AppError> {
    let read = |path: &std::path::PathBuf| SourceFile::read(path, TEXT_BYTES_MAX);
    let files: Vec<SourceFile> = typed.prices.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Tariff::new(Arc::new(knowledge::price_table(&files)?)))
}

/// Who is let in, and with which key requests go upstream.
struct Access {
    keys: Option<KeyRing>,
    upstream_key: Option<String>,
}

fn access(typed: &GatewayTyped, context: &Context) -> Result<Access, AppError> {
    if !typed.callers.ask_keys {
        return Ok(Access { keys: None, upstream_key: None });
    }
    let key = context.environment.upstream_key.clone().ok_or_else(|| {
        AppError::usage("callers have keys of the gateway, so it needs one for the upstream")
            .with_hint(format!("set {FLYBALL_UPSTREAM_KEY} in its environment"))
    })?;
    let file = keys::read(context)?;
    Ok(Access { keys: Some(KeyRing::of(&file)), upstream_key: Some(key.0) })
}

/// What stands on the ledger in force.
struct OnLedger {
    till: LedgerTill,
    /// What the live page shows, where there is one.
    console: Option<LedgerConsole>,
    /// The thread that writes there.
    writer: JoinHandle<Box<dyn Ledger>>,
}

fn on_ledger(
    typed: &GatewayTyped,
    context: &Context,
    runtime: &Runtime,
    say: &Say,
) -> Result<OnLedger, AppError> {
    let reader = OpenLedger::create(&typed.ledger, context)?;
    let project = typed.project.clone().unwrap_or_else(|| books::project_here(context));
    let HeldTo { limits, notice } = HeldTo::of(typed, &reader.standing()?, &project)?;
    if let Some(notice) = notice {
        say(&notice);
    }
    let (ledger, journals) = OpenLedger::create(&typed.ledger, context)?.into_books(WAITING_MAX);
    let journals = journals.ok_or_else(|| {
        AppError::usage("there is no home folder to keep the journals of slices in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })?;
    let (effects, troubles) = (Arc::clone(say), Arc::clone(say));
    let (commit, writer) =
        GroupCommit::start(ledger, move |told: &Effects| tell_effects(&effects, told))
            .map_err(AppError::bug)?;
    let report = move |trouble: &str| troubles(&format!("flyball: {trouble}\n"));
    let desk = LeaseDesk::start(commit.clone(), &journals, LeaseTerms::default(), report)
        .map_err(AppError::bug)?;
    let handle = runtime.handle().clone();
    let console = if typed.no_ui {
        None
    } else {
        // Whoever watches keeps no request waiting for a connection to the ledger.
        let watched = OpenLedger::create(&typed.ledger, context)?;
        Some(LedgerConsole::new(watched, commit.clone(), handle.clone()))
    };
    let origins = origins(&typed.join, &handle);
    let scopes = Scopes::new(commit, reader, &project, limits, origins, handle.clone());
    let till = LedgerTill::new(desk, scopes, name_of_process(), handle);
    Ok(OnLedger { till, console, writer })
}

/// Who knows what started an agent, where there is somebody.
fn origins(typed: &JoinTyped, runtime: &Handle) -> Option<RunFolderOrigins> {
    let home = typed.claude_home.as_ref()?;
    let within = Duration::from_millis(typed.join_within);
    Some(RunFolderOrigins::new(home, within, runtime.clone()))
}

/// Says what budgets have to say for themselves.
fn tell_effects(say: &Say, effects: &Effects) {
    for warning in &effects.warnings {
        let share = warning.threshold_per_mille / 10;
        let (scope, limit) = (&warning.scope, warning.unit.say(warning.limit));
        say(&format!("flyball: {scope} has used {share} % of {limit}\n"));
    }
    if let Some(overrun) = &effects.overrun {
        let (attempt, beyond) = (&overrun.attempt, overrun.beyond.usd);
        say(&format!(
            "flyball: attempt {attempt} took {beyond} more than its bound: the upstream broke a \
             promise\n"
        ));
    }
}

/// A name that no other process has.
fn name_of_process() -> String {
    // Every state is seeded anew by the system.
    let number = RandomState::new().build_hasher().finish();
    format!("gw-{number:016x}")
}

fn settings(
    typed: &GatewayTyped,
    keys: Option<KeyRing>,
    recorder: Option<Recorder>,
) -> GatewaySettings {
    GatewaySettings {
        output_cap_tokens: typed.output_cap,
        hold_max: Duration::from_secs(typed.max_hold),
        metered: (typed.guarantee == Guarantee::Metered).then(MeteredTerms::default),
        keys,
        recorder,
        ..GatewaySettings::default()
    }
}

/// What stands between clients and the upstream.
struct Front {
    settings: GatewaySettings,
    upstream: Upstream,
    tariff: Tariff,
}

async fn serve(
    listen: SocketAddr,
    front: Front,
    till: LedgerTill,
    console: Option<LedgerConsole>,
    host: Host,
) -> Result<Arc<Tallies>, AppError> {
    let Front { settings, upstream, tariff } = front;
    let name = upstream.host().to_owned();
    let counter = till.counter();
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        AppError::usage(format!("cannot listen on {listen}: {error}"))
            .with_hint("name another address: --listen 127.0.0.1:0 takes a free port")
    })?;
    let address = listener.local_addr().map_err(AppError::bug)?;
    let watching = console.map(|console| watching(console, address)).transpose()?.flatten();
    let link = watching.as_ref().map(|watching| watching.link().to_owned());
    let till = Arc::new(till);
    let gateway = Gateway::new(settings, upstream, tariff, till, watching, host.on_access);
    let gateway = match counter.scopes().origins() {
        Some(origins) => gateway.with_origins(Arc::new(origins.clone())),
        None => gateway,
    };
    let ends = (host.ends)().map_err(AppError::bug)?;
    (host.ready)(Ready { address, host: name, link });
    let looks = tokio::spawn(look_again(counter));
    let served = gateway.serve(listener, ends).await;
    looks.abort();
    served.map_err(AppError::bug)?;
    // The till goes with the gateway: its ledger is closed once nobody asks any more.
    Ok(gateway.tallies())
}

/// The live page of a gateway that listens at `address`, where somebody at this machine reaches it.
fn watching(console: LedgerConsole, address: SocketAddr) -> Result<Option<Watching>, AppError> {
    Ok(Watching::new(Arc::new(console), address, random()?))
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
fn finish(runtime: Runtime, counter: Arc<Counter>, writer: JoinHandle<Box<dyn Ledger>>) {
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
