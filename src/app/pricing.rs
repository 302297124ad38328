//! `flyball pricing list | show | check | import`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::Value;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::{knowledge, output};
use crate::cli::pricing::{
    PricingArgs, PricingCheck, PricingCommand, PricingImport, PricingList, PricingShow,
};
use crate::cli::value::PlainFormat;
use crate::config::{ReadError, SourceFile};
use crate::diagnostic::Severity;
use crate::pricing::import::{self, ImportError, WriteError};
use crate::pricing::{PriceFile, PriceTable, PricingError, UnknownModel, check};
use crate::report::{Page, pricing as report};

/// The largest table that is imported, in bytes.
const IMPORT_BYTES_MAX: u64 = 64 << 20;

/// What the command stands on.
#[derive(Clone, Copy, Debug)]
pub struct PricingScene<'a> {
    /// The price files in force: the shipped ones, then the user's.
    pub files: &'a [PriceFile],
    /// Where relative paths begin.
    pub working_folder: &'a Path,
    /// Today, UTC.
    pub today: Date,
    /// What tables are laid out on.
    pub page: Page,
}

/// How a command of pricing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricingOutcome {
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
    /// Whether the price files were found wanting (exit code 6).
    pub bad_files: bool,
}

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PricingFailure {
    /// A price file cannot be used. Exit code 6; renders with its source.
    #[error(transparent)]
    #[diagnostic(transparent)]
    BadFile(#[from] PricingError),
    /// No such model. Exit code 2.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// No such vendor. Exit code 2.
    #[error("no model of `{vendor}` is listed; vendors: {known}")]
    UnknownVendor {
        /// As typed.
        vendor: String,
        /// The ones there are.
        known: String,
    },
    /// No such provider. Exit code 2.
    #[error("no price table knows the provider `{provider}`; providers: {known}")]
    UnknownProvider {
        /// As typed.
        provider: String,
        /// The ones there are.
        known: String,
    },
    /// A file cannot be read. Exit code 6.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// A file cannot be written. Exit code 6.
    #[error("cannot write `{}`: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file to import is no price table that is known. Exit code 6.
    #[error("`{}` is {error}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ImportError,
    },
    /// Nothing could be written from the import. Exit code 2.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl PricingFailure {
    /// The documented exit code: 2 for what was typed, 6 for a bad file.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownModel(_)
            | Self::UnknownVendor { .. }
            | Self::UnknownProvider { .. }
            | Self::Write(_) => 2,
            Self::BadFile(_)
            | Self::Unreadable(_)
            | Self::Unwritable { .. }
            | Self::Import { .. } => 6,
        }
    }
}

/// `flyball pricing` over the price files in force.
pub(super) fn command(arguments: &PricingArgs, context: &Context) -> Result<Exit, AppError> {
    let files = knowledge::price_files(&context.settings.prices)?;
    let scene = PricingScene {
        files: &files,
        working_folder: &context.working_folder,
        today: context.today,
        page: context.stdout.page(),
    };
    let outcome = run(arguments, &scene).map_err(|failure| match failure {
        PricingFailure::BadFile(error) => knowledge::bad_prices(&error),
        PricingFailure::Unreadable(error) => error.into(),
        other if other.exit_code() == Exit::Usage.code() => AppError::usage(other),
        other => AppError::bad_input(other),
    })?;
    output::print(&outcome.stdout)?;
    output::tell(&outcome.stderr);
    Ok(if outcome.bad_files { Exit::BadInput } else { Exit::Done })
}

/// Executes a command of `flyball pricing`. Writes no file but the one that `--write` names.
pub fn run(args: &PricingArgs, scene: &PricingScene) -> Result<PricingOutcome, PricingFailure> {
    match &args.command {
        PricingCommand::List(list) => run_list(list, scene),
        PricingCommand::Show(show) => run_show(show, scene),
        PricingCommand::Check(check) => run_check(check, scene),
        PricingCommand::Import(import) => run_import(import, scene),
    }
}

