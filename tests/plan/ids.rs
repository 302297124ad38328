//! Which plans are the same one.

use std::collections::BTreeMap;

use flyball::effort::Effort;
use flyball::plan::job::{NamedText, PlanJob};
use flyball::plan::widths::TreeCounts;
use flyball::ports::script::ScriptArgs;
use flyball::pricing::PriceFile;

use super::stand::{OPEN_LIST, Stand, find_and_check};

type Edit = (&'static str, fn(&mut PlanJob));

/// Every field of a job that a plan is a function of, changed to something that can be planned.
const EDITS: [Edit; 23] = [
    ("nothing", |_| {}),
    ("script", |job| job.script_hash = "other".to_owned()),
    ("args", |job| job.start.args = ScriptArgs::Json("[1]".to_owned())),
    ("turn budget", |job| job.start.budget_total_tokens = Some(90_000_000)),
    ("spent of it", |job| job.start.budget_spent_tokens = 1),
    ("a limit", |job| job.start.limits.agents = 999),
    ("prices", |job| job.price_files.push(an_alias())),
    ("usage model", |job| job.usage_text.push_str("\n# other\n")),
    ("results", |job| job.results_text.push_str("\n# other\n")),
    ("policy", |job| job.policy.text.push_str("\n# other\n")),
    ("suggested policy", |job| job.suggested_policy = Some(haiku_fanout())),
    ("model", |job| job.session_model = "sonnet".to_owned()),
    ("effort", |job| job.session_effort = Some(Effort::Low)),
    ("provider", |job| job.provider = "bedrock".to_owned()),
    ("cache lifetime", |job| job.cache_one_hour = true),
    ("budget", |job| job.budgets = vec!["900usd".to_owned()]),
    ("fit", |job| job.fit = Some("900usd".to_owned())),
    ("samples", |job| job.samples = 4),
    ("seed", |job| job.seed = 8),
    ("concurrency", |job| job.concurrency = 9),
    ("stagger", |job| job.prefix_stagger_milliseconds = 4_999),
    ("day", |job| job.on = jiff::civil::date(2026, 11, 23)),
    ("tree", |job| job.tree = TreeCounts { files: Some(3), ..TreeCounts::default() }),
];

fn an_alias() -> PriceFile {
    let text = "schema = 1\n[[alias]]\nname = 'small'\ntarget = 'claude-haiku-4-5'\n";
    PriceFile { name: "mine.toml".to_owned(), text: text.to_owned() }
}

fn haiku_fanout() -> NamedText {
    let shipped = flyball::policy::shipped();
    let (name, text) = shipped.iter().find(|(name, _)| *name == "haiku-fanout").unwrap();
    NamedText { name: (*name).to_owned(), text: (*text).to_owned() }
}

fn id_after(edit: fn(&mut PlanJob)) -> String {
    let stand = Stand::script(&find_and_check(OPEN_LIST, "all"));
    stand.with(|job| job.samples = 3).with(edit).plan().plan_id
}

#[test]
fn plans_that_differ_in_anything_have_different_ids() {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, edit) in EDITS {
        let same = names.insert(id_after(edit), name);
        assert_eq!(same, None, "{name} does not make it another plan");
    }
    let pinned = Stand::script(&find_and_check(OPEN_LIST, "all"))
        .with(|job| job.samples = 3)
        .assume(&["find.findings=2"])
        .plan();
    assert_eq!(names.get(&pinned.plan_id), None);
}

#[test]
fn the_same_plan_has_the_same_id_wherever_its_script_lies() {
    let moved = id_after(|job| job.source = "elsewhere/mine.js".to_owned());
    assert_eq!(moved, id_after(|_| {}));
    assert_eq!(moved.len(), 8);
}
