//! The house rules that one file can break. Each takes a file and gives complaints, empty if it
//! keeps the rule; each message says what to do instead.

use super::functions::functions;
use super::source::{Source, line_at, occurrences};

pub(super) const FILE_LINES_MAX: usize = 500;
pub(super) const FUNCTION_LINES_MAX: usize = 70;
pub(super) const MAIN_LINES_MAX: usize = 15;

/// Where amounts of money are computed.
const MONEY: [&str; 4] = ["src/money.rs", "src/pricing", "src/budget", "src/ledger"];
/// Where a missing number must be an error and never zero.
const EXACT: [&str; 5] = ["src/money.rs", "src/pricing", "src/budget", "src/usage", "src/ledger"];
const VAGUE_NAMES: [&str; 8] =
    ["utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"];

pub(super) type Rule = fn(&Source) -> Vec<String>;

/// Every rule for files of `src`, with the name that its own test uses.
pub(super) const RULES: [(&str, Rule); 18] = [
    ("layers", super::layers::complaints),
    ("file length", file_length),
    ("function length", function_length),
    ("main length", main_length),
    ("module docs", module_docs),
    ("vague names", vague_names),
    ("floats near money", floats_near_money),
    ("printing", printing),
    ("unfinished", unfinished),
    ("missing is not zero", missing_is_not_zero),
    ("glob of super", glob_of_super),
    ("script engine", script_engine),
    ("script parser", script_parser),
    ("sqlite", sqlite),
    ("postgres", postgres),
    ("unsafe", unsafe_code),
    ("purity", purity),
    ("planner spends nothing", planner_spends_nothing),
];

/// Every rule for files of `tests`.
pub(super) const TEST_RULES: [(&str, Rule); 4] = [
    ("sleeping", sleeping),
    ("ignored tests", ignored_tests),
    ("glob of super", glob_of_super),
    ("unfinished", unfinished),
];

fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{}:{lines}: {lines} lines, at most {FILE_LINES_MAX}: give one of its nouns a file of its own",
        source.path
    )]
}

fn function_length(source: &Source) -> Vec<String> {
    functions(source)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|function| {
            let message = format!(
                "fn {} has {} lines, at most {FUNCTION_LINES_MAX}: name its steps and call them",
                function.name, function.lines
            );
            source.complaint(function.offset, &message)
        })
        .collect()
}

fn main_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if source.path != "src/main.rs" || lines <= MAIN_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{}:{lines}: {lines} lines, at most {MAIN_LINES_MAX}: dispatch in src/app",
        source.path
    )]
}

fn module_docs(source: &Source) -> Vec<String> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![source.complaint(
        0,
        "no `//!` on the first line: say what the module owns and what it must not know",
    )]
}

fn vague_names(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let stem = source.path.trim_end_matches(".rs");
    let parts = stem.split('/').flat_map(|part| part.split('_'));
    for vague in parts.filter(|part| VAGUE_NAMES.contains(part)) {
        complaints.push(
            source.complaint(
                0,
                &format!("`{vague}` in a path: name the file after the noun it owns"),
            ),
        );
    }
    for keyword in ["mod", "struct", "enum", "trait"] {
        for offset in occurrences(&source.code, keyword) {
            let name = source.code[offset + keyword.len()..].split_whitespace().next();
            let name =
                name.unwrap_or("").trim_end_matches(|end: char| !super::source::is_word(end));
            let lower = name.to_lowercase();
            if VAGUE_NAMES.iter().any(|vague| lower == *vague)
                || ["Manager", "Helper", "Helpers", "Utils", "Util"]
                    .iter()
                    .any(|end| name.ends_with(end))
            {
                complaints.push(source.complaint(
                    offset,
                    &format!("`{name}` names no noun of the domain: say what it owns"),
                ));
            }
        }
    }
    complaints
}

fn floats_near_money(source: &Source) -> Vec<String> {
    if !source.within(&MONEY) {
        return Vec::new();
    }
    let message = "money is integer picodollars; statistics become money once, through band::money_from_statistic";
    each(source, &["f64", "f32"], message)
}

fn printing(source: &Source) -> Vec<String> {
    if source.within(&["src/app"]) {
        return Vec::new();
    }
    let message = "only src/app prints or exits: return a value, or emit an event";
    each(source, &["println!", "eprintln!", "print!", "eprint!", "dbg!", "process::exit"], message)
}

