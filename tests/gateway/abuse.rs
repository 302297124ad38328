//! Clients that mean no good: nothing crashes, nothing stays reserved, nothing is said aloud.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::stand::{Books, Gateway, request};
use crate::upstream::client::send;
use crate::upstream::stand::Stand as Upstream;

const SECRET: &str = "sk-ant-never-to-be-seen";

/// Sends bytes as they are; what came back.
fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _refused = stream.write_all(bytes);
    let mut text = Vec::new();
    let _reset = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn nonsense_is_refused_and_the_gateway_goes_on() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let post = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (name, bytes, expected) in [
        ("no http", "hello\r\n\r\n".to_owned(), "400"),
        (
            "a newline in a header",
            format!("{post}x-claude-code-session-id: a\r\n b\r\n\r\n"),
            "400",
        ),
        ("a header without a name", format!("{post}: x\r\n\r\n"), "400"),
        ("headers without an end", format!("{post}x-long: {}\r\n\r\n", "a".repeat(200_000)), "431"),
        (
            "two lengths",
            format!("{post}content-length: 3\r\ncontent-length: 5\r\n\r\nabcde"),
            "400",
        ),
        ("an empty body", format!("{post}content-length: 0\r\n\r\n"), "400"),
        ("no json", format!("{post}content-length: 3\r\n\r\n{{{{{{"), "400"),
        (
            "a huge body that is only announced",
            format!("{post}content-length: 104857600\r\n\r\n{{"),
            "413",
        ),
        (
            "a long session",
            format!(
                "{post}x-claude-code-session-id: {}\r\ncontent-length: 2\r\n\r\n{{}}",
                "s".repeat(500)
            ),
            "400",
        ),
    ] {
        let answer = raw(&gateway, bytes.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{name}: {answer}");
    }
    let deep = format!(
        r#"{{"model":"claude-haiku-4-5","max_tokens":9,"messages":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let answer = send(gateway.address(), "POST /v1/messages", &[], Some(deep.as_bytes())).receive();
    assert!(answer.status == 400 || answer.status == 200, "{}", answer.status);
    assert_eq!(gateway.ask(&request("x", 100), &[]).status, 200);
    assert_eq!(gateway.stop().code, Some(0));
    books.assert_all_settled();
}

#[test]
fn no_key_and_no_word_of_a_prompt_is_said_aloud_or_kept() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--session-budget", "1usd"]);
    let bearer = format!("Bearer {SECRET}");
    let headers = [("x-api-key", SECRET), ("authorization", bearer.as_str())];
    gateway.ask(&request("a secret plan", 500), &headers);
    let mut wrong = request("a secret plan", 500);
    wrong["model"] = "nobody".into();
    gateway.ask(&wrong, &headers);
    gateway.ask(
        &request("a secret plan", 500),
        &[("x-api-key", SECRET), ("x-simulate-fault", "reset")],
    );
    let metrics = gateway.raw("GET /metrics", None).text();
    let ended = gateway.stop();
    let kept = std::fs::read(books.path()).unwrap();
    let everything =
        [ended.log.join("\n"), ended.stdout, metrics, String::from_utf8_lossy(&kept).into()];
    for text in everything {
        assert!(!text.contains(SECRET) && !text.contains("secret plan"), "{text}");
    }
}

#[test]
fn whoever_has_no_key_of_the_gateway_is_not_let_in() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let key = books.run(&["gateway", "keys", "add", "ann", "--project", "shop"]);
    let key = key.trim();
    let revoked = books.run(&["gateway", "keys", "add", "bob"]);
    books.run(&["gateway", "keys", "revoke", "bob"]);
    let gateway = Gateway::start(&books, &upstream, &["--ask-keys"]);
    let body = request("x", 500);
    for wrong in ["", "flyball-00", SECRET, revoked.trim()] {
        let refused = gateway.ask(&body, &[("x-api-key", wrong)]);
        assert_eq!(refused.status, 401, "{wrong}");
        assert_eq!(refused.json()["error"]["type"], "authentication_error");
    }
    assert_eq!(gateway.raw("GET /metrics", None).status, 401);
    assert_eq!(gateway.raw("GET /health", None).status, 200);
    assert_eq!(gateway.ask(&body, &[("x-api-key", key)]).status, 200);
    let bearer = format!("Bearer {key}");
    assert_eq!(gateway.ask(&body, &[("authorization", &bearer)]).status, 200);
    let ended = gateway.stop();
    assert!(!ended.log.join("\n").contains(key));
    let paths: Vec<String> = books.scopes().iter().map(|row| row.path.to_string()).collect();
    assert!(paths.contains(&"org / project shop / no session of ann".to_owned()), "{paths:?}");
    let listed = books.run(&["gateway", "keys", "list"]);
    assert!(listed.contains("ann") && listed.contains("bob") && !listed.contains(key), "{listed}");
}

#[test]
fn a_running_gateway_minds_keys_that_come_and_go() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--ask-keys"]);
    let key = books.run(&["gateway", "keys", "add", "ann", "--project", "shop"]);
    let ask = || gateway.ask(&request("x", 500), &[("x-api-key", key.trim())]).status;
    gateway.wait_for("the keys of callers have changed");
    assert_eq!(ask(), 200);
    // What cannot be read lets nobody in who was not, and keeps nobody out who was.
    let file = books.path().with_file_name(".local/state/flyball/gateway-keys.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "{").unwrap();
    gateway.wait_for("the keys of callers stay as they were");
    assert_eq!(ask(), 200);
    std::fs::write(&file, kept).unwrap();
    books.run(&["gateway", "keys", "revoke", "ann"]);
    gateway.wait_for("the keys of callers have changed");
    assert_eq!(ask(), 401);
}

#[test]
fn many_connections_that_say_nothing_keep_nobody_out() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--quiet"]);
    let silent: Vec<TcpStream> = (0..400)
        .map(|number| {
            let mut stream = TcpStream::connect(gateway.address()).unwrap();
            if number % 2 == 0 {
                stream.write_all(b"POST /v1/messages HTTP/1.1\r\nhost:").unwrap();
            }
            stream
        })
        .collect();
    assert_eq!(gateway.ask(&request("x", 100), &[]).status, 200);
    drop(silent);
    assert_eq!(gateway.stop().code, Some(0));
}

#[test]
fn the_command_line_refuses_what_would_let_anybody_spend() {
    let books = Books::new();
    for (flags, words) in [
        (&["gateway", "--listen", "0.0.0.0:0"][..], "not a loopback address"),
        (&["gateway", "--upstream", "ftp://x"][..], "is not an upstream"),
        (&["gateway", "--allow-remote"][..], "--ask-keys"),
        (&["gateway", "--output-cap", "100"][..], "is not a number of output tokens"),
        (&["gateway", "--session-budget", "5%week"][..], "cannot be held"),
    ] {
        let (code, text) = books.fails(flags);
        assert_eq!(code, Some(2), "{flags:?}: {text}");
        assert!(text.contains(words), "{flags:?}: {text}");
    }
}
