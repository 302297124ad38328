//! Messages that point into a text.

use flyball::app::AppError;
use flyball::app::context::Terminal;
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

/// Found by fuzzing: what is shown wider than it is cut the place away, and the picture failed.
#[test]
fn a_place_behind_what_is_shown_wider_stays_in_sight() {
    for odd in ["\u{e000}", "\u{fffd}", "\u{1b}", "漢", "\t", "\u{202e}"] {
        for count in [5, 30, 70, 300] {
            let text = format!("a = 1\nname = \"{}OOPS", odd.repeat(count));
            let past_the_end = Place::at(&text, text.len(), 0);
            for place in [at(&text, "OOPS"), past_the_end] {
                let found =
                    [Diagnostic::new(Severity::Error, "policy::x", "no end").with_place(place)];
                let shown = diagnostics::render(&found, "a.toml", &text, Page::plain());
                assert!(shown.contains("OOPS"), "{odd:?} {count}:\n{shown}");
            }
        }
    }
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

#[test]
fn messages_follow_a_narrow_terminal() {
    let found = [Diagnostic::new(
        Severity::Error,
        "script::x",
        "the prices of 2026-11-22 do not know what the script asks for on that line",
    )
    .with_help("give it: --args-string TEXT, or --args @FILE where it is more than a few words")
    .with_place(at(SCRIPT, "parallel"))];
    for width in [40, 60, 80, 140] {
        let text = diagnostics::render(&found, "review.js", SCRIPT, Page::new(width, false));
        assert!(text.lines().all(|line| width_of(line) <= width), "{width}:\n{text}");
        for whole in ["2026-11-22", "--args-string"] {
            assert!(text.contains(whole), "{width}: {whole} is broken:\n{text}");
        }
    }
}

#[test]
fn a_message_is_broken_for_who_looks_and_whole_for_who_searches() {
    let error = AppError::bad_input(
        "there is no file and no saved workflow `review` (looked in \
                                     /somewhere/far/.claude/workflows)\u{1b}[2J",
    )
    .with_hint("name a script: flyball plan path/to/workflow.js");
    let terminal = |live| Terminal { live, width: 40, colour: false };
    let looked_at = error.render(terminal(true));
    assert!(looked_at.lines().all(|line| width_of(line) <= 40), "{looked_at}");
    assert!(
        looked_at.starts_with("error: there is no file and no saved\n  workflow"),
        "{looked_at}"
    );
    let piped = error.render(terminal(false));
    assert_eq!(piped.lines().count(), 2, "{piped}");
    assert!(!looked_at.contains('\u{1b}') && !piped.contains('\u{1b}'), "{piped}");
}
