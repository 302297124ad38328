//! Which flyball this is, and which Claude Code it meets.

use super::super::context::Context;
use super::programs;
use crate::report::checkup::Check;
use crate::report::page::fitted;

/// The version that flyball is tested with.
const TESTED: [u32; 3] = [2, 1, 330];
/// The longest version that is shown, columns.
const VERSION_WIDTH_MAX: usize = 40;

pub(super) fn checks(context: &Context) -> Vec<Check> {
    vec![own(context), client(context)]
}

fn own(context: &Context) -> Check {
    const NAME: &str = "flyball";
    let version = env!("CARGO_PKG_VERSION");
    let here = std::env::current_exe().map_or_else(|_| String::new(), |path| at(&path));
    match programs::found("flyball", context) {
        Some(path) if !programs::is_this(&path) => Check::warn(
            NAME,
            format!("{version}{here}, but a shell finds another: {}", path.display()),
            "keep one of them, or put the folder of this one first in PATH",
        ),
        Some(_) => Check::ok(NAME, format!("{version}{here}")),
        None => Check::warn(
            NAME,
            format!("{version}{here}, which is not in PATH"),
            "put its folder into PATH: the plugin and a repository's settings call it `flyball`",
        ),
    }
}

fn at(path: &std::path::Path) -> String {
    format!(" at {}", path.display())
}

fn client(context: &Context) -> Check {
    const NAME: &str = "claude";
    let tested = TESTED.map(|part| part.to_string()).join(".");
    let Some(path) = programs::found("claude", context) else {
        return Check::warn(NAME, "there is no `claude` in PATH", "install Claude Code");
    };
    let Some(said) = programs::version(&path) else {
        let says = format!("{} does not say its version", path.display());
        return Check::warn(NAME, says, "see what `claude --version` says");
    };
    let shown = fitted(&said, VERSION_WIDTH_MAX);
    match version(&said) {
        Some(version) if version >= TESTED => Check::ok(NAME, shown),
        Some(_) => Check::warn(
            NAME,
            format!("{shown} is older than {tested}, which flyball is tested with"),
            "claude update",
        ),
        None => Check::warn(
            NAME,
            format!("its version cannot be read: {shown}"),
            format!("flyball is tested with {tested}"),
        ),
    }
}

/// The three numbers at the head of `2.1.330 (Claude Code)`.
fn version(text: &str) -> Option<[u32; 3]> {
    let head = text.split_whitespace().next()?;
    let head = head.split(['-', '+']).next()?;
    let parts: Vec<u32> = head.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}
