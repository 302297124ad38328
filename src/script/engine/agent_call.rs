//! `agent(prompt, opts)`: from a script's call to an [`AgentCall`].

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Ctx, Object, Persistent, Result, Value};

use crate::ports::script::{AgentCall, Outcome};

use super::host::{Host, OpenCall};
use super::json_text::without_lone_surrogates;
use super::thrown::{Line, Thrown};
use super::unit::ScriptId;

/// Which script makes a call: the main one or a child, with its current phase.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) child: Option<Arc<str>>,
    /// Which script that is.
    pub(super) script: ScriptId,
    pub(super) phase: RefCell<Option<Arc<str>>>,
    /// Whether its schemas must be read anew at every call.
    pub(super) changes_schemas: bool,
}

/// Where a call is made.
#[derive(Clone, Copy)]
struct Site {
    /// Its line.
    line: Option<Line>,
    /// Whether a schema object that was seen before has the text it had then.
    by_identity: bool,
}

/// The options of one call.
#[derive(Default)]
struct Options {
    label: Option<Arc<str>>,
    phase: Option<Arc<str>>,
    schema: Option<Arc<str>>,
    model: Option<Arc<str>>,
    effort: Option<Arc<str>>,
    agent_type: Option<Arc<str>>,
    worktree: bool,
    stall_milliseconds: Option<u64>,
}

/// What an open call costs the host besides its texts, bytes.
const CALL_BYTES: usize = 256;
/// The most schemas remembered by identity.
const SCHEMAS_REMEMBERED: usize = 256;

/// Takes a call, made at a line and column if known, and returns its promise. Never throws what the dialect rejects with.
pub(super) fn agent<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Caller,
    at: Option<(u32, u32)>,
    prompt: Option<Value<'js>>,
    options: Option<&Value<'js>>,
) -> Result<Value<'js>> {
    let (line, column) = at.unzip();
    let (promise, resolve, reject) = ctx.promise()?;
    let site = Site {
        line: line.map(|line| Line { script: caller.script, line }),
        by_identity: !caller.changes_schemas,
    };
    match take(ctx, host, caller, site, prompt, options) {
        Ok(mut call) => {
            (call.line, call.column) = (line, column);
            let texts = [&call.label, &call.phase, &call.model, &call.effort, &call.agent_type];
            let texts = texts.into_iter().flatten().map(|text| text.len()).sum::<usize>();
            let kept_bytes = call.prompt.len() + texts + CALL_BYTES;
            host.keep(ctx, kept_bytes)?;
            let open = OpenCall {
                resolve: Persistent::save(ctx, resolve),
                reject: Persistent::save(ctx, reject),
                kept_bytes,
            };
            host.open.borrow_mut().insert(call.id.0, open);
            host.calls.borrow_mut().push(call);
        }
        Err(error) => {
            if !error.is_exception() {
                return Err(error);
            }
            let thrown = ctx.catch();
            reject.call::<_, ()>((thrown,))?;
        }
    }
    Ok(promise.into_value())
}

fn take<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Caller,
    site: Site,
    prompt: Option<Value<'js>>,
    options: Option<&Value<'js>>,
) -> Result<AgentCall> {
    let undefined = || Value::new_undefined(ctx.clone());
    let prompt: Arc<str> = host.text(ctx, &prompt.unwrap_or_else(undefined))?.into();
    let options = match options.map(|options| (options, options.as_object())) {
        Some((_, Some(options))) => Options::read(ctx, host, options, site)?,
        Some((other, None)) if !other.is_undefined() && !other.is_null() => {
            let message = "agent() ignores its second argument: it is not an object".to_owned();
            let help = "write agent(prompt, { label: '…' })";
            host.warn("script::agent-option", message, help, site.line);
            Options::default()
        }
        _ => Options::default(),
    };
    if let Some(Outcome::Rejected { name, message }) = host.refusal() {
        return Err(host.throw(ctx, &name, &message));
    }
    Ok(AgentCall {
        id: host.next_call(),
        prompt,
        label: options.label,
        phase: options.phase.or_else(|| caller.phase.borrow().clone()),
        schema: options.schema,
        model: options.model,
        effort: options.effort,
        agent_type: options.agent_type,
        worktree: options.worktree,
        stall_milliseconds: options.stall_milliseconds,
        child_workflow: caller.child.clone(),
        line: None,
        column: None,
    })
}

