//! Ctrl-C in a terminal, which sends its signal to every process of the group in the foreground.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::program::Program;
use crate::foreground::in_foreground;

/// Starts flyball at the head of a process group of its own, as a shell does.
fn started(program: &Program, arguments: &[&str]) -> Child {
    let mut command = in_foreground(program.command());
    command.args(arguments).process_group(0).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn press_ctrl_c(child: &Child) {
    kill_process_group(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_a_run_with_its_report_and_leaves_nothing_reserved() {
    let program = Program::new();
    program.write(
        "long.js",
        "export const meta = { name: 'long', description: 'one agent that is there, one long' };\n\
         await agent('begin', { label: 'begin' });\n\
         return await agent('work', { label: 'work' });\n",
    );
    let mut arguments = vec!["run", "long.js", "--agents", "simulated", "--time-scale", "1"];
    // What is there already has no time to take, and says so.
    arguments.extend(["--done", "begin"]);
    arguments.extend(["--samples", "5", "--budget", "100usd", "--yes", "--format", "json"]);
    let mut child = started(&program, &arguments);
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("1 of 1 agents") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "it never began");
    }
    press_ctrl_c(&child);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["status"], &report["stopped_by"]), (&"stopped".into(), &"signal".into()));
    assert_eq!(report["cost_usd"]["reserved"], "0");
    let listed = program.run(&["runs", "list"]);
    assert!(!listed.stdout.contains("failed"), "{}", listed.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_plan_and_the_child_that_runs_its_script() {
    let program = Program::new();
    let arguments = ["plan", "example:review-200", "--samples", "20000", "--time-limit", "10m"];
    let mut child = started(&program, &arguments);
    // The child that the script runs in is there once its input, which only flyball has the other
    // end of, is read.
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let of_script = loop {
        let found = std::fs::read_to_string(&children).unwrap();
        if let Some(first) = found.split_whitespace().next() {
            break first.to_owned();
        }
        std::thread::yield_now();
    };
    press_ctrl_c(&child);
    // A shell says 130 of that.
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    let state = format!("/proc/{of_script}/stat");
    while let Ok(stat) = std::fs::read_to_string(&state) {
        // Whoever takes it over may leave it unburied.
        if stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')) {
            break;
        }
        std::thread::yield_now();
    }
}
