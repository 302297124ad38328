//! What a batch reads: never all of a table, however small it was when the plans were made.

use std::time::{Duration, Instant};

use flyball::budget::{Books, Limits};
use flyball::ledger::PostgresLedger;

use super::server::{is_wanted, shared};
use crate::ledger::stand::{admitted, ask, noon, open, settle};

/// Counting is done much sooner; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_batch_looks_everything_up_by_an_index() {
    if !is_wanted() {
        return;
    }
    let database = shared().database();
    let mut books = Books::new(PostgresLedger::open(&database.url(), noon).unwrap(), 8);
    let run = open(&mut books, &["org", "run 1"], Limits::NONE);
    // A plan is made five times before it is kept.
    for number in 0..10 {
        let attempt = number.to_string();
        admitted(&mut books, ask(&attempt, run, 5));
        settle(&mut books, &attempt, 5);
    }
    // What a connection has read is counted when it ends.
    drop(books);
    let tables = |which: &str| {
        let from = "SELECT FROM pg_stat_user_tables WHERE schemaname = 'flyball'";
        database.sql(&format!("{from} AND {which}"))
    };
    let began = Instant::now();
    while tables("relname = 'attempts' AND n_tup_upd = 10") == 0 {
        assert!(began.elapsed() < PATIENCE, "the server never counts what was done");
    }
    // That one has a single row, which says which schema it is.
    assert_eq!(tables("relname <> 'ledger' AND seq_tup_read > 0"), 0);
}
