//! What plans look like. Every golden was read by somebody.

use flyball::report::{Page, json, markdown, plan};

use super::fixtures;

#[test]
fn table_at_80_columns() {
    for (name, report) in fixtures::all() {
        insta::assert_snapshot!(format!("plan_{name}"), plan::table(&report, Page::plain()));
    }
}

#[test]
fn table_at_120_columns_uses_the_room() {
    let page = Page::new(120, false);
    insta::assert_snapshot!(plan::table(&fixtures::long_names(), page));
}

#[test]
fn markdown_for_a_pull_request() {
    for (name, report) in fixtures::all() {
        insta::assert_snapshot!(format!("markdown_{name}"), markdown::plan(&report));
    }
}

#[test]
fn json_has_everything_and_reads_back() {
    for (name, report) in fixtures::all() {
        let text = json::pretty(&report);
        let back: flyball::plan::report::PlanReport = serde_json::from_str(&text).unwrap();
        assert_eq!(back, report, "{name}");
    }
    insta::assert_snapshot!(json::pretty(&fixtures::review()));
}

#[test]
fn colours_only_mark_verdict_and_gate() {
    let coloured = plan::table(&fixtures::review(), Page::new(80, true));
    let first = coloured.lines().next().unwrap();
    assert!(first.contains("\x1b[1;33mOVER BUDGET RISK\x1b[0m"), "{first}");
    assert!(first.ends_with("\x1b[1;33mASK\x1b[0m"), "{first}");
    assert_eq!(coloured.matches('\x1b').count(), 4);
    let bare = coloured.replace("\x1b[1;33m", "").replace("\x1b[0m", "");
    assert_eq!(bare, plan::table(&fixtures::review(), Page::plain()));
}
