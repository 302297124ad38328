//! What is said about a wrong command line, and the exit codes.

use flyball::app::Exit;

use super::program::{Program, ended};

/// Command lines that are wrong, each with what the message must say.
const WRONG: &[(&[&str], &str)] = &[
    (&[], "Usage: flyball"),
    (&["plane"], "unrecognized subcommand 'plane'"),
    (&["plan"], "<WORKFLOW>"),
    (&["plan", ""], "this is empty"),
    (
        &["plan", "a.js", "--budget", "5"],
        "`5` has no unit: write 5usd, 5ktok (billed tokens), 5kout",
    ),
    (&["plan", "a.js", "--budget", "-5usd"], "`-5usd` is negative"),
    (&["plan", "a.js", "--budget", "$-5"], "negative"),
    (&["plan", "a.js", "--budget", "5usd", "--budget", "$3"], "--budget has 5usd and 3usd"),
    (
        &["run", "a.js", "--agents", "simulated", "--budget", "1ktok", "--budget", "2ktok"],
        "give each unit once",
    ),
    (&["init", "--budget", "40agents", "--budget", "50agents"], "has 40agents and 50agents"),
    (&["gateway", "--session-budget", "1usd", "--session-budget", "2usd"], "give each unit once"),
    (&["gateway", "--agent-budget", "1usd", "--agent-budget", "2usd"], "--agent-budget has"),
    (&["plan", "a.js", "--budget", "five"], "`five` is not an amount: write $5"),
    (&["plan", "a.js", "--budget", "5eur"], "`5eur` is not an amount"),
    (&["plan", "a.js", "--budget", "+500k"], "write --turn-budget 500k"),
    (&["budget", "set", "25%5h"], "is a share of a plan's window"),
    (&["budget", "set", "--plan", "max5x"], "--five-hour"),
    (&["budget", "set", "day", "5usd", "--plan", "max5x", "--week", "5%"], "cannot be used with"),
    (&["budget", "set", "--plan", "max5x", "--week", "8"], "is no share of a window"),
    (&["budget", "set", "--plan", "max5x", "--week", "0%"], "is no share of a window"),
    (&["budget", "set", "--plan", "max5x", "--five-hour", "101%"], "is no share of a window"),
    (&["simulate-upstream", "--plan-window", "5h=40"], "is no plan window"),
    (&["plan", "a.js", "--turn-budget", "half"], "write 500k"),
    (&["plan", "a.js", "--fit", "800ktok"], "is not dollars"),
    (&["plan", "a.js", "--fit", "0usd"], "nothing can be routed to fit $0"),
    (&["plan", "a.js", "--samples", "0"], "at least 1 sample"),
    (&["plan", "a.js", "--samples", "-1"], "write 1 to 20000"),
    (&["plan", "a.js", "--samples", "1e9"], "write 1 to 20000"),
    (&["plan", "a.js", "--concurrency", "0"], "write 1 to 256"),
    (&["plan", "a.js", "--at", "yesterday"], "write it as 2026-11-22"),
    (&["plan", "a.js", "--at", "2026-02-30"], "write it as 2026-11-22"),
    (&["plan", "a.js", "--at", "2026-11-22T10:00"], "write it as 2026-11-22"),
    (&["plan", "a.js", "--effort", "huge"], "write one of low, medium, high, xhigh, max"),
    (&["plan", "a.js", "--cache-ttl", "10m"], "write 5m or 1h"),
    (&["plan", "a.js", "--time-limit", "90"], "`90` has no unit: write 90s"),
    (&["plan", "a.js", "--time-limit", "1d"], "write 90s, 10m, 2h"),
    (&["plan", "a.js", "--time-limit", "0s"], "`0s` leaves no time at all"),
    (
        &["run", "--plan", "p.json", "--agents", "simulated", "--policy", "ci"],
        "'--plan <FILE>' cannot be used with '--policy",
    ),
    (
        &["run", "--plan", "p.json", "--agents", "simulated", "--seed", "1"],
        "'--plan <FILE>' cannot be used with '--seed",
    ),
    (
        &["run", "--args", "1", "--plan", "p.json", "--agents", "simulated"],
        "'--args <JSON|@FILE>' cannot be used with '--plan",
    ),
    (&["plan", "a.js", "--args", "{base:1}"], "this is not JSON"),
    (&["plan", "a.js", "--args", "@"], "write @args.json"),
    (&["plan", "a.js", "--args", "1", "--args-string", "x"], "cannot be used with"),
    (&["plan", "a.js", "--assume", "Find.findings"], "has no `=`"),
    (&["plan", "a.js", "--assume", "Find.findings="], "has no value after"),
    (&["plan", "a.js", "--assume", "=3"], "names nothing before"),
    (&["plan", "a.js", "--result", "scan=scan.json"], "write --result scan=@scan.json"),
    (&["plan", "a.js", "--format", "html"], "possible values: table, json, markdown"),
    (&["pricing", "list", "--at", "tomorrow"], "write it as 2026-11-22"),
    (&["pricing", "show", ""], "this is empty"),
    (&["policy", "check", ""], "this is empty"),
    (&["run"], "WORKFLOW"),
    (&["run", "a.js"], "--agents"),
    (&["run", "a.js", "--plan", "p.json", "--agents", "simulated"], "cannot be used with"),
    (&["run", "a.js", "--agents", "real"], "possible values: simulated"),
    (&["run", "a.js", "--agents", "simulated", "--time-scale", "-1"], "1 for real time"),
];

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_to_write() {
    let program = Program::new();
    for (arguments, expected) in WRONG {
        let ended = program.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?} lacks {expected}:\n{}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_data() {
    let program = Program::new();
    for arguments in [&["--help"][..], &["plan", "--help"], &["run", "--help"], &["--version"]] {
        let ended = program.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}");
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{arguments:?}");
        assert!(!ended.stdout.contains("__sandbox"), "{arguments:?}: a hidden command shows");
    }
}

