//! The official SDKs of the Messages API, each in a process of its own, through a gateway before a
//! simulated upstream: what their callers see, how often they try, and what the ledger says of it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, Once, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stand::{Books, Gateway};
use crate::upstream::stand::Stand as Upstream;

/// Where the SDKs are, or `skip`: then tests that need them do nothing, and say so.
const CHOICE: &str = "FLYBALL_TEST_SDKS";

/// An SDK that does as it is told.
struct Sdk {
    name: &'static str,
    talk: Mutex<Talk>,
}

/// It ends when its orders do: with us, however that is.
struct Talk {
    _child: Child,
    _home: TempDir,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Sdk {
    fn start(name: &'static str, program: &Path, script: &str, modules: &Path) -> Self {
        let home = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/sdk").join(script);
        let mut child = Command::new(program)
            .arg(script)
            .env_clear()
            .env("HOME", home.path())
            .env("NODE_PATH", modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The one for Node shows there what it could not read.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let talk = Talk { _child: child, _home: home, orders, answers };
        Self { name, talk: Mutex::new(talk) }
    }

    /// Lets it `ask`, `stream`, use `tools` or `count`; what its caller sees.
    fn told(&self, what: &str, gateway: &Gateway, headers: &Value, text: &str) -> Value {
        let url = format!("http://{}", gateway.address());
        let order = json!({ "do": what, "url": url, "headers": headers, "text": text });
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(talk.orders, "{order}").unwrap();
        let mut line = String::new();
        talk.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} ended: {line}", self.name))
    }
}

/// Tries something with each SDK, side by side.
fn each(test: impl Fn(&Sdk) + Sync) {
    static SDKS: LazyLock<[Sdk; 2]> = LazyLock::new(|| {
        let folder = folder();
        let python = folder.join("python/bin/python");
        let modules = folder.join("node/node_modules");
        let node = node().filter(|_| modules.join("@anthropic-ai/sdk").exists());
        let (true, Some(node)) = (python.exists(), node) else {
            panic!(
                "the gateway is tested with the official SDKs for Python and Node, and they are not \
                 in {}: run `.ci/sdks {}` (it needs python3 with venv, node and npm), or set \
                 {CHOICE}=skip",
                folder.display(),
                folder.display()
            )
        };
        [
            Sdk::start("python", &python, "python/talk.py", &modules),
            Sdk::start("node", &node, "node/talk.cjs", &modules),
        ]
    });
    if !is_wanted() {
        return;
    }
    let test = &test;
    std::thread::scope(|scope| {
        for sdk in LazyLock::force(&SDKS) {
            scope.spawn(move || test(sdk));
        }
    });
}

fn is_wanted() -> bool {
    static TOLD: Once = Once::new();
    let skip = std::env::var(CHOICE).is_ok_and(|choice| choice == "skip");
    if skip {
        // Not captured by the harness.
        TOLD.call_once(|| {
            let told = format!("\n{CHOICE}=skip: tests with the official SDKs do nothing\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
        });
    }
    !skip
}

/// The folder of the SDKs: beside what cargo builds, unless it is named.
fn folder() -> PathBuf {
    match std::env::var_os(CHOICE) {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("sdks"),
    }
}

fn node() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.exists())
}

/// What an upstream, a gateway and the ledger make of it.
struct Outcome {
    told: Value,
    books: Books,
    upstream: Upstream,
    log: Vec<String>,
    /// What the gateway printed at its end.
    summary: String,
}

fn outcome(sdk: &Sdk, what: &str, flags: &[&str], headers: &Value, text: &str) -> Outcome {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, flags);
    let told = sdk.told(what, &gateway, headers, text);
    let ended = gateway.stop();
    assert_eq!(ended.code, Some(0), "{}: {:?}", sdk.name, ended.log);
    books.assert_all_settled();
    Outcome { told, books, upstream, log: ended.log, summary: ended.stdout }
}

#[test]
fn what_they_ask_costs_what_the_upstream_billed() {
    each(|sdk| {
        for (what, requests) in [("ask", 1), ("stream", 1), ("tools", 2)] {
            let text = concat!(
                r#"@simulate {"tool":"look","input":{"part":3}} @simulate {"text":"done"} "#,
                r#"@simulate {"output_tokens":20}"#
            );
            let Outcome { told, books, upstream, log, .. } =
                outcome(sdk, what, &[], &json!({}), text);
            assert_eq!(told["text"], "done", "{} {what}: {told} {log:?}", sdk.name);
            assert_eq!(told["stop_reason"], "end_turn", "{} {what}", sdk.name);
            let bill = upstream.bill();
            assert_eq!(bill.requests, requests, "{} {what}", sdk.name);
            assert!(!books.spent().is_zero());
            assert_eq!(books.spent(), bill.usd, "{} {what}: {log:?}", sdk.name);
            if what == "tools" {
                assert_eq!(told["first"], "tool_use", "{}", sdk.name);
                assert_eq!(told["called"], json!([{ "part": 3 }]), "{}", sdk.name);
            }
            if what == "stream" {
                assert_eq!(told["seen"], "done", "{}", sdk.name);
            }
        }
    });
}

