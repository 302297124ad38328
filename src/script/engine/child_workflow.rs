//! `workflow(nameOrRef, args?)`: one level of child workflows, in the same realm.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Function, Persistent, Result, Value};

use crate::workflow::Lookup;

use super::agent_call::{Caller, agent};
use super::globals::phase;
use super::host::Host;
use super::raw;
use super::unit::ScriptId;

const NESTED: &str = "workflow() cannot be called from within a child workflow — nesting is limited \
                      to one level. Inline the inner script or call its agents directly.";

/// Runs a child and returns the promise of its result. Throws what the dialect rejects with.
pub(super) fn workflow<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    target: Option<Value<'js>>,
    args: Option<Value<'js>>,
) -> Result<Value<'js>> {
    let position = resolve(ctx, host, target)?;
    let units = host.units.clone();
    let unit = match units.child(position) {
        Ok(unit) => unit,
        Err(diagnostics) => {
            let why = diagnostics.first().map_or("it cannot be read", |first| &first.message);
            return Err(host.throw(ctx, "Error", &format!("workflow(): {why}")));
        }
    };
    let cached = host.children.borrow().get(&position).cloned();
    let factory: Function<'js> = if let Some(factory) = cached {
        factory.restore(ctx)?
    } else {
        let (module, _) = raw::load(ctx, &unit.bytecode)?.eval()?;
        let factory: Function<'js> = module.get("default")?;
        let saved = Persistent::save(ctx, factory.clone());
        host.children.borrow_mut().insert(position, saved);
        factory
    };
    let name: Arc<str> = unit.facts.meta.name.as_str().into();
    let group: Arc<str> = format!("▸ {name}").into();
    let caller = Rc::new(Caller {
        child: Some(name),
        script: ScriptId::Child(position),
        phase: Some(group).into(),
        changes_schemas: unit.facts.changes_schemas,
    });
    let body: Function<'js> = factory.call((
        placed_agent(ctx, host, &caller)?,
        Function::new(ctx.clone(), |_line: u32, value: Opt<Value<'js>>| value.0)?,
        plain_agent(ctx, host, &caller)?,
        nested(ctx, host)?,
        args.unwrap_or_else(|| Value::new_undefined(ctx.clone())),
        phase(ctx, host, &caller)?,
    ))?;
    body.call(())
}

/// `agent(prompt, opts)` on behalf of `caller`.
pub(super) fn plain_agent<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Rc<Caller>,
) -> Result<Function<'js>> {
    let (host, caller) = (host.clone(), caller.clone());
    Function::new(
        ctx.clone(),
        move |ctx: Ctx<'js>, prompt: Opt<Value<'js>>, options: Opt<Value<'js>>| {
            agent(&ctx, &host, &caller, None, prompt.0, options.0.as_ref())
        },
    )
}

/// The same with the line and column of the call in front.
pub(super) fn placed_agent<'js>(
    ctx: &Ctx<'js>,
    host: &Rc<Host>,
    caller: &Rc<Caller>,
) -> Result<Function<'js>> {
    let (host, caller) = (host.clone(), caller.clone());
    Function::new(
        ctx.clone(),
        move |ctx: Ctx<'js>,
              line: u32,
              column: u32,
              prompt: Opt<Value<'js>>,
              options: Opt<Value<'js>>| {
            agent(&ctx, &host, &caller, Some((line, column)), prompt.0, options.0.as_ref())
        },
    )
}

fn nested<'js>(ctx: &Ctx<'js>, host: &Rc<Host>) -> Result<Function<'js>> {
    let host = host.clone();
    Function::new(ctx.clone(), move |ctx: Ctx<'js>| -> Result<Value<'js>> {
        rejected(&ctx, host.throw(&ctx, "Error", NESTED))
    })
}

/// A promise rejected with what was just thrown.
pub(super) fn rejected<'js>(ctx: &Ctx<'js>, error: rquickjs::Error) -> Result<Value<'js>> {
    if !error.is_exception() {
        return Err(error);
    }
    let thrown = ctx.catch();
    let (promise, _, reject) = ctx.promise()?;
    reject.call::<_, ()>((thrown,))?;
    Ok(promise.into_value())
}

/// The position of the child that `target` means.
fn resolve<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, target: Option<Value<'js>>) -> Result<usize> {
    let target = target.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
    if let Some(object) = target.as_object() {
        let path: Value<'js> = object.get("scriptPath")?;
        if !path.is_string() {
            let message = "workflow() expects a name or { scriptPath: '…' }";
            return Err(host.throw(ctx, "TypeError", message));
        }
        let path = host.text(ctx, &path)?;
        return match host.units.lookup(None, Some(&path)) {
            Lookup::Found(position) => Ok(position),
            Lookup::Missing => {
                host.notebook.borrow_mut().workflow_missing(&path);
                Err(host.throw(ctx, "Error", &format!("Workflow script file not found: {path}")))
            }
        };
    }
    if !target.is_string() {
        let message = "workflow() expects a name or { scriptPath: '…' }";
        return Err(host.throw(ctx, "TypeError", message));
    }
    let name = host.text(ctx, &target)?;
    match host.units.lookup(Some(&name), None) {
        Lookup::Found(position) => Ok(position),
        Lookup::Missing => {
            host.notebook.borrow_mut().workflow_missing(&name);
            let names = host.units.registry.names().join(", ");
            let names = if names.is_empty() { "(none)" } else { &names };
            let message =
                format!("workflow('{name}'): no workflow with that name. Available: {names}");
            Err(host.throw(ctx, "Error", &message))
        }
    }
}
