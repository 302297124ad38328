//! What the folder of a session says of an agent, whatever lies in it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;

use flyball::claude::run_folder::{Found, RunFolders, WorkflowAgent};
use serde_json::json;

use super::folder::{ClientFolder, Started, meta_of, put};

const SESSION: &str = "5f1b4a11-0000-4000-8000-000000000001";
const RUN: &str = "wf_d28c4ae6-06a";
const AGENT: &str = "aef6082a67ec7622b";

fn verify(session: &'static str) -> Started<'static> {
    let (label, phase) = (Some("verify:auth"), Some("Verify"));
    Started { session, run: RUN, agent: AGENT, label, phase }
}

fn found(workflow: Option<&str>) -> Found {
    Found::Workflow(WorkflowAgent {
        run: RUN.to_owned(),
        workflow: workflow.map(str::to_owned),
        phase: Some("Verify".to_owned()),
        label: Some("verify:auth".to_owned()),
        agent_type: None,
    })
}

#[test]
fn an_agent_of_a_workflow_has_its_run_phase_and_label() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, Some("review-all"));
    client.starts(verify(SESSION));
    let folders = RunFolders::new(client.path());
    assert_eq!(folders.find(SESSION, AGENT), found(Some("review-all")));
    // Others of the session are not taken for it.
    assert_eq!(folders.find(SESSION, "aef6082a67ec7622c"), Found::NotYet);
}

#[test]
fn what_a_script_leaves_out_is_unknown_and_what_it_asks_for_is_known() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, None);
    client.starts(Started { label: None, phase: None, ..verify(SESSION) });
    let folders = RunFolders::new(client.path());
    let bare = WorkflowAgent {
        run: RUN.to_owned(),
        workflow: None,
        phase: None,
        label: None,
        agent_type: None,
    };
    assert_eq!(folders.find(SESSION, AGENT), Found::Workflow(bare.clone()));
    let meta =
        json!({ "agentType": "Explore", "description": 5, "workflowPhase": ["x"], "new": {} });
    put(&client.run(SESSION, RUN).join(meta_of("a1")), &meta.to_string());
    let explorer = WorkflowAgent { agent_type: Some("Explore".to_owned()), ..bare };
    assert_eq!(folders.find(SESSION, "a1"), Found::Workflow(explorer));
}

#[test]
fn the_journal_will_do_where_there_is_no_description_yet() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, Some("review-all"));
    let folders = RunFolders::new(client.path());
    let path = client.run(SESSION, RUN).join("journal.jsonl");
    let mut journal = OpenOptions::new().append(true).open(path).unwrap();
    let line = verify(SESSION).line().to_string();
    // Until it is written to its end, a line is none.
    journal.write_all(line.as_bytes()).unwrap();
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
    journal.write_all(b"\n").unwrap();
    assert_eq!(folders.find(SESSION, AGENT), found(Some("review-all")));
    // What agents return can quote anything.
    let quoted = "{\"type\":\"started\",\"agentId\":\"a77\",\"label\":\"x\"}";
    let result = json!({ "type": "result", "agentId": AGENT, "result": quoted });
    client.journal(SESSION, RUN, &result);
    assert_eq!(folders.find(SESSION, "a77"), Found::NotYet);
}

#[test]
fn a_description_counts_once_it_is_whole() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, Some("review-all"));
    let folders = RunFolders::new(client.path());
    let path = client.run(SESSION, RUN).join(meta_of(AGENT));
    for unfinished in ["", "{\"agentType\":\"workflow-sub", "[]", "\u{0}\u{0}", "{\"a\":"] {
        fs::write(&path, unfinished).unwrap();
        assert_eq!(folders.find(SESSION, AGENT), Found::NotYet, "{unfinished:?}");
    }
    fs::write(&path, "[".repeat(60_000)).unwrap();
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
    client.describes(verify(SESSION));
    assert_eq!(folders.find(SESSION, AGENT), found(Some("review-all")));
}

#[test]
fn an_agent_of_the_agent_tool_is_elsewhere_and_that_of_a_workflow_s_agent_is_not() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, Some("review-all"));
    client.starts(verify(SESSION));
    client.spawns(SESSION, "a1", None);
    client.spawns(SESSION, "a2", Some("a1"));
    client.spawns(SESSION, "a3", Some(AGENT));
    client.spawns(SESSION, "a4", Some("a3"));
    client.spawns(SESSION, "a5", Some("nobody"));
    client.spawns(SESSION, "a6", Some("a7"));
    client.spawns(SESSION, "a7", Some("a6"));
    client.spawns(SESSION, "a8", Some("../../a1"));
    let folders = RunFolders::new(client.path());
    for elsewhere in ["a1", "a2", "a6", "a7", "a8"] {
        assert_eq!(folders.find(SESSION, elsewhere), Found::Elsewhere, "{elsewhere}");
    }
    for below in ["a3", "a4"] {
        assert_eq!(folders.find(SESSION, below), found(Some("review-all")), "{below}");
    }
    // Whoever started it may be written down later.
    assert_eq!(folders.find(SESSION, "a5"), Found::NotYet);
}

