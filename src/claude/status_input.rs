//! What Claude Code tells a status line, as far as it is needed. Everything in it can be missing.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Number;

use crate::money::Picodollars;

/// The most that is read, bytes.
pub const BYTES_MAX: u64 = 1 << 20;

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusInput {
    /// The session.
    pub session_id: Option<String>,
    /// The folder that it was started in.
    pub folder: Option<PathBuf>,
    /// What Claude Code itself believes that the session has cost: list prices of what was asked
    /// for, not what was billed.
    pub client_cost: Option<Picodollars>,
    /// How much of the subscription's windows is used, percent: `5h`, `week`.
    pub windows: Vec<(&'static str, f64)>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    session_id: Option<String>,
    cwd: Option<PathBuf>,
    workspace: Option<Workspace>,
    cost: Option<Cost>,
    rate_limits: Option<RateLimits>,
}

#[derive(Deserialize)]
struct Workspace {
    project_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Cost {
    total_cost_usd: Option<Number>,
}

#[derive(Deserialize)]
struct RateLimits {
    five_hour: Option<Window>,
    seven_day: Option<Window>,
}

#[derive(Deserialize)]
struct Window {
    used_percentage: Option<f64>,
}

impl StatusInput {
    /// Reads what a status line was given.
    ///
    /// # Errors
    /// It is not JSON, or not of the form that Claude Code writes.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_str(text)?;
        let limits = wire.rate_limits.as_ref();
        let of = |window: Option<&Window>| window?.used_percentage.filter(|used| used.is_finite());
        let windows = [
            ("5h", limits.and_then(|limits| of(limits.five_hour.as_ref()))),
            ("week", limits.and_then(|limits| of(limits.seven_day.as_ref()))),
        ];
        let cost = wire.cost.and_then(|cost| cost.total_cost_usd);
        Ok(Self {
            session_id: wire.session_id.filter(|id| !id.is_empty()),
            folder: wire.workspace.and_then(|workspace| workspace.project_dir).or(wire.cwd),
            client_cost: cost.and_then(|cost| usd(&cost)),
            windows: windows.into_iter().filter_map(|(name, used)| Some((name, used?))).collect(),
        })
    }
}

/// The decimal as written, cut below the picodollar; `None` for powers of ten, which are next to
/// nothing.
fn usd(number: &Number) -> Option<Picodollars> {
    let text = number.to_string();
    let point = text.find('.').unwrap_or(text.len());
    text.get(..text.len().min(point + 13))?.parse().ok()
}
