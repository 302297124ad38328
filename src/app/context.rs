//! What every command stands on: where it was started, its settings, its terminal, the day.

use std::io::IsTerminal;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::AppError;
use crate::cli::command::{ColourChoice, GlobalFlags};
use crate::config::held::GateSettings;
use crate::config::{Environment, Settings, SettingsFile};
use crate::report::Page;

/// The width of text that does not go to a terminal, columns.
const WIDTH_DEFAULT: usize = 80;
/// Wider terminals do not make wider reports: long lines read badly.
const WIDTH_MAX: usize = 140;

/// What every command stands on.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folder the command was started in.
    pub working_folder: PathBuf,
    /// The environment.
    pub environment: Environment,
    /// The settings in force.
    pub settings: Settings,
    /// The files they are from, closest first.
    pub settings_files: Vec<SettingsFile>,
    /// Standard output.
    pub stdout: Terminal,
    /// Standard error.
    pub stderr: Terminal,
    /// Today in UTC: prices begin and end at midnight UTC.
    pub today: Date,
}

/// Where a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Whether somebody looks at it as it is written.
    pub live: bool,
    /// Columns.
    pub width: usize,
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Terminal {
    /// The page that reports are laid out on.
    pub fn page(self) -> Page {
        Page::new(self.width, self.colour)
    }
}

impl Context {
    /// The context of this process.
    pub fn of_process(global: GlobalFlags) -> Result<Self, AppError> {
        let working_folder = std::env::current_dir().map_err(|error| {
            AppError::usage(format!("the working folder cannot be used: {error}"))
        })?;
        Self::at(working_folder, global)
    }

    /// The same, as if the process had been started in `working_folder`.
    pub fn at(working_folder: PathBuf, global: GlobalFlags) -> Result<Self, AppError> {
        let mut context = Self::without_settings(working_folder, global);
        let (folder, environment) = (&context.working_folder, &context.environment);
        (context.settings, context.settings_files) = if global.no_project_settings {
            Settings::load_users(environment)?
        } else {
            Settings::load(folder, environment)?
        };
        Ok(context)
    }

    /// The same where no settings file is read.
    pub fn without_settings(working_folder: PathBuf, global: GlobalFlags) -> Self {
        let colour = global.color;
        Self {
            stdout: stdout_terminal(colour),
            stderr: stderr_terminal(colour),
            working_folder,
            environment: Environment::of_process(),
            settings: Settings::default(),
            settings_files: Vec::new(),
            today: Timestamp::now().to_zoned(TimeZone::UTC).date(),
        }
    }
}

impl Context {
    /// The settings that a run which pays is held by.
    pub fn payers_settings(&self) -> Settings {
        Settings::of_payer(&self.settings_files)
    }

    /// The settings that a launch is decided by.
    pub fn gate_settings(&self) -> GateSettings {
        GateSettings::of(&self.settings_files)
    }
}

/// Standard output as it is.
pub fn stdout_terminal(colour: ColourChoice) -> Terminal {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    terminal(std::io::stdout().is_terminal(), size, colour)
}

/// Standard error as it is.
pub fn stderr_terminal(colour: ColourChoice) -> Terminal {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    terminal(std::io::stderr().is_terminal(), size, colour)
}

fn terminal(
    is_terminal: bool,
    size: Option<(terminal_size::Width, terminal_size::Height)>,
    choice: ColourChoice,
) -> Terminal {
    let environment = Environment::of_process();
    let width = size.map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0)).min(WIDTH_MAX);
    let colour = match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => is_terminal && !environment.no_colour && !environment.dumb_terminal,
    };
    let live = is_terminal && !environment.dumb_terminal;
    Terminal { live, width: if is_terminal { width } else { WIDTH_DEFAULT }, colour }
}
