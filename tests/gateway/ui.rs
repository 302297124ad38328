//! The live page: who is let in, what it shows, and what can be done there.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::plan_windows;
use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::client::{Response, Sent, send};
use crate::upstream::stand::Stand as Upstream;

/// A browser that was let in.
struct Browser<'a> {
    gateway: &'a Gateway,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn of(gateway: &'a Gateway) -> Self {
        let opened = gateway.raw(&format!("GET /ui?token={}", gateway.token()), None);
        assert_eq!((opened.status, opened.header("location").as_deref()), (303, Some("/ui")));
        let cookie = opened.header("set-cookie").unwrap();
        Self { gateway, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path}"), &[], None).receive()
    }

    fn send(&self, line: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Sent {
        let headers = [headers, &[("cookie", &*self.cookie)]].concat();
        send(self.gateway.address(), line, &headers, body)
    }

    /// Acts as the page does; the status and what was wrong.
    fn act(&self, action: &Value) -> (u16, Value) {
        let origin = format!("http://{}", self.gateway.address());
        let headers = [("origin", &*origin), ("content-type", "application/json")];
        let answer = self.post(&headers, action);
        (answer.status, answer.json()["error"].clone())
    }

    fn post(&self, headers: &[(&str, &str)], action: &Value) -> Response {
        self.send("POST /ui/act", headers, Some(action.to_string().as_bytes())).receive()
    }

    fn watch(&self) -> Watch {
        Watch { sent: self.send("GET /ui/events", &[], None), seen: String::new() }
    }
}

/// A stream of snapshots.
struct Watch {
    sent: Sent,
    seen: String,
}

impl Watch {
    fn next(&mut self) -> Value {
        let begin = "event: snapshot\ndata: ";
        self.sent.read_until(&mut self.seen, begin);
        let rest = self.seen.split_off(self.seen.find(begin).unwrap() + begin.len());
        self.seen = rest;
        self.sent.read_until(&mut self.seen, "\n\n");
        let rest = self.seen.split_off(self.seen.find("\n\n").unwrap());
        let data = std::mem::replace(&mut self.seen, rest);
        serde_json::from_str(&data).unwrap()
    }

    /// The first snapshot that `is_it`.
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let snapshot = self.next();
            if is_it(&snapshot) {
                return snapshot;
            }
        }
    }
}

const NIGHTLY: &str = "org / project shop / run nightly";

#[test]
fn nobody_is_let_in_without_the_token() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let token = gateway.token();
    assert_eq!(token.len(), 48);
    let wrong = token.replace(|digit: char| digit != '0', "0");
    for path in ["/ui", "/ui/", "/ui/events", "/ui/nothing", &format!("/ui?token={wrong}")] {
        let locked = gateway.raw(&format!("GET {path}"), None);
        assert_eq!(locked.status, 401, "{path}");
        assert!(locked.text().contains("flyball: watch it at"), "{}", locked.text());
    }
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let action = json!({ "act": "stop", "account": NIGHTLY }).to_string();
    let acted = send(gateway.address(), "POST /ui/act", &headers, Some(action.as_bytes()));
    assert_eq!(acted.receive().status, 401);
}

#[test]
fn the_token_leaves_the_address_for_a_cookie_that_no_script_reads() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let token = gateway.token();
    let opened = gateway.raw(&format!("GET /ui?token={token}"), None);
    assert_eq!((opened.status, opened.header("location").as_deref()), (303, Some("/ui")));
    let port = gateway.address().port();
    assert_eq!(
        opened.header("set-cookie"),
        Some(format!("flyball-{port}={token}; Path=/ui; HttpOnly; SameSite=Strict"))
    );
    let cookie = format!("other=1; flyball-{port}={token}");
    let page = send(gateway.address(), "GET /ui", &[("cookie", &*cookie)], None).receive();
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Runs and sessions"));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name).as_deref(), Some(value));
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    gateway.ask(&request("x", 100), &[]);
    let ended = gateway.stop();
    assert!(!ended.log.iter().any(|line| line.contains(&token)), "{:?}", ended.log);
}

