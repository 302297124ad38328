//! The child process: its modes, its limits, its deaths.

use std::time::{Duration, Instant};

use flyball::ports::script::{EngineError, Finish, Outcome, ScriptProgram, Start, Status};
use flyball::script::sandbox::{Sandbox, SandboxLimits};
use flyball::workflow::{Source, SourceSet};
use serde_json::json;

use super::stage::{Play, play, script, text};

/// A sandbox of the real executable that kills after `milliseconds` of silence.
pub(crate) fn sandbox(milliseconds: u64) -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_flyball")).with_limits(SandboxLimits {
        silence: Duration::from_millis(milliseconds),
        ..SandboxLimits::default()
    })
}

#[test]
fn an_execution_in_a_child_is_the_same_as_here() {
    let body = "phase('P'); log('hello'); const { who } = args
         const r = await parallel(['a', 'b'].map(x => () => agent(x + who, { label: x, bogus: 1 })))
         await new Promise(r => setTimeout(r, 1000))
         return { r, missing: await workflow('none').catch(e => e.message) }";
    let here = Play::new(body).args(r#"{"who":"!"}"#);
    let mut there = sandbox(10_000).start(&here.sources, &here.start).unwrap();
    let there = play(&mut *there, |call| text(&call.prompt));
    let here = here.play(|call| text(&call.prompt));
    assert_eq!(there.finish, here.finish);
    assert_eq!(there.calls, here.calls);
    assert_eq!(there.notes, here.notes);
    assert_eq!(there.value()["r"], json!(["a!", "b!"]));
}

#[test]
fn a_program_gives_each_execution_a_process() {
    let program = sandbox(10_000).program(SourceSet::alone(script("return await agent('x')")));
    let mut first = program.start(&Start::default()).unwrap();
    let mut second = program.start(&Start::default()).unwrap();
    assert_eq!(play(&mut *second, |_| text("2")).value(), json!("2"));
    assert_eq!(play(&mut *first, |_| text("1")).value(), json!("1"));
}

#[test]
fn an_inspection_gives_the_facts() {
    let source = script("await agent('x', { label: 'l' }); return args.base");
    let inspection = sandbox(10_000).inspect(&SourceSet::alone(source)).unwrap();
    assert_eq!(inspection.facts.meta.name, "t");
    assert_eq!(inspection.facts.agent_sites[0].label.as_deref(), Some("l"));
    assert_eq!(inspection.facts.args_keys[0].name, "base");
}

#[test]
fn refusals_come_back_as_diagnostics() {
    let sources = SourceSet::alone(script("const x = ;"));
    for error in [
        sandbox(10_000).inspect(&sources).unwrap_err(),
        sandbox(10_000).start(&sources, &Start::default()).err().unwrap(),
    ] {
        let EngineError::Refused(diagnostics) = error else { panic!("{error:?}") };
        assert_eq!(diagnostics[0].code, "script::syntax");
        assert_eq!(diagnostics[0].place.as_ref().unwrap().line, 2);
    }
}

#[test]
fn wrong_deliveries_are_errors_of_the_call_only() {
    let start = Start::default();
    let mut execution = sandbox(10_000)
        .start(&SourceSet::alone(script("return await agent('x')")), &start)
        .unwrap();
    let id = execution.calls()[0].id;
    let wrong = flyball::id::CallId(9);
    assert_eq!(execution.deliver(wrong, Outcome::Null, 0), Err(EngineError::NotOpen(9)));
    execution.deliver(id, text("fine"), 0).unwrap();
    assert!(matches!(execution.status(), Status::Finished(Finish::Returned { .. })));
}

#[test]
fn a_job_goes_there_and_back() {
    let input: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    // The executable's own handler must exist; what it answers is its business. An empty job is
    // answered too.
    let answer = sandbox(10_000).job(input);
    assert!(!matches!(answer, Err(EngineError::Killed { .. })), "{answer:?}");
}

#[test]
fn silence_is_ended_at_the_limit() {
    let sources = SourceSet::alone(script("await agent('x'); for (;;) {}"));
    let mut start = Start::default();
    start.limits.steps = u64::MAX;
    let mut execution = sandbox(700).start(&sources, &start).unwrap();
    let id = execution.calls()[0].id;
    let begun = Instant::now();
    let error = execution.deliver(id, text(""), 0).unwrap_err();
    let EngineError::Killed { reason, help } = &error else { panic!("{error:?}") };
    assert_eq!(reason, "no progress for 0.7 s");
    assert!(help.contains("loop"));
    assert!(begun.elapsed() >= Duration::from_millis(700));
    // A dead child stays dead and says why.
    assert_eq!(execution.deliver(id, text(""), 0), Err(error));
    assert_eq!(execution.notes(), flyball::ports::script::ExecutionNotes::default());
}

/// Stops the process `id` and lets it go on after a second.
#[cfg(target_os = "linux")]
fn stop_for_a_second(id: &str) {
    let script = "kill -STOP $0; (/bin/sleep 1; kill -CONT $0) > /dev/null 2>&1 &";
    let status = std::process::Command::new("/bin/sh").args(["-c", script, id]).status().unwrap();
    assert!(status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_that_gets_no_processor_is_waited_for() {
    let sources = SourceSet::alone(script("return await agent('x')"));
    let mut execution = sandbox(300).start(&sources, &Start::default()).unwrap();
    let id = execution.calls()[0].id;
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    stop_for_a_second(children.trim());
    let begun = Instant::now();
    execution.deliver(id, text("late"), 0).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "it was not stopped");
    assert!(matches!(execution.status(), Status::Finished(Finish::Returned { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn the_whole_limit_holds_for_a_child_that_gets_no_processor_too() {
    let limits = SandboxLimits {
        silence: Duration::from_millis(300),
        wall: Duration::from_millis(600),
        ..SandboxLimits::default()
    };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_flyball")).with_limits(limits);
    let sources = SourceSet::alone(script("return await agent('x')"));
    let mut execution = sandbox.start(&sources, &Start::default()).unwrap();
    let id = execution.calls()[0].id;
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    stop_for_a_second(children.trim());
    let error = execution.deliver(id, text("late"), 0).unwrap_err();
    let EngineError::Killed { reason, help } = &error else { panic!("{error:?}") };
    assert_eq!(reason, "0.6 s have passed, the last 1 s without progress");
    assert!(help.contains("loop"));
}

#[test]
fn a_missing_executable_is_said() {
    let error = Sandbox::new("/nowhere/flyball").inspect(&SourceSet::default()).unwrap_err();
    let EngineError::Internal(message) = error else { panic!("{error:?}") };
    assert!(message.contains("/nowhere/flyball"));
}

#[test]
fn an_executable_that_is_no_sandbox_is_said() {
    let error = Sandbox::new("/bin/true").inspect(&SourceSet::default()).unwrap_err();
    assert!(matches!(error, EngineError::Internal(_)), "{error:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_ends_with_its_parent() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .arg("__sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let send = |stdin: &mut std::process::ChildStdin, kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap();
        stdin.write_all(&length.to_le_bytes()).unwrap();
        stdin.write_all(&[kind]).unwrap();
        stdin.write_all(payload).unwrap();
    };
    let sources = SourceSet::alone(script("for (;;) {}"));
    let mut start = Start::default();
    start.limits.steps = u64::MAX;
    send(&mut stdin, 3, &serde_json::to_vec(&sources).unwrap());
    send(&mut stdin, 4, &serde_json::to_vec(&start).unwrap());
    drop(stdin);
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_sees_no_environment_and_keeps_its_own_time_zone() {
    let sources = SourceSet::alone(Source::new(
        "t.js",
        "export const meta = { name: 't', description: 'd' };\nreturn [new Date(0).getHours(), new Date(0).getTimezoneOffset()]",
    ));
    let mut execution = sandbox(10_000).start(&sources, &Start::default()).unwrap();
    assert_eq!(play(&mut *execution, |_| text("")).value(), json!([0, 0]));
}