/// Every example of `command --help` that starts `flyball`.
fn examples(program: &Program, command: &str) -> Vec<String> {
    let help = program.run(&[command, "--help"]).stdout;
    let lines = help.lines().flat_map(|line| line.split("&&")).map(str::trim);
    lines.filter(|line| line.starts_with("flyball ")).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_help_are_command_lines() {
    let program = Program::new();
    for command in ["plan", "run"] {
        let examples = examples(&program, command);
        assert!(examples.len() > 3, "{examples:?}");
        for example in examples {
            let example =
                example.split(['>', '|']).next().unwrap().replace("'{\"base\":\"main\"}'", "1");
            let arguments: Vec<&str> =
                example.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
            let ended = program.run(&arguments);
            // The files are not there, which is another matter.
            assert_ne!(ended.code, 2, "{example}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_run_is_not_offered_what_it_refuses() {
    let program = Program::new();
    assert!(program.run(&["plan", "--help"]).stdout.contains("25%5h"));
    assert!(!program.run(&["run", "--help"]).stdout.contains("25%5h"));
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_the_work() {
    let program = Program::new();
    program.write("one.js", "export const meta = { name: 'one', description: 'd' };\nagent('a')");
    let given = ["one.js", "--samples", "5", "--out", "nowhere/x.json"];
    for before in [&["plan"][..], &["run", "--agents", "simulated", "--budget", "50usd"]] {
        let arguments: Vec<&str> = before.iter().chain(&given).copied().collect();
        let ended = program.run(&arguments);
        assert_eq!((ended.code, &*ended.stdout), (6, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("cannot write `nowhere/x.json`"), "{}", ended.stderr);
        assert!(ended.stderr.contains("create its folder first"), "{}", ended.stderr);
    }
    assert!(!program.home().join(".local").exists(), "nothing was begun");
}

#[test]
fn every_help_line_fits_a_page() {
    let program = Program::new();
    for arguments in [&["--help"][..], &["plan", "--help"], &["run", "--help"]] {
        for line in program.run(arguments).stdout.lines() {
            assert!(line.chars().count() <= 100, "{arguments:?}: {line}");
        }
    }
}

#[test]
fn what_stands_below_the_flags_fits_a_narrow_terminal() {
    let program = Program::new();
    let commands =
        ["plan", "run", "doctor", "statusline", "hook pre-tool-use", "simulate-upstream"];
    for command in commands {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = program.run(&arguments).stdout;
        let flags = ["   ", "  -"];
        let below = help.lines().filter(|line| !flags.iter().any(|flag| line.starts_with(flag)));
        for line in below {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        assert_eq!(help.matches("[default: 5s]").count(), usize::from(command.contains("hook")));
    }
}

#[test]
fn the_lines_for_a_pipeline_work_where_the_first_failure_ends() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/exit-codes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, below) = page.split_once("## In a pipeline").unwrap();
    let lines = below.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let program = Program::new();
    program.write(
        "review.js",
        "export const meta = { name: 'one', description: 'one agent' };\nawait agent('work');\n",
    );
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_flyball")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    for (budget, code, said) in [("10usd", 0, "within budget\n"), ("0.01usd", 1, "over budget\n")] {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-eo", "pipefail", "-c", &lines.replace("10usd", budget)]);
        bash.env_clear().env("HOME", program.home()).env("PATH", &path);
        let ended = ended(&bash.current_dir(program.path(".")).output().unwrap());
        assert_eq!((ended.code, &*ended.stdout), (code, said), "{}", ended.stderr);
        let comment = std::fs::read_to_string(program.path("comment.md")).unwrap();
        assert!(comment.starts_with("### `one`"), "{comment}");
    }
}

#[test]
fn help_is_a_command_too() {
    let program = Program::new();
    let ended = program.run(&["help", "plan"]);
    assert_eq!(ended.code, 0);
    assert_eq!(ended.stdout, program.run(&["plan", "--help"]).stdout);
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let codes = Exit::ALL.map(Exit::code);
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    for page in ["docs/exit-codes.md", "README.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = std::fs::read_to_string(path).unwrap();
        for code in codes {
            assert!(text.contains(&format!("| {code} |")), "{page} lacks {code}");
        }
    }
}

#[test]
fn every_flag_is_documented() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = std::fs::read_to_string(path).unwrap();
    let program = Program::new();
    for command in ["plan", "run"] {
        let help = program.run(&[command, "--help"]).stdout;
        let flags = help.lines().filter_map(|line| line.trim_start().split([' ', ',']).next());
        let flags: Vec<&str> = flags.filter(|word| word.starts_with("--")).collect();
        assert!(flags.len() > 20, "{command}: {flags:?}");
        for flag in flags {
            assert!(page.contains(&format!("`{flag}")), "docs/commands.md lacks {flag}");
        }
    }
}
