//! A gateway within this process, for agents of its own: the one place where what they take is
//! reserved in the ledger.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use super::host::Say;
use super::on_ledger::{self, Below, Writer};
use super::opening::OpeningLimits;
use super::till::{Counter, LedgerTill};
use crate::app::books::{self, OpenLedger};
use crate::app::context::Context;
use crate::app::error::AppError;
use crate::app::output;
use crate::app::plan_windows::PlanKeeper;
use crate::budget::Limits;
use crate::cli::ledger::LedgerFlag;
use crate::gateway::{Gateway, GatewayLimits, GatewaySettings, Tariff, Upstream};
use crate::pricing::PriceTable;

/// Whoever leaves at once waits no longer for answers that nobody reads.
const GRACE: Duration = Duration::from_secs(2);

/// A gateway within this process. Its callers bring their own key, as those of any gateway.
pub(in crate::app) struct InnerGateway {
    address: SocketAddr,
    runtime: Runtime,
    ends: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
    counter: Arc<Counter>,
    plan: PlanKeeper,
    writer: Writer,
}

impl InnerGateway {
    /// A gateway before `upstream` on a free port of the loopback address. Each run is opened with
    /// `limits`, in the project of the working folder.
    pub(in crate::app) fn start(
        upstream: &str,
        prices: Arc<PriceTable>,
        ledger: &LedgerFlag,
        limits: Limits,
        context: &Context,
    ) -> Result<Self, AppError> {
        let upstream = Upstream::new(upstream, None)
            .map_err(|error| AppError::usage(error).with_hint("such as http://127.0.0.1:8788"))?;
        let runtime = super::runtime()?;
        // Who stands where is the executor's to know.
        let below = Below { limits: OpeningLimits::of_runs(limits), origins: None };
        let project = books::project_here(context);
        let say: Say = Arc::new(output::tell);
        let (till, _, writer) =
            on_ledger::till(ledger, &project, below, context, (runtime.handle(), &say))?;
        let counter = till.counter();
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(AppError::bug)?;
        let address = listener.local_addr().map_err(AppError::bug)?;
        let (ends, ended) = oneshot::channel();
        let plan = PlanKeeper::start(OpenLedger::create(ledger, context)?, &say)?;
        let gateway = gateway(upstream, prices, till).with_plan_watch(plan.watch());
        let looks = runtime.spawn(plan.clone().keep(super::LOOK_EVERY));
        let serving = runtime.spawn(async move {
            // It ends as well where nobody is left to end it.
            let served = gateway.serve(listener, async { drop(ended.await) }).await;
            looks.abort();
            served
        });
        Ok(Self { address, runtime, ends, serving, counter, plan, writer })
    }

    /// Where it listens.
    pub(in crate::app) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its callers may run on.
    pub(in crate::app) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Ends it. Everything is in the ledger then.
    pub(in crate::app) fn end(self) -> Result<(), AppError> {
        // It may have ended by itself.
        let _ended = self.ends.send(());
        let served = self.runtime.block_on(self.serving);
        super::finish(self.runtime, self.counter, self.writer);
        self.plan.end();
        served.map_err(AppError::bug)?.map_err(AppError::bug)
    }
}

fn gateway(upstream: Upstream, prices: Arc<PriceTable>, till: LedgerTill) -> Gateway {
    let settings = GatewaySettings {
        // The run's plan has capped every answer already.
        output_cap_tokens: u64::MAX,
        limits: GatewayLimits { grace: GRACE, ..GatewayLimits::default() },
        ..GatewaySettings::default()
    };
    // What happens to requests is told by the run.
    Gateway::new(settings, upstream, Tariff::new(prices), Arc::new(till), None, |_| {})
}
