//! Phases and agents of Claude Code's workflows are held to their budgets: who an agent is, the files
//! of the client say.

use std::fs;

use flyball::budget::ScopeRow;
use serde_json::Value;

use super::stand::{Books, Gateway, request};
use crate::claude::folder::{ClientFolder, Started};
use crate::upstream::client::{Response, Sent};
use crate::upstream::stand::Stand as Upstream;

const RUN: &str = "wf_d28c4ae6-06a";
/// Whoever waits for so long is waited for by no test.
const FOREVER: &str = "60000";

fn started<'a>(agent: &'a str, phase: &'a str) -> Started<'a> {
    Started { session: "s", run: RUN, agent, label: Some("part"), phase: Some(phase) }
}

/// A gateway beside a client's folder.
struct Stand {
    books: Books,
    client: ClientFolder,
    upstream: Upstream,
}

impl Stand {
    fn new() -> Self {
        let (books, client, upstream) = (Books::new(), ClientFolder::new(), Upstream::new());
        client.launches("s", RUN, Some("review"));
        Self { books, client, upstream }
    }

    /// A policy with these budgets.
    fn policy(&self, budgets: &str) -> String {
        let path = self.client.path().join("policy.toml");
        fs::write(&path, format!("schema = 1\nname = \"team\"\n\n[budget]\n{budgets}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn start(&self, flags: &[&str]) -> Gateway {
        let home = self.client.path().to_str().unwrap();
        let mut all = vec!["--project", "shop", "--claude-home", home];
        all.extend(flags);
        Gateway::start(&self.books, &self.upstream, &all)
    }

    /// The only scope whose path ends so.
    fn scope(&self, end: &str) -> ScopeRow {
        let mut rows = self.books.scopes();
        rows.retain(|row| row.path.ends_with(end));
        assert_eq!(rows.len(), 1, "{end}: {rows:?}");
        rows.remove(0)
    }
}

fn headers<'a>(session: &'a str, agent: &'a str) -> [(&'static str, &'a str); 2] {
    [("x-claude-code-session-id", session), ("x-claude-code-agent-id", agent)]
}

fn ask(gateway: &Gateway, agent: &str) -> Response {
    gateway.ask(&request("@simulate {\"output_tokens\": 1000}", 1_000), &headers("s", agent))
}

fn send(gateway: &Gateway, agent: &str) -> Sent {
    gateway.send(&request("@simulate {\"output_tokens\": 1000}", 1_000), &headers("s", agent))
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.raw("GET /metrics", None).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect(name).parse().unwrap()
}

const UNKNOWN: &str = "flyball_gateway_origins_unknown_total";
const LOOKED_FOR: &str = "flyball_gateway_origins_looked_for";

#[test]
fn a_phase_ends_with_its_budget_while_others_go_on() {
    let stand = Stand::new();
    // 1,000 tokens of output an answer: one fits, two do not.
    let policy = stand.policy("phase = { \"verify\" = \"1500out\" }");
    for agent in ["a1", "a2", "a3"] {
        stand.client.starts(started(agent, "Verify"));
    }
    stand.client.starts(started("b1", "Find"));
    let gateway = stand.start(&["--policy", &policy]);
    assert_eq!(ask(&gateway, "a1").status, 200);
    let refused = ask(&gateway, "a2");
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    let message = refused.text();
    assert!(
        message.contains(&format!("session s / workflow review {RUN} / phase verify has spent")),
        "{message}"
    );
    assert_eq!(ask(&gateway, "a3").status, 429);
    assert_eq!(ask(&gateway, "b1").status, 200);
    assert_eq!(gateway.ask(&request("x", 1_000), &headers("s", "")).status, 200);
    assert_eq!(metric(&gateway, UNKNOWN), 0);
    let log = gateway.stop().log;
    assert!(log.iter().any(|line| line.contains("phase verify")), "{log:?}");
    assert_eq!(stand.books.spent(), stand.upstream.bill().usd);
    let (verify, find) = (stand.scope("/ phase verify"), stand.scope("/ phase Find"));
    assert_eq!((verify.settled.output_tokens, find.settled.output_tokens), (1_000, 1_000));
    assert_eq!(stand.scope("/ phase Find / agent part b1").settled, find.settled);
    stand.books.assert_all_settled();
}

/// The client writes an agent down about when it sends its first request.
#[test]
fn a_request_waits_for_the_files_of_its_agent() {
    let stand = Stand::new();
    let policy = stand.policy("phase = { \"Verify\" = \"500out\" }");
    let gateway = stand.start(&["--policy", &policy, "--join-within", FOREVER]);
    let waiting = send(&gateway, "a1");
    while metric(&gateway, LOOKED_FOR) == 0 {}
    assert_eq!(stand.upstream.bill_now().requests, 0);
    stand.client.starts(started("a1", "Verify"));
    let refused = waiting.receive();
    assert!(refused.text().contains("/ phase Verify has spent"), "{}", refused.text());
}

#[test]
fn fifty_agents_at_once_are_each_looked_for_once() {
    let stand = Stand::new();
    let gateway = stand.start(&["--join-within", FOREVER]);
    let agents: Vec<String> = (0..50).map(|agent| format!("a{agent}")).collect();
    let sent: Vec<Sent> = agents.iter().chain(&agents).map(|agent| send(&gateway, agent)).collect();
    while metric(&gateway, LOOKED_FOR) < 50 {}
    for agent in &agents {
        stand.client.starts(started(agent, "Verify"));
    }
    for answer in sent {
        assert_eq!(answer.receive().status, 200);
    }
    assert_eq!((metric(&gateway, LOOKED_FOR), metric(&gateway, UNKNOWN)), (0, 0));
    gateway.stop();
    let phase = stand.scope("/ phase Verify");
    assert_eq!((phase.settled.requests, phase.agents_settled), (100, 50));
    assert_eq!(stand.books.spent(), stand.upstream.bill().usd);
    for agent in &agents {
        assert_eq!(stand.scope(&format!("/ agent part {agent}")).settled.requests, 2);
    }
    // Of many agents a table shows some.
    let shown = stand.books.run(&["runs", "charged", "s"]);
    assert!(shown.contains("30 more agents"), "{shown}");
    assert!(shown.lines().count() < 40, "{shown}");
    let all: Value =
        serde_json::from_str(&stand.books.run(&["runs", "charged", "s", "--format", "json"]))
            .unwrap();
    assert_eq!(all["scopes"].as_array().unwrap().len(), 53);
    assert!(stand.books.run(&["ledger", "verify"]).contains("balances"));
}

/// An agent of which nobody knows the phase could be of any: all of them share the least.
#[test]
fn agents_that_nobody_knows_share_the_strictest_phase() {
    let stand = Stand::new();
    let policy = stand.policy("phase = { \"Find\" = \"90kout\", \"Verify\" = \"1500out\" }");
    let gateway = stand.start(&["--policy", &policy, "--join-within", "1"]);
    assert_eq!(ask(&gateway, "u1").status, 200);
    for agent in ["u1", "u2", "../../x"] {
        let refused = ask(&gateway, agent);
        assert!(
            refused.text().contains("session s / phase unknown has spent"),
            "{agent}: {}",
            refused.text()
        );
    }
    assert_eq!(metric(&gateway, UNKNOWN), 3);
    // Nor does it help to have no session.
    let nobody = [("x-claude-code-agent-id", "a1")];
    let body = request("@simulate {\"output_tokens\": 1000}", 1_000);
    assert_eq!(gateway.ask(&body, &nobody).status, 200);
    assert_eq!(gateway.ask(&body, &nobody).status, 429);
}

#[test]
fn agents_of_the_agent_tool_have_no_phase_and_do_not_wait() {
    let stand = Stand::new();
    stand.client.starts(started("a1", "Verify"));
    stand.client.spawns("s", "t1", None);
    stand.client.spawns("s", "t2", Some("a1"));
    let policy = stand.policy("phase = { \"Verify\" = \"1500out\" }\nagent = \"90kout\"");
    let gateway = stand.start(&["--policy", &policy, "--join-within", FOREVER]);
    for _ in 0..2 {
        assert_eq!(ask(&gateway, "t1").status, 200);
    }
    // What an agent of a workflow starts is of its phase.
    assert_eq!(ask(&gateway, "t2").status, 200);
    assert_eq!(ask(&gateway, "a1").status, 429);
    assert_eq!(metric(&gateway, UNKNOWN), 0);
    gateway.stop();
    assert_eq!(stand.scope("session s / agent t1").settled.requests, 2);
    assert_eq!(stand.scope("/ phase Verify / agent part t2").settled.requests, 1);
}

#[test]
fn sessions_with_equal_agents_are_charged_apart() {
    let stand = Stand::new();
    stand.client.launches("other", RUN, Some("audit"));
    stand.client.starts(started("a1", "Find"));
    stand.client.starts(Started { session: "other", ..started("a1", "Fix") });
    let gateway = stand.start(&[]);
    for session in ["s", "other", "s"] {
        let body = request("x", 1_000);
        assert_eq!(gateway.ask(&body, &headers(session, "a1")).status, 200);
    }
    gateway.stop();
    assert_eq!(stand.scope("session s / workflow review wf_d28c4ae6-06a").settled.requests, 2);
    assert_eq!(
        stand.scope("session other / workflow audit wf_d28c4ae6-06a / phase Fix").settled.requests,
        1
    );
}

#[test]
fn hostile_names_stay_names() {
    let stand = Stand::new();
    let long = "P".repeat(3_000);
    let (first, second) = (format!("{long}1"), format!("{long}2"));
    let prompt = "Look at the key sk-ant-1 that stands here and say";
    for (agent, label, phase) in [
        ("a1", "\u{1b}[2J\u{202e}part / Find", "Verify / agent x"),
        ("a2", prompt, &*first),
        ("a3", "one\ttwo", &*second),
    ] {
        stand.client.starts(Started { label: Some(label), ..started(agent, phase) });
    }
    let gateway = stand.start(&[]);
    for agent in ["a1", "a2", "a3"] {
        assert_eq!(ask(&gateway, agent).status, 200);
    }
    let beyond = "a".repeat(100_000);
    let refused = gateway.ask(&request("x", 100), &headers("s", &beyond));
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    gateway.stop();
    let paths: Vec<String> = stand.books.scopes().iter().map(|row| row.path.to_string()).collect();
    let all = paths.join("\n");
    assert!(paths.iter().all(|path| path.chars().count() < 300), "{all}");
    assert!(!all.contains("sk-ant-1"), "{all}");
    assert!(!all.contains('\u{1b}') && !all.contains('\u{202e}'), "{all}");
    for end in [
        "/ phase Verify/agent x",
        "/ phase Verify/agent x / agent \\u{1b}[2J\\u{202e}part/Find a1",
        "/ agent a2",
        "/ agent one two a3",
    ] {
        assert_eq!(paths.iter().filter(|path| path.ends_with(end)).count(), 1, "{end}: {all}");
    }
    // What is cut off still tells phases apart.
    assert_eq!(paths.iter().filter(|path| path.contains("/ phase PPP")).count(), 4, "{all}");
}

/// The client may write the script down later, or another gateway may have met the run before.
#[test]
fn a_run_is_one_scope_whenever_its_name_becomes_known() {
    let stand = Stand::new();
    stand.client.launches("s", "wf_0000000", None);
    for agent in ["a1", "a2"] {
        stand.client.starts(Started { run: "wf_0000000", ..started(agent, "Find") });
    }
    let gateway = stand.start(&[]);
    assert_eq!(ask(&gateway, "a1").status, 200);
    gateway.stop();
    stand.client.launches("s", "wf_0000000", Some("late"));
    let gateway = stand.start(&[]);
    assert_eq!(ask(&gateway, "a2").status, 200);
    gateway.stop();
    assert_eq!(stand.scope("/ workflow wf_0000000").settled.requests, 2);
    assert_eq!(stand.scope("/ phase Find").settled.requests, 2);
}

#[test]
fn phases_and_agents_can_be_named_paused_stopped_and_raised() {
    let stand = Stand::new();
    let policy = stand.policy("phase = { \"Verify\" = \"1500out\" }");
    for (agent, phase) in [("a1111", "Verify"), ("a1222", "Verify"), ("b1111", "Find")] {
        stand.client.starts(started(agent, phase));
    }
    let gateway = stand.start(&["--policy", &policy]);
    for agent in ["a1111", "b1111"] {
        assert_eq!(ask(&gateway, agent).status, 200);
    }
    assert_eq!(ask(&gateway, "a1222").status, 429);
    let raised = stand.books.run(&["runs", "raise", "Verify", "2kout"]);
    assert!(raised.contains("phase Verify in shop") && raised.contains("3500 output"), "{raised}");
    assert_eq!(ask(&gateway, "a1222").status, 200);
    stand.books.run(&["runs", "pause", "s / Find / b111"]);
    let shown = stand.books.run(&["runs", "charged", "s"]);
    assert!(shown.contains("(paused)"), "{shown}");
    let waiting = send(&gateway, "b1111");
    while metric(&gateway, "flyball_requests_waiting") == 0 {}
    stand.books.run(&["runs", "resume", "b1111"]);
    assert_eq!(waiting.receive().status, 200);
    stand.books.run(&["runs", "stop", RUN]);
    assert_eq!(ask(&gateway, "b1111").status, 429);
    for (name, words) in [("part", "can be"), ("phase", "no gateway"), ("a1", "is too short")] {
        let (code, said) = stand.books.fails(&["runs", "pause", name]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{name}: {said}");
    }
}

#[test]
fn the_budgets_of_a_policy_hold() {
    let stand = Stand::new();
    stand.client.starts(started("a1", "Verify"));
    let policy = stand.policy("run = \"2500out\"\nagent = \"1500out\"");
    let gateway = stand.start(&["--policy", &policy, "--session-budget", "1usd"]);
    assert_eq!(ask(&gateway, "a1").status, 200);
    let refused = ask(&gateway, "a1").text();
    assert!(refused.contains("/ agent part a1 has spent"), "{refused}");
    let main = [("x-claude-code-session-id", "s")];
    let body = request("@simulate {\"output_tokens\": 1000}", 1_000);
    assert_eq!(gateway.ask(&body, &main).status, 200);
    let refused = gateway.ask(&body, &main).text();
    assert!(refused.contains("session s has spent"), "{refused}");
}

#[test]
fn what_a_policy_asks_for_and_nobody_could_hold_is_refused_at_the_start() {
    let stand = Stand::new();
    let refused = |budgets: &str| {
        let policy = stand.policy(budgets);
        let (code, said) =
            stand.books.fails(&["gateway", "--listen", "127.0.0.1:0", "--policy", &policy]);
        assert_eq!(code, Some(2), "{said}");
        said
    };
    assert!(refused("phase = { \"Verify\" = \"$1\" }").contains("--claude-home"));
    assert!(refused("run = \"25%5h\"").contains("only observed"));
    for (budget, command) in [
        ("day = \"$20\"", "flyball budget set day 20usd"),
        ("project = \"$20\"", "flyball budget set project:"),
        ("org = \"40agents\"", "flyball budget set org 40agents"),
    ] {
        assert!(refused(budget).contains(command), "{budget}");
    }
    stand.books.run(&["budget", "set", "day", "30usd"]);
    assert!(refused("day = \"$20\"").contains("flyball budget set day 20usd"));
    stand.books.run(&["budget", "set", "day", "10usd"]);
    let policy = stand.policy("day = \"$20\"");
    stand.client.spawns("s", "t1", None);
    let gateway = stand.start(&["--policy", &policy]);
    assert_eq!(ask(&gateway, "t1").status, 200);
    let (code, said) =
        stand.books.fails(&["gateway", "--listen", "127.0.0.1:0", "--policy", "nobody"]);
    assert_eq!(code, Some(6), "{said}");
}

#[test]
fn rules_of_phases_and_labels_reach_the_requests_of_their_agents() {
    let stand = Stand::new();
    let path = stand.client.path().join("routes.toml");
    let rules = "schema = 1\nname = \"team\"\npinned = \"override\"\n\
                 [[rule]]\nname = \"keep it\"\nwhen = { label = \"part\", phase = \"Judge\" }\nthen = \"keep\"\n\
                 [[rule]]\nname = \"looks\"\nwhen = { phase = [\"Look\", \"Judge\"] }\n\
                 then = { model = \"claude-haiku-5-5\" }\n";
    fs::write(&path, rules).unwrap();
    for (agent, phase) in [("a1", "Look"), ("b1", "Judge"), ("c1", "Sum")] {
        stand.client.starts(started(agent, phase));
    }
    stand.client.starts(Started { label: Some("other"), ..started("b2", "Judge") });
    let gateway = stand.start(&["--policy", path.to_str().unwrap(), "--rewrite"]);
    let sent_to = |agent: &str| {
        let mut body = request("hi", 900);
        body["model"] = "claude-opus-5-5".into();
        let answer = gateway.ask(&body, &headers("s", agent));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("x-flyball-model").unwrap_or_else(|| "as asked".to_owned())
    };
    assert_eq!(sent_to("a1"), "claude-haiku-5-5");
    assert_eq!(sent_to("b1"), "as asked");
    assert_eq!(sent_to("b2"), "claude-haiku-5-5");
    assert_eq!(sent_to("c1"), "as asked");
    assert_eq!(sent_to(""), "as asked");
    drop(gateway.stop());
    assert_eq!(stand.books.spent(), stand.upstream.bill().usd);
    stand.books.assert_all_settled();
}

#[test]
fn however_a_phase_is_spelled_it_has_its_budget_once() {
    let stand = Stand::new();
    let policy = stand.policy("phase = { \"Deep Review\" = \"1500out\" }");
    let spelled = ["deep  review", "Deep\u{a0}Review", "DEEP REVIEW\n"];
    let agents = ["a1", "a2", "a3"];
    for (agent, phase) in agents.into_iter().zip(spelled) {
        stand.client.starts(started(agent, phase));
    }
    let gateway = stand.start(&["--policy", &policy]);
    assert_eq!(agents.map(|agent| ask(&gateway, agent).status), [200, 429, 429]);
    drop(gateway.stop());
    assert_eq!(stand.scope("/ phase Deep Review").settled.output_tokens, 1_000);
    stand.books.assert_all_settled();
}