fn run_list(list: &PricingList, scene: &PricingScene) -> Result<PricingOutcome, PricingFailure> {
    let prices = PriceTable::parse(scene.files)?;
    let on = list.at.unwrap_or(scene.today);
    let vendor = list.vendor.as_deref();
    if let Some(vendor) = vendor {
        let mut known: Vec<&str> = prices.models().map(|model| model.provider.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        if !known.contains(&vendor) {
            let (vendor, known) = (vendor.to_owned(), known.join(", "));
            return Err(PricingFailure::UnknownVendor { vendor, known });
        }
    }
    Ok(printed(match list.format {
        PlainFormat::Table => report::models(&prices, vendor, list.all, on, scene.page),
        PlainFormat::Json => pretty(&report::models_json(&prices, vendor, on)),
    }))
}

fn run_show(show: &PricingShow, scene: &PricingScene) -> Result<PricingOutcome, PricingFailure> {
    let prices = PriceTable::parse(scene.files)?;
    let on = show.at.unwrap_or(scene.today);
    let known = prices.providers();
    if !known.contains(&*show.provider) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        let provider = show.provider.clone();
        return Err(PricingFailure::UnknownProvider { provider, known });
    }
    let resolved = prices.resolve_name(&show.model, &show.provider, on)?;
    Ok(printed(match show.format {
        PlainFormat::Table => report::model(&prices, &resolved, on, scene.page),
        PlainFormat::Json => pretty(&report::model_json(&prices, &resolved, on)),
    }))
}

fn run_check(typed: &PricingCheck, scene: &PricingScene) -> Result<PricingOutcome, PricingFailure> {
    let mut files = scene.files.to_vec();
    for path in &typed.files {
        files.push(PriceFile { name: path.display().to_string(), text: read(scene, path)? });
    }
    let prices = PriceTable::parse(&files)?;
    let findings = check(&prices, typed.at.unwrap_or(scene.today));
    let worst = findings.iter().map(|finding| finding.severity).max();
    let tolerated = if typed.strict { Severity::Note } else { Severity::Warning };
    let mut outcome = printed(match typed.format {
        PlainFormat::Table => report::findings(&prices, &findings, scene.page),
        PlainFormat::Json => pretty(&report::findings_json(&prices, &findings)),
    });
    outcome.bad_files = worst > Some(tolerated);
    Ok(outcome)
}

fn run_import(
    typed: &PricingImport,
    scene: &PricingScene,
) -> Result<PricingOutcome, PricingFailure> {
    let prices = PriceTable::parse(scene.files)?;
    let on = typed.at.unwrap_or(scene.today);
    let text = read(scene, &typed.from)?;
    let imported = import::read(&text)
        .map_err(|error| PricingFailure::Import { path: typed.from.clone(), error })?;
    let comparison = import::compare(&prices, &imported, on);
    let format = imported.format.name();
    let mut outcome = printed(match typed.format {
        PlainFormat::Table => report::comparison(&comparison, format, scene.page),
        PlainFormat::Json => pretty(&report::comparison_json(&comparison, format)),
    });
    if let Some(path) = &typed.write {
        let origin = format!("{format}, {}", typed.from.display());
        let file = import::price_file(&comparison, &origin, &typed.model)?;
        // It must fit on top of the files in force, or the next command would fail of it.
        let mut files = scene.files.to_vec();
        files.push(file.clone());
        PriceTable::parse(&files)?;
        write_new(scene, path, &file.text)?;
        outcome.stderr = format!("wrote {}: compare it with the vendors' pages\n", path.display());
    }
    Ok(outcome)
}

fn printed(stdout: String) -> PricingOutcome {
    PricingOutcome { stdout, stderr: String::new(), bad_files: false }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn read(scene: &PricingScene, path: &Path) -> Result<String, PricingFailure> {
    let name = path.display().to_string();
    let source = SourceFile::read_as(name, &scene.working_folder.join(path), IMPORT_BYTES_MAX)?;
    Ok(source.text)
}

/// Never replaces a file: prices that somebody wrote are not ours to drop.
fn write_new(scene: &PricingScene, path: &Path, text: &str) -> Result<(), PricingFailure> {
    let full = scene.working_folder.join(path);
    let written = fs::File::create_new(full)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| PricingFailure::Unwritable { path: path.to_owned(), error })
}
