//! What `check` finds.

use super::{TODAY, parse, shipped};
use flyball::diagnostic::Severity;
use flyball::pricing::check;
use jiff::civil::date;

fn model(fields: &str, price: &str) -> String {
    format!(
        "schema = 1\nprovider = \"p\"\n[[model]]\nid = \"m\"\nline = \"l\"\ntokenizer = \"other\"\n\
         context = 1000\nmax_output = 100\n{fields}\n{price}"
    )
}

fn codes(text: &str) -> Vec<String> {
    let table = parse(text).unwrap_or_else(|error| panic!("{error}"));
    check(&table, TODAY).into_iter().map(|finding| finding.code).collect()
}

#[test]
fn the_shipped_files_have_no_warnings_and_name_what_is_coming() {
    let findings = check(&shipped(), TODAY);
    let loud: Vec<_> = findings.iter().filter(|f| f.severity > Severity::Note).collect();
    assert!(loud.is_empty(), "{loud:#?}");
    let notes: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        notes,
        [
            "claude-sonnet-4-5 retires on 2026-11-30",
            "gemini-4-argon: a change of price is announced for 2026-12-01",
            "gemini-3.8-flash: a change of price is announced for 2027-01-01",
        ]
    );
}

#[test]
fn time_brings_findings_about_the_shipped_files() {
    let findings = check(&shipped(), date(2027, 3, 1));
    let has = |code: &str, text: &str| {
        findings.iter().any(|finding| finding.code == code && finding.message.contains(text))
    };
    assert!(has("pricing::retired", "claude-sonnet-4-5"));
    assert!(has("pricing::announcement-due", "gemini-4-argon"));
    assert!(has("pricing::ended", "gemini-3.8-flash"));
    assert!(has("pricing::old", "claude-haiku-5-5@2026-10-07"));
}

#[test]
fn each_mistake_has_its_finding() {
    let active = "status = \"active\"";
    let row = |extra: &str| {
        format!("[[model.price]]\nfrom = 2026-01-01\nstatus = \"confirmed\"\n{extra}\n")
    };
    let plain = row("input = \"1\"\noutput = \"5\"");
    let later = "[[model.price]]\nfrom = 2026-06-01\nstatus = \"confirmed\"\ninput = \"1\"\noutput = \"5\"\n";
    let cases = [
        (model(active, &plain), vec![]),
        (model(active, &row("input = \"0.000003\"\noutput = \"5\"")), vec!["pricing::unit"]),
        (model(active, &row("input = \"3\"\noutput = \"15000\"")), vec!["pricing::unit"]),
        (model(active, &row("input = \"5\"\noutput = \"1\"")), vec!["pricing::order"]),
        (
            model(active, &row("input = \"3\"\noutput = \"15\"\ncache_write_5m = \"0.3\"")),
            vec!["pricing::order"],
        ),
        (
            model(active, &row("input = \"3\"\noutput = \"15\"\ncache_read = \"30\"")),
            vec!["pricing::order"],
        ),
        (
            model(
                active,
                &row(
                    "input = \"3\"\noutput = \"15\"\n[[model.price.tier]]\nprompt_tokens_gt = 10\ninput = \"2\"\noutput = \"15\"",
                ),
            ),
            vec!["pricing::tier"],
        ),
        (
            model(active, &(row("until = 2026-05-01\ninput = \"1\"\noutput = \"5\"") + later)),
            vec!["pricing::gap"],
        ),
        (
            model(active, &row("until = 2026-05-01\ninput = \"1\"\noutput = \"5\"")),
            vec!["pricing::ended"],
        ),
        (
            model(active, &plain.replace("confirmed", "announced")),
            vec!["pricing::announced-only", "pricing::announcement-due"],
        ),
        (model("status = \"active\"\nretires = 2026-01-02", &plain), vec!["pricing::retired"]),
        (model("status = \"active\"\nreleased = 2026-02-02", &plain), vec!["pricing::dates"]),
        (model(active, &plain).replace("context = 1000", "context = 10"), vec!["pricing::limits"]),
        (
            model("status = \"retired\"", &plain) + "[[alias]]\nname = \"a\"\ntarget = \"m\"\n",
            vec!["pricing::alias-retired"],
        ),
        (
            model(active, &plain) + "[[alias]]\nname = \"m\"\ntarget = \"m\"\n",
            vec!["pricing::alias-hidden"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(codes(&text), expected, "{text}");
    }
}
