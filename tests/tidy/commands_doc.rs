//! `docs/configuration.md` is generated from the command line itself, all commands and all their flags, those of commands to come too.

use clap::{Arg, ArgAction, Command, CommandFactory};
use outbox_relay::cli::Cli;

use crate::assert_generated;

const INTRODUCTION: &str = "# Configuration

Generated from the program (`make docs`); `outbox-relay COMMAND --help` says the same.

Set each value of `run` with a flag or a variable; a flag wins. An empty variable is not set. Switches take `1`, `yes`, `on` and `true`, or `0`,
`no`, `off` and `false`. `run` and `check` warn of an unknown `OUTBOX_` variable and name the nearest, except names that Kubernetes makes, such as
`OUTBOX_PORT`. All values are checked together before anything connects. If any are wrong, all problems are listed, one per line, and the
exit code is 64. Pass secrets as variables or files, because the process list shows flags. Files are read again at each connect, so
rotating a secret needs no restart. Write durations as `250ms`, `30s` or `7d`, and sizes as `512KiB` or `16MiB`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | not found, refused, only partly done, or a check failed |
| 64 | wrong usage or configuration |
| 69 | a service cannot be reached (`run` waits for its services instead) |
| 70 | a bug |
";

fn document() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = INTRODUCTION.to_owned();
    describe(&root, "outbox-relay", &mut text);
    text
}

fn describe(command: &Command, name: &str, text: &mut String) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        let name = format!("{name} {}", sub.get_name());
        let about = sub.get_long_about().or(sub.get_about()).map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n## {name}\n\n{}\n", about.trim()));
        section(sub, text);
        describe(sub, &name, text);
    }
}

fn section(command: &Command, text: &mut String) {
    let own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version") && !argument.is_hide_set();
    let mut heading = None;
    for argument in command.get_arguments().filter(own) {
        if heading != Some(argument.get_help_heading()) {
            heading = Some(argument.get_help_heading());
            let title = argument.get_help_heading().map_or(String::new(), |title| format!("\n### {title}\n"));
            text.push_str(&format!("{title}\n| flag | variable | default | meaning |\n|---|---|---|---|\n"));
        }
        text.push_str(&row(argument));
    }
}

fn row(argument: &Arg) -> String {
    let value = match argument.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => String::new(),
        _ => {
            argument.get_value_names().and_then(|names| names.first()).map_or(String::new(), |name| format!(" {name}"))
        }
    };
    let flag = argument.get_long().map_or_else(|| format!("`{}`", value.trim()), |long| format!("`--{long}{value}`"));
    let code =
        |text: Option<&std::ffi::OsStr>| text.map_or(String::new(), |text| format!("`{}`", text.to_string_lossy()));
    let default = argument.get_default_values().first().filter(|_| !value.is_empty());
    let default = code(default.map(|default| default.as_os_str()));
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| {flag} | {} | {default} | {help}{} |\n", code(argument.get_env()), words(argument))
}

fn words(argument: &Arg) -> String {
    let takes_value = !matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
    let words: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if words.is_empty() || !takes_value { String::new() } else { format!(" ({})", words.join(", ")) }
}

#[test]
fn every_flag_is_documented() {
    assert_generated("docs/configuration.md", &document());
}

#[test]
fn every_flag_says_what_it_means() {
    fn silent(command: &Command, found: &mut Vec<String>) {
        let without = command.get_arguments().filter(|argument| argument.get_help().is_none());
        found.extend(without.map(|argument| format!("{} {}", command.get_name(), argument.get_id())));
        command.get_subcommands().for_each(|sub| silent(sub, found));
    }
    let (mut root, mut found) = (Cli::command(), Vec::new());
    root.build();
    silent(&root, &mut found);
    crate::assert_none(&found, "a flag without help");
}
