//! Claude Code's files about agents: whatever stands in them, an agent is of a run that has a folder
//! here, with texts in bounds, or not found; the same again gives the same.
#![no_main]

use std::fs;

use flyball::claude::run_folder::{Found, RunFolders};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (&[u8], &[u8], &[u8], &str)| {
    let (meta, other, journal, agent) = files;
    let home = std::env::temp_dir().join(format!("flyball-fuzz-{}", std::process::id()));
    let subagents = home.join("projects/p/s/subagents");
    let run = subagents.join("workflows/wf_1");
    fs::create_dir_all(&run).expect("a folder");
    fs::write(run.join("agent-a1.meta.json"), meta).expect("a file");
    fs::write(subagents.join("agent-a2.meta.json"), other).expect("a file");
    fs::write(run.join("journal.jsonl"), journal).expect("a file");
    let folders = RunFolders::new(&home);
    for agent in ["a1", "a2", "a3", agent] {
        let found = folders.find("s", agent);
        assert_eq!(found, folders.find("s", agent));
        if let Found::Workflow(found) = found {
            assert_eq!(found.run, "wf_1");
            let texts = [found.phase, found.label, found.agent_type];
            assert!(
                texts.iter().flatten().all(|text| text.len() <= 4_096 && !text.trim().is_empty())
            );
        }
    }
    assert_eq!(folders.find(agent, "../a1"), Found::Never);
});
