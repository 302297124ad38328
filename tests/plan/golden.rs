//! One plan as a whole, so that no part of the report changes unnoticed.

use flyball::plan::report::Hashes;

use super::fake::Call;
use super::stand::Stand;

#[test]
fn a_small_plan_reads_as_it_did() {
    let stand = Stand::fake(|answers| match answers.len() {
        0 => (0..4).map(|n| Call::new("Find", &format!("find:{n}"), "look")).collect(),
        1 => vec![Call::new("Report", "report", "write it up").model("sonnet")],
        _ => Vec::new(),
    });
    let mut report = stand.with(|job| job.samples = 20).plan();
    // What the tables are called is tested where they are.
    report.hashes = Hashes::default();
    report.plan_id.clear();
    insta::with_settings!({ info => &format!("seed {}", report.seed) }, {
        insta::assert_json_snapshot!(report);
    });
}
