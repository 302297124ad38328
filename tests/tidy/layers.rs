//! Which module may import which. Owns the table that ARCHITECTURE.md draws.

use super::source::{Source, is_word, occurrences};

/// The layers, lowest first. A module imports from lower layers, and from its own where
/// [`SIBLINGS_APART`] does not forbid it.
const LAYERS: [&[&str]; 7] = [
    &[
        "money",
        "tokens",
        "band",
        "id",
        "amount",
        "seed",
        "role",
        "effort",
        "diagnostic",
        "causes",
        "gate",
        "ledger_place",
    ],
    &["pricing", "policy", "usage", "workflow", "messages"],
    &["ports"],
    &["plan", "budget", "calibrate", "event"],
    &["script", "agents", "config", "ledger", "gateway", "upstream", "claude"],
    &["run", "report"],
    &["app", "cli", "main"],
];

/// The layer whose modules do the IO: none of them imports another.
const IO_LAYER: usize = 4;

/// Pairs inside one layer that must not meet: (importer, imported, why).
const SIBLINGS_APART: [(&str, &str, &str); 2] = [
    ("run", "report", "the executor emits events; how they look is the report's"),
    ("cli", "app", "parsing arguments must not depend on what is done with them"),
];

/// What is wrong with the imports of `source`.
pub(super) fn complaints(source: &Source) -> Vec<String> {
    let Some(module) = module_of(&source.path) else { return Vec::new() };
    let Some(layer) = layer_of(&module) else {
        return vec![source.complaint(
            0,
            &format!("module `{module}` has no layer: add it to the table in tests/tidy/layers.rs and ARCHITECTURE.md"),
        )];
    };
    let mut complaints = Vec::new();
    for (offset, imported) in imports(source) {
        let Some(below) = layer_of(&imported).filter(|_| imported != module) else { continue };
        if let Some(reason) = forbidden((&module, layer), (&imported, below)) {
            complaints.push(source.complaint(
                offset,
                &format!(
                    "`{module}` (L{layer}) imports `{imported}` (L{below}): {reason}; pass plain data, a trait of `ports`, or move the code"
                ),
            ));
        }
    }
    complaints
}

fn forbidden((module, layer): (&str, usize), (imported, below): (&str, usize)) -> Option<String> {
    if below > layer {
        return Some("imports only go down".to_owned());
    }
    if below == layer && layer == IO_LAYER {
        return Some("siblings that do IO never import each other".to_owned());
    }
    SIBLINGS_APART
        .iter()
        .find(|(importer, other, _)| (*importer, *other) == (module, imported))
        .map(|(_, _, why)| (*why).to_owned())
}

/// The top-level module a file belongs to; `None` for the crate root, which only lists modules.
fn module_of(path: &str) -> Option<String> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib").then(|| module.to_owned())
}

/// Whether a file belongs to L0 to L3: a function of its arguments and nothing else.
pub(super) fn is_pure(path: &str) -> bool {
    module_of(path).and_then(|module| layer_of(&module)).is_some_and(|layer| layer < IO_LAYER)
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Every top-level module that the code names, with the offset: `crate::x`, `crate::{x, y::z}`,
/// `flyball::x`, and `super::x` where that reaches the crate root.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for root in ["crate::", "flyball::"] {
        for offset in occurrences(code, root) {
            let start = offset + root.len();
            found.extend(heads(&code[start..]).into_iter().map(|(at, name)| (start + at, name)));
        }
    }
    let to_root = "super::".repeat(depth(&source.path));
    for offset in occurrences(code, &to_root) {
        let start = offset + to_root.len();
        found.extend(heads(&code[start..]).into_iter().map(|(at, name)| (start + at, name)));
    }
    found
}

/// How many `super::` lead from a file to the crate root.
fn depth(path: &str) -> usize {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').count()
}

/// The first identifiers of a path or of every branch of a `{…}` group.
fn heads(tree: &str) -> Vec<(usize, String)> {
    if !tree.starts_with('{') {
        let name: String = tree.chars().take_while(|character| is_word(*character)).collect();
        return if name.is_empty() { Vec::new() } else { vec![(0, name)] };
    }
    let mut found = Vec::new();
    let mut depth = 0;
    let mut branch_begins = false;
    for (at, character) in tree.char_indices() {
        match character {
            '{' => {
                depth += 1;
                branch_begins = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => branch_begins = depth == 1,
            _ if branch_begins && is_word(character) => {
                branch_begins = false;
                found.extend(heads(&tree[at..]).into_iter().map(|(_, name)| (at, name)));
            }
            _ => {}
        }
    }
    found
}
