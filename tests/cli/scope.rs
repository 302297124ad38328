//! Counts of the working tree.

use std::process::Command;

use flyball::config::{ScopeCounts, ScopeLimits};

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
    assert_eq!(counts.cut_by.as_deref(), Some("3 entries"));
    assert!(counts.files < 5);
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
