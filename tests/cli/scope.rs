//! Counts of the working tree.

use std::process::Command;
use std::time::Duration;

use flyball::config::{ScopeCounts, ScopeLimits};
use flyball::plan::widths::CountLimit;

use super::program::Program;

fn tree() -> Program {
    let program = Program::new();
    std::fs::remove_dir(program.path(".git")).unwrap();
    program
        .write("src/a.rs", "")
        .write("src/b.rs", "")
        .write("src/deep/c.RS", "")
        .write("README.md", "")
        .write("Makefile", "")
        .write("target/built.rs", "")
        .write(".hidden/d.rs", "")
        .write(".gitignore", "target/\n");
    program
}

#[test]
fn ignored_and_hidden_files_do_not_count() {
    let program = tree();
    let counts = ScopeCounts::of(&program.path("."), ScopeLimits::default()).unwrap();
    assert_eq!((counts.files, counts.source_files, counts.modules), (5, 3, 2));
    assert_eq!(counts.by_extension.get("rs"), Some(&3));
    assert_eq!(counts.by_extension.get(""), Some(&1));
    assert_eq!(counts.cut_by, None);
}

#[test]
fn counting_stops_at_its_limit_and_says_so() {
    let program = tree();
    let limits = ScopeLimits { entries: 3, ..ScopeLimits::default() };
    let counts = ScopeCounts::of(&program.path("."), limits).unwrap();
    assert_eq!(counts.cut_by, Some(CountLimit::Entries(3)));
    assert!(counts.files < 5);
    let limits = ScopeLimits { walk_time: Duration::ZERO, ..ScopeLimits::default() };
    let counts = ScopeCounts::of(&program.path("."), limits).unwrap();
    assert_eq!((counts.cut_by, counts.files), (Some(CountLimit::Seconds(0)), 0));
}

#[test]
fn folders_that_are_too_deep_are_missing_and_said_to_be() {
    let program = tree();
    let at_most = |depth| {
        let limits = ScopeLimits { depth, ..ScopeLimits::default() };
        let counts = ScopeCounts::of(&program.path("."), limits).unwrap();
        (counts.files, counts.cut_by)
    };
    assert_eq!(at_most(2), (4, Some(CountLimit::Depth(2))));
    assert_eq!(at_most(3), (5, None));
    // Nothing is missing from an empty folder.
    std::fs::remove_file(program.path("src/deep/c.RS")).unwrap();
    assert_eq!(at_most(2), (4, None));
}

#[test]
fn a_scope_that_was_not_counted_to_its_end_is_said_in_the_preview() {
    let program = tree();
    program
        .write("deep.js", "export const meta = { name: 'one', description: 'one agent' };\nreturn await agent('one');\n")
        .write(&format!("{}/leaf.rs", ["a"; 25].join("/")), "");
    let words = "its limit of 24 folders deep: its counts are lower bounds";
    let plan = |scope: &str, format: &str| {
        let flags = ["plan", "deep.js", "--samples", "3", "--scope", scope, "--format", format];
        let ended = program.run(&flags);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for format in ["table", "json", "markdown"] {
        assert!(plan(".", format).contains(words), "{}", plan(".", format));
        assert!(!plan("src", format).contains("lower bounds"));
    }
}

#[test]
fn a_file_or_nothing_is_no_scope() {
    let program = tree();
    for name in ["README.md", "missing"] {
        assert!(ScopeCounts::of(&program.path(name), ScopeLimits::default()).is_err(), "{name}");
    }
}

#[test]
fn changed_files_are_what_git_says() {
    let program = tree();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(arguments);
        command.current_dir(program.path(".")).output().is_ok_and(|done| done.status.success())
    };
    // Without git there is no answer, and no failure either.
    if !git(&["init", "-q"]) {
        let counts = ScopeCounts::of(&program.path("."), ScopeLimits::default()).unwrap();
        assert_eq!(counts.changed_files, None);
        return;
    }
    assert!(git(&["add", "."]) && git(&["commit", "-q", "-m", "first"]));
    let changed =
        || ScopeCounts::of(&program.path("."), ScopeLimits::default()).unwrap().changed_files;
    assert_eq!(changed(), Some(0));
    program.write("src/a.rs", "changed").write("src/new.rs", "");
    assert_eq!(changed(), Some(2));
}

/// A script that asks for everything, in a folder with `sources` files.
fn sweeping(sources: u32) -> Program {
    let program = tree();
    for number in 0..sources {
        program.write(&format!("src/more/{number}.rs"), "fn main() {}\n".repeat(2_000));
    }
    program.write(
        "sweep.js",
        "export const meta = { name: 'sweep', description: 'reads all' };\n\
         await parallel([1, 2, 3].map((n) => () =>\n\
         agent(`Read every single source file and report part ${n}.`, { label: `read:${n}` })));\n",
    );
    program
}

#[test]
fn who_asks_for_everything_is_told_how_much_that_is() {
    let program = sweeping(200);
    let plan = |flags: &[&str]| {
        let flags = [&["plan", "sweep.js", "--samples", "5"], flags].concat();
        let ended = program.run(&flags);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let uncounted = plan(&[]);
    assert!(
        uncounted.contains("note: line 3: it asks for `every single source file`"),
        "{uncounted}"
    );
    assert!(uncounted.contains("count it with --scope FOLDER"), "{uncounted}");
    // 205 files and the script, 200 of them of 26,000 bytes: 5.2 MB, 0.24 tokens a byte, and what
    // the tokenizer of the session's model makes of that.
    let counted = plan(&["--scope", "."]);
    let words = "the folder holds 206 files, about 1900000 tokens, 2 windows of claude-opus-5-5, $";
    assert!(counted.contains(words), "{counted}");
    assert!(counted.contains("warning: line 3"), "{counted}");
}

#[test]
fn a_policy_caps_the_folder() {
    let program = sweeping(3);
    program.write(
        "mine.toml",
        "schema = 1\nname = 'mine'\n[thresholds]\nask = { files = 6 }\ndeny = { files = 8 }\n",
    );
    let code = |scope: &[&str]| {
        let flags =
            [&["plan", "sweep.js", "--samples", "3", "--policy", "mine.toml"], scope].concat();
        let ended = program.run(&flags);
        (ended.code, ended.stdout)
    };
    let (denied, said) = code(&["--scope", "."]);
    assert_eq!(denied, 3, "{said}");
    assert!(said.contains("files in the folder; denied above 8"), "{said}");
    let (asked, said) = code(&["--scope", "src"]);
    assert_eq!(asked, 0, "{said}");
    assert!(!said.contains("files in the folder"), "{said}");
    assert_eq!(code(&[]).0, 0);
}
