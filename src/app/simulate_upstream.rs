//! `flyball simulate-upstream`.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::{io, thread};

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::{knowledge, output};
use crate::cli::upstream::SimulateUpstreamTyped;
use crate::cli::value::PlainFormat;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::messages::{RECORDING_BYTES_MAX, read_recording};
use crate::pricing::PriceTable;
use crate::report::{bill, json};
use crate::seed::Seed;
use crate::upstream::{OutputLength, Replay, SimulatedUpstream, StartError, UpstreamConfig};
use crate::usage::{Prior, UsageModel, shipped_text};

/// The seed where none is given.
const SEED_DEFAULT: u64 = 7;

pub(super) fn run(typed: &SimulateUpstreamTyped, context: &Context) -> Result<Exit, AppError> {
    let config = config(typed, context)?;
    let listener = TcpListener::bind(typed.listen).map_err(|error| refused(typed, &error))?;
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Pressed again, it is heard already.
        let _ = interrupt.send(());
    })
    .map_err(|error| AppError::bug(format!("Ctrl-C cannot be handled: {error}")))?;
    let upstream = SimulatedUpstream::start(config, listener).map_err(|error| match error {
        StartError::NotLoopback(_) => AppError::usage(error),
        StartError::Io(_) => AppError::new(Exit::Upstream, error),
    })?;
    output::tell(&format!(
        "simulated upstream on {}: calls no model, costs nothing; Ctrl-C ends it with its bill\n",
        upstream.url()
    ));
    interrupted.recv().map_err(AppError::bug)?;
    let bill = upstream.stop();
    output::print(&match typed.format {
        PlainFormat::Table => bill::text(&bill, context.stdout.page()),
        PlainFormat::Json => json::pretty(&bill),
    })?;
    Ok(Exit::Done)
}

fn refused(typed: &SimulateUpstreamTyped, error: &io::Error) -> AppError {
    let refused = AppError::usage(format!("cannot listen on {}: {error}", typed.listen));
    refused.with_hint("--listen 127.0.0.1:0 takes any port that is free")
}

fn config(typed: &SimulateUpstreamTyped, context: &Context) -> Result<UpstreamConfig, AppError> {
    let paths: Vec<_> = context.settings.prices.iter().chain(&typed.prices).cloned().collect();
    let files = knowledge::price_files(&paths)?;
    let prices = PriceTable::parse(&files).map_err(|error| knowledge::bad_prices(&error))?;
    let seed = typed.seed.or(context.settings.seed).unwrap_or(SEED_DEFAULT);
    let on = typed.at.unwrap_or(context.today);
    let mut config =
        UpstreamConfig::new(Seed::new(seed), Arc::new(prices), on, Arc::new(prior(context)?));
    config.pace = typed.pace;
    config.turns = typed.turns;
    config.miss_cache = typed.miss_cache;
    config.in_us = typed.in_us;
    config.faults.clone_from(&typed.fault);
    config.plan_windows.clone_from(&typed.plan_window);
    config.replay = typed.replay.as_deref().map(replay).transpose()?.map(Arc::new);
    config.threads = thread::available_parallelism().map_or(1, usize::from);
    if typed.fill_output {
        config.output = OutputLength::Full;
    }
    Ok(config)
}

/// What the recording at `path` answers.
fn replay(path: &Path) -> Result<Replay, AppError> {
    let file = SourceFile::read(path, RECORDING_BYTES_MAX)?;
    let exchanges = read_recording(&file.text).map_err(|bad| {
        AppError::bad_input(format!("`{}`, {bad}", file.name))
            .with_hint("a recording is what `flyball gateway --record FILE` writes")
    })?;
    Ok(Replay::new(exchanges))
}

/// How long answers are: the usage model of the settings, else the shipped one.
fn prior(context: &Context) -> Result<Prior, AppError> {
    let text = match &context.settings.usage {
        None => shipped_text().to_owned(),
        Some(path) => {
            let file = SourceFile::read(path, TEXT_BYTES_MAX)?;
            knowledge::usage_model(&file)?;
            file.text
        }
    };
    let model = UsageModel::parse(&text).map_err(AppError::bad_input)?;
    Ok(model.prior().clone())
}
