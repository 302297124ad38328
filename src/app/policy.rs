//! `flyball policy check | explain`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::policy_source;
use super::{knowledge, output};
use crate::cli::plan::PlanningFlags;
use crate::cli::policy::{PolicyCheck, PolicyCommand, PolicyExplain, PolicyFormat};
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::report::json;
use crate::report::policy::{self as report, PolicyCheckReport};

pub(super) fn run(
    command: PolicyCommand<PlanningFlags>,
    context: &Context,
) -> Result<Exit, AppError> {
    match command {
        PolicyCommand::Check(typed) => check(&typed, context),
        PolicyCommand::Explain(typed) => explain(&typed, context),
    }
}

fn check(typed: &PolicyCheck, context: &Context) -> Result<Exit, AppError> {
    let found = knowledge::policy(&policy_source(&typed.policy)?)?;
    let paths = context.settings.prices.iter().chain(&typed.prices);
    let sources = paths.map(|path| SourceFile::read(path, TEXT_BYTES_MAX));
    let prices = knowledge::price_table(&sources.collect::<Result<Vec<_>, _>>()?)?;
    let provider = typed.provider.as_deref().or(context.settings.provider.as_deref());
    let diagnostics = found.policy.check(&mut |name| {
        prices
            .resolve(name, provider.unwrap_or("anthropic"), context.today)
            .map(|model| model.id.clone())
            .map_err(|unknown| unknown.to_string())
    });
    output::print(&match typed.format {
        PolicyFormat::Table => {
            let width = context.stdout.page().width();
            report::check(&found.policy, &diagnostics, &found.name, width)
        }
        PolicyFormat::Json => json::pretty(&PolicyCheckReport::of(&found.policy, diagnostics)),
    })?;
    Ok(Exit::Done)
}

fn explain(typed: &PolicyExplain<PlanningFlags>, context: &Context) -> Result<Exit, AppError> {
    let _ = (typed, context);
    Err(AppError::bug("the planner is not wired yet"))
}
