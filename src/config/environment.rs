//! The environment, read once. Every name of a variable that flyball looks at is in this file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::ledger_place::LedgerPlace;

/// The user's settings file, instead of `flyball/flyball.toml` in the configuration folder.
/// Empty means none.
pub const FLYBALL_CONFIG: &str = "FLYBALL_CONFIG";
/// Set to anything but the empty string: no colours (see no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";
/// `dumb` means no colours and no live progress.
pub const TERM: &str = "TERM";
/// The user's home folder.
pub const HOME: &str = "HOME";
/// The folder of configuration files, `~/.config` if unset.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// The ledger's file, or the URL of its Postgres database, instead of `flyball/ledger.db` in the
/// state folder.
pub const FLYBALL_LEDGER: &str = "FLYBALL_LEDGER";
/// The run that a session of Claude Code belongs to: a scope of the ledger, such as `exec` opens.
pub const FLYBALL_RUN: &str = "FLYBALL_RUN";
/// The folder that the launch hook writes what it decided to, a file for each call.
pub const FLYBALL_LAUNCHES: &str = "FLYBALL_LAUNCHES";
/// The key that a gateway sends upstream where it asks its callers for keys of its own.
pub const FLYBALL_UPSTREAM_KEY: &str = "FLYBALL_UPSTREAM_KEY";
/// The key that agents of a run talk to the API with.
pub const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
/// The bearer's token that Claude Code talks to the API with, beside a key or instead of one.
pub const ANTHROPIC_AUTH_TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
/// The collector of OpenTelemetry that a gateway sends spans to, without `/v1/traces`.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Headers for the collector: `NAME=VALUE,NAME=VALUE`, percent-encoded.
pub const OTEL_EXPORTER_OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// What a gateway is called at the collector.
pub const OTEL_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// The folder of what programs remember, `~/.local/state` if unset.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Claude Code's folder, `~/.claude` if unset. Personal workflows are in its `workflows/`.
pub const CLAUDE_CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
/// The session model that Claude Code would start with.
pub const ANTHROPIC_MODEL: &str = "ANTHROPIC_MODEL";
/// What Claude Code runs every subagent on, workflow agents included; `inherit` is unset.
pub const CLAUDE_CODE_SUBAGENT_MODEL: &str = "CLAUDE_CODE_SUBAGENT_MODEL";
/// How many workflow agents Claude Code runs at once, 1 to 256.
pub const CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS: &str =
    "CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS";

/// The longest answer that Claude Code asks for, output tokens.
pub const CLAUDE_CODE_MAX_OUTPUT_TOKENS: &str = "CLAUDE_CODE_MAX_OUTPUT_TOKENS";
/// Hosts that no proxy stands before.
pub const NO_PROXY: &str = "NO_PROXY";
/// Where Claude Code sends its requests; its settings files override it.
pub const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// What sends Claude Code's requests to another API than the one that `ANTHROPIC_BASE_URL` names.
pub const OTHER_APIS: [&str; 6] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
];
/// The folders that programs are looked for in.
pub const PATH: &str = "PATH";

/// What an alias stands for in Claude Code: the alias and the variable that moves it.
pub const ALIAS_MODELS: [(&str, &str); 4] = [
    ("fable", "ANTHROPIC_DEFAULT_FABLE_MODEL"),
    ("opus", "ANTHROPIC_DEFAULT_OPUS_MODEL"),
    ("sonnet", "ANTHROPIC_DEFAULT_SONNET_MODEL"),
    ("haiku", "ANTHROPIC_DEFAULT_HAIKU_MODEL"),
];

