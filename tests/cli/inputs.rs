//! Files that are missing, or not what they should be; where a name leads.

use std::io::Read;
use std::process::Stdio;

use flyball::config::registry::{Registry, WorkflowReference};
use flyball::config::{Environment, Origin};

use super::program::{Program, ended};

#[test]
fn files_that_cannot_be_used_end_with_6() {
    let program = Program::new();
    program
        .write("binary.js", b"\x7fELF\0\0")
        .write("noise.js", noise(300_000))
        .write("latin.js", b"// caf\xe9")
        .write("huge.js", "x".repeat((512 << 10) + 1))
        .write("folder.js/inside", "")
        .write("scripts/inside", "")
        .write("ok.js", "return 1")
        .write("args.json", "{nope")
        .write("plan.json", "{\"version\":1}");
    let cases: &[(&[&str], &str)] = &[
        (&["plan", "missing.js"], "there is no file `missing.js`"),
        (&["plan", "binary.js"], "it looks like a binary"),
        (&["plan", "noise.js"], "it looks like a binary"),
        (&["plan", "latin.js"], "is not UTF-8 text (byte 6); save it as UTF-8"),
        (&["plan", "huge.js"], "has 524289 bytes; at most 524288 are read"),
        (&["plan", "folder.js"], "is a folder; name a file in it"),
        (&["plan", "."], "is a folder"),
        (&["plan", "scripts"], "`scripts` is a folder; name a file in it"),
        (&["plan", "okk.js"], "did you mean `ok.js`?"),
        (&["plan", "folder.js/insid"], "did you mean `folder.js/inside`?"),
        (&["plan", "review-diff"], "comes with flyball is called example:review-diff"),
        (&["pricing", "check", "none.toml"], "there is no file `none.toml`"),
        (&["pricing", "check", "folder.js"], "is a folder; name a file in it"),
        (&["pricing", "check", "plan.json"], "plan.json:1:1"),
        (&["pricing", "import", "--from", "binary.js"], "it looks like a binary"),
        (&["pricing", "import", "--from", "plan.json"], "not a price table that is known here"),
        (&["plan", "ok.js/below.js"], "there is no file"),
        (&["plan", "example:nope"], "there is no example `nope`"),
        (&["plan", "example:review-dif"], "did you mean `review-diff`?"),
        (&["plan", "nobody-saved-this"], "there is no file and no saved workflow"),
        (&["plan", "ok.js", "--args", "@missing.json"], "there is no file `missing.json`"),
        (&["plan", "ok.js", "--args", "@args.json"], "args.json: this is not JSON"),
        (&["plan", "ok.js", "--policy", "none.toml"], "there is no file `none.toml`"),
        (&["plan", "ok.js", "--prices", "none.toml"], "there is no file `none.toml`"),
        (&["plan", "ok.js", "--usage", "none.toml"], "there is no file `none.toml`"),
        (&["plan", "ok.js", "--result", "a=@none.json"], "there is no file `none.json`"),
        (&["plan", "ok.js", "--scope", "ok.js"], "--scope takes a folder"),
        (&["run", "--plan", "none.json", "--agents", "simulated"], "there is no file"),
        (&["run", "--plan", "plan.json", "--agents", "simulated"], "this is not a plan"),
    ];
    for (arguments, expected) in cases {
        let ended = program.run(arguments);
        assert_eq!(ended.code, 6, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?} lacks {expected}:\n{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains('\x1b'), "colours without a terminal: {:?}", ended.stderr);
    }
}

/// Bytes that are no text anywhere near their beginning.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_name_that_is_missing_cannot_act_on_the_terminal() {
    let ended = Program::new().run(&["plan", "a\u{1b}[2Jb\nc.js"]);
    assert_eq!(ended.code, 6);
    assert_eq!(ended.stderr, "error: there is no file `a\u{fffd}[2Jb c.js`\n");
}

