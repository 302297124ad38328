//! Taking decorations off a model's name, one at a time. Names are never matched by prefix:
//! `claude-fable-5` and `claude-fable-5-1` differ fourfold in cache reads.

use crate::pricing::{Multiplier, NamePrefix};

/// Longer names are refused before anything is tried on them, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Prefixes taken off one name at most: `bedrock/us.anthropic.` has three.
const PREFIXES_MAX: usize = 4;

/// The name as given, then with one more decoration removed each time.
pub(super) fn spellings(name: &str, prefixes: &[NamePrefix]) -> Vec<(String, Multiplier)> {
    let mut uplift = Multiplier::ONE;
    let mut rest = name;
    let mut spellings = vec![(rest.to_owned(), uplift)];
    let mut push = |rest: &str, uplift| spellings.push((rest.to_owned(), uplift));
    if let Some(bare) = without_context_size(rest) {
        rest = bare;
        push(rest, uplift);
    }
    for _ in 0..PREFIXES_MAX {
        let longest = prefixes
            .iter()
            .filter(|prefix| rest.starts_with(prefix.text.as_str()))
            .max_by_key(|prefix| prefix.text.len());
        let Some(prefix) = longest else { break };
        rest = rest.get(prefix.text.len()..).unwrap_or("");
        if !prefix.multiplier.is_one() {
            uplift = prefix.multiplier;
        }
        push(rest, uplift);
    }
    for strip in [without_version_tag, without_bedrock_version, without_date] {
        if let Some(bare) = strip(rest) {
            rest = bare;
            push(rest, uplift);
        }
    }
    spellings
}

/// `[1m]` asks for a window size; it changes no price.
fn without_context_size(name: &str) -> Option<&str> {
    let open = name.rfind('[')?;
    let size = name
        .get(open + 1..)?
        .strip_suffix("m]")
        .or_else(|| name.get(open + 1..)?.strip_suffix("M]"))?;
    (!size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| name.get(..open))?
}

/// `@default` or `@20251001`, as on Vertex.
fn without_version_tag(name: &str) -> Option<&str> {
    let (bare, tag) = name.rsplit_once('@')?;
    (tag == "default" || tag == "latest" || is_date(tag)).then_some(bare)
}

/// `-v1:0` or `-v1`, as on Bedrock.
fn without_bedrock_version(name: &str) -> Option<&str> {
    let (bare, version) = name.rsplit_once("-v")?;
    let (major, minor) = version.split_once(':').unwrap_or((version, "0"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then_some(bare)
}

/// `-20251001`
fn without_date(name: &str) -> Option<&str> {
    let (bare, date) = name.rsplit_once('-')?;
    is_date(date).then_some(bare)
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.starts_with("20") && text.bytes().all(|byte| byte.is_ascii_digit())
}