#[test]
fn only_names_of_this_machine_lead_to_it() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let token = gateway.token();
    let status = |host: &str| {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        let head = format!("GET /ui?token={token} HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for host in ["localhost", "LOCALHOST:8787", "127.0.0.1:1", "127.9.9.9", "[::1]:8787", "[::1]"] {
        assert_eq!(status(&format!("host: {host}\r\n")), 303, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1"]
    {
        assert_eq!(status(&format!("host: {host}\r\n")), 421, "{host}");
    }
    assert_eq!(status(""), 421);
    assert_eq!(status("host: localhost\r\nhost: evil.example\r\n"), 421);
}

#[test]
fn pages_of_other_sites_can_do_nothing() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--project", "shop"]);
    let browser = Browser::of(&gateway);
    gateway.ask(&request("x", 100), &[("x-flyball-run", "nightly")]);
    let own = format!("http://{}", gateway.address());
    let json = ("content-type", "application/json");
    let action = json!({ "act": "pause", "account": NIGHTLY });
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[json], 403),
        (&[json, ("origin", "http://evil.example")], 403),
        (&[json, ("origin", "null")], 403),
        (&[json, ("origin", "http://127.0.0.1:1")], 403),
        (&[json, ("origin", &own), ("sec-fetch-site", "cross-site")], 403),
        (&[json, ("sec-fetch-site", "same-site")], 403),
        (&[("origin", &own), ("content-type", "text/plain")], 415),
    ];
    for (headers, status) in cases {
        assert_eq!(browser.post(headers, &action).status, status, "{headers:?}");
    }
    let watched = browser.send("GET /ui/events", &[("sec-fetch-site", "cross-site")], None);
    assert_eq!(watched.receive().status, 403);
    assert!(!books.run(&["runs", "charged"]).contains("paused"));
    assert_eq!(browser.post(&[json, ("sec-fetch-site", "same-origin")], &action).status, 200);
    assert!(books.run(&["runs", "charged"]).contains("paused"));
}

#[test]
fn a_snapshot_has_what_the_ledger_has_and_neither_prompts_nor_keys() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "org", "20usd"]);
    let flags = ["--session-budget", "0.5usd", "--project", "shop"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let mut watch = Browser::of(&gateway).watch();
    let first = watch.next();
    assert_eq!(first["version"], 1);
    assert_eq!(first["trouble"], Value::Null);
    assert_eq!(first["since_start"]["requests"], 0);
    assert_eq!(first["accounts"]["budgets"][0]["name"], "org");
    assert_eq!(first["accounts"]["budgets"][0]["units"][0]["left"], "20");
    assert_eq!(first["accounts"]["runs"], json!([]));

    let headers = [("x-flyball-run", "nightly"), ("x-api-key", "sk-very-secret")];
    assert_eq!(gateway.ask(&request("a private prompt", 500), &headers).status, 200);
    let mut unpriced = request("x", 100);
    unpriced["model"] = "claude-nobody-7".into();
    assert_eq!(gateway.ask(&unpriced, &headers).status, 429);
    let billed = upstream.bill().usd;
    let decimal = billed.to_decimal();
    let settled = |snapshot: &Value| {
        let run = &snapshot["accounts"]["runs"][0];
        run["units"][0]["settled"] == *decimal && snapshot["denials"][0]["ending"] == "unpriced"
    };
    let then = watch.until(settled);
    let run = &then["accounts"]["runs"][0];
    assert_eq!((&run["id"], &run["name"]), (&json!(NIGHTLY), &json!("run nightly in shop")));
    let usd = &run["units"][0];
    assert_eq!((&usd["unit"], &usd["limit"]), (&json!("usd"), &json!("0.5")));
    assert_eq!(usd["reserved"], "0");
    let limit: flyball::money::Picodollars = "0.5".parse().unwrap();
    assert_eq!(usd["left"], (limit - billed).to_decimal());
    assert_eq!(then["since_start"]["charged_usd"], *decimal);
    assert_eq!(then["now"], json!({ "in_flight": 0, "waiting": 0 }));
    let request = &then["requests"][1];
    assert_eq!((&request["ending"], &request["run"]), (&json!("complete"), &json!("nightly")));
    assert_eq!(request["charged_usd"], *decimal);
    assert!(then["denials"][0]["note"].as_str().unwrap().contains("claude-nobody-7"));
    let text = then.to_string();
    assert!(!text.contains("private prompt") && !text.contains("sk-very-secret"), "{text}");
}

#[test]
fn plan_windows_are_shown_as_the_last_answer_said() {
    let (books, upstream) = (Books::new(), plan_windows::upstream(&["5h=62%"]));
    books.run(&["budget", "set", "--plan", "pro", "--five-hour", "80%"]);
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut watch = Browser::of(&gateway).watch();
    let first = &watch.next()["accounts"]["plan_windows"];
    assert_eq!(first[0]["limit_milli_percent"], 80_000);
    assert_eq!((&first[0]["account"], &first[0]["seen_at"]), (&Value::Null, &Value::Null));
    assert_eq!(gateway.ask(&request("x", 100), &[("x-api-key", "sk-mine")]).status, 200);
    let is_seen = |snapshot: &Value| !snapshot["accounts"]["plan_windows"][0]["seen_at"].is_null();
    let then = &watch.until(is_seen)["accounts"]["plan_windows"][0];
    assert_eq!((&then["window"], &then["used_milli_percent"]), (&json!("5h"), &json!(62_000)));
    assert!(then["resets_at"].is_string() && then["account"].is_string(), "{then}");
}

