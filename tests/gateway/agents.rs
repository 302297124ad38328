//! Runs whose agents talk to the API: `flyball run --agents messages` through the gateway within it,
//! before a simulated upstream.

use flyball::money::Picodollars;
use serde_json::Value;

use super::canned::{Canned, Got, refusal, reply};
use super::stand::Books;
use crate::ledger::postgres::server::{is_wanted, shared};
use crate::upstream::stand::{Stand as Upstream, config};

const KEY: &str = "sk-ant-of-the-agents";

/// A folder with a workflow in it.
struct Folder {
    books: Books,
}

impl Folder {
    /// `agents` is the body of the script, which returns what agents answered.
    fn with(agents: &str) -> Self {
        Self::of(Books::new(), agents)
    }

    fn of(books: Books, agents: &str) -> Self {
        let meta = "export const meta = { name: 'ask', description: 'asks', phases: [] }\n\
                    const risks = { type: 'object', additionalProperties: false, \
                    required: ['risks'], properties: { risks: { type: 'array', minItems: 1, \
                    items: { type: 'string' } } } }\n";
        let script = format!("{meta}{agents}");
        std::fs::write(books.path().with_file_name("ask.js"), script).unwrap();
        Self { books }
    }

    /// Exit code, report, and what it said.
    fn run(&self, upstream: &str, flags: &[&str]) -> (i32, Value, String) {
        let arguments =
            [&["run", "ask.js", "--agents", "messages", "--upstream", upstream], flags].concat();
        let out = ["--model", "claude-haiku-4-5", "--samples", "5", "--yes", "--format", "json"];
        let mut command = self.books.command(&[&arguments[..], &out[..]].concat());
        let output = command.env("ANTHROPIC_API_KEY", KEY).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains(KEY) && !text.contains(KEY));
        let report = serde_json::from_str(&text).unwrap_or(Value::Null);
        (output.status.code().unwrap(), report, said)
    }

    /// A run that came to its end: all three who count agree on what it took.
    fn agreed(&self, upstream: &Upstream, flags: &[&str]) -> (i32, Value, Picodollars) {
        let (code, report, said) = self.run(&url(upstream), flags);
        assert!(report.is_object(), "{said}");
        let spent = self.books.spent();
        assert_eq!(report["cost_usd"]["spent"], serde_json::to_value(spent).unwrap(), "{said}");
        self.books.assert_all_settled();
        self.books.run(&["ledger", "verify"]);
        (code, report, spent)
    }
}

fn url(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address())
}

/// What the script returned.
fn returned(report: &Value) -> Value {
    serde_json::from_str(report["result"]["value"].as_str().expect("a value")).unwrap()
}

#[test]
fn agents_answer_over_http_and_what_they_take_is_counted_once() {
    let upstream = Upstream::new();
    let folder = Folder::with(
        "const all = await parallel([1, 2, 3].map((part) => () => agent(`risks of part ${part}`, \
         { label: `part:${part}`, schema: risks })))\n\
         return { all, words: await agent(`sum up ${JSON.stringify(all)}`) }",
    );
    let (code, report, spent) = folder.agreed(&upstream, &["--budget", "1usd"]);
    assert_eq!(code, 0);
    assert_eq!(upstream.bill().usd, spent);
    assert_eq!((&report["simulated"], &report["agents"]["done"]), (&false.into(), &4.into()));
    let value = returned(&report);
    for one in value["all"].as_array().unwrap() {
        assert!(one["risks"][0].is_string(), "{one}");
    }
    assert!(value["words"].as_str().unwrap().len() > 10);
    let run = report["run_id"].as_str().unwrap();
    let charged = folder.books.run(&["runs", "charged"]);
    assert!(charged.contains(run), "{charged}");
    let shown = folder.books.run(&["runs", "show", run]);
    assert!(shown.contains("4 agents: 4 done"), "{shown}");
    assert_eq!(folder.books.org().settled.requests, 4);
}

/// $0.10 is the smaller of a budget of the organisation and one of the run.
fn a_dime_holds(books: Books, org: &str, run: &str) {
    books.run(&["budget", "set", "org", org]);
    let upstream = Upstream::new();
    let folder = Folder::of(
        books,
        "const all = []\nfor (let part = 0; part < 40; part += 1) {\n  try { all.push(await agent(\
         `part ${part} @simulate {\"output_tokens\":4000}`)) } catch (error) { return error.name }\n}\nreturn all",
    );
    let (code, report, spent) = folder.agreed(&upstream, &["--budget", run]);
    assert_eq!(code, 4, "{report}");
    // Of which more than half was of use.
    let limit = Picodollars::from_pico(100_000_000_000);
    assert!(spent <= limit && spent.scale_ceil(2, 1) > limit, "{spent}");
    assert_eq!(upstream.bill().usd, spent);
    assert_eq!(returned(&report), "WorkflowBudgetExceededError");
}

