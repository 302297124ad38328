//! One execution in this process.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::context::intrinsic as with;
use rquickjs::function::Opt;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Function, Persistent, Promise, Runtime, Value};

use crate::id::CallId;
use crate::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Finish, Outcome, ScriptArgs, Start, Status,
};

use super::agent_call::Caller;
use super::child_workflow::placed_agent;
use super::gauge::Gauge;
use super::globals::{install, place_of, timer_fired};
use super::host::Host;
use super::json_text::without_lone_surrogates;
use super::program::Units;
use super::raw::{self, Heap};
use super::stringify::quote;
use super::thrown::{Line, Thrown};
use super::unit::ScriptId;

/// The built-ins of a workflow's realm. `Eval` is left out: without it `eval`, `Function` and their
/// kin throw.
type Builtins = (
    with::Date,
    with::RegExpCompiler,
    with::RegExp,
    with::Json,
    with::Proxy,
    with::MapSet,
    with::Promise,
    with::WeakRef,
);
/// The same for scripts that mention binary data; these take a quarter longer to set up.
type BuiltinsWithBinary = (Builtins, with::TypedArrays);

/// The most of a returned value that is kept, bytes of JSON.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Garbage collection begins no later than at this heap size, bytes.
const GC_THRESHOLD_BYTES: u64 = 16 << 20;

/// An execution and the runtime it lives in. The runtime goes last.
pub(super) struct LocalExecution {
    main: Option<Persistent<Promise<'static>>>,
    finish: Option<Finish>,
    host: Rc<Host>,
    context: Context,
    runtime: Runtime,
}

impl LocalExecution {
    pub(super) fn start(units: Arc<Units>, start: &Start) -> Result<Self, EngineError> {
        let limits = start.limits;
        if let ScriptArgs::Json(text) = &start.args {
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| EngineError::Internal(format!("args are not JSON: {error}")))?;
        }
        let gauge = Rc::new(Gauge::new(limits.steps, limits.memory_bytes));
        let runtime =
            Runtime::new_with_alloc(Heap::new(gauge.clone())).map_err(|error| internal(&error))?;
        let stack = usize::try_from(limits.stack_bytes).unwrap_or(usize::MAX);
        runtime.set_max_stack_size(stack);
        let threshold = GC_THRESHOLD_BYTES.min(limits.memory_bytes / 4);
        runtime.set_gc_threshold(usize::try_from(threshold).unwrap_or(usize::MAX));
        let polled = gauge.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || polled.step())));
        let context = if units.wants_binary {
            Context::custom::<BuiltinsWithBinary>(&runtime)
        } else {
            Context::custom::<Builtins>(&runtime)
        };
        let host =
            Host::new(units, limits, gauge, start.budget_total_tokens, start.budget_spent_tokens);
        let mut execution = Self {
            main: None,
            finish: None,
            host: Rc::new(host),
            context: context.map_err(|error| internal(&error))?,
            runtime,
        };
        execution.begin(start);
        Ok(execution)
    }

    fn begin(&mut self, start: &Start) {
        let host = self.host.clone();
        let begun = self.context.clone().with(|ctx| match launch(&ctx, &host, start) {
            Ok(main) => {
                drain(&ctx, &host);
                Ok(Persistent::save(&ctx, main))
            }
            Err(error) => Err(Thrown::from_error(&ctx, &error)),
        });
        match begun {
            Ok(main) => self.main = Some(main),
            Err(thrown) => self.finish = Some(self.threw(thrown)),
        }
        self.settle();
    }

    /// Notices how the script ended, if it has.
    fn settle(&mut self) {
        if self.finish.is_some() {
            return;
        }
        self.finish = self.host.gauge.limit_passed().map(limit_reached);
        if self.finish.is_none() {
            self.finish = self.ended();
        }
        // Reading the result runs script code, which can pass a limit too.
        if let Some(limit) = self.host.gauge.limit_passed() {
            self.finish = Some(limit_reached(limit));
        }
    }

    fn ended(&self) -> Option<Finish> {
        let host = &self.host;
        self.context.with(|ctx| {
            let main = self.main.clone()?.restore(&ctx).ok()?;
            match main.state() {
                PromiseState::Pending => {
                    let waits = !host.open.borrow().is_empty()
                        || host.timers.borrow().next_due_milliseconds().is_some();
                    // The queue is empty: only a passed limit stops it sooner.
                    (!waits).then_some(Finish::Stuck)
                }
                PromiseState::Resolved => {
                    let value = main.result::<Value<'_>>()?.ok()?;
                    Some(Finish::Returned {
                        value: json(&ctx, host, value),
                        line: host.end_line.get(),
                    })
                }
                PromiseState::Rejected => {
                    drop(main.result::<Value<'_>>());
                    let thrown = Thrown::from_value(&ctx, &ctx.catch());
                    Some(self.threw(thrown))
                }
            }
        })
    }

    fn threw(&self, thrown: Thrown) -> Finish {
        if let Some(limit) = self.host.gauge.limit_passed() {
            return limit_reached(limit);
        }
        if thrown.is_stack_overflow() {
            return limit_reached("stack");
        }
        let place = place_of(&self.host, &thrown);
        Finish::Threw { name: thrown.name, message: thrown.message, place }
    }

    fn resolve(&self, call: CallId, outcome: Outcome) -> Result<(), EngineError> {
        let host = &self.host;
        let Some(open) = host.open.borrow_mut().remove(&call.0) else {
            return Err(EngineError::NotOpen(call.0));
        };
        host.gauge.release(open.kept_bytes);
        if self.finish.is_some() {
            return Ok(());
        }
        self.context.with(|ctx| {
            let settled = (|| {
                let (function, value) = match outcome {
                    Outcome::Rejected { name, message } => {
                        (open.reject, host.error(&ctx, &name, &message)?)
                    }
                    other => (open.resolve, value_of(&ctx, other)?),
                };
                function.restore(&ctx)?.call::<_, ()>((value,))
            })();
            if let Err(error) = settled
                && !host.gauge.is_over()
            {
                let thrown = Thrown::from_error(&ctx, &error);
                let message =
                    format!("the outcome of call {} has no value: {}", call.0, thrown.line());
                return Err(EngineError::Internal(message));
            }
            drain(&ctx, host);
            Ok(())
        })
    }
}

