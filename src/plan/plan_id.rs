//! Which plan a plan is: hashes of what it is a function of, and one short name over all of it.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::plan::job::PlanJob;
use crate::plan::report::Hashes;
use crate::plan::setup::Setup;
use crate::ports::script::Start;

/// Hex digits of a plan's id.
const ID_DIGITS: usize = 8;

/// SHA-256 of the texts that the plan of `setup` is a function of.
pub fn hashes(setup: &Setup) -> Hashes {
    let hash = |parts: &[&str]| {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        hex(&digest.finalize())
    };
    let job = &setup.job;
    let args = format!("{:?}", job.start.args);
    let tree = format!("{:?}", job.tree);
    Hashes {
        script: job.script_hash.clone(),
        args: hash(&[&args, &setup.assumptions.canonical(), &tree]),
        policy: hash(&[&job.policy.text]),
        prices: setup.table.hash().to_owned(),
        usage: hash(&[&job.usage_text, &job.results_text]),
    }
}

/// The short name of the plan of `setup`: equal where everything that the plan is a function of
/// is. `texts` are its [`hashes`].
pub fn plan_id(setup: &Setup, texts: &Hashes) -> String {
    // Field by field: a new one must not compile before somebody says whether it makes a plan
    // another one.
    let PlanJob {
        // Where the script was found makes no difference.
        source: _,
        // These are in the hashes, in a form that spelling and order do not change.
        script_hash: _,
        price_files: _,
        usage_text: _,
        results_text: _,
        policy: _,
        assumptions: _,
        results: _,
        done: _,
        replayed,
        as_written,
        subagent_model,
        tree: _,
        start: Start { args: _, budget_total_tokens, budget_spent_tokens, limits },
        suggested_policy,
        session_model,
        session_effort,
        provider,
        cache_one_hour,
        budgets,
        fit,
        samples,
        work_max,
        seed,
        concurrency,
        prefix_stagger_milliseconds,
        on,
        standing,
        window_rates,
    } = &*setup.job;
    // A share of a window is worth what was learned; most plans ask for none.
    let budgets = match &window_rates[..] {
        [] => json!(budgets),
        rates => json!([budgets, rates]),
    };
    let mut canonical = json!({
        "texts": texts,
        "limits": limits,
        "turn_budget_tokens": [budget_total_tokens, &Some(*budget_spent_tokens)],
        "suggested_policy": suggested_policy.as_ref().map(|policy| &policy.text),
        "session": [json!(session_model), json!(session_effort)],
        "provider": provider,
        "cache_one_hour": cache_one_hour,
        "budgets": budgets,
        "fit": fit,
        "samples": samples,
        "seed": seed,
        "concurrency": concurrency,
        "prefix_stagger_milliseconds": prefix_stagger_milliseconds,
        "on": on,
    });
    // What is left of wider budgets changes with everything that is spent; most plans know of none.
    if let (false, Some(fields)) = (standing.is_empty(), canonical.as_object_mut()) {
        fields.insert("standing".to_owned(), json!(standing));
    }
    // What only a launch has leaves the names of other plans as they were.
    let of_launch = json!([work_max, replayed, as_written, subagent_model]);
    let has_any = work_max.is_some() || !replayed.is_empty() || *as_written;
    if let (true, Some(fields)) = (has_any || subagent_model.is_some(), canonical.as_object_mut()) {
        fields.insert("launch".to_owned(), of_launch);
    }
    hex(&Sha256::digest(canonical.to_string())).chars().take(ID_DIGITS).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
