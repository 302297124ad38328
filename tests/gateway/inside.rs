//! A gateway in this process, with a till that grants everything and keeps what it is told.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use flyball::budget::{Charge, Grant};
use flyball::gateway::{
    Access, Ending, Fate, Gateway, GatewaySettings, Held, Later, MeteredTerms, Refused, Tariff,
    Till, Upstream, Wanted,
};
use flyball::id::AttemptId;
use flyball::pricing::{PriceTable, shipped_files};
use tokio::sync::oneshot;

use super::stand::{ask, streaming};
use crate::upstream::client::send;
use crate::upstream::stand::Stand;

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn tell(&self, word: &'static str) {
        self.0.lock().unwrap().push(word);
    }

    fn words(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

struct Generous(Told);

impl Till for Generous {
    fn trouble(&self) -> Option<String> {
        None
    }

    fn reserve(&self, wanted: Wanted) -> Later<Result<Box<dyn Held>, Refused>> {
        self.0.tell("reserve");
        let output_cap_tokens = wanted.cap.standing_tokens;
        let reserved = wanted.bound.charge(output_cap_tokens);
        let grant = Grant { output_cap_tokens, reserved, clamped: false };
        let held = Granted { told: self.0.clone(), id: AttemptId::from("attempt-1"), grant };
        Box::pin(async { Ok(Box::new(held) as Box<dyn Held>) })
    }
}

struct Granted {
    told: Told,
    id: AttemptId,
    grant: Grant,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.grant.fmt(f)
    }
}

impl Held for Granted {
    fn attempt(&self) -> &AttemptId {
        &self.id
    }

    fn grant(&self) -> &Grant {
        &self.grant
    }

    fn shrink(&self, _: Charge) {
        self.told.tell("shrink");
    }

    fn extend(&self, _: Charge) -> Later<Result<(), Refused>> {
        self.told.tell("extend");
        Box::pin(async { Ok(()) })
    }

    fn end(self: Box<Self>, ending: Ending) {
        self.told.tell(match ending {
            Ending::Settled(_) => "settle",
            Ending::Released => "release",
            Ending::Expired => "expire",
        });
    }
}

/// A gateway that runs, and what it has said.
struct Inside {
    address: std::net::SocketAddr,
    told: Told,
    accesses: Arc<Mutex<Vec<Access>>>,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Inside {
    fn new(upstream: &Stand, settings: GatewaySettings) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Upstream::new(&format!("http://{}", upstream.address()), None).unwrap();
        let tariff = Tariff::new(Arc::new(PriceTable::parse(&shipped_files()).unwrap()));
        let told = Told::default();
        let accesses: Arc<Mutex<Vec<Access>>> = Arc::default();
        let keep = Arc::clone(&accesses);
        let till = Arc::new(Generous(told.clone()));
        let gateway = Gateway::new(settings, upstream, tariff, till, None, move |access| {
            keep.lock().unwrap().push(access.clone());
        });
        let (end, ends) = oneshot::channel();
        let serving = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let ends = async move { drop(ends.await) };
                gateway.serve(listener, ends).await.unwrap();
            });
        });
        Self { address, told, accesses, end, serving }
    }

    /// Ends it; what the till was told, and each request that is over.
    fn end(self) -> (Vec<&'static str>, Vec<Access>) {
        self.end.send(()).unwrap();
        self.serving.join().unwrap();
        let accesses = self.accesses.lock().unwrap().clone();
        (self.told.words(), accesses)
    }
}

#[test]
fn an_attempt_that_the_gateway_s_end_cuts_off_says_so() {
    let upstream = Stand::new();
    let mut settings = GatewaySettings::default();
    settings.limits.grace = Duration::ZERO;
    let inside = Inside::new(&upstream, settings);
    let body = streaming("x", 900).to_string();
    let headers = [("x-simulate-fault", "stall")];
    let mut sent = send(inside.address, "POST /v1/messages", &headers, Some(body.as_bytes()));
    // Half of the answer came, so it was counted.
    sent.read_until(&mut String::new(), "content_block_delta");
    let (told, accesses) = inside.end();
    assert_eq!(told, ["reserve", "shrink", "expire"]);
    let [access] = &accesses[..] else { panic!("{accesses:?}") };
    assert_eq!((access.fate, access.status), (Fate::GatewayEnded, 200));
    assert!(!access.charged.unwrap().is_zero());
}

/// What an answer has taken is time that passed, and this model is said to be very fast: so more is
/// asked for before the prompt is counted, or never where it is said to be slow.
#[test]
fn what_was_granted_before_the_prompt_was_counted_stays() {
    for (peak_tokens_per_second, expected) in [
        (1_000_000_000, &["reserve", "extend", "settle"][..]),
        (1, &["reserve", "shrink", "settle"][..]),
    ] {
        let upstream = Stand::new();
        let metered = MeteredTerms { output_tokens: 32_000, peak_tokens_per_second };
        let settings = GatewaySettings { metered: Some(metered), ..GatewaySettings::default() };
        let inside = Inside::new(&upstream, settings);
        let body = streaming("x", 64_000);
        let answer = ask(inside.address, &body, &[]);
        assert_eq!(answer.status, 200);
        let (told, accesses) = inside.end();
        assert_eq!(told, expected, "{accesses:?}");
    }
}