#[test]
fn a_budget_holds_over_http() {
    a_dime_holds(Books::new(), "1usd", "0.1usd");
    a_dime_holds(Books::new(), "0.1usd", "1usd");
}

#[test]
fn a_budget_in_a_database_holds_over_http() {
    if is_wanted() {
        a_dime_holds(Books::at(shared().database().url()), "0.1usd", "1usd");
    }
}

/// The run's own sums are made in memory, those of the ledger by the gateway.
#[test]
fn a_run_in_a_workspace_of_the_us_is_counted_at_its_price() {
    let mut in_us = config(7);
    in_us.in_us = true;
    let upstream = Upstream::of(in_us);
    let folder = Folder::with(
        "const told = await parallel([1, 2, 3].map((part) => () => agent(`part ${part} @simulate \
         {\"text\":\"go further\"}`, { model: 'claude-haiku-5-5' })))\n\
         // No plan has seen this one.\n\
         return told[0] === 'go further' && await agent('and now?', \
         { label: 'further', model: 'claude-haiku-5-5' })",
    );
    let (code, report, spent) = folder.agreed(&upstream, &["--budget", "1usd"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(upstream.bill().usd, spent);
    assert_eq!(report["agents"]["done"], 4, "{report}");
}

/// A repository's settings lower what holds a run that pays. They take no budget's place, and decide
/// nothing of how it is judged.
#[test]
fn a_repositorys_settings_loosen_nothing_that_pays() {
    let upstream = Upstream::new();
    let folder = Folder::with("return await agent('anything')");
    let beside = |name: &str, text: &str| {
        let path = folder.books.path().with_file_name(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let policy = beside("own.toml", "schema = 1\nname = \"own\"\n[budget]\nrun = \"$0.0001\"\n");
    beside(".config/flyball/flyball.toml", &format!("policy = {policy:?}\n"));
    for budget in ["90000agents", "1000usd"] {
        beside("flyball.toml", &format!("budget = \"{budget}\"\nsamples = 1\nseed = 33\n"));
        let (code, report, said) = folder.run(&url(&upstream), &[]);
        assert_eq!(code, 4, "{budget}: {said}");
        assert_eq!(report["cost_usd"]["limit"], "0.0001");
    }
    assert_eq!(upstream.bill().requests, 0);
}

#[test]
fn every_agent_works_at_the_effort_that_it_asks_for() {
    let upstream = Canned::new(vec![refusal("400 Bad Request", &[]); 3]);
    let at = format!("http://{}", upstream.address());
    let folder = Folder::with(
        "for (const effort of ['low', 'max', 'max']) {\n\
         await agent('x', { label: 'one', effort, model: 'claude-haiku-5-5' })\n}",
    );
    let (_, report, said) = folder.run(&at, &["--budget", "5usd"]);
    assert_eq!(report["agents"]["failed"], 3, "{said}");
    let effort = |got: &Got| -> Value {
        serde_json::from_str::<Value>(&got.body).unwrap()["output_config"]["effort"].clone()
    };
    assert_eq!(upstream.got().iter().map(effort).collect::<Vec<_>>(), ["low", "max", "max"]);
}

#[test]
fn a_budget_of_the_day_holds_a_run_that_has_none_of_its_own() {
    let upstream = Upstream::new();
    let folder = Folder::with("return await agent('anything')");
    folder.books.run(&["budget", "set", "day", "0.0001usd"]);
    let (code, report, said) = folder.run(&url(&upstream), &[]);
    assert_eq!(code, 4, "{said}");
    assert_eq!(report["agents"]["denied"], 1);
    assert_eq!(upstream.bill().requests, 0);
}

#[test]
fn requests_that_come_to_nothing_are_sent_again_and_charged_as_the_ledger_says() {
    for (fault, sent, lost) in [
        ("status-529", 2, 0),
        ("status-500", 2, 0),
        ("error-mid-stream", 2, 1),
        ("truncate", 2, 1),
        ("drip", 1, 0),
    ] {
        let upstream = Upstream::new();
        let prompt = format!("x @simulate {{\"fault\":\"{fault}\",\"times\":1}}");
        let folder = Folder::with(&format!("return await agent({prompt:?})"));
        let (code, report, _) = folder.agreed(&upstream, &["--budget", "1usd"]);
        assert_eq!(code, 0, "{fault}: {report}");
        assert_eq!(report["agents"]["done"], 1, "{fault}");
        assert_eq!(report["requests"]["expired"], lost, "{fault}");
        assert_eq!(upstream.bill().requests, sent, "{fault}");
        let kinds = folder.books.kinds();
        let expired = kinds.iter().filter(|kind| *kind == "expire").count();
        assert_eq!(expired, usize::try_from(lost).unwrap(), "{fault}: {kinds:?}");
    }
}

/// A load balancer says 503 as the gateway does without a ledger; but this one was sent.
#[test]
fn what_was_sent_is_charged_to_the_run_too() {
    let balancer = reply("503 Busy", &["content-type: text/html"], "<h1>busy</h1>");
    let upstream = Canned::new(vec![balancer, refusal("400 Bad Request", &[])]);
    let folder = Folder::with("return await agent('x')");
    let at = format!("http://{}", upstream.address());
    let (code, report, said) = folder.run(&at, &["--budget", "1usd"]);
    assert_eq!((code, upstream.got().len()), (7, 2), "{said}");
    assert_eq!(report["requests"]["expired"], 1, "{report}");
    assert_eq!(folder.books.kinds().iter().filter(|kind| *kind == "expire").count(), 1);
    let spent = serde_json::to_value(folder.books.spent()).unwrap();
    assert_eq!(report["cost_usd"]["spent"], spent, "{said}");
}

#[test]
fn a_terminal_error_is_null_and_says_why() {
    let upstream = Upstream::new();
    let folder = Folder::with(
        "return [await agent('x @simulate {\"fault\":\"status-400\"}'), await agent('y')]",
    );
    let (code, report, _) = folder.agreed(&upstream, &["--budget", "1usd"]);
    assert_eq!(code, 0);
    let value = returned(&report);
    assert!(value[0].is_null() && value[1].is_string(), "{value}");
    assert_eq!(
        report["lost"]["agents"][0]["message"].as_str().unwrap().get(..14),
        Some("API error 400:")
    );
    assert_eq!(upstream.bill().requests, 2);
}

#[test]
fn a_result_that_does_not_fit_its_schema_is_asked_for_again_and_given_up_after_five() {
    let wrong = |number: u32| {
        format!("@simulate {{\"tool\":\"StructuredOutput\",\"input\":{{\"risks\":[{number}]}}}}")
    };
    for (tries, requests) in [(1, 2), (4, 5), (5, 5)] {
        let upstream = Upstream::new();
        let prompt: String = (0..tries).map(|number| wrong(number) + "\n").collect();
        let folder = Folder::with(&format!(
            "try {{ return await agent({prompt:?}, {{ schema: risks }}) }} \
             catch (error) {{ return error.message }}"
        ));
        let (code, report, _) = folder.agreed(&upstream, &["--budget", "1usd"]);
        assert_eq!(code, 0);
        let value = returned(&report);
        if tries < 5 {
            assert!(value["risks"][0].is_string(), "{value}");
        } else {
            let cap = "agent({schema}): StructuredOutput retry cap (5) exceeded — 5 failed calls \
                       with no valid output";
            assert_eq!(value, cap);
        }
        assert_eq!(upstream.bill().requests, requests, "{tries}");
    }
}

#[test]
fn a_text_that_is_cut_at_its_cap_goes_on_in_another_request() {
    let upstream = Upstream::new();
    let prompt = "x @simulate {\"output_tokens\":20000}";
    let folder = Folder::with(&format!("return (await agent({prompt:?})).length"));
    let (code, report, spent) = folder.agreed(&upstream, &["--budget", "5usd"]);
    assert_eq!(code, 0);
    assert!(upstream.bill().requests > 1 && upstream.bill().requests <= 4, "{report}");
    assert_eq!(upstream.bill().usd, spent);
}

#[test]
fn agents_send_their_key_their_model_and_nothing_that_nobody_asked_for() {
    let upstream = Canned::new(vec![refusal("400 Bad Request", &[])]);
    let address = upstream.address();
    let folder = Folder::with("return await agent('the very task', { effort: 'low' })");
    let (code, report, _) = folder.run(&format!("http://{address}"), &["--budget", "1usd"]);
    let got = upstream.got().remove(0);
    let (head, body) = (got.head, got.body);
    assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-api-key: {KEY}\r\n")), "{head}");
    assert!(head.contains("anthropic-version: 2023-06-01\r\n"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["messages"][0]["content"][0]["text"], "the very task");
    assert_eq!((&body["model"], &body["stream"]), (&"claude-haiku-4-5".into(), &true.into()));
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["model", "max_tokens", "stream", "system", "messages"]);
    // The only agent was refused by the upstream: there is no result, whatever the script returns.
    assert_eq!((code, &report["agents"]["failed"]), (7, &1.into()), "{report}");
    assert_eq!(folder.books.spent(), Picodollars::ZERO);
}

#[test]
fn what_only_simulated_agents_can_do_is_refused_and_nothing_is_sent() {
    let upstream = Upstream::new();
    let folder = Folder::with("return await agent('x', { label: 'one' })");
    std::fs::write(folder.books.path().with_file_name("answer.json"), "\"text\"").unwrap();
    for (flags, words) in [
        (&["--time-scale", "1"][..], "--time-scale is for agents that are simulated"),
        (&["--done", "one"], "--done is for agents that are simulated"),
        (&["--result", "one=@answer.json"], "--result is for agents that are simulated"),
    ] {
        let (code, _, said) = folder.run(&url(&upstream), flags);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{said}");
    }
    let (code, _, said) = folder.run("ftp://x", &[]);
    assert!(code == 2 && said.contains("is not an upstream"), "{said}");
    let unpaid = ["run", "ask.js", "--agents", "messages", "--samples", "5", "--yes"];
    let (code, said) = folder.books.fails(&unpaid);
    assert!(code == Some(2) && said.contains("set ANTHROPIC_API_KEY"), "{said}");
    assert_eq!(upstream.bill().requests, 0);
}

/// The only run of the list.
fn listed(books: &Books) -> Value {
    let text = books.run(&["runs", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    list["runs"].get(0).cloned().unwrap_or(Value::Null)
}

fn a_run_that_is_killed_is_listed_as_lost(books: Books) {
    let upstream = Upstream::new();
    let prompts = "await agent('one'); return await agent('x @simulate {\"fault\":\"stall\"}')";
    let folder = Folder::of(books, prompts);
    let mut command = folder.books.command(&["run", "ask.js", "--agents", "messages"]);
    command.args(["--upstream", &url(&upstream), "--model", "claude-haiku-4-5", "--samples", "5"]);
    command.args(["--yes", "--budget", "1usd"]).env("ANTHROPIC_API_KEY", KEY);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    // The first answer is charged, and the second request is under way.
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    let begun = loop {
        let run = listed(&folder.books);
        if run["spent_usd"].as_str().is_some_and(|spent| spent != "0") {
            break run;
        }
        assert!(std::time::Instant::now() < until, "{run}");
        assert!(child.try_wait().unwrap().is_none(), "it ended: {run}");
    };
    assert_eq!((&begun["status"], &begun["limit_usd"]), (&"running".into(), &"1".into()));
    child.kill().unwrap();
    child.wait().unwrap();
    let lost = listed(&folder.books);
    assert_eq!((&lost["status"], &lost["id"]), (&"lost".into(), &begun["id"]));
    let shown = folder.books.command(&["runs", "show", lost["id"].as_str().unwrap()]).output();
    let said = String::from_utf8(shown.unwrap().stderr).unwrap();
    assert!(said.contains("its process died before it ended"), "{said}");
    assert!(said.contains("flyball runs charged"), "{said}");
}

#[test]
fn a_run_that_pays_is_listed_from_its_beginning() {
    a_run_that_is_killed_is_listed_as_lost(Books::new());
    let upstream = Upstream::new();
    let folder = Folder::with("return await agent('one')");
    folder.agreed(&upstream, &["--budget", "1usd"]);
    assert_eq!(listed(&folder.books)["status"], "complete");
}

#[test]
fn a_run_that_pays_is_listed_in_a_database_too() {
    if is_wanted() {
        let database = shared().database();
        a_run_that_is_killed_is_listed_as_lost(Books::at(database.url()));
    }
}

#[test]
fn raising_a_run_that_has_ended_says_that_it_does_not_go_on() {
    let upstream = Upstream::new();
    let folder = Folder::with("return await agent('x', { label: 'one' })");
    let (code, report, said) = folder.run(&url(&upstream), &["--budget", "5usd"]);
    assert_eq!(code, 0, "{said}");
    let run = report["run_id"].as_str().unwrap();
    let raised = folder.books.command(&["runs", "raise", run, "1usd"]).output().unwrap();
    let said = String::from_utf8(raised.stderr).unwrap();
    assert!(
        raised.status.success() && said.contains("has ended, so nothing of it goes on"),
        "{said}"
    );
}
