//! Messages that point into a text.

use flyball::diagnostic::{Diagnostic, Place, Severity};
use flyball::report::page::width_of;
use flyball::report::{Page, diagnostics};

const SCRIPT: &str = "export const meta = { name: 'review' };\nconst files = args.files;\nreturn await parallel(files.map(f => () => agent(f)));\n";

fn at(text: &str, needle: &str) -> Place {
    Place::at(text, text.find(needle).unwrap(), needle.len())
}

#[test]
fn it_shows_the_line_and_what_to_do() {
    let found = [
        Diagnostic::new(Severity::Note, "script::note", "one agent per file"),
        Diagnostic::new(
            Severity::Warning,
            "script::args",
            "`args.files` is read but --args was not given, so the script will see undefined here",
        )
        .with_help("give it: --args '{\"files\":[\"a.rs\"]}'")
        .with_place(at(SCRIPT, "args.files")),
    ];
    insta::assert_snapshot!(diagnostics::render(&found, "review.js", SCRIPT, Page::plain()));
}

#[test]
fn a_script_on_one_long_line_is_cut_around_the_place() {
    let script = format!("{}OOPS{}", "const a=1;".repeat(5_000), ";let b=2".repeat(5_000));
    let found = [Diagnostic::new(Severity::Error, "script::syntax", "unexpected name")
        .with_place(at(&script, "OOPS"))];
    let text = diagnostics::render(&found, "min.js", &script, Page::plain());
    assert!(text.lines().all(|line| width_of(line) <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_source_cannot_act_on_the_terminal() {
    let script = "let a = '\u{1b}[2J\u{9b}31m\u{202e}';\nlet b\n";
    let found = [Diagnostic::new(Severity::Error, "script::x\u{1b}[0m", "bad\u{7} name")
        .with_place(at(script, "let a"))];
    let text = diagnostics::render(&found, "a\u{1b}.js", script, Page::plain());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
}

#[test]
fn many_messages_are_counted() {
    let found: Vec<_> = (0..30)
        .map(|n| Diagnostic::new(Severity::Note, "script::note", format!("message {n}")))
        .collect();
    let text = diagnostics::render(&found, "a.js", "", Page::plain());
    assert!(text.contains("message 19") && !text.contains("message 20"), "{text}");
    assert!(text.ends_with("… and 10 more\n"), "{text}");
}
