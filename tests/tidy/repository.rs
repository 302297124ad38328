//! Rules about files other than Rust: dependencies, documentation, exit codes.
//! Each takes texts, so that its test can hand it a bad one.

use super::source::Source;

/// Dependencies in a `Cargo.toml` without a `#` that says what they are for.
pub(super) fn dependencies_without_a_reason(manifest: &str) -> Vec<String> {
    let mut in_dependencies = false;
    let mut complaints = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            if line.contains("dependencies.") {
                complaints.push(format!(
                    "Cargo.toml:{}: {line}: write the dependency on one line with its reason",
                    index + 1
                ));
            }
        } else if in_dependencies
            && line.contains('=')
            && !line.trim_start().starts_with('#')
            && !line.contains(" # ")
        {
            complaints.push(format!(
                "Cargo.toml:{}: no reason: end the line with `# what it is for`: {line}",
                index + 1
            ));
        }
    }
    complaints
}

/// Pages (paths below `docs/`) that `index`, the text of docs/README.md, does not link to.
pub(super) fn pages_without_a_link(index: &str, pages: &[String]) -> Vec<String> {
    let complaint =
        |page: &String| format!("docs/README.md:1: {page} is not linked: add it to the index");
    pages.iter().filter(|page| !links_to(index, page)).map(complaint).collect()
}

/// Links of the Markdown page `path` to places of the repository where `exists` finds nothing.
pub(super) fn broken_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !exists(&resolved(path, target)) {
                complaints.push(format!(
                    "{path}:{}: {target} does not exist: write it or drop the link",
                    number + 1
                ));
            }
        }
    }
    complaints
}

/// Where `target`, as written in the page at `path`, leads, relative to the root.
fn resolved(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn links_to(index: &str, page: &str) -> bool {
    [")", "#"].iter().any(|end| index.contains(&format!("]({page}{end}")))
}

/// The exit codes that the files of src/app and src/cli name, with their places:
/// `ExitCode::from(3)` anywhere, `= 3` and `=> 3` in a file that has `exit` in its name.
pub(super) fn exit_codes(sources: &[Source]) -> Vec<(u8, String)> {
    let mut codes = Vec::new();
    for source in sources.iter().filter(|source| source.within(&["src/app", "src/cli"])) {
        let lists_codes = source.path.rsplit('/').next().is_some_and(|name| name.contains("exit"));
        let markers: &[&str] =
            if lists_codes { &["ExitCode::from(", " = ", " => "] } else { &["ExitCode::from("] };
        for marker in markers {
            for (offset, _) in source.code.match_indices(marker) {
                codes.extend(number(source, offset + marker.len()));
            }
        }
    }
    codes
}

fn number(source: &Source, offset: usize) -> Option<(u8, String)> {
    let digits: String = source.code[offset..].chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, source.complaint(offset, "")))
}

/// Exit codes without a row of their own (`| 3 | …`) in a page of documentation.
pub(super) fn undocumented_codes(codes: &[(u8, String)], page: &str, text: &str) -> Vec<String> {
    let documented = |code: u8| {
        text.lines().any(|line| {
            line.strip_prefix('|')
                .and_then(|row| row.split('|').next())
                .is_some_and(|cell| cell.trim().trim_matches('`') == code.to_string())
        })
    };
    codes
        .iter()
        .filter(|(code, _)| !documented(*code))
        .map(|(code, place)| {
            format!(
                "{place}exit code {code} has no row in {page}: add `| {code} | when | what to do |`"
            )
        })
        .collect()
}
