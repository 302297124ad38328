//! Who sends a request: what its path and headers say of the run, the session and the agent.

use std::sync::Arc;

use http::HeaderMap;

use crate::gateway::keys::KeyOwner;
use crate::gateway::origin::Origin;

/// A name from a header is at most so long, bytes.
const NAME_BYTES_MAX: usize = 128;

const SESSION: &str = "x-claude-code-session-id";
const AGENT: &str = "x-claude-code-agent-id";
const PARENT: &str = "x-claude-code-parent-agent-id";
/// Names the run that a request belongs to, for clients that can be told to send a header.
pub(crate) const RUN: &str = "x-flyball-run";

/// Who sends a request. Names are as they came: whoever shows them has to mind what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The owner of its key, where keys are asked for.
    pub key: Option<KeyOwner>,
    /// The run, from the path or a header.
    pub run: Option<String>,
    /// The client's session.
    pub session: Option<String>,
    /// The agent within the session; none in the main loop.
    pub agent: Option<String>,
    /// The agent that started it.
    pub parent: Option<String>,
    /// What started the agent, where that was a workflow and somebody knows.
    pub origin: Option<Arc<Origin>>,
}

/// A header that cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} is not a name of at most {NAME_BYTES_MAX} printable characters")]
pub struct BadName(&'static str);

impl Caller {
    /// What `headers` say; `run` is from the path, which counts more.
    ///
    /// # Errors
    /// A name is too long or has characters that no name has.
    pub fn of(headers: &HeaderMap, run: Option<&str>) -> Result<Self, BadName> {
        let name = |header: &'static str| {
            let Some(value) = headers.get(header) else { return Ok(None) };
            let text = value.to_str().map_err(|_| BadName(header))?.trim();
            if text.len() > NAME_BYTES_MAX {
                return Err(BadName(header));
            }
            Ok((!text.is_empty()).then(|| text.to_owned()))
        };
        let run = match run {
            Some(run) => Some(run.to_owned()),
            None => name(RUN)?,
        };
        Ok(Self {
            key: None,
            run,
            session: name(SESSION)?,
            agent: name(AGENT)?,
            parent: name(PARENT)?,
            origin: None,
        })
    }
}

/// Splits `/run/NAME` off a path: the run it names, and the rest. A name has letters, digits, `-`,
/// `_` and `.`.
pub fn run_in_path(path: &str) -> (Option<&str>, &str) {
    let split = path.strip_prefix("/run/").and_then(|rest| {
        let end = rest.find('/')?;
        Some((rest.get(..end)?, rest.get(end..)?))
    });
    let is_name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(plain)
    };
    match split {
        Some((name, rest)) if is_name(name) => (Some(name), rest),
        _ => (None, path),
    }
}
