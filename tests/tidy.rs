//! The house rules, held by tests: layers, sizes, names, and what may stand where.
//!
//! Every rule is also shown to bite: it is given a snippet that breaks it.

mod functions;
mod layers;
mod repository;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use self::source::{Source, occurrences};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` with this extension, sorted, relative to the root.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut waiting = vec![root().join(folder)];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                found.push(path);
            }
        }
    }
    let relative = |path: PathBuf| {
        let below = path.strip_prefix(root()).expect("below the root").to_path_buf();
        below
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    };
    let mut found: Vec<String> = found.into_iter().map(relative).collect();
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs").iter().map(|path| Source::new(path, &read(path))).collect()
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn src_keeps_the_rules() {
    let sources = sources("src");
    assert!(sources.len() > 20, "the walk over src found only {} files", sources.len());
    let complaints: Vec<String> = sources
        .iter()
        .flat_map(|source| rules::RULES.iter().flat_map(|(_, rule)| rule(source)))
        .collect();
    assert_none(&complaints);
}

#[test]
fn tests_keep_the_rules() {
    let complaints: Vec<String> = sources("tests")
        .iter()
        .flat_map(|source| rules::TEST_RULES.iter().flat_map(|(_, rule)| rule(source)))
        .collect();
    assert_none(&complaints);
}

#[test]
fn unsafe_stands_in_one_file() {
    let files: Vec<String> = sources("src")
        .into_iter()
        .filter(|source| occurrences(&source.code, "unsafe").next().is_some())
        .map(|source| source.path)
        .collect();
    assert!(files.len() <= 1, "one small file may hold `unsafe`, found {}", files.join(", "));
}

#[test]
fn every_dependency_has_a_reason() {
    assert_none(&repository::dependencies_without_a_reason(&read("Cargo.toml")));
}

#[test]
fn every_page_is_linked_from_the_index() {
    let pages: Vec<String> = files("docs", "md")
        .iter()
        .filter_map(|path| path.strip_prefix("docs/"))
        .filter(|page| *page != "README.md")
        .map(str::to_owned)
        .collect();
    assert_none(&repository::pages_without_a_link(&read("docs/README.md"), &pages));
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = files("docs", "md");
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        pages.push(page.to_owned());
    }
    let exists = |path: &str| root().join(path).exists();
    let complaints: Vec<String> =
        pages.iter().flat_map(|page| repository::broken_links(page, &read(page), exists)).collect();
    assert_none(&complaints);
}

#[test]
fn every_exit_code_is_documented() {
    let codes = repository::exit_codes(&sources("src"));
    assert!(!codes.is_empty(), "no exit code found in src/app or src/cli: mend the search");
    for page in ["README.md", "docs/exit-codes.md"] {
        assert_none(&repository::undocumented_codes(&codes, page, &read(page)));
    }
}

/// The command that the README tells people to test with is the one that the check runs.
#[test]
fn the_check_runs_the_test_command_of_the_readme() {
    for page in ["README.md", ".ci/run"] {
        let text = read(page);
        assert!(text.lines().any(|line| line == "cargo test"), "{page}: no line `cargo test`");
    }
}

/// Complaints of the rule of that name about `text` at `path`.
fn rule(name: &str, path: &str, text: &str) -> Vec<String> {
    let all = rules::RULES.iter().chain(&rules::TEST_RULES);
    let (_, rule) = all.into_iter().find(|(rule, _)| *rule == name).expect("a rule of that name");
    rule(&Source::new(path, text))
}

#[test]
fn each_rule_bites() {
    let long_file = "//! Doc.\n".repeat(rules::FILE_LINES_MAX + 1);
    let long_function = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(69));
    let long_main = "// line\n".repeat(rules::MAIN_LINES_MAX + 1);
    let cases: [(&str, &str, &str, usize); 36] = [
        ("layers", "src/money.rs", "use crate::pricing::Price;", 1),
        (
            "layers",
            "src/plan/engine.rs",
            "//! Doc.\nuse crate::{id::CallId, script::{A, B}, app};",
            2,
        ),
        ("layers", "src/script/host.rs", "fn f() { crate::agents::start() }", 1),
        ("layers", "src/run/mod.rs", "use crate::report::Table;", 1),
        ("layers", "src/cli/mod.rs", "use super::app;", 1),
        ("layers", "src/plan/engine.rs", "use super::super::run::Runner;", 1),
        ("layers", "src/novelty.rs", "//! A module without a layer.", 1),
        ("file length", "src/id.rs", &long_file, 1),
        ("function length", "src/id.rs", &long_function, 1),
        ("main length", "src/main.rs", &long_main, 1),
        ("module docs", "src/id.rs", "use std::fmt;\n//! Late.", 1),
        ("vague names", "src/plan/string_utils.rs", "", 1),
        ("vague names", "src/plan/mod.rs", "mod common;\npub struct RunManager;", 2),
        ("floats near money", "src/budget/scope.rs", "fn f(x: f64) -> f32 { x }", 2),
        ("printing", "src/run/mod.rs", "println!(\"x\"); std::process::exit(1)", 2),
        ("unfinished", "src/id.rs", concat!("// FIX", "ME later\nfn f() { todo!() }"), 2),
        (
            "missing is not zero",
            "src/pricing/table.rs",
            "rate.unwrap_or(0) + fee.unwrap_or_default()",
            2,
        ),
        ("glob of super", "src/id.rs", "mod inner { use super::*; }", 1),
        ("script engine", "src/run/mod.rs", "use rquickjs::Context;", 1),
        ("script parser", "src/script/mod.rs", "use oxc::parser::Parser;", 1),
        ("sqlite", "src/run/mod.rs", "use rusqlite::Connection;", 1),
        ("postgres", "src/ledger/sqlite.rs", "use tokio_postgres::Client;", 1),
        ("unsafe", "src/plan/mod.rs", "// SAFETY: no.\nunsafe { f() }", 1),
        ("unsafe", "src/script/engine.rs", "// SAFETY: f.\nunsafe { f() }\nunsafe { g() }", 1),
        ("purity", "src/plan/mod.rs", "let now = std::time::SystemTime::now();", 1),
        ("purity", "src/usage/mod.rs", "std::env::var(\"HOME\")", 1),
        ("purity", "src/seed.rs", "use std::fs;", 1),
        ("planner spends nothing", "src/plan/mod.rs", "fn plan(backend: &dyn AgentBackend) {}", 1),
        ("sleeping", "tests/x.rs", "std::thread::sleep(d); tokio::time::sleep(d).await", 2),
        ("ignored tests", "tests/x.rs", "#[ignore = \"slow\"]\n#[test]\nfn f() {}", 1),
        // What is written in comments and strings is not code, and words end where they end.
        ("layers", "src/money.rs", "//! See crate::pricing.\nuse crate::tokens::TokenUsage;", 0),
        (
            "floats near money",
            "src/budget/scope.rs",
            "// never f64\nlet f64_free = \"f64\"; let c = 'f';",
            0,
        ),
        ("printing", "src/app/mod.rs", "eprintln!(\"x\")", 0),
        (
            "unsafe",
            "src/script/engine.rs",
            "// SAFETY: ours.\n#[a]\nunsafe impl A { unsafe fn f() {} }",
            0,
        ),
        ("purity", "src/config/mod.rs", "std::env::var(\"HOME\")", 0),
        ("missing is not zero", "src/report/mod.rs", "width.unwrap_or(0)", 0),
    ];
    for (name, path, text, expected) in cases {
        let complaints = rule(name, path, text);
        assert_eq!(complaints.len(), expected, "rule `{name}` on {path}:\n{text}\n{complaints:#?}");
    }
    for (name, _) in rules::RULES.iter().chain(&rules::TEST_RULES) {
        assert!(
            cases.iter().any(|(case, _, _, expected)| case == name && *expected > 0),
            "rule `{name}` is never shown to bite"
        );
    }
}

#[test]
fn a_complaint_names_file_line_and_remedy() {
    let text = "//! Doc.\n\nfn f() {\n    let x: f64 = 1.0;\n}\n";
    assert_eq!(
        rule("floats near money", "src/money.rs", text),
        [
            "src/money.rs:4: `f64`: money is integer picodollars; statistics become money once, through band::money_from_statistic"
        ]
    );
}

#[test]
fn a_function_of_seventy_lines_is_short_enough() {
    let body = "    step();\n".repeat(68);
    assert_eq!(rule("function length", "src/id.rs", &format!("fn f() {{\n{body}}}\n")), [""; 0]);
    let with_braces_in_text =
        format!("fn f() {{\n    let s = \"}}\"; // }}\n    let c = '}}';\n{body}}}\n");
    assert_eq!(rule("function length", "src/id.rs", &with_braces_in_text).len(), 1);
}

#[test]
fn literals_and_comments_are_blanked() {
    let text = "let a = r#\"x \"unsafe\" y\"#; /* unsafe /* unsafe */ */ b'\\''; f::<'a>(\"\\\"unsafe\", 'ü');";
    let code = source::code_only(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains("unsafe"), "{code}");
    assert!(code.contains("f::<'a>("), "{code}");
}

#[test]
fn repository_rules_bite() {
    let manifest = "[dependencies]\nserde = \"1\" # data\ntoml = \"1\"\n\n[profile.dev]\ndebug = 1\n\n[dev-dependencies.insta]\nversion = \"1\"\n";
    assert_eq!(
        repository::dependencies_without_a_reason(manifest),
        [
            "Cargo.toml:3: no reason: end the line with `# what it is for`: toml = \"1\"",
            "Cargo.toml:8: [dev-dependencies.insta]: write the dependency on one line with its reason",
        ]
    );

    let pages = ["forecast.md".to_owned(), "lost.md".to_owned()];
    let index =
        "[how](forecast.md) and [gone](gone.md), [code](../README.md), [web](https://example.org)";
    assert_eq!(repository::pages_without_a_link(index, &pages).len(), 1);
    let exists = |path: &str| ["docs/forecast.md", "README.md"].contains(&path);
    assert_eq!(
        repository::broken_links("docs/README.md", index, exists),
        ["docs/README.md:1: gone.md does not exist: write it or drop the link"]
    );
    assert_eq!(
        repository::broken_links("README.md", "[a](docs/forecast.md#top) [b](#here)", exists),
        [""; 0]
    );

    let app = Source::new("src/app/mod.rs", "fn f() -> ExitCode { ExitCode::from(2) }");
    let list = Source::new(
        "src/app/exit_code.rs",
        "enum Exit {\n    Over = 3,\n}\nmatch self {\n    Self::Stopped => 130,\n}",
    );
    let codes = repository::exit_codes(&[app, list]);
    assert_eq!(codes.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [2, 3, 130]);
    let table = "| code | when |\n|---|---|\n| 2 | usage |\n| `130` | interrupted |\n";
    let missing = repository::undocumented_codes(&codes, "docs/exit-codes.md", table);
    assert_eq!(
        missing,
        [
            "src/app/exit_code.rs:2: exit code 3 has no row in docs/exit-codes.md: add `| 3 | when | what to do |`"
        ]
    );
}
