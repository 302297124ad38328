//! `flyball pricing`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::value::{self, PlainFormat};

/// `flyball pricing` as typed.
#[derive(Clone, Debug, Args)]
pub struct PricingArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PricingCommand,
}

/// What to do with prices.
#[derive(Clone, Debug, Subcommand)]
pub enum PricingCommand {
    /// List models and their prices on a day
    List(PricingList),
    /// Show all that is known about one model
    Show(PricingShow),
    /// Look for what parses and is still wrong
    Check(PricingCheck),
    /// Compare another price table with this one
    Import(PricingImport),
}

/// `flyball pricing list` as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct PricingList {
    /// Only this vendor's models: anthropic, openai, google
    #[arg(long, value_name = "VENDOR")]
    pub vendor: Option<String>,
    /// Retired models too
    #[arg(long)]
    pub all: bool,
    /// The prices of this day instead of today's
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `flyball pricing show` as typed.
#[derive(Clone, Debug, Args)]
pub struct PricingShow {
    /// An id or alias, with or without [1m], region prefix or date
    #[arg(value_parser = value::not_empty)]
    pub model: String,
    /// Where it is called: anthropic, bedrock, vertex, foundry, gateway
    #[arg(long, default_value = "anthropic", value_name = "PROVIDER")]
    pub provider: String,
    /// As of this day instead of today
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `flyball pricing check` as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct PricingCheck {
    /// Price files to lay over the ones in force
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Fail on warnings as well
    #[arg(long)]
    pub strict: bool,
    /// As of this day instead of today
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}

/// `flyball pricing import` as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct PricingImport {
    /// genai-prices' data.json, litellm's model prices, or model-prices' snapshot.json
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// Write new and changed models to this price file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Write only this model; may be given again
    #[arg(long, value_name = "ID", requires = "write")]
    pub model: Vec<String>,
    /// Compare the prices of this day instead of today's
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub at: Option<Date>,
    /// How to print the comparison
    #[arg(long, value_enum, default_value_t)]
    pub format: PlainFormat,
}
