//! Limits that are lowered or newly set while a gateway admits from a slice, without asking the
//! ledger.

use std::time::Instant;

use flyball::ledger::EntryFilter;

use super::stand::{Books, Gateway, PATIENCE, request};
use crate::upstream::client::Response;
use crate::upstream::stand::Stand as Upstream;

/// The client, an agent of its own, and an upstream that refuses: of a slice that takes a request and
/// nothing more.
const OF_NOTHING: [(&str, &str); 3] = [
    ("x-claude-code-session-id", "s1"),
    ("x-claude-code-agent-id", "a1"),
    ("x-simulate-fault", "status-529"),
];

/// A gateway that was lent a slice of many requests for a session which has spent something.
struct Lent {
    books: Books,
    upstream: Upstream,
    gateway: Gateway,
}

impl Lent {
    fn new() -> Self {
        let (books, upstream) = (Books::new(), Upstream::new());
        books.run(&["budget", "set", "org", "500usd"]);
        let flags = ["--quiet", "--project", "shop", "--max-hold", "0"];
        let gateway = Gateway::start(&books, &upstream, &flags);
        let paid = gateway.ask(&request("x", 50), &OF_NOTHING[..1]);
        assert_eq!(paid.status, 200, "{}", paid.text());
        let lent = Self { books, upstream, gateway };
        let ledger = lent.books.ledger();
        lent.until("it borrows a slice that lasts", |answer| {
            assert_eq!(answer.status, 529, "{}", answer.text());
            ledger.leases().unwrap().iter().any(|lease| lease.left.requests > 1_000)
        });
        lent
    }

    /// Asks again and again.
    fn until(&self, what: &str, mut holds: impl FnMut(&Response) -> bool) {
        let (body, began) = (request("x", 50), Instant::now());
        while !holds(&self.gateway.ask(&body, &OF_NOTHING)) {
            assert!(began.elapsed() < PATIENCE, "never: {what}");
        }
    }

    /// Runs a command that leaves nothing to `scope`, and asks until that is heard of.
    fn expects_refusal_after(self, command: &[&str], scope: &str) {
        // Who asks nothing meanwhile would be taken for idle, and its slice go back for that.
        std::thread::scope(|threads| {
            threads.spawn(|| self.books.run(command));
            self.until("it hears of it", |answer| answer.status == 429);
        });
        let refused = self.gateway.ask(&request("x", 50), &OF_NOTHING);
        let retry = refused.header("x-should-retry");
        assert_eq!((refused.status, retry.as_deref()), (429, Some("false")), "{}", refused.text());
        assert!(refused.text().contains(scope), "{}", refused.text());
        let Self { books, upstream, gateway } = self;
        assert_eq!(gateway.stop().code, Some(0));
        books.assert_all_settled();
        assert_eq!(books.spent(), upstream.bill().usd);
        assert!(given_back(&books) > 100, "the slice was used up");
    }
}

/// How many requests were left of the slice when it went back.
fn given_back(books: &Books) -> u64 {
    let entries = books.ledger().entries(&EntryFilter::default(), 10_000).unwrap();
    let mut returns = entries.iter().rev().filter(|entry| entry.kind.name() == "return");
    returns.next().unwrap().kind.charge().unwrap().requests
}

#[test]
fn a_session_that_is_stopped_draws_from_no_slice_any_more() {
    Lent::new().expects_refusal_after(&["runs", "stop", "s1"], "session s1");
}

#[test]
fn a_limit_that_is_lowered_holds_for_slices_too() {
    Lent::new().expects_refusal_after(&["budget", "set", "org", "0.000001usd"], "org");
}

#[test]
fn a_limit_that_is_newly_set_holds_for_slices_too() {
    let command = ["budget", "set", "project:shop", "0.000001usd"];
    Lent::new().expects_refusal_after(&command, "project shop");
}

#[test]
fn agents_are_counted_from_when_they_are_limited_on() {
    Lent::new()
        .expects_refusal_after(&["budget", "set", "project:shop", "0agents"], "project shop");
}
