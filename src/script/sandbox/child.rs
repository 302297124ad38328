//! The child's side: reads requests, does them, answers.

use std::any::Any;
use std::io::stdin;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde::{Deserialize, Serialize};

use super::confine;
use super::frame::{Frame, Kind};
use super::job::JobContext;
use super::limits::SandboxLimits;
use super::parent::Inspection;
use crate::id::CallId;
use crate::ports::script::{
    AgentCall, EngineError, Execution, Outcome, ScriptProgram, Start, Status,
};
use crate::script::engine::Program;
use crate::workflow::SourceSet;

/// Stack of the thread that works, bytes; reserved, not used up.
const WORK_STACK_BYTES: usize = 64 << 20;

/// What a step of an execution brought.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) calls: Vec<AgentCall>,
    pub(super) status: Status,
}

/// A call's outcome on its way to the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) call: CallId,
    pub(super) outcome: Outcome,
    pub(super) output_tokens: u64,
}

/// Serves one parent on standard input and output until it goes away. `handler` does the jobs that
/// [`Sandbox::job`](super::Sandbox::job) sends: bytes in, bytes out, on a thread with 64 MiB of
/// stack; it may start threads of its own. Nothing else may write to standard output.
pub fn child_main(handler: impl Fn(&JobContext, Vec<u8>) -> Vec<u8> + Send + Sync) -> ExitCode {
    confine::at_start();
    let pending = AtomicUsize::new(0);
    let (requests, inbox) = channel();
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(WORK_STACK_BYTES);
        let (pending, handler) = (&pending, &handler);
        let begun = worker.spawn_scoped(scope, move || work(&inbox, pending, handler));
        if begun.is_err() {
            return ExitCode::FAILURE;
        }
        let code = receive(&requests, pending);
        // Without requests the worker ends.
        drop(requests);
        code
    })
}

/// Passes requests on. The end of the input means that the parent is gone: whatever the script is
/// doing then, nobody waits for it.
fn receive(requests: &Sender<Frame>, pending: &AtomicUsize) -> ExitCode {
    let mut input = stdin().lock();
    while let Ok(Some(frame)) = Frame::read(&mut input) {
        pending.fetch_add(1, Ordering::SeqCst);
        if requests.send(frame).is_err() {
            return ExitCode::FAILURE;
        }
    }
    if pending.load(Ordering::SeqCst) > 0 {
        std::process::abort();
    }
    ExitCode::SUCCESS
}

fn work(
    inbox: &Receiver<Frame>,
    pending: &AtomicUsize,
    handler: &(impl Fn(&JobContext, Vec<u8>) -> Vec<u8> + Sync),
) {
    let context = JobContext::new();
    let mut server = Server::default();
    for frame in inbox {
        if frame.kind == Kind::Setup {
            if let Ok(limits) = frame.parse::<SandboxLimits>() {
                confine::to_limits(&limits);
            }
        } else {
            let answer = catch_unwind(AssertUnwindSafe(|| server.answer(&context, frame, handler)));
            let reply = match answer {
                Ok(payload) => Frame::new(Kind::Reply, payload),
                Err(panic) => Frame::new(Kind::Panic, panic_text(panic.as_ref()).into_bytes()),
            };
            context.send(&reply);
        }
        pending.fetch_sub(1, Ordering::SeqCst);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// The script that is open, and its execution.
#[derive(Default)]
struct Server {
    execution: Option<Box<dyn Execution>>,
    program: Option<Program>,
}

impl Server {
    fn answer(
        &mut self,
        context: &JobContext,
        frame: Frame,
        handler: &impl Fn(&JobContext, Vec<u8>) -> Vec<u8>,
    ) -> Vec<u8> {
        match frame.kind {
            Kind::Job => {
                context.begin();
                handler(context, frame.payload)
            }
            Kind::Inspect => reply(&parsed(&frame).and_then(|sources| inspect(&sources))),
            Kind::Open => reply(&self.open(&frame)),
            Kind::Begin => reply(&self.begin(&frame)),
            Kind::Deliver => reply(&self.deliver(&frame)),
            Kind::Advance => reply(&self.advance(&frame)),
            Kind::Notes => reply(&self.execution().map(Execution::notes)),
            _ => reply(&Err::<(), _>(EngineError::Internal("not a request".to_owned()))),
        }
    }

    fn open(&mut self, frame: &Frame) -> Result<(), EngineError> {
        self.execution = None;
        self.program = Some(Program::compile(&parsed::<SourceSet>(frame)?)?);
        Ok(())
    }

    fn begin(&mut self, frame: &Frame) -> Result<Moved, EngineError> {
        self.execution = None;
        let start: Start = parsed(frame)?;
        let none = || EngineError::Internal("no script is open".to_owned());
        self.execution = Some(self.program.as_ref().ok_or_else(none)?.start(&start)?);
        self.moved()
    }

    fn deliver(&mut self, frame: &Frame) -> Result<Moved, EngineError> {
        let Delivery { call, outcome, output_tokens } = parsed(frame)?;
        self.execution()?.deliver(call, outcome, output_tokens)?;
        self.moved()
    }

    fn advance(&mut self, frame: &Frame) -> Result<Moved, EngineError> {
        let milliseconds = parsed(frame)?;
        self.execution()?.advance_to(milliseconds)?;
        self.moved()
    }

    fn moved(&mut self) -> Result<Moved, EngineError> {
        let execution = self.execution()?;
        Ok(Moved { calls: execution.calls(), status: execution.status() })
    }

    fn execution(&mut self) -> Result<&mut (dyn Execution + 'static), EngineError> {
        let none = || EngineError::Internal("no execution has begun".to_owned());
        self.execution.as_deref_mut().ok_or_else(none)
    }
}

fn inspect(sources: &SourceSet) -> Result<Inspection, EngineError> {
    let program = Program::compile(sources)?;
    let children = program.children().into_iter();
    Ok(Inspection {
        facts: program.facts().clone(),
        children: children.map(|(path, facts)| (path.to_owned(), facts.clone())).collect(),
    })
}

fn parsed<'f, T: Deserialize<'f>>(frame: &'f Frame) -> Result<T, EngineError> {
    frame.parse().map_err(|error| EngineError::Internal(format!("a broken request: {error}")))
}

fn reply<T: Serialize>(answer: &Result<T, EngineError>) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default()
}