fn unfinished(source: &Source) -> Vec<String> {
    let mut complaints =
        each(source, &["todo!", "unimplemented!"], "finish it, or leave the feature out");
    // Markers live in comments, so the whole text counts. Spelled apart to pass this very rule.
    for marker in [concat!("FIX", "ME"), concat!("X", "XX"), concat!("TO", "DO")] {
        for offset in occurrences(&source.text, marker) {
            complaints.push(source.complaint(
                offset,
                &format!("`{marker}`: do it now, or say plainly what is not supported"),
            ));
        }
    }
    complaints
}

fn missing_is_not_zero(source: &Source) -> Vec<String> {
    if !source.within(&EXACT) {
        return Vec::new();
    }
    let message = "an unknown amount is an error, never zero: return it as one";
    each(source, &["unwrap_or(0)", "unwrap_or(0_u64)", "unwrap_or_default()"], message)
}

fn glob_of_super(source: &Source) -> Vec<String> {
    each(source, &["use super::*"], "name what is used")
}

fn script_engine(source: &Source) -> Vec<String> {
    if source.within(&["src/script"]) {
        return Vec::new();
    }
    each(source, &["rquickjs"], "only src/script runs scripts: go through ports::script")
}

fn script_parser(source: &Source) -> Vec<String> {
    if source.within(&["src/workflow"]) {
        return Vec::new();
    }
    let message = "only src/workflow parses JavaScript: ask it for the fact";
    each(source, &["oxc"], message)
}

fn sqlite(source: &Source) -> Vec<String> {
    if source.within(&["src/ledger"]) {
        return Vec::new();
    }
    each(source, &["rusqlite"], "only src/ledger speaks SQL: go through its traits")
}

fn postgres(source: &Source) -> Vec<String> {
    if source.within(&["src/ledger/postgres"]) {
        return Vec::new();
    }
    let message = "only src/ledger/postgres speaks to a server: go through the ledger's traits";
    each(source, &["tokio_postgres"], message)
}

fn unsafe_code(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for offset in occurrences(&source.code, "unsafe") {
        // A method that its trait declares unsafe promises nothing of ours; its body has blocks.
        let declared = source.code[offset..].starts_with("unsafe fn");
        if !source.within(&["src/script"]) {
            complaints
                .push(source.complaint(offset, "`unsafe` outside src/script: find a safe way"));
        } else if !declared && !has_reason(source, offset) {
            let message = "`unsafe` without a reason: a `// SAFETY:` comment right above it says why it holds";
            complaints.push(source.complaint(offset, message));
        }
    }
    complaints
}

/// Whether the comment right above the line of `offset` is a `SAFETY:` one.
fn has_reason(source: &Source, offset: usize) -> bool {
    let above: Vec<&str> =
        source.text.lines().take(line_at(&source.text, offset) - 1).map(str::trim_start).collect();
    let comment = above.iter().rev().skip_while(|line| line.starts_with("#["));
    comment.take_while(|line| line.starts_with("//")).any(|line| line.contains("SAFETY:"))
}

fn purity(source: &Source) -> Vec<String> {
    if !super::layers::is_pure(&source.path) {
        return Vec::new();
    }
    let message = "L0 to L3 are functions of their arguments: let the caller pass the value in";
    let impure = [
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "env::var",
        "env::vars",
        "env::args",
        "current_dir",
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
    ];
    each(source, &impure, message)
}

fn planner_spends_nothing(source: &Source) -> Vec<String> {
    if !source.within(&["src/plan"]) {
        return Vec::new();
    }
    let message = "the planner cannot spend, so it never sees a backend or a ledger";
    each(source, &["AgentBackend", "Ledger", "crate::budget::Account"], message)
}

fn sleeping(source: &Source) -> Vec<String> {
    let message = "a test never sleeps: wait for the event, or advance a virtual clock";
    each(source, &["thread::sleep", "time::sleep", "sleep_until", "park_timeout"], message)
}

fn ignored_tests(source: &Source) -> Vec<String> {
    each(source, &["#[ignore"], "a test that does not run proves nothing: mend it or delete it")
}

fn each(source: &Source, needles: &[&str], message: &str) -> Vec<String> {
    needles.iter().flat_map(|needle| source.code_complaints(needle, message)).collect()
}