impl Options {
    fn read<'js>(
        ctx: &Ctx<'js>,
        host: &Rc<Host>,
        object: &Object<'js>,
        site: Site,
    ) -> Result<Self> {
        let mut options = Self::default();
        for property in object.props::<String, Value<'js>>() {
            let (key, value) = match property {
                // A key that is no text is no option either.
                Err(rquickjs::Error::Utf8(_)) => continue,
                other => other?,
            };
            if value.is_undefined() {
                continue;
            }
            options.set(ctx, host, &key, &value, site)?;
        }
        Ok(options)
    }

    fn set<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        host: &Rc<Host>,
        key: &str,
        value: &Value<'js>,
        site: Site,
    ) -> Result<()> {
        let field = match key {
            "label" => &mut self.label,
            "phase" => &mut self.phase,
            "model" => &mut self.model,
            "effort" => &mut self.effort,
            "agentType" => &mut self.agent_type,
            "schema" => {
                self.schema = schema(ctx, host, value, site)?;
                return Ok(());
            }
            "isolation" => {
                self.worktree = isolation(ctx, host, value, site.line)?;
                return Ok(());
            }
            "stallMs" => {
                self.stall_milliseconds = milliseconds(value);
                return Ok(());
            }
            unknown => {
                let message = format!("agent() ignores the option `{unknown}`");
                let help = "the options are label, phase, schema, model, effort, isolation, \
                            agentType and stallMs";
                host.warn("script::agent-option", message, help, site.line);
                return Ok(());
            }
        };
        if !value.is_null() {
            let text = host.text(ctx, value)?;
            *field = (!text.is_empty()).then(|| text.into());
        }
        Ok(())
    }
}

fn milliseconds(value: &Value<'_>) -> Option<u64> {
    let number = value.as_number().filter(|number| (0.0..=9e15).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    Some(number as u64)
}

/// Whether the agent gets a worktree.
fn isolation<'js>(
    ctx: &Ctx<'js>,
    host: &Host,
    value: &Value<'js>,
    line: Option<Line>,
) -> Result<bool> {
    if value.is_null() {
        return Ok(false);
    }
    let text = host.text(ctx, value)?;
    match text.as_str() {
        "worktree" => Ok(true),
        "remote" => Err(host.throw(
            ctx,
            "Error",
            "agent({isolation:'remote'}) is not available in this build",
        )),
        other => {
            let message = format!("agent() ignores the isolation `{}`", cut_short(other));
            let help = "the only isolation is 'worktree'";
            host.warn("script::agent-option", message, help, line);
            Ok(false)
        }
    }
}

fn cut_short(text: &str) -> String {
    super::thrown::cut(text.to_owned(), 60)
}

/// The schema as JSON text: one allocation per schema object, and per equal text.
fn schema<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    value: &Value<'js>,
    site: Site,
) -> Result<Option<Arc<str>>> {
    if value.is_null() {
        return Ok(None);
    }
    let invalid = |why: &str| {
        let message = format!("agent({{schema}}) received an invalid JSON Schema: {why}");
        host.throw(ctx, "TypeError", &message)
    };
    let Some(object) = value.as_object() else { return Err(invalid("it is not an object")) };
    let saved = Persistent::save(ctx, object.clone());
    if site.by_identity
        && let Some((_, text)) = host.schemas.borrow().iter().find(|(known, _)| *known == saved)
    {
        return Ok(Some(text.clone()));
    }
    let text = match ctx.json_stringify(object.clone()) {
        Ok(Some(text)) => without_lone_surrogates(text.to_string()?),
        Ok(None) => return Err(invalid("it has no JSON text")),
        Err(error) => {
            let thrown = Thrown::from_error(ctx, &error);
            return Err(invalid(&thrown.message));
        }
    };
    let known = host.schemas.borrow().iter().find(|(_, other)| **other == *text).cloned();
    let text = if let Some((_, text)) = known {
        text
    } else {
        if !check_schema(&text).map_err(|why| invalid(&why))? {
            let message = "a schema has no `type: 'object'` at its root".to_owned();
            let help = "add it: the client may refuse the schema";
            host.warn("script::schema-type", message, help, site.line);
        }
        host.keep(ctx, text.len())?;
        Arc::from(text)
    };
    let mut schemas = host.schemas.borrow_mut();
    if schemas.len() < SCHEMAS_REMEMBERED {
        schemas.push((saved, text.clone()));
    }
    Ok(Some(text))
}

/// What the client refuses before it spawns an agent. Whether the root says its type.
fn check_schema(text: &str) -> std::result::Result<bool, String> {
    let schema: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))?;
    let serde_json::Value::Object(schema) = schema else {
        return Err("its root must be an object schema".to_owned());
    };
    let kind = schema.get("type");
    if let Some(kind) = kind.filter(|kind| *kind != "object") {
        return Err(format!("its root must have type 'object', not {kind}"));
    }
    if schema.get("additionalProperties") == Some(&serde_json::Value::Bool(false)) {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        let required = schema.get("required").and_then(serde_json::Value::as_array);
        let missing = required
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
            .find(|name| !properties.is_some_and(|properties| properties.contains_key(*name)));
        if let Some(name) = missing {
            return Err(format!(
                "`{name}` is required but not among its properties, and no others are allowed"
            ));
        }
    }
    Ok(kind.is_some())
}
