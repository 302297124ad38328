//! What the host of one execution keeps: calls, budget, timers, notes. The native halves of the
//! globals work on it. No reference into it is held while script code runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Ctx, Function, Object, Persistent, Result, Value};

use crate::id::CallId;
use crate::ports::script::{AgentCall, Limits, Outcome};

use super::gauge::Gauge;
use super::notebook::Notebook;
use super::program::Units;
use super::thrown::Line;
use super::timers::Timers;

/// The two ends of a promise that waits for an agent.
pub(super) struct OpenCall {
    pub(super) resolve: Persistent<Function<'static>>,
    pub(super) reject: Persistent<Function<'static>>,
    /// What the host keeps for it, bytes.
    pub(super) kept_bytes: usize,
}

/// Functions of the prelude that the host calls.
pub(super) struct Callbacks {
    pub(super) make: Persistent<Function<'static>>,
    pub(super) well_formed: Persistent<Function<'static>>,
}

/// State of one execution.
pub(super) struct Host {
    pub(super) units: Arc<Units>,
    pub(super) limits: Limits,
    pub(super) gauge: Rc<Gauge>,
    pub(super) calls: RefCell<Vec<AgentCall>>,
    pub(super) open: RefCell<BTreeMap<u32, OpenCall>>,
    pub(super) agents: Cell<u32>,
    pub(super) budget_total_tokens: Option<u64>,
    pub(super) spent_tokens: Cell<u64>,
    pub(super) timers: RefCell<Timers>,
    pub(super) notebook: RefCell<Notebook>,
    pub(super) schemas: RefCell<Vec<(Persistent<Object<'static>>, Arc<str>)>>,
    pub(super) children: RefCell<BTreeMap<usize, Persistent<Function<'static>>>>,
    pub(super) callbacks: RefCell<Option<Callbacks>>,
    pub(super) end_line: Cell<Option<u32>>,
}

impl Host {
    pub(super) fn new(
        units: Arc<Units>,
        limits: Limits,
        gauge: Rc<Gauge>,
        budget_total_tokens: Option<u64>,
        spent_tokens: u64,
    ) -> Self {
        Self {
            units,
            limits,
            gauge,
            calls: RefCell::default(),
            open: RefCell::default(),
            agents: Cell::new(0),
            budget_total_tokens,
            spent_tokens: Cell::new(spent_tokens),
            timers: RefCell::default(),
            notebook: RefCell::new(Notebook::new(limits.log_lines)),
            schemas: RefCell::default(),
            children: RefCell::default(),
            callbacks: RefCell::default(),
            end_line: Cell::new(None),
        }
    }

    /// Lets go of everything that lives in the script's heap; it must not outlive the runtime.
    pub(super) fn clear(&self) {
        self.open.borrow_mut().clear();
        self.schemas.borrow_mut().clear();
        self.children.borrow_mut().clear();
        *self.timers.borrow_mut() = Timers::default();
        *self.callbacks.borrow_mut() = None;
    }

    /// Why the next `agent()` call is refused, if it is: the cap, then the budget.
    pub(super) fn refusal(&self) -> Option<Outcome> {
        if self.agents.get() >= self.limits.agents {
            return Some(Outcome::agent_cap(self.limits.agents));
        }
        let total = self.budget_total_tokens?;
        let spent = self.spent_tokens.get();
        (spent >= total).then(|| Outcome::budget_exceeded(spent, total))
    }

    /// The position of the next call, counted.
    pub(super) fn next_call(&self) -> CallId {
        self.agents.set(self.agents.get() + 1);
        CallId(self.agents.get())
    }

    /// A new `Error` of the script's realm.
    pub(super) fn error<'js>(
        &self,
        ctx: &Ctx<'js>,
        name: &str,
        message: &str,
    ) -> Result<Value<'js>> {
        let make = self.callback(ctx, |callbacks| &callbacks.make)?;
        make.call((name, message))
    }

    /// Throws a new `Error` of the script's realm.
    pub(super) fn throw(&self, ctx: &Ctx<'_>, name: &str, message: &str) -> rquickjs::Error {
        match self.error(ctx, name, message) {
            Ok(error) => ctx.throw(error),
            Err(error) => error,
        }
    }

    /// Throws if the script has used up its memory; the flag ends it whatever it does with this.
    pub(super) fn keep(&self, ctx: &Ctx<'_>, bytes: usize) -> Result<()> {
        if self.gauge.keep(bytes) {
            return Ok(());
        }
        Err(self.throw(ctx, "RangeError", "out of memory"))
    }

    /// Notes a warning, at a line of a script.
    pub(super) fn warn(&self, code: &str, message: String, help: &str, line: Option<Line>) {
        let place = line.and_then(|line| self.units.line_start(line));
        self.notebook.borrow_mut().warn(code, message, help, place);
    }

    /// A value as text, as `String(value)` has it; lone surrogates become U+FFFD.
    pub(super) fn text<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
        let string = match value.as_string() {
            Some(string) => string.clone(),
            None => value.get::<rquickjs::Coerced<rquickjs::String<'js>>>()?.0,
        };
        match string.to_string() {
            Err(rquickjs::Error::Utf8(_)) => {
                let well_formed = self.callback(ctx, |callbacks| &callbacks.well_formed)?;
                well_formed.call((string,))
            }
            other => other,
        }
    }

    fn callback<'js>(
        &self,
        ctx: &Ctx<'js>,
        which: impl FnOnce(&Callbacks) -> &Persistent<Function<'static>>,
    ) -> Result<Function<'js>> {
        let saved = self.callbacks.borrow().as_ref().map(|callbacks| which(callbacks).clone());
        saved.ok_or(rquickjs::Error::Unknown)?.restore(ctx)
    }
}
