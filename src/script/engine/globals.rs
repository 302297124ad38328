//! Puts the dialect's globals into a fresh realm.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::function::{Opt, Rest};
use rquickjs::{Ctx, Function, Object, Persistent, Result, Value};

use crate::diagnostic::Place;
use crate::ports::script::{Outcome, ScriptArgs};

use super::agent_call::Caller;
use super::child_workflow::{plain_agent, rejected, workflow};
use super::host::{Callbacks, Host};
use super::program::url_shim;
use super::raw;
use super::stringify::stringify;
use super::thrown::Thrown;
use super::timers::Timer;

/// What a timer costs the host, bytes.
const TIMER_BYTES: usize = 160;

/// Runs the prelude and sets `args`.
pub(super) fn install<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Rc<Caller>,
    args: &ScriptArgs,
) -> Result<()> {
    let natives = Object::new(ctx.clone())?;
    hooks(ctx, host, caller, &natives)?;
    record(ctx, host, &natives)?;
    time(ctx, host, &natives)?;
    let (module, _) = raw::load(ctx, host.units.prelude)?.eval()?;
    let prelude: Function<'js> = module.get("default")?;
    let total = match host.budget_total_tokens {
        #[expect(clippy::cast_precision_loss, reason = "a number of tokens")]
        Some(total) => Value::new_number(ctx.clone(), total as f64),
        None => Value::new_null(ctx.clone()),
    };
    let made: Object<'js> = prelude.call((natives, host.limits.items, total))?;
    let function = |key: &str| -> Result<Persistent<Function<'static>>> {
        Ok(Persistent::save(ctx, made.get::<_, Function<'js>>(key)?))
    };
    *host.callbacks.borrow_mut() =
        Some(Callbacks { make: function("make")?, well_formed: function("wellFormed")? });
    let value = match args {
        ScriptArgs::Absent => Value::new_undefined(ctx.clone()),
        ScriptArgs::Json(text) => ctx.json_parse(text.as_str())?,
        ScriptArgs::Text(text) => rquickjs::String::from_str(ctx.clone(), text)?.into_value(),
    };
    made.get::<_, Function<'js>>("setArgs")?.call((value,))
}

/// `agent`, `phase`, `workflow`, and what `parallel` and `pipeline` ask before they begin.
fn hooks<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Rc<Caller>,
    natives: &Object<'js>,
) -> Result<()> {
    natives.set("agent", plain_agent(ctx, host, caller)?)?;
    natives.set("phase", phase(ctx, host, caller)?)?;
    let own = host.clone();
    let call = move |ctx: Ctx<'js>, target: Opt<Value<'js>>, args: Opt<Value<'js>>| {
        workflow(&ctx, &own, target.0, args.0).or_else(|error| rejected(&ctx, error))
    };
    natives.set("workflow", Function::new(ctx.clone(), call)?)?;
    let own = host.clone();
    let admit = move |ctx: Ctx<'js>| -> Result<()> {
        match own.refusal() {
            Some(Outcome::Rejected { name, message }) => Err(own.throw(&ctx, &name, &message)),
            _ => Ok(()),
        }
    };
    natives.set("admit", Function::new(ctx.clone(), admit)?)?;
    let own = host.clone();
    #[expect(clippy::cast_precision_loss, reason = "a number of tokens")]
    natives.set("spent", Function::new(ctx.clone(), move || own.spent_tokens.get() as f64)?)
}

/// `log`, `console`, and what goes into the notes.
fn record<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, natives: &Object<'js>) -> Result<()> {
    let own = host.clone();
    let log = move |ctx: Ctx<'js>, value: Opt<Value<'js>>| say(&ctx, &own, value.0.as_slice());
    natives.set("log", Function::new(ctx.clone(), log)?)?;
    let own = host.clone();
    let console = move |ctx: Ctx<'js>, values: Rest<Value<'js>>| say(&ctx, &own, &values.0);
    natives.set("say", Function::new(ctx.clone(), console)?)?;
    let own = host.clone();
    let fail = move |ctx: Ctx<'js>, prefix: String, error: Value<'js>| {
        swallow(&ctx, &own, &prefix, &error);
    };
    natives.set("fail", Function::new(ctx.clone(), fail)?)?;
    let own = host.clone();
    let drop = move |line: String| own.notebook.borrow_mut().failure(line);
    natives.set("drop", Function::new(ctx.clone(), drop)?)?;
    let plain = |ctx: Ctx<'js>, value: Value<'js>, indent: usize, object, array| {
        stringify(&ctx, &value, indent, object, array)
    };
    natives.set("plainText", Function::new(ctx.clone(), plain)?)?;
    let own = host.clone();
    let warn = move |code: String, message: String, help: String| {
        own.warn(&code, message, &help, None);
    };
    natives.set("warn", Function::new(ctx.clone(), warn)?)?;
    let own = host.clone();
    let touch = move || own.notebook.borrow_mut().args_touched();
    natives.set("touch", Function::new(ctx.clone(), touch)?)?;
    let own = host.clone();
    let read = move |ctx: Ctx<'js>, key: Value<'js>| -> Result<()> {
        let key = own.text(&ctx, &key)?;
        own.notebook.borrow_mut().args_read(&key);
        Ok(())
    };
    natives.set("read", Function::new(ctx.clone(), read)?)
}

