//! What shells and manual readers are told: every command, every flag, whatever the settings say.

use clap::{Command, CommandFactory};
use flyball::cli::CommandLine;

use super::program::Program;

/// The whole command line, with the names that clap gives to commands of commands.
fn command_line() -> Command {
    let mut command = CommandLine::command();
    command.build();
    command
}

/// Every command with the words that lead to it.
fn commands<'a>(of: &'a Command, words: &[&'a str]) -> Vec<(Vec<&'a str>, &'a Command)> {
    let mut found = vec![(words.to_vec(), of)];
    for below in of.get_subcommands() {
        found.extend(commands(below, &[words, &[below.get_name()]].concat()));
    }
    found
}

#[test]
fn completions_know_every_command_and_flag() {
    let program = Program::new();
    let command_line = command_line();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = program.run(&["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{shell}");
        for (words, command) in commands(&command_line, &[]) {
            for word in words {
                assert!(ended.stdout.contains(word), "{shell} lacks {word}");
            }
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(ended.stdout.contains(flag), "{shell} lacks --{flag}");
            }
        }
        assert!(!ended.stdout.contains("__sandbox"), "{shell}: a hidden command shows");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let program = Program::new();
    let command_line = command_line();
    for (words, command) in commands(&command_line, &[]) {
        let ended = program.run(&[&["man"][..], &words].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{words:?}");
        let plain = ended.stdout.replace('\\', "");
        let title = [&["flyball"][..], &words].concat().join("-");
        assert!(plain.contains(&format!(".TH {title} 1")), "{words:?}:\n{}", ended.stdout);
        for below in command.get_subcommands() {
            let page = format!("{title}-{}(1)", below.get_name());
            assert!(plain.contains(&page), "{words:?} lacks {page}");
        }
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(plain.contains(&format!("--{flag}")), "{words:?} lacks --{flag}");
        }
    }
    let whole = program.run(&["man"]).stdout;
    // Examples stand line by line, and the codes under a heading of their own.
    assert!(whole.contains(".SH \"EXIT CODES\"\n.nf\n"), "{whole}");
}

#[test]
fn a_page_of_no_command_is_refused_with_what_there_is() {
    let program = Program::new();
    let cases: &[(&[&str], &str)] = &[
        (&["man", "polic"], "did you mean `policy`?"),
        (&["man", "policy", "zzz"], "its commands are check, explain, apply"),
        (&["man", "plan", "zzz"], "its page is: flyball man plan"),
        (&["completions", "csh"], "possible values: bash, elvish, fish, powershell, zsh"),
    ];
    for (arguments, expected) in cases {
        let ended = program.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}:\n{}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_shell_starts_in_a_folder_with_broken_settings() {
    let program = Program::new();
    program.write("flyball.toml", "nonsense = 1\n");
    assert_eq!(program.run(&["workflows", "list"]).code, 6);
    for arguments in [&["completions", "bash"][..], &["man"]] {
        assert_eq!(program.run(arguments).code, 0, "{arguments:?}");
    }
}

#[test]
fn every_command_is_documented() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["docs/commands.md", "README.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for command in command_line().get_subcommands() {
            let name = command.get_name();
            assert!(text.contains(&format!("`flyball {name}")), "{page} lacks flyball {name}");
        }
    }
}
