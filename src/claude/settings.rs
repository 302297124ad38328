//! The settings that hold a client: those that a user gave with `--settings`, and over them what
//! sends its requests to the gateway.
//!
//! Settings files override the process environment, and `--settings` overrides every settings file
//! but a managed one: what holds a client has to be there.

use serde_json::{Map, Value, json};

/// The variable that says where requests go.
pub const BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// The variable that caps answers, output tokens.
pub const OUTPUT_CAP: &str = "CLAUDE_CODE_MAX_OUTPUT_TOKENS";
/// The variable that names the model of every subagent.
pub const SUBAGENT_MODEL: &str = "CLAUDE_CODE_SUBAGENT_MODEL";
/// The variable that names hosts which no proxy stands before.
pub const NO_PROXY: &str = "NO_PROXY";
/// The tools whose calls start agents.
const LAUNCHES: &str = "Workflow|Agent|Task";

/// What holds a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Where its requests go.
    pub base_url: String,
    /// No answer is asked to be longer, output tokens.
    pub output_cap_tokens: u64,
    /// The model of every subagent, where that is settled.
    pub subagent_model: Option<String>,
    /// Hosts that no proxy stands before; the gateway's is added.
    pub no_proxy: Option<String>,
    /// Variables that would send requests to another API, each switched off.
    pub switched_off: Vec<&'static str>,
    /// The shell command that is asked before something is started, if one is.
    pub gate: Option<String>,
    /// The shell command that is told of every session.
    pub session: String,
}

/// Settings that nothing can be added to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// They are no JSON.
    #[error("they are not JSON: {0}")]
    NotJson(String),
    /// Something in them is of another type than the client takes.
    #[error("`{0}` is not {1}")]
    NotA(&'static str, &'static str),
}

impl Hold {
    /// The variables that a client of any kind is started with, as name and value.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![(BASE_URL, self.base_url.clone()), (NO_PROXY, self.hosts(None))]
    }

    /// `users` (the text of the user's own settings, if there are any) with what holds the client.
    /// Everything of theirs stays but what would lead around the gateway; hooks are added to theirs.
    ///
    /// # Errors
    /// They are not what the client takes.
    pub fn over(&self, users: Option<&str>) -> Result<Value, BadSettings> {
        let mut settings = match users {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(settings)) => settings,
                Ok(_) => return Err(BadSettings::NotA("settings", "an object")),
                Err(error) => return Err(BadSettings::NotJson(error.to_string())),
            },
        };
        let variables = object(&mut settings, "env")?;
        variables.insert(BASE_URL.to_owned(), self.base_url.as_str().into());
        let cap = number(variables.get(OUTPUT_CAP)).unwrap_or(u64::MAX).min(self.output_cap_tokens);
        variables.insert(OUTPUT_CAP.to_owned(), cap.to_string().into());
        let hosts = self.hosts(variables.get(NO_PROXY).and_then(Value::as_str));
        variables.insert(NO_PROXY.to_owned(), hosts.into());
        if let Some(model) = &self.subagent_model {
            variables.insert(SUBAGENT_MODEL.to_owned(), model.as_str().into());
        }
        for name in &self.switched_off {
            variables.insert((*name).to_owned(), "0".into());
        }
        if self.gate.is_some() {
            // A file of the user or the project could switch every hook off, the gate with them.
            settings.insert("disableAllHooks".to_owned(), false.into());
        }
        let hooks = object(&mut settings, "hooks")?;
        if let Some(gate) = &self.gate {
            hook(hooks, "PreToolUse", &json!({ "matcher": LAUNCHES, "hooks": [command(gate)] }))?;
        }
        hook(hooks, "SessionStart", &json!({ "hooks": [command(&self.session)] }))?;
        Ok(Value::Object(settings))
    }

    /// Hosts that no proxy stands before: those named already, and this machine.
    fn hosts(&self, also: Option<&str>) -> String {
        let named = [self.no_proxy.as_deref(), also, Some("127.0.0.1,localhost")];
        let mut hosts: Vec<&str> = Vec::new();
        for host in named.into_iter().flatten().flat_map(|named| named.split(',')) {
            let host = host.trim();
            if !host.is_empty() && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts.join(",")
    }
}

fn command(command: &str) -> Value {
    json!({ "type": "command", "command": command })
}

/// A number as settings have it: as text, or as itself.
fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn object<'a>(
    settings: &'a mut Map<String, Value>,
    key: &'static str,
) -> Result<&'a mut Map<String, Value>, BadSettings> {
    let value = settings.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().ok_or(BadSettings::NotA(key, "an object"))
}

fn hook(
    hooks: &mut Map<String, Value>,
    event: &'static str,
    hook: &Value,
) -> Result<(), BadSettings> {
    let of_event = hooks.entry(event).or_insert_with(|| json!([]));
    let of_event = of_event.as_array_mut().ok_or(BadSettings::NotA(event, "a list of hooks"))?;
    of_event.push(hook.clone());
    Ok(())
}