#[test]
fn sessions_with_equal_agents_are_told_apart() {
    const OTHER: &str = "5f1b4a11-0000-4000-8000-000000000002";
    let client = ClientFolder::new();
    for (session, phase) in [(SESSION, "Find"), (OTHER, "Fix")] {
        client.launches(session, RUN, None);
        client.starts(Started { phase: Some(phase), ..verify(session) });
    }
    let folders = RunFolders::new(client.path());
    for (session, phase) in [(SESSION, "Find"), (OTHER, "Fix"), (SESSION, "Find")] {
        let Found::Workflow(agent) = folders.find(session, AGENT) else { panic!("not found") };
        assert_eq!(agent.phase.as_deref(), Some(phase));
    }
}

#[test]
fn a_session_that_moved_is_found_again() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, None);
    client.starts(verify(SESSION));
    let folders = RunFolders::new(client.path());
    assert_eq!(folders.find(SESSION, AGENT), found(None));
    let elsewhere = client.path().join("projects/-home-ann-elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::rename(client.session(SESSION), elsewhere.join(SESSION)).unwrap();
    assert_eq!(folders.find(SESSION, AGENT), found(None));
}

#[test]
fn what_is_no_id_never_reaches_the_disk() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, None);
    client.starts(verify(SESSION));
    fs::write(client.path().join("agent-x.meta.json"), "{}").unwrap();
    let folders = RunFolders::new(client.path());
    let long = "a".repeat(1 << 20);
    for hostile in ["", ".", "..", "../../x", "a/../b", "a\0b", "a b", "ä", "a\n", "*", &long] {
        assert_eq!(folders.find(SESSION, hostile), Found::Never, "{hostile:.20}");
        assert_eq!(folders.find(hostile, AGENT), Found::Never, "{hostile:.20}");
    }
}

#[test]
fn links_are_not_followed() {
    let (client, outside) = (ClientFolder::new(), ClientFolder::new());
    outside.launches(SESSION, RUN, None);
    outside.starts(verify(SESSION));
    let folders = RunFolders::new(client.path());
    // The session, its runs, one run, one description.
    for part in ["", "subagents", "subagents/workflows", "subagents/workflows/wf_d28c4ae6-06a"] {
        let _earlier = fs::remove_dir_all(client.session(SESSION));
        let link = client.session(SESSION).join(part);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let target = outside.session(SESSION).join(part);
        symlink(target, client.path().join("link")).unwrap();
        fs::rename(client.path().join("link"), link.components().as_path()).unwrap();
        assert_eq!(folders.find(SESSION, AGENT), Found::NotYet, "{part}");
        fs::remove_file(link.components().as_path()).unwrap();
    }
    client.launches(SESSION, RUN, None);
    let path = client.run(SESSION, RUN).join(meta_of(AGENT));
    symlink(outside.run(SESSION, RUN).join(meta_of(AGENT)), path).unwrap();
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
}

#[test]
fn files_of_any_size_are_read_in_bounds() {
    let client = ClientFolder::new();
    client.launches(SESSION, RUN, None);
    let folders = RunFolders::new(client.path());
    let huge = File::create(client.run(SESSION, RUN).join(meta_of(AGENT))).unwrap();
    huge.set_len(1 << 40).unwrap();
    let path = client.run(SESSION, RUN).join("journal.jsonl");
    OpenOptions::new().append(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
    // A line ends what was before it.
    let mut journal = OpenOptions::new().append(true).open(&path).unwrap();
    journal.write_all(b"\n").unwrap();
    client.journal(SESSION, RUN, &verify(SESSION).line());
    assert_eq!(folders.find(SESSION, AGENT), found(None));
}

#[test]
fn a_folder_that_is_not_there_has_nothing_yet() {
    let client = ClientFolder::new();
    let folders = RunFolders::new(&client.path().join("nowhere"));
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
    fs::create_dir_all(client.path().join("nowhere/projects")).unwrap();
    fs::write(client.path().join("nowhere/projects/file"), "x").unwrap();
    assert_eq!(folders.find(SESSION, AGENT), Found::NotYet);
}