#[test]
fn what_is_in_flight_and_what_waits_is_seen_at_once_and_a_raise_lets_it_go_on() {
    let (books, upstream) = (Books::new(), Upstream::new());
    // Haiku 4.5: 64,000 tokens of answer are $0.32; the second fits once the budget is raised.
    let flags = ["--session-budget", "0.4usd", "--output-cap", "64000", "--project", "shop"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let browser = Browser::of(&gateway);
    let named = [("x-flyball-run", "nightly"), ("x-simulate-fault", "stall")];
    let mut first = gateway.send(&streaming("x", 64_000), &named);
    first.read_some(200);
    let second = gateway.send(&request("y", 64_000), &[("x-flyball-run", "nightly")]);
    let mut watch = browser.watch();
    let held = watch.until(|snapshot| snapshot["now"] == json!({ "in_flight": 1, "waiting": 1 }));
    assert_ne!(held["accounts"]["runs"][0]["units"][0]["reserved"], "0");
    let raise = json!({ "act": "raise", "account": NIGHTLY, "amount": "1usd" });
    assert_eq!(browser.act(&raise), (200, Value::Null));
    assert_eq!(second.receive().status, 200);
    watch.until(|snapshot| snapshot["accounts"]["runs"][0]["units"][0]["limit"] == "1.4");
    gateway.kill();
}

#[test]
fn a_run_is_paused_resumed_and_stopped() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--project", "shop"]);
    let browser = Browser::of(&gateway);
    let of = [("x-flyball-run", "nightly")];
    let act = |act: &str| browser.act(&json!({ "act": act, "account": NIGHTLY }));
    assert_eq!(gateway.ask(&request("x", 500), &of).status, 200);
    assert_eq!(act("pause"), (200, Value::Null));
    let mut watch = browser.watch();
    assert_eq!(watch.next()["accounts"]["runs"][0]["paused"], true);
    let waiting = gateway.send(&request("y", 500), &of);
    watch.until(|snapshot| snapshot["now"]["waiting"] == 1);
    assert_eq!(act("resume"), (200, Value::Null));
    assert_eq!(waiting.receive().status, 200);
    assert_eq!(act("stop"), (200, Value::Null));
    let refused = gateway.ask(&request("z", 500), &of);
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn what_cannot_be_done_is_said() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--project", "shop"]);
    let browser = Browser::of(&gateway);
    gateway.ask(&request("x", 500), &[("x-flyball-run", "nightly")]);
    let raise = |account: &str, amount: &str| {
        browser.act(&json!({ "act": "raise", "account": account, "amount": amount }))
    };
    for (account, amount, why) in [
        (NIGHTLY, "5", "has no unit"),
        (NIGHTLY, "5usd", "has no limit that 5usd could raise"),
        (NIGHTLY, "8%week", "cannot be held"),
        ("org", "5usd", "no such run"),
        ("org / project shop / run nobody", "5usd", "no such run"),
    ] {
        let (status, said) = raise(account, amount);
        assert_eq!(status, 422, "{said}");
        assert!(said.as_str().unwrap().contains(why), "{said}");
    }
    assert_eq!(browser.act(&json!({ "act": "explode", "account": NIGHTLY })).0, 400);
    let long = json!({ "act": "pause", "account": "x".repeat(5_000) });
    assert_eq!(browser.act(&long).0, 413);
}

#[test]
fn so_many_watch_and_no_gateway_waits_for_them() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let browser = Browser::of(&gateway);
    let mut watches: Vec<Watch> = (0..16).map(|_| browser.watch()).collect();
    for watch in &mut watches {
        watch.next();
    }
    let refused = browser.get("/ui/events");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("too many watch"), "{}", refused.text());
    drop(browser);
    assert_eq!(gateway.stop().code, Some(0));
}

#[test]
fn there_is_no_page_where_none_is_wanted() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--no-ui"]);
    for path in ["/ui", "/ui/events", "/ui/page.js"] {
        assert_eq!(gateway.raw(&format!("GET {path}"), None).status, 404, "{path}");
    }
    assert_eq!(gateway.ask(&request("x", 100), &[]).status, 200);
    let ended = gateway.stop();
    assert!(!ended.log.iter().any(|line| line.contains("watch it")), "{:?}", ended.log);
}

#[test]
fn the_page_asks_nobody_else_and_sets_what_it_is_told_as_text() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let browser = Browser::of(&gateway);
    for (path, media) in [
        ("/ui", "text/html"),
        ("/ui/style.css", "text/css"),
        ("/ui/page.js", "text/javascript"),
        ("/ui/chart.js", "text/javascript"),
        ("/ui/words.js", "text/javascript"),
        ("/ui/icon.svg", "image/svg+xml"),
    ] {
        let file = browser.get(path);
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").unwrap().starts_with(media), "{path}");
        // The name of a vocabulary, which nobody asks for.
        let text = file.text().replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "\"//", "'//", "@import", "url("] {
            assert!(!text.contains(foreign), "{path} has {foreign}");
        }
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(markup), "{path} has {markup}");
        }
        for inline in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
    }
}