#[test]
fn a_pipe_or_device_is_not_waited_for() {
    let program = Program::new();
    let ended = program.run(&["plan", "/dev/zero"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("is not a regular file"), "{}", ended.stderr);
}

fn environment(program: &Program) -> Environment {
    let home = program.home();
    Environment::read(|name| (name == "HOME").then(|| home.clone().into_os_string()))
}

#[test]
fn the_closest_saved_workflow_wins_and_meta_names_beat_file_names() {
    let program = Program::new();
    program
        .write("sub/deep/.claude/workflows/review.js", "closest")
        .write(".claude/workflows/review.js", "root")
        .write(".claude/workflows/other.js", "named review inside")
        .write_home(".claude/workflows/review.js", "personal")
        .write_home(".claude/workflows/notes.txt", "not a script");
    std::fs::create_dir_all(program.path("sub/deep")).unwrap();
    let registry = Registry::scan(&program.path("sub/deep"), &environment(&program));

    let texts: Vec<_> = registry.workflows.iter().map(|saved| saved.text.as_str()).collect();
    assert_eq!(texts, ["closest", "named review inside", "root", "personal"]);
    assert_eq!(registry.workflows[3].origin, Origin::Personal);

    let by_meta = |saved: &flyball::config::SavedWorkflow| {
        saved.text.contains("inside").then(|| "review".to_owned())
    };
    let found = registry.named("review", by_meta);
    let texts: Vec<_> = found.iter().map(|saved| saved.text.as_str()).collect();
    assert_eq!(texts, ["closest", "named review inside", "root", "personal"]);
    assert!(registry.named("other", by_meta).is_empty(), "its own name replaces the file's");
}

#[test]
fn outside_a_repository_only_the_working_folder_counts() {
    let program = Program::new();
    std::fs::remove_dir(program.path(".git")).unwrap();
    program.write(".claude/workflows/above.js", "above").write("sub/x", "");
    let registry = Registry::scan(&program.path("sub"), &environment(&program));
    assert!(registry.workflows.is_empty(), "{:?}", registry.workflows);
}

#[test]
fn a_workflow_is_a_path_a_name_or_an_example() {
    let program = Program::new();
    program.write("plain", "return 1");
    let here = program.path(".");
    let reference = |text: &str| WorkflowReference::from_text(text, &here);
    assert_eq!(reference("review"), WorkflowReference::Name("review".to_owned()));
    assert_eq!(reference("example:x"), WorkflowReference::Example("x".to_owned()));
    for path in ["plain", "a.js", "./review", "dir/review", ".."] {
        assert_eq!(reference(path), WorkflowReference::Path(path.into()));
    }
}

#[test]
fn a_saved_workflow_is_suggested_where_a_file_is_missing() {
    let program = Program::new();
    program.write(".claude/workflows/review.js", "return 1");
    let ended = program.run(&["plan", "review.js"]);
    assert!(ended.stderr.contains("flyball plan review"), "{}", ended.stderr);
    let ended = program.run(&["plan", "reveiw"]);
    assert!(ended.stderr.contains("did you mean `review`?"), "{}", ended.stderr);
}

#[test]
fn workflows_are_listed_closest_first() {
    let program = Program::new();
    program.write(".claude/workflows/review.js", "return 1");
    let ended = program.run(&["workflows", "list"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("review "), "{}", ended.stdout);
    assert!(ended.stdout.contains("example:review-diff"), "{}", ended.stdout);

    let ended = program.run(&["workflows", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(list["version"], 1);
    assert_eq!(list["workflows"][0]["name"], "review");
}

#[test]
fn every_example_file_is_shipped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".js").map(str::to_owned))
        .collect();
    files.sort();
    let shipped: Vec<_> =
        flyball::config::examples::EXAMPLES.iter().map(|example| example.name).collect();
    assert_eq!(shipped, files);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let program = Program::new();
    let mut child = program
        .command()
        .args(["workflows", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything is read.
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    let program = Program::new();
    let forced = program.run(&["plan", "missing.js", "--color", "always"]);
    assert!(forced.stderr.contains("\x1b[1;31merror\x1b[0m"), "{:?}", forced.stderr);
    let output =
        program.command().env("NO_COLOR", "1").args(["plan", "missing.js"]).output().unwrap();
    assert!(!ended(&output).stderr.contains('\x1b'));
}

#[test]
fn policies_and_prices_are_read_and_pointed_into() {
    let program = Program::new();
    program
        .write("bad.toml", "nmae = 1\n")
        .write("prices.toml", "nonsense = 1\n")
        .write("ok.js", "return 1");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["policy", "check", "haiku-fanout"], 0, "haiku-fanout"),
        (&["policy", "check", "haiku-fanuot"], 6, "did you mean `haiku-fanout`?"),
        (&["policy", "check", "bad.toml"], 6, "bad.toml:1:1"),
        (&["policy", "check", "ci", "--prices", "prices.toml"], 6, "prices.toml:1:1"),
        (&["pricing", "list"], 0, "opus"),
        (&["pricing", "show", "no-such-model"], 2, "no-such-model"),
        (&["pricing", "check", "missing.toml"], 6, "missing.toml"),
    ];
    for (arguments, code, expected) in cases {
        let ended = program.run(arguments);
        assert_eq!(ended.code, *code, "{arguments:?}: {}", ended.stderr);
        let said = if *code == 0 { &ended.stdout } else { &ended.stderr };
        assert!(said.contains(expected), "{arguments:?} lacks {expected}:\n{said}");
    }
}