/// A value that nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The environment as flyball sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The user's settings file, whether or not it exists; `None` where there is no home or the
    /// variable says none.
    pub user_settings: Option<PathBuf>,
    /// The folder of what flyball remembers, whether or not it exists; `None` where there is no
    /// home.
    pub state: Option<PathBuf>,
    /// The ledger, whether or not it exists; `None` where there is no home.
    pub ledger: Option<LedgerPlace>,
    /// The run that the session belongs to.
    pub run: Option<String>,
    /// Where the launch hook says what it decided.
    pub launches: Option<PathBuf>,
    /// The key for the upstream of a gateway.
    pub upstream_key: Option<Secret>,
    /// The key for agents of a run.
    pub api_key: Option<Secret>,
    /// The token of Claude Code.
    pub auth_token: Option<Secret>,
    /// The collector that a gateway sends spans to.
    pub collector: Option<String>,
    /// Headers for the collector, as written.
    pub collector_headers: Option<Secret>,
    /// What a gateway is called at the collector.
    pub service: Option<String>,
    /// Claude Code's folder.
    pub claude_folder: Option<PathBuf>,
    /// Whether colours are unwanted.
    pub no_colour: bool,
    /// Whether the terminal cannot move its cursor.
    pub dumb_terminal: bool,
    /// The session model that Claude Code would start with.
    pub session_model: Option<String>,
    /// The model that Claude Code would force on every workflow agent.
    pub subagent_model: Option<String>,
    /// What Claude Code's aliases stand for, where the environment moves them.
    pub alias_models: BTreeMap<String, String>,
    /// Claude Code's cap on workflow agents at work at once, where the environment sets it.
    pub concurrency: Option<u32>,
    /// The longest answer that Claude Code would ask for, output tokens.
    pub output_cap_tokens: Option<u64>,
    /// Hosts that no proxy stands before.
    pub no_proxy: Option<String>,
    /// Where Claude Code would send its requests; there may be a password in it.
    pub base_url: Option<Secret>,
    /// The variable that sends Claude Code's requests to another API, where one is on.
    pub other_api: Option<&'static str>,
    /// The folders that programs are looked for in, first one first.
    pub path: Vec<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    /// The environment that `get` knows. Empty values count as unset.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| get(name).filter(|value| !value.is_empty());
        let text = |name: &str| value(name).and_then(|value| value.into_string().ok());
        let folder = |name: &str| value(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = folder(HOME);
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let config = folder(XDG_CONFIG_HOME).or_else(|| below_home(".config"));
        let user_settings = match get(FLYBALL_CONFIG) {
            Some(path) if path.is_empty() => None,
            Some(path) => Some(PathBuf::from(path)),
            None => config.map(|config| config.join("flyball").join("flyball.toml")),
        };
        let state = folder(XDG_STATE_HOME).or_else(|| below_home(".local/state"));
        let state = state.map(|state| state.join("flyball"));
        let ledger = value(FLYBALL_LEDGER)
            .or_else(|| Some(state.as_ref()?.join("ledger.db").into_os_string()))
            .map(LedgerPlace::from);
        Self {
            ledger,
            run: text(FLYBALL_RUN),
            launches: value(FLYBALL_LAUNCHES).map(PathBuf::from),
            state,
            upstream_key: text(FLYBALL_UPSTREAM_KEY).map(Secret),
            api_key: text(ANTHROPIC_API_KEY).map(Secret),
            auth_token: text(ANTHROPIC_AUTH_TOKEN).map(Secret),
            collector: text(OTEL_EXPORTER_OTLP_ENDPOINT),
            collector_headers: text(OTEL_EXPORTER_OTLP_HEADERS).map(Secret),
            service: text(OTEL_SERVICE_NAME),
            claude_folder: value(CLAUDE_CONFIG_DIR)
                .map(PathBuf::from)
                .or_else(|| below_home(".claude")),
            user_settings,
            home,
            no_colour: value(NO_COLOR).is_some(),
            dumb_terminal: text(TERM).as_deref() == Some("dumb"),
            session_model: text(ANTHROPIC_MODEL),
            subagent_model: text(CLAUDE_CODE_SUBAGENT_MODEL).filter(|model| model != "inherit"),
            alias_models: ALIAS_MODELS
                .into_iter()
                .filter_map(|(alias, name)| Some((alias.to_owned(), text(name)?)))
                .collect(),
            concurrency: text(CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS)
                .and_then(|text| text.parse().ok())
                .filter(|agents| (1..=256).contains(agents)),
            output_cap_tokens: text(CLAUDE_CODE_MAX_OUTPUT_TOKENS)
                .and_then(|text| text.trim().parse().ok()),
            no_proxy: text(NO_PROXY),
            base_url: text(ANTHROPIC_BASE_URL).map(Secret),
            other_api: OTHER_APIS.into_iter().find(|name| text(name).is_some_and(|on| is_on(&on))),
            path: value(PATH)
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }
}

/// Whether a variable that switches something on does so.
pub fn is_on(text: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
}
