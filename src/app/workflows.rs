//! `flyball workflows list`.

use serde::Serialize;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use super::saved::{self, SavedMetas};
use crate::cli::value::PlainFormat;
use crate::cli::workflows::{WorkflowsCommand, WorkflowsList};
use crate::config::Registry;
use crate::config::examples::EXAMPLES;
use crate::report::{json, workflows};
use crate::workflow::Meta;

pub(super) fn run(command: WorkflowsCommand, context: &Context) -> Result<Exit, AppError> {
    let WorkflowsCommand::List(WorkflowsList { format }) = command;
    let registry = Registry::scan(&context.working_folder, &context.environment);
    for error in &registry.unreadable {
        output::tell(&format!("warning: {error}\n"));
    }
    let metas = SavedMetas::read(&saved::all(&registry))?;
    let description = |meta: Option<&Meta>| meta.map(|meta| meta.description.clone());
    let own = registry.workflows.iter().map(|saved| {
        let meta = metas.get(&saved::source_name(saved));
        workflows::Listed {
            name: saved.call_name(meta.map(|meta| &*meta.name)),
            from: saved.origin.name(),
            path: Some(saved.path.display().to_string()),
            description: description(meta),
        }
    });
    let shipped = EXAMPLES.iter().map(|example| workflows::Listed {
        name: format!("example:{}", example.name),
        from: "flyball",
        path: None,
        description: description(metas.get(&saved::example_path(example))),
    });
    let listed: Vec<_> = own.chain(shipped).collect();
    output::print(&match format {
        PlainFormat::Table => workflows::table(&listed, context.stdout.page()),
        PlainFormat::Json => json::pretty(&List { version: 1, workflows: &listed }),
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    workflows: &'a [workflows::Listed],
}