#[test]
fn they_count_tokens_for_nothing_even_where_nothing_is_left() {
    each(|sdk| {
        let flags = ["--session-budget", "0.000001usd"];
        let run = json!({ "x-flyball-run": "nightly" });
        let Outcome { told, books, upstream, .. } = outcome(sdk, "count", &flags, &run, "Count");
        assert_eq!(told, json!({ "tokens": 2 }), "{}", sdk.name);
        assert_eq!(upstream.bill().token_counts, 1);
        assert!(books.scopes().iter().all(|row| row.settled.usd.is_zero()), "{}", sdk.name);
    });
}

#[test]
fn a_refusal_stops_them_at_once_and_says_why() {
    each(|sdk| {
        for what in ["ask", "stream"] {
            let flags = ["--session-budget", "0.0001usd"];
            let run = json!({ "x-flyball-run": "nightly" });
            let Outcome { told, upstream, log, .. } = outcome(sdk, what, &flags, &run, "x");
            assert_eq!((&told["error"], &told["status"]), (&json!("RateLimitError"), &json!(429)));
            let message = told["message"].as_str().unwrap();
            assert!(message.contains("flyball: spend limit reached"), "{message}");
            assert!(message.contains("run nightly has spent $0.0000 of $0.0001"), "{message}");
            let refused = log.iter().filter(|line| line.starts_with("exhausted 429")).count();
            assert_eq!(refused, 1, "{} {what}: {log:?}", sdk.name);
            assert_eq!(upstream.bill().requests, 0, "{} {what}", sdk.name);
        }
    });
}

#[test]
fn each_try_at_an_overloaded_upstream_is_an_attempt_that_costs_nothing() {
    each(|sdk| {
        let fault = json!({ "x-simulate-fault": "status-529" });
        let Outcome { told, books, upstream, .. } = outcome(sdk, "stream", &[], &fault, "x");
        assert_eq!((&told["error"], &told["status"]), (&json!("OverloadedError"), &json!(529)));
        assert_eq!(books.kinds(), ["reserve", "settle"].repeat(3), "{}", sdk.name);
        assert_eq!(upstream.bill().endings.refused, 3, "{}", sdk.name);
        assert_eq!(books.org().settled.requests, 3, "{}", sdk.name);
        assert!(books.spent().is_zero() && upstream.bill().usd.is_zero(), "{}", sdk.name);
    });
}

/// What a caller of an SDK sees of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The whole answer.
    Answer,
    /// Half of an answer, and no error.
    Half,
    /// An exception.
    Error,
}

/// What is seen in Python and in Node, how many attempts there are, and how each ends in the ledger.
const FAULTS: [(&str, [Seen; 2], usize, &str); 11] = [
    ("status-400", [Seen::Error, Seen::Error], 1, "settle"),
    ("error-mid-stream", [Seen::Error, Seen::Error], 1, "expire"),
    ("reset", [Seen::Error, Seen::Error], 1, "expire"),
    ("close-early", [Seen::Error, Seen::Error], 3, "expire"),
    ("truncate", [Seen::Half, Seen::Error], 1, "expire"),
    ("drip", [Seen::Answer, Seen::Answer], 1, "settle"),
    ("usage-over", [Seen::Answer, Seen::Answer], 1, "overrun"),
    ("usage-disagree", [Seen::Answer, Seen::Answer], 1, "settle"),
    ("bad-sse", [Seen::Error, Seen::Error], 1, "settle"),
    ("no-usage", [Seen::Error, Seen::Error], 1, "expire"),
    // Not a fault: how the table would see that nothing went wrong.
    ("", [Seen::Answer, Seen::Answer], 1, "settle"),
];

#[test]
fn a_fault_is_one_attempt_for_each_try_and_nothing_stays_reserved() {
    each(|sdk| {
        for (fault, seen, attempts, ending) in FAULTS {
            let headers =
                if fault.is_empty() { json!({}) } else { json!({ "x-simulate-fault": fault }) };
            let Outcome { told, books, upstream, log, summary } =
                outcome(sdk, "stream", &[], &headers, "x");
            let context = format!("{} {fault}: {told} {log:?}", sdk.name);
            let is = match (&told["error"], &told["stop_reason"]) {
                (Value::String(_), _) => Seen::Error,
                (_, Value::String(_)) => Seen::Answer,
                _ => Seen::Half,
            };
            assert_eq!(is, seen[usize::from(sdk.name == "node")], "{context}");
            let kinds = books.kinds();
            let of = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
            assert_eq!((of("reserve"), of(ending)), (attempts, attempts), "{kinds:?} {context}");
            assert!(books.spent() >= upstream.bill().usd, "{context}");
            let charged = format!("charged {}\n", books.spent());
            assert!(summary.contains(&charged), "{charged}{summary} {context}");
            if ending == "settle" && fault != "usage-disagree" {
                assert_eq!(books.spent(), upstream.bill().usd, "{context}");
            }
        }
    });
}
