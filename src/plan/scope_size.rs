//! How much there is to read in the folder that a run is about, where the script asks for all of it.

use crate::diagnostic::{Diagnostic, Severity};
use crate::money::Picodollars;
use crate::plan::costing::{Choice, request_cost};
use crate::plan::frame::TOKENS_PER_BYTE;
use crate::plan::routing;
use crate::plan::setup::Setup;
use crate::policy::SESSION;
use crate::tokens::TokenUsage;
use crate::workflow::{Sweep, WorkflowFacts};

/// A run that reads a whole folder is bounded by nothing else: what is in it, in files, tokens,
/// windows and dollars; or that nobody has counted it.
pub fn told(setup: &Setup, facts: &WorkflowFacts) -> Option<Diagnostic> {
    let sweep = facts.sweep.as_ref()?;
    let Sweep { phrase, place } = sweep;
    let tree = &setup.job.tree;
    let (Some(files), Some(bytes)) = (tree.files, tree.bytes) else {
        let message = format!("it asks for `{phrase}`, and nobody has counted how much that is");
        let diagnostic = Diagnostic::new(Severity::Note, "plan::reads-everything", message)
            .with_help(
                "count it with --scope FOLDER; a policy caps it with `files` in [thresholds]",
            );
        return Some(diagnostic.with_place(place.clone()));
    };
    let tokens = setup.usage.tokens_for(setup.session.tokenizer, o200k_tokens(bytes));
    let window = setup.session.context_tokens.max(1);
    let windows = tokens.div_ceil(window);
    let session = setup.named(SESSION).ok()?;
    let (choice, _) = routing::choice_on(setup, &session, None);
    let dollars = reading(&choice, tokens, window)
        .map_or_else(String::new, |cost| format!(", ${} to read once", cost.to_rounded(2)));
    let model = &setup.session.id.0;
    let message = format!(
        "it asks for `{phrase}`: the folder holds {files} files, about {} tokens, {windows} windows \
         of {model}{dollars}",
        rounded(tokens)
    );
    let severity = if windows > 1 { Severity::Warning } else { Severity::Note };
    let diagnostic = Diagnostic::new(severity, "plan::reads-everything", message).with_help(
        "list the files with a command, keep those that matter and slice the list; a policy caps \
         the folder with `files` in [thresholds]",
    );
    Some(diagnostic.with_place(place.clone()))
}

/// What it takes to write `tokens` to the cache once, a window at a time.
fn reading(choice: &Choice, tokens: u64, window: u64) -> Option<Picodollars> {
    let of = |tokens| {
        let usage = TokenUsage { cache_write_5m: tokens, ..TokenUsage::default() };
        request_cost(choice, usage)
    };
    let whole = of(window)?.pico().checked_mul(i128::from(tokens / window))?;
    Some(Picodollars::from_pico(whole) + of(tokens % window)?)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rough number of tokens, far below 2^53"
)]
fn o200k_tokens(bytes: u64) -> u64 {
    (bytes as f64 * TOKENS_PER_BYTE) as u64
}

/// Two digits that count, then zeros: it is an estimate.
fn rounded(tokens: u64) -> u64 {
    let scale = 10_u64.pow(tokens.max(1).ilog10().saturating_sub(1));
    tokens / scale * scale
}
