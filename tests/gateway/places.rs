//! Requests that name no place may be served in the US, which is a tenth dearer.

use serde_json::{Value, json};

use super::race::greedy_upstream;
use super::stand::{Books, Gateway, request};
use crate::upstream::stand::{HAIKU, Stand as Upstream, config};
use flyball::upstream::{OutputLength, Pace};

fn of_haiku(stream: bool) -> Value {
    let mut body = request("x", 2_000);
    body["model"] = json!(HAIKU);
    body["stream"] = json!(stream);
    body
}

/// It misses the cache and answers at full length, and its workspace is set to the US.
fn upstream_in_us() -> Upstream {
    let mut config = config(7);
    (config.output, config.miss_cache, config.in_us) = (OutputLength::Full, true, true);
    Upstream::of(config)
}

#[test]
fn what_a_workspace_serves_in_the_us_was_reserved_at_that_price() {
    let (books, upstream) = (Books::new(), upstream_in_us());
    let gateway = Gateway::start(&books, &upstream, &[]);
    for stream in [false, true, true] {
        let answer = gateway.ask(&of_haiku(stream), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
    assert!(!books.kinds().contains(&"overrun".to_owned()), "{:?}", books.kinds());
}

#[test]
fn once_a_workspace_is_known_to_serve_elsewhere_less_is_reserved() {
    let (books, upstream) = (Books::new(), greedy_upstream(Pace::default()));
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut named = of_haiku(false);
    named["inference_geo"] = json!("global");
    for body in [&named, &of_haiku(false), &of_haiku(false)] {
        assert_eq!(gateway.ask(body, &[]).status, 200);
    }
    gateway.stop();
    let reserved: Vec<_> = books.reservations().iter().map(|charge| charge.output_tokens).collect();
    assert_eq!(reserved, [2_000; 3]);
    let [named, first, second] = books.reservations()[..] else { panic!("three requests") };
    // The same prompts but for the name of the place.
    let a_tenth = second.usd.scale_ceil(1, 10);
    assert!(first.usd >= second.usd + a_tenth - second.usd.scale_ceil(1, 1_000));
    assert!(named.usd < first.usd, "{named:?} {first:?}");
    assert!(!books.kinds().contains(&"overrun".to_owned()), "{:?}", books.kinds());
}

/// Haiku 4.5 is from before prices knew places, so what it says is no news.
#[test]
fn a_model_without_places_says_nothing_of_others() {
    let (books, upstream) = (Books::new(), upstream_in_us());
    let gateway = Gateway::start(&books, &upstream, &[]);
    for body in [request("x", 2_000), of_haiku(false), request("x", 2_000), of_haiku(true)] {
        let answer = gateway.ask(&body, &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
    assert!(!books.kinds().contains(&"overrun".to_owned()), "{:?}", books.kinds());
}