/// Timers, and the shim that is loaded when asked for.
fn time<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, natives: &Object<'js>) -> Result<()> {
    let own = host.clone();
    let timer = move |ctx: Ctx<'js>, callback: Function<'js>, delay: f64| -> Result<u32> {
        own.keep(&ctx, TIMER_BYTES)?;
        let timer = Timer { callback: Persistent::save(&ctx, callback) };
        Ok(own.timers.borrow_mut().set(timer, delay))
    };
    natives.set("timer", Function::new(ctx.clone(), timer)?)?;
    let own = host.clone();
    let untimer = move |id: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        if own.timers.borrow_mut().clear(id as u32) {
            own.gauge.release(TIMER_BYTES);
        }
    };
    natives.set("untimer", Function::new(ctx.clone(), untimer)?)?;
    let own = host.clone();
    let load_url = move |ctx: Ctx<'js>| -> Result<Value<'js>> {
        let help = "parse with a regular expression, or let an agent do it";
        let message = "the client has no `URL`; a small one stands in for it here".to_owned();
        own.warn("script::url", message, help, None);
        let shim = url_shim().map_err(|_| rquickjs::Error::Unknown)?;
        let (module, _) = raw::load(&ctx, shim)?.eval()?;
        module.get::<_, Function<'js>>("default")?.call(())
    };
    natives.set("loadUrl", Function::new(ctx.clone(), load_url)?)
}

/// What is released when a timer has fired.
pub(super) fn timer_fired(host: &Host) {
    host.gauge.release(TIMER_BYTES);
}

/// `phase(title)` of `caller`.
pub(super) fn phase<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Rc<Caller>,
) -> Result<Function<'js>> {
    let (host, caller) = (host.clone(), caller.clone());
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, title: Opt<Value<'js>>| -> Result<()> {
        let undefined = || Value::new_undefined(ctx.clone());
        let title = host.text(&ctx, &title.0.unwrap_or_else(undefined))?;
        host.notebook.borrow_mut().phase(&title);
        let title: Arc<str> = title.into();
        *caller.phase.borrow_mut() = Some(title);
        Ok(())
    })
}

/// One log line: strings as they are, other values as JSON where they have any.
fn say<'js>(ctx: &Ctx<'js>, host: &Host, values: &[Value<'js>]) -> Result<()> {
    let mut line = String::new();
    for value in values {
        if !line.is_empty() {
            line.push(' ');
        }
        let json = match value.as_object() {
            Some(object) if !value.is_error() && !value.is_function() => {
                ctx.json_stringify(object.clone()).ok().flatten()
            }
            _ => None,
        };
        if let Some(json) = json {
            line.push_str(&json.to_string()?);
        } else {
            ctx.catch();
            line.push_str(&host.text(ctx, value)?);
        }
    }
    host.notebook.borrow_mut().log(line);
    Ok(())
}

/// A throw that `parallel` or `pipeline` turned into `null`.
fn swallow<'js>(ctx: &Ctx<'js>, host: &Host, prefix: &str, error: &Value<'js>) {
    let thrown = Thrown::from_value(ctx, error);
    let mut notebook = host.notebook.borrow_mut();
    notebook.failure(format!("{prefix}{}", thrown.message));
    notebook.swallowed(|| (thrown.line(), place_of(host, &thrown)));
}

/// Where in the author's text something was thrown.
pub(super) fn place_of(host: &Host, thrown: &Thrown) -> Option<Place> {
    host.units.author_place(thrown.at.as_ref()?)
}