impl Execution for LocalExecution {
    fn calls(&mut self) -> Vec<AgentCall> {
        std::mem::take(&mut *self.host.calls.borrow_mut())
    }

    fn deliver(
        &mut self,
        call: CallId,
        outcome: Outcome,
        output_tokens: u64,
    ) -> Result<(), EngineError> {
        if !self.host.open.borrow().contains_key(&call.0) {
            return Err(EngineError::NotOpen(call.0));
        }
        // Before the script goes on: it may ask at once what is left.
        let spent = &self.host.spent_tokens;
        spent.set(spent.get().saturating_add(output_tokens));
        self.resolve(call, outcome)?;
        self.settle();
        Ok(())
    }

    fn advance_to(&mut self, milliseconds: u64) -> Result<(), EngineError> {
        while self.finish.is_none() {
            let due = self.host.timers.borrow_mut().take_due(milliseconds);
            let Some(timer) = due else { break };
            timer_fired(&self.host);
            let host = &self.host;
            self.context.with(|ctx| {
                let fired = timer.callback.restore(&ctx).and_then(|call| call.call::<_, ()>(()));
                if fired.is_err() {
                    // As in the client, what a timer throws reaches nobody.
                    ctx.catch();
                }
                // A whole step each: the host has work with every one of them.
                host.gauge.step();
                drain(&ctx, host);
            });
            self.settle();
        }
        self.host.timers.borrow_mut().advance_to(milliseconds);
        Ok(())
    }

    fn status(&mut self) -> Status {
        match &self.finish {
            Some(finish) => Status::Finished(finish.clone()),
            None => Status::Waiting {
                open_calls: u32::try_from(self.host.open.borrow().len()).unwrap_or(u32::MAX),
                next_timer_milliseconds: self.host.timers.borrow().next_due_milliseconds(),
            },
        }
    }

    fn notes(&mut self) -> ExecutionNotes {
        let steps = self.host.gauge.steps();
        ExecutionNotes { steps, ..self.host.notebook.borrow_mut().take() }
    }
}

impl Drop for LocalExecution {
    fn drop(&mut self) {
        self.main = None;
        self.host.clear();
        // Cycles are freed with the runtime; no need to look for them first.
        self.runtime.set_interrupt_handler(None);
    }
}

/// Sets up the realm and calls the body.
fn launch<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, start: &Start) -> rquickjs::Result<Promise<'js>> {
    let changes_schemas = host.units.main.facts.changes_schemas;
    let caller = Rc::new(Caller { changes_schemas, ..Caller::default() });
    install(ctx, host, &caller, &start.args)?;
    let (module, _) = raw::load(ctx, &host.units.main.bytecode)?.eval()?;
    let factory: Function<'js> = module.get("default")?;
    let own = host.clone();
    let end = Function::new(ctx.clone(), move |line: u32, value: Opt<Value<'js>>| {
        own.end_line.set(Some(line));
        value.0
    })?;
    let body: Function<'js> = factory.call((placed_agent(ctx, host, &caller)?, end))?;
    body.call(())
}

/// Runs jobs until there are none or a limit is passed.
fn drain(ctx: &Ctx<'_>, host: &Host) {
    while !host.gauge.is_over() && ctx.execute_pending_job() {
        if host.gauge.work() {
            break;
        }
    }
}

fn value_of<'js>(ctx: &Ctx<'js>, outcome: Outcome) -> rquickjs::Result<Value<'js>> {
    match outcome {
        Outcome::Text(text) => Ok(rquickjs::String::from_str(ctx.clone(), &text)?.into_value()),
        Outcome::Json(text) => ctx.json_parse(text),
        Outcome::Null | Outcome::Rejected { .. } => Ok(Value::new_null(ctx.clone())),
    }
}

/// The returned value as JSON, cut; `None` where it has none.
fn json<'js>(ctx: &Ctx<'js>, host: &Host, value: Value<'js>) -> Option<String> {
    if value.is_undefined() {
        return None;
    }
    if value.is_string() {
        // Often the last agent's whole text.
        let mut text = String::new();
        quote(&host.text(ctx, &value).ok()?, &mut text);
        return Some(within(text, VALUE_BYTES_MAX));
    }
    let text = match ctx.json_stringify(value) {
        Ok(Some(text)) => text.to_string().ok().map(without_lone_surrogates),
        Ok(None) => None,
        Err(error) => {
            let thrown = Thrown::from_error(ctx, &error);
            let message = format!("the returned value has no JSON text: {}", thrown.line());
            let help = "return plain data: objects, arrays, strings, numbers";
            let line = host.end_line.get().map(|line| Line { script: ScriptId::Main, line });
            host.warn("script::result", message, help, line);
            None
        }
    };
    text.map(|text| within(text, VALUE_BYTES_MAX))
}

/// At most so many bytes of `text`, cut at a character.
fn within(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

fn limit_reached(limit: &str) -> Finish {
    Finish::LimitReached { limit: limit.to_owned() }
}

fn internal(error: &rquickjs::Error) -> EngineError {
    EngineError::Internal(error.to_string())
}
