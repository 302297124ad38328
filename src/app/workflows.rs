//! `flyball workflows list`.

use serde::Serialize;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::cli::workflows::{ListFormat, WorkflowsCommand, WorkflowsList};
use crate::config::Registry;
use crate::config::examples::EXAMPLES;
use crate::report::{json, workflows};

pub(super) fn run(command: WorkflowsCommand, context: &Context) -> Result<Exit, AppError> {
    let WorkflowsCommand::List(WorkflowsList { format }) = command;
    let registry = Registry::scan(&context.working_folder, &context.environment);
    let saved = registry.workflows.iter().map(|saved| workflows::Listed {
        name: saved.stem.clone(),
        from: saved.origin.name(),
        path: Some(saved.path.display().to_string()),
    });
    let shipped = EXAMPLES.iter().map(|example| workflows::Listed {
        name: format!("example:{}", example.name),
        from: "flyball",
        path: None,
    });
    let listed: Vec<_> = saved.chain(shipped).collect();
    output::print(&match format {
        ListFormat::Table => workflows::table(&listed, context.stdout.page()),
        ListFormat::Json => json::pretty(&List { version: 1, workflows: &listed }),
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    workflows: &'a [workflows::Listed],
}
