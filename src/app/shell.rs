//! `flyball completions` and `flyball man`. Both are functions of the command line alone, so that
//! a shell that starts with broken settings in its folder still starts.

use std::io;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::cli::CommandLine;
use crate::cli::shell::{CompletionsTyped, ManTyped};
use crate::config::settings::closest;

pub(super) fn completions(typed: CompletionsTyped) -> Result<Exit, AppError> {
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut command, name, &mut script);
    output::print(&text_of(script)?)?;
    Ok(Exit::Done)
}

pub(super) fn man(typed: &ManTyped) -> Result<Exit, AppError> {
    let mut root = CommandLine::command();
    // Gives subcommands their full names and the options that all of them share.
    root.build();
    let mut command = &root;
    for word in &typed.command {
        command = command.find_subcommand(word).ok_or_else(|| unknown(word, command))?;
    }
    let mut page = Vec::new();
    render(command, &mut page).map_err(AppError::bug)?;
    output::print(&text_of(page)?)?;
    Ok(Exit::Done)
}

fn render(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone()).source(format!("flyball {}", env!("CARGO_PKG_VERSION")));
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    match command.get_after_help() {
        Some(notes) => render_notes(&notes.to_string(), page),
        None => Ok(()),
    }
}

/// What stands below the flags in `--help`, line by line: filled like a paragraph, commands would
/// run into each other. A line such as `Examples:` becomes a heading of the page.
fn render_notes(text: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("nf", []);
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            // A heading ends the mode that keeps lines apart.
            Some(heading) => {
                roff.control("SH", [heading.to_uppercase().as_str()]).control("nf", [])
            }
            None => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []);
    roff.to_writer(page)
}

fn text_of(bytes: Vec<u8>) -> Result<String, AppError> {
    String::from_utf8(bytes).map_err(AppError::bug)
}

fn unknown(word: &str, of: &clap::Command) -> AppError {
    let whole = of.get_bin_name().unwrap_or_else(|| of.get_name());
    let names: Vec<&str> = of.get_subcommands().map(clap::Command::get_name).collect();
    let error = AppError::usage(format!("`{whole}` has no command `{word}`"));
    error.with_hint(match (closest(word, &names), names.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => {
            format!("its page is: flyball man {}", whole.trim_start_matches("flyball "))
        }
        (None, false) => format!("its commands are {}", names.join(", ")),
    })
}
