//! Spans of requests, sent to a collector in this process; only where flyball is built for it.

use super::stand::{Books, Gateway, request};
use crate::upstream::stand::Stand as Upstream;

#[cfg(not(feature = "otel"))]
#[test]
fn who_waits_for_spans_is_told_that_there_are_none() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")];
    let gateway = Gateway::within(&books, upstream.address(), &[], &endpoint);
    let said = gateway.said_first().join("\n");
    assert!(said.contains("without the feature `otel`"), "{said}");
    assert_eq!(gateway.ask(&request("hello", 500), &[]).status, 200);
}

#[cfg(feature = "otel")]
mod sent {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};

    use flyball::money::Picodollars;
    use serde_json::Value;

    use super::{Books, Gateway, Upstream, request};
    use crate::gateway::stand::{PATIENCE, streaming};

    const SECRET: &str = "sk-ant-never-to-be-seen";

    /// Answers each connection with the next of `statuses`, and with the last from then on; heads
    /// and bodies of what it got.
    fn collector(statuses: &'static [u16]) -> (SocketAddr, Receiver<(String, Value)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for number in 0.. {
                let (mut stream, _) = listener.accept().unwrap();
                let got = received(&mut stream);
                let status = statuses.get(number).or(statuses.last()).unwrap();
                let reply = format!(
                    "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
                );
                stream.write_all(reply.as_bytes()).unwrap();
                if tell.send(got).is_err() {
                    return;
                }
            }
        });
        (address, told)
    }

    fn received(stream: &mut TcpStream) -> (String, Value) {
        let mut seen = String::new();
        let mut buffer = [0; 4_096];
        loop {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "it ended early: {seen}");
            seen += std::str::from_utf8(&buffer[..read]).unwrap();
            let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.expect("a length").parse::<usize>().unwrap() {
                return (head.to_owned(), serde_json::from_str(body).unwrap());
            }
        }
    }

    fn spans(batch: &Value) -> Vec<Value> {
        batch["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    }

    /// Attributes by name, numbers as the texts that they are sent as.
    fn attributes(of: &Value) -> BTreeMap<String, String> {
        let all = of["attributes"].as_array().unwrap().iter();
        all.map(|one| {
            let value = one["value"].as_object().unwrap().values().next().unwrap();
            (one["key"].as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned())
        })
        .collect()
    }

    fn start(books: &Books, upstream: &Upstream, at: SocketAddr, flags: &[&str]) -> Gateway {
        let endpoint = format!("http://{at}");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector"),
            ("OTEL_SERVICE_NAME", "till"),
        ];
        Gateway::within(books, upstream.address(), flags, &environment)
    }

    #[test]
    fn every_request_is_a_span_with_what_it_took_and_nothing_that_was_said() {
        let (books, upstream) = (Books::new(), Upstream::new());
        let (at, told) = collector(&[200]);
        let gateway = start(&books, &upstream, at, &["--session-budget", "0.01usd"]);
        let headers = [
            ("x-api-key", SECRET),
            ("x-claude-code-session-id", "s-1"),
            ("x-claude-code-agent-id", "a-1"),
        ];
        assert_eq!(gateway.ask(&streaming("a secret plan", 500), &headers).status, 200);
        // $5 per million tokens: 4,000 of them, below which no cap is lowered, are $0.02.
        assert_eq!(gateway.ask(&request("a secret plan", 32_000), &headers).status, 429);
        let ended = gateway.stop();
        assert_eq!(ended.code, Some(0));
        let batches: Vec<(String, Value)> = told.try_iter().collect();
        let text = format!("{batches:?}");
        assert!(!text.contains(SECRET) && !text.contains("secret plan"), "{text}");
        assert!(!ended.log.join("\n").contains("of-the-collector"));
        let (head, first) = &batches[0];
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains("authorization: Bearer of-the-collector"), "{head}");
        let resource = attributes(&first["resourceSpans"][0]["resource"]);
        assert_eq!(resource["service.name"], "till");
        let spans: Vec<Value> = batches.iter().flat_map(|(_, batch)| spans(batch)).collect();
        assert_eq!(spans.len(), 2);
        let answered = attributes(&spans[0]);
        let bill = upstream.bill();
        for (name, value) in [
            ("gen_ai.operation.name", "chat".to_owned()),
            ("gen_ai.provider.name", "anthropic".to_owned()),
            ("gen_ai.request.model", "claude-haiku-4-5".to_owned()),
            ("gen_ai.conversation.id", "s-1".to_owned()),
            ("gen_ai.agent.id", "a-1".to_owned()),
            ("gen_ai.request.max_tokens", "500".to_owned()),
            ("gen_ai.usage.input_tokens", bill.usage.prompt().to_string()),
            ("gen_ai.usage.output_tokens", bill.usage.output.to_string()),
            ("gen_ai.usage.cache_read.input_tokens", "0".to_owned()),
            ("server.address", "127.0.0.1".to_owned()),
            ("server.port", upstream.address().port().to_string()),
            ("http.response.status_code", "200".to_owned()),
            ("flyball.ending", "complete".to_owned()),
            ("flyball.scope", "session s-1".to_owned()),
            ("flyball.charged_usd", bill.usd.to_decimal()),
            ("flyball.charged_picodollars", bill.usd.pico().to_string()),
        ] {
            assert_eq!(answered.get(name), Some(&value), "{name}");
        }
        assert!(answered["gen_ai.response.model"].starts_with("claude-haiku-4-5"));
        assert!(answered["flyball.attempt"].starts_with("gw-"));
        let reserved: i128 = answered["flyball.reserved_picodollars"].parse().unwrap();
        assert!(Picodollars::from_pico(reserved) > bill.usd);
        assert!(!answered.contains_key("error.type") && spans[0]["status"].is_null());
        let number = |name: &str| spans[0][name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(number("startTimeUnixNano") <= number("endTimeUnixNano"));
        assert_eq!(spans[0]["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(spans[0]["spanId"].as_str().unwrap().len(), 16);
        let denied = attributes(&spans[1]);
        assert_eq!(
            (&*denied["error.type"], &*denied["flyball.denial"]),
            ("exhausted", "exhausted")
        );
        assert_eq!(spans[1]["status"]["code"], 2);
        assert!(!denied.contains_key("flyball.charged_usd"));
    }

    #[test]
    fn a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
        for (statuses, posts, lost) in [(&[503, 200][..], 2, false), (&[400][..], 1, true)] {
            let (books, upstream) = (Books::new(), Upstream::new());
            let (at, told) = collector(statuses);
            let gateway = start(&books, &upstream, at, &[]);
            assert_eq!(gateway.ask(&request("x", 100), &[]).status, 200);
            let first = told.recv_timeout(PATIENCE).unwrap();
            if posts == 2 {
                // The same spans again.
                assert_eq!(told.recv_timeout(PATIENCE).unwrap().1, first.1);
            }
            let log = gateway.stop().log.join("\n");
            assert_eq!(told.try_iter().count(), 0);
            assert_eq!(log.contains("1 spans did not reach"), lost, "{log}");
        }
    }

    #[test]
    fn a_collector_that_is_not_there_keeps_nobody_waiting() {
        let (books, upstream) = (Books::new(), Upstream::new());
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gateway = start(&books, &upstream, closed, &[]);
        for _ in 0..20 {
            assert_eq!(gateway.ask(&request("x", 100), &[]).status, 200);
        }
        let ended = gateway.stop();
        assert_eq!(ended.code, Some(0));
        assert!(ended.log.join("\n").contains("did not reach their collector"));
        books.assert_all_settled();
    }

    #[test]
    fn an_address_or_headers_that_make_no_sense_are_said_at_the_start() {
        let books = Books::new();
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "no-value"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"),
        ] {
            let mut command = books.command(&["gateway", "--listen", "127.0.0.1:0"]);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env(name, value);
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(name), "{said}");
        }
    }
}
