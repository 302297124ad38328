//! Clients that race for one budget over several gateways, before an upstream that always writes as
//! much as it may. Each asks until it is refused for good.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flyball::money::Picodollars;
use flyball::upstream::{OutputLength, Pace};
use serde_json::Value;

use super::stand::{Books, Gateway, ask, request, streaming};
use crate::upstream::stand::{Stand as Upstream, config};

/// Who races.
#[derive(Clone, Copy, Debug)]
pub(super) struct Race {
    /// Connections at once, spread evenly over the gateways.
    pub(super) clients: usize,
    /// So many requests of each at most.
    pub(super) turns: usize,
    /// How many sessions they share.
    pub(super) sessions: usize,
    /// The longest answers that they ask for in turns: streamed, and in one piece.
    pub(super) max_tokens: [u64; 2],
}

/// What the clients saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finish {
    pub(super) served: usize,
    /// Refused for good.
    pub(super) exhausted: usize,
    /// Told to come again.
    pub(super) busy: usize,
    pub(super) took: Duration,
}

/// An upstream that writes as much as it may, at a pace.
pub(super) fn greedy_upstream(pace: Pace) -> Upstream {
    let mut config = config(11);
    config.output = OutputLength::Full;
    config.miss_cache = true;
    config.pace = pace;
    config.threads = 2;
    Upstream::of(config)
}

impl Race {
    pub(super) fn run(self, gateways: &[Gateway]) -> Finish {
        let began = Instant::now();
        let mut finish = Finish::default();
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients)
                .map(|client| {
                    let address = gateways[client % gateways.len()].address();
                    scope.spawn(move || self.client(client, address))
                })
                .collect();
            for client in clients {
                let seen = client.join().unwrap();
                finish.served += seen.served;
                finish.exhausted += seen.exhausted;
                finish.busy += seen.busy;
            }
        });
        finish.took = began.elapsed();
        finish
    }

    fn client(self, client: usize, gateway: SocketAddr) -> Finish {
        let session = format!("s{}", client % self.sessions);
        let headers = [("x-claude-code-session-id", session.as_str())];
        let mut seen = Finish::default();
        for turn in 0..self.turns {
            let answer = ask(gateway, &self.body(client, turn), &headers);
            let is_final = answer.header("x-should-retry").as_deref() == Some("false");
            match (answer.status, is_final) {
                (200, _) => seen.served += 1,
                (429, false) => seen.busy += 1,
                (429, true) => {
                    seen.exhausted += 1;
                    break;
                }
                (status, _) => panic!("status {status}: {}", answer.text()),
            }
        }
        seen
    }

    fn body(self, client: usize, turn: usize) -> Value {
        let text = format!("client {client}, turn {turn}");
        let [streamed, whole] = self.max_tokens;
        if turn.is_multiple_of(2) { streaming(&text, streamed) } else { request(&text, whole) }
    }
}

/// Ends the gateways of a race; what the upstream billed. That is what was charged, nothing is held
/// any more, and the ledger balances.
pub(super) fn settled_up(
    gateways: Vec<Gateway>,
    books: &Books,
    upstream: &Upstream,
) -> Picodollars {
    for gateway in gateways {
        let ended = gateway.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log.join("\n"));
    }
    let billed = upstream.bill().usd;
    assert_eq!(books.spent(), billed);
    books.assert_all_settled();
    let verified = books.run(&["ledger", "verify"]);
    assert!(verified.starts_with("the ledger balances"), "{verified}");
    billed
}
