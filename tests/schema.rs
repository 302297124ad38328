//! The published JSON Schemas are the ones of the code.

use flyball::event::RunReport;
use flyball::plan::report::PlanReport;
use flyball::report::checkup::Checkup;
use flyball::report::exec::ExecReport;
use flyball::report::json;
use flyball::report::policy::{PolicyCheckReport, PolicyExplainReport};
use flyball::report::rewrite::PolicyApplyReport;

/// Writes the files instead of comparing them.
const UPDATE: &str = "FLYBALL_UPDATE_SCHEMAS";

fn published_is_generated(name: &str, generated: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == generated,
        "docs/schema/{name} is not what the code says: run the tests once with {UPDATE}=1"
    );
}

#[test]
fn plan() {
    published_is_generated("plan.json", &json::schema::<PlanReport>());
}

#[test]
fn run() {
    published_is_generated("run.json", &json::schema::<RunReport>());
}

#[test]
fn exec() {
    published_is_generated("exec.json", &json::schema::<ExecReport>());
}

#[test]
fn doctor() {
    published_is_generated("doctor.json", &json::schema::<Checkup>());
}

#[test]
fn policy_check() {
    published_is_generated("policy-check.json", &json::schema::<PolicyCheckReport>());
}

#[test]
fn policy_explain() {
    published_is_generated("policy-explain.json", &json::schema::<PolicyExplainReport>());
}

#[test]
fn policy_apply() {
    published_is_generated("policy-apply.json", &json::schema::<PolicyApplyReport>());
}

#[test]
fn a_report_is_valid_by_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&json::schema::<PlanReport>()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, report) in crate::report::plans() {
        let value: serde_json::Value = serde_json::from_str(&json::pretty(&report)).unwrap();
        let complaints: Vec<String> =
            validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{name}: {complaints:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "version": 1 })));
}
