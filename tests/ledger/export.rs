//! Entries for other programs: every one, in order, to the picodollar.

use std::io;

use flyball::budget::{Ask, Books, Limits, Operation};
use flyball::ledger::{ExportError, ExportFormat, export};
use serde_json::{Value, json};

use super::stand::{
    Stand, admitted, answer, ask, by_agent, charge, id, on_every_stand, open, pico, settle,
};

on_every_stand!(
    csv_has_a_line_for_every_entry,
    json_lines_carry_the_same,
    an_export_that_cannot_be_written_says_so,
);

fn filled<S: Stand>(stand: &S) -> Books<S::Ledger> {
    let mut books = stand.books();
    let run = open(&mut books, &["project shop", "run \"7\", again"], Limits::usd(pico(1_000)));
    let day = open(&mut books, &["day 2026-11-24"], Limits::NONE);
    books.store().set_note(Some("two\nlines".to_owned()));
    let first = Ask { windows: vec![day], ..ask("a", run, 60) };
    admitted(&mut books, by_agent("Find: x", first));
    books.store().set_note(None);
    settle(&mut books, "a", 70);
    answer(&mut books, Operation::Correct(id("a"), charge(1_500_000_000_000)));
    books
}

use flyball::ledger::Ledger as _;

fn exported<S: Stand>(format: ExportFormat) -> String {
    let mut out = Vec::new();
    let stand = S::new();
    let count = export(filled(&stand).store(), format, &mut out).unwrap();
    assert_eq!(count, 10);
    String::from_utf8(out).unwrap()
}

fn csv_has_a_line_for_every_entry<S: Stand>() {
    let csv = exported::<S>(ExportFormat::Csv);
    let run = "\"project shop / run \"\"7\"\", again\"";
    let expected = [
        "sequence,at,entry,attempt,scope,agent,usd,billed_tokens,output_tokens,requests,details,note".to_owned(),
        "0,2026-11-24T12:00:00.25Z,open,,project shop,,,,,,\"{\"\"name\"\":\"\"project shop\"\"}\",".to_owned(),
        "1,2026-11-24T12:00:00.25Z,limit,,project shop,,,,,,\"{\"\"limits\"\":{\"\"usd\"\":null,\"\"billed_tokens\"\":null,\"\"output_tokens\"\":null,\"\"requests\"\":null,\"\"agents\"\":null}}\",".to_owned(),
        format!("2,2026-11-24T12:00:00.25Z,open,,{run},,,,,,\"{{\"\"parent\"\":0,\"\"name\"\":\"\"run \\\"\"7\\\"\", again\"\"}}\","),
        format!("3,2026-11-24T12:00:00.25Z,limit,,{run},,,,,,\"{{\"\"limits\"\":{{\"\"usd\"\":\"\"0.000000001\"\",\"\"billed_tokens\"\":null,\"\"output_tokens\"\":null,\"\"requests\"\":null,\"\"agents\"\":null}}}}\","),
    ];
    for line in expected {
        assert!(csv.contains(&format!("{line}\r\n")), "{line}\n---\n{csv}");
    }
    let rest = [
        format!(
            "6,2026-11-24T12:00:00.25Z,reserve,a,{run},Find: x,0.00000000006,6,2,1,\"{{\"\"windows\"\":[2]}}\",\"two\nlines\""
        ),
        format!("7,2026-11-24T12:00:00.25Z,settle,a,{run},Find: x,0.00000000007,5,1,1,,"),
        format!("8,2026-11-24T12:00:00.25Z,overrun,a,{run},Find: x,0.00000000001,0,0,0,,"),
    ];
    for line in rest {
        assert!(csv.contains(&format!("{line}\r\n")), "{line}\n---\n{csv}");
    }
    assert!(csv.contains("9,2026-11-24T12:00:00.25Z,correct,a,"));
    assert!(csv.contains(",1.5,5,1,1,"));
}

fn json_lines_carry_the_same<S: Stand>() {
    let lines = exported::<S>(ExportFormat::JsonLines);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(
        lines[9],
        json!({
            "sequence": 9,
            "at": "2026-11-24T12:00:00.25Z",
            "entry": "correct",
            "attempt": "a",
            "scope": "project shop / run \"7\", again",
            "agent": "Find: x",
            "usd": "1.5",
            "billed_tokens": 5,
            "output_tokens": 1,
            "requests": 1,
            "details": {
                "windows": [2],
                "before": {
                    "usd": "0.00000000007",
                    "billed_tokens": 5,
                    "output_tokens": 1,
                    "requests": 1
                }
            },
            "note": null,
        })
    );
    assert_eq!(lines[6]["note"], "two\nlines");
    assert_eq!(lines[4]["scope"], "day 2026-11-24");
}

/// A disk that fills up after some bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn an_export_that_cannot_be_written_says_so<S: Stand>() {
    let stand = S::new();
    let mut books = filled(&stand);
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        for room in [0, 50, 400] {
            let error = export(books.store(), format, &mut Full(room)).unwrap_err();
            assert!(matches!(error, ExportError::Write(_)), "{error:?}");
        }
    }
}
