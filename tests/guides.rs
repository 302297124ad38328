//! The README and the guides as tests: every command that they show with its output is run, and
//! must print what is shown. A guide that says what was true once fails here.

mod page;

use std::fs;
use std::path::Path;
use std::time::Duration;

use flyball::config::environment;
use tempfile::TempDir;
use trycmd::TestCases;

/// The longest that one shown command may take.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
/// Lines of output that a reader is shown at a time; the README's first command shows more.
const OUTPUT_LINES_MAX: usize = 40;
const FIRST_OUTPUT_LINES_MAX: usize = 80;

#[test]
fn commands_print_what_is_shown() {
    let stage = TempDir::new().unwrap();
    let pages = page::all();
    let cases = TestCases::new();
    for page in &pages {
        cases.case(page.set_up(stage.path()));
    }
    cases.register_bin("flyball", Path::new(env!("CARGO_BIN_EXE_flyball")));
    cases.timeout(COMMAND_LIMIT);
    // Empty is unset, and the settings of whoever runs the tests must not show.
    for name in names() {
        cases.env(name, "");
    }
    // What Claude Code does at most on its own, not what it would do on this machine.
    cases.env(environment::CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS, "16");
    let home = stage.path().join("home");
    fs::create_dir(&home).unwrap();
    cases.env(environment::HOME, home.to_str().unwrap());
    cases.run();
    for page in &pages {
        page.take_over(stage.path());
    }
}

/// Every variable that flyball reads and that a page must not depend on.
fn names() -> Vec<&'static str> {
    let aliases = environment::ALIAS_MODELS.map(|(_, name)| name);
    let apis = environment::OTHER_APIS;
    let others = [
        environment::FLYBALL_CONFIG,
        environment::NO_COLOR,
        environment::TERM,
        environment::XDG_CONFIG_HOME,
        environment::CLAUDE_CONFIG_DIR,
        environment::ANTHROPIC_BASE_URL,
        environment::ANTHROPIC_MODEL,
        environment::CLAUDE_CODE_SUBAGENT_MODEL,
    ];
    aliases.into_iter().chain(apis).chain(others).collect()
}

/// What is not run proves nothing: a block of another form, or a program that is not there, would
/// be passed over in silence.
#[test]
fn every_shown_command_is_one_that_runs() {
    let mut commands = 0;
    for page in page::all() {
        for block in page.blocks() {
            let place = format!("{}:{}", page.path, block.line);
            assert!(!block.info.is_empty(), "{place}: a block without a language");
            let console = block.info == "console";
            for (line, text) in block.numbered_lines() {
                let shown = text.strip_prefix("$ ");
                assert!(shown.is_none() || console, "{}:{line}: not in a console block", page.path);
                let Some(command) = shown else { continue };
                assert!(command.starts_with("flyball "), "{}:{line}: {command}", page.path);
                commands += 1;
            }
        }
    }
    assert!(commands >= 20, "only {commands} commands are shown: mend the search");
}

#[test]
fn shown_outputs_are_short_enough_to_be_read() {
    for page in page::all() {
        for block in page.blocks().iter().filter(|block| block.info == "console") {
            let first = page.path == "README.md" && block.text.contains("flyball run");
            let most = if first { FIRST_OUTPUT_LINES_MAX } else { OUTPUT_LINES_MAX };
            let lines = block.text.lines().count();
            assert!(lines <= most, "{}:{}: {lines} lines of {most}", page.path, block.line);
        }
    }
}
