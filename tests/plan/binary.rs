//! What the real binary prints can be reproduced with what it prints.

use std::process::{Command, Stdio};

use flyball::plan::report::{Driver, PlanReport};
use tempfile::TempDir;

use super::stand::{OPEN_LIST, find_and_check};

struct Program {
    folder: TempDir,
}

impl Program {
    fn new(script: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join("mine.js"), script).unwrap();
        Self { folder }
    }

    fn print(&self, more: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .env_clear()
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .args(["plan", "./mine.js", "--format", "json", "--model", "opus", "--seed", "3"])
            .args(["--samples", "60", "--at", "2026-11-22"])
            .args(more)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code <= 3), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn plan(&self, more: &[&str]) -> PlanReport {
        let text = self.print(more);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Pins `driver` at each of its points and compares what comes out with what was printed.
    fn reproduces(&self, driver: &Driver, with: &[&str]) {
        assert!(!driver.response.is_empty(), "{}", driver.key);
        for point in &driver.response {
            let pin = format!("{}={}", driver.key, point.value);
            let mut flags = with.to_vec();
            flags.extend(["--assume", &pin]);
            let pinned = self.plan(&flags);
            assert_eq!(pinned.totals.cost_usd.map(|cost| cost.p50), point.cost_usd_p50, "{pin}");
            assert_eq!(pinned.totals.agents.p50, point.agents_p50, "{pin}");
        }
    }
}

fn is_token_use(driver: &Driver) -> bool {
    ["requests", "output_per_request", "first_context", "growth"]
        .iter()
        .any(|name| driver.key.ends_with(&format!(".{name}")))
}

#[test]
fn the_same_flags_print_the_same_bytes() {
    let program = Program::new(&find_and_check(OPEN_LIST, "all"));
    assert_eq!(program.print(&[]), program.print(&[]));
}

#[test]
fn a_driver_in_tokens_answers_as_its_pin_does() {
    let program = Program::new(&find_and_check(OPEN_LIST, "all"));
    let plan = program.plan(&["--policy", "haiku-fanout"]);
    let answered = || plan.drivers.iter().take(3);
    let driver = answered().find(|driver| is_token_use(driver)).expect("a driver in tokens");
    assert_eq!(driver.response.len(), 3, "{driver:?}");
    program.reproduces(driver, &["--policy", "haiku-fanout"]);
}

#[test]
fn a_driver_in_width_answers_as_its_pin_does() {
    // With the agents' requests pinned, widths are what is left.
    let pins = ["--assume", "find.requests=3", "--assume", "check.requests=3"];
    let program = Program::new(&find_and_check(OPEN_LIST, "all"));
    let plan = program.plan(&pins);
    let keys: Vec<&str> = plan.drivers.iter().map(|driver| driver.key.as_str()).collect();
    let driver = plan.drivers.iter().take(3).find(|driver| !is_token_use(driver));
    let driver = driver.unwrap_or_else(|| panic!("no width among {keys:?}"));
    assert_eq!(driver.key, "find.findings");
    program.reproduces(driver, &pins);
}
