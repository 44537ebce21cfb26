//! The next steps: what to do and, if there is one, the exact command line. Pure; used by every
//! reading command.
//!
//! A command line is quoted so that it can be pasted into a shell, whatever bytes a key contains,
//! and so that no control character reaches the terminal.

use std::fmt::Write as _;

use serde::Serialize;

use crate::commands::print::clean;
use crate::outbox::hold::HoldScope;
use crate::outbox::visible::is_visible;

const PROGRAM: &str = "outbox-relay";
const DEFAULT_SCHEMA: &str = "outbox";

/// One next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// What it does.
    pub to: String,
    /// The command line; `None` if the step is not one of our commands.
    pub command: Option<String>,
}

impl Step {
    /// A step that is done elsewhere.
    pub fn advice(to: impl Into<String>) -> Self {
        Self { to: to.into(), command: None }
    }
}

/// Writes command lines for one schema.
#[derive(Debug, Clone)]
pub struct Typist<'a> {
    schema: &'a str,
}

impl<'a> Typist<'a> {
    /// For commands on `schema`, which they name if it is not the default.
    pub fn new(schema: &'a str) -> Self {
        Self { schema }
    }

    /// The schema, for a line of SQL.
    pub fn schema(&self) -> &'a str {
        self.schema
    }

    /// A command with its operand, if any. `words` are its name and flags.
    pub fn command(&self, to: impl Into<String>, words: &[&str], operand: Option<&str>) -> Step {
        Step { to: to.into(), command: Some(self.line(words, operand)) }
    }

    /// Only the command line.
    pub fn line(&self, words: &[&str], operand: Option<&str>) -> String {
        let mut line = PROGRAM.to_owned();
        for word in words {
            let _infallible = write!(line, " {}", quoted(word));
        }
        if self.schema != DEFAULT_SCHEMA {
            let _infallible = write!(line, " --schema {}", quoted(self.schema));
        }
        if let Some(operand) = operand {
            let end_of_flags = if operand.starts_with('-') { "-- " } else { "" };
            let _infallible = write!(line, " {end_of_flags}{}", quoted(operand));
        }
        line
    }

    /// `routes release` of a hold.
    pub fn release_hold(&self, scope: &HoldScope) -> Step {
        let words: &[&str] = match scope {
            // Without its scope, the operand would mean the whole exchange.
            HoldScope::Key(destination) if destination.routing_key.is_empty() => {
                &["routes", "release", "--scope", "key"]
            }
            // A route may have the same name as an exchange.
            HoldScope::Route(_) => &["routes", "release", "--scope", "route"],
            HoldScope::Key(_) | HoldScope::Flow(_) | HoldScope::Exchange(_) => &["routes", "release"],
        };
        self.command("lift the hold now", words, Some(&hold_operand(scope)))
    }
}

/// A hold's name for `routes release`: the route's name, `EXCHANGE/KEY`, `EXCHANGE/TEMPLATE`, or
/// `EXCHANGE/` for a whole exchange.
pub fn hold_operand(scope: &HoldScope) -> String {
    match scope {
        HoldScope::Key(destination) => destination.to_string(),
        HoldScope::Flow(flow) => flow.to_string(),
        HoldScope::Exchange(exchange) => format!("{exchange}/"),
        HoldScope::Route(name) => name.to_string(),
    }
}

/// A word, quoted for a shell. Characters that cannot be seen are written as `$'\x1b'`, which bash, zsh, ksh
/// and busybox understand.
pub fn quoted(word: &str) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '%' | '+' | ',' | '=');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if word.chars().all(is_visible) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' => text.push_str(r"\'"),
            '\\' => text.push_str(r"\\"),
            c if !is_visible(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _infallible = write!(text, "\\x{byte:02x}");
                }
                // A following digit would be read as part of the escape.
                text.push_str("'$'");
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

/// The next steps come last, where people look first.
pub fn push_next(text: &mut String, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    text.push_str("\nnext\n");
    for step in steps {
        let _infallible = writeln!(text, "  {}", clean(&step.to));
        if let Some(command) = &step.command {
            // Quoted for a shell, so it contains no control characters.
            let _infallible = writeln!(text, "      {command}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::destination::Destination;

    /// What bash makes of the word.
    fn read_by_bash(word: &str) -> String {
        let script = format!("printf %s {}", quoted(word));
        let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash runs");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn a_quoted_word_comes_out_of_a_shell_as_it_went_in() {
        for word in ["order-42", "", "o'brien & sons", "a b", "$(reboot)", "\u{1b}[2J1\n\u{9b}ü\\'", "tab\tx"] {
            assert_eq!(read_by_bash(word), word);
            assert!(!quoted(word).chars().any(char::is_control), "{}", quoted(word));
        }
        assert_eq!(quoted("order-42"), "order-42");
    }

    #[test]
    fn a_command_names_the_schema_only_where_it_is_not_the_default() {
        let command = |schema, operand| Typist::new(schema).command("x", &["trace"], Some(operand)).command;
        assert_eq!(command("outbox", "order 1").as_deref(), Some("outbox-relay trace 'order 1'"));
        assert_eq!(command("shop", "-1").as_deref(), Some("outbox-relay trace --schema shop -- -1"));
    }

    /// Every command that an answer can offer, as the answers write them; a new one belongs here.
    const OFFERED: [(&[&str], Option<&str>); 21] = [
        (&["migrate"], None),
        (&["migrate", "--with-notify"], None),
        (&["migrate", "--grants", "--relay-role", "a-role"], None),
        (&["check"], None),
        (&["status"], None),
        (&["trace"], Some("-order 1")),
        (&["keys", "list"], None),
        (&["keys", "release"], Some("order-1")),
        (&["keys", "dead-letter"], Some("-1")),
        (&["routes", "list"], None),
        (&["routes", "hold"], Some("platform")),
        (&["routes", "release"], Some("order.events/")),
        (&["routes", "release"], Some("/")),
        (&["routes", "release", "--scope", "key"], Some("-x/")),
        (&["dlq", "list"], None),
        (&["dlq", "show"], Some("17")),
        (&["dlq", "replay", "--id", "17"], None),
        (&["dlq", "discard", "--id", "17"], None),
        (&["replay", "--dry-run", "--id", "7b0cbb0e-9a5e-4b5c-8c7e-0d6f5f6f0c11"], None),
        (&["replay", "--runs"], None),
        (&["replay", "--resume", "7b0cbb0e-9a5e-4b5c-8c7e-0d6f5f6f0c11"], None),
    ];

    #[test]
    fn every_command_that_is_offered_is_one_that_the_program_takes() {
        use crate::cli::Cli;
        use clap::Parser;
        for (words, operand) in OFFERED {
            for schema in ["outbox", "the shop"] {
                let line = Typist::new(schema).command("x", words, operand).command.expect("a command");
                let output = std::process::Command::new("bash")
                    .args(["-c", &format!("printf '%s\\0' {line}")])
                    .output()
                    .expect("bash runs");
                let text = String::from_utf8(output.stdout).expect("text");
                let read: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
                Cli::try_parse_from(read).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    #[test]
    fn a_hold_is_named_by_its_route_or_its_destination() {
        let destination = Destination { exchange: "order.events".into(), routing_key: "order.paid".into() };
        assert_eq!(hold_operand(&HoldScope::Key(destination)), "order.events/order.paid");
        assert_eq!(hold_operand(&HoldScope::Exchange("order.events".into())), "order.events/");
        assert_eq!(hold_operand(&HoldScope::Route("platform".into())), "platform");
    }
}
