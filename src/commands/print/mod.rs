//! Prints answers: text and tables for people, one JSON document for scripts. Only this module
//! writes to standard output.

pub mod fit;
pub mod next;
pub mod time;
pub mod words;

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::cli::command::Format;
use crate::outbox::visible::{visible, visible_json};

pub use fit::{Column, table};

/// The format of answers.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// In this format; `true` stands for JSON, as with `--json`.
    pub fn new(format: impl Into<Format>) -> Self {
        let format = format.into();
        fit::set_wide(format == Format::Wide);
        Self { format }
    }

    /// Whether to print JSON.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints the answer once: `document` as JSON, or `text`.
    pub fn answer(self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.is_json() {
            let document = serde_json::to_string_pretty(document).expect("an answer has only string keys");
            print(&(visible_json(&document).into_owned() + "\n"));
        } else {
            print(&fit::wrapped(&visible(&text(), &['\n'])));
        }
    }
}

/// Clears the terminal before the next page; in a file or a pipe, pages are told apart by an empty line. False once nobody reads any more.
pub fn clear() -> bool {
    let mut out = std::io::stdout();
    let words = if out.is_terminal() { "\x1b[H\x1b[2J" } else { "\n" };
    out.write_all(words.as_bytes()).and_then(|()| out.flush()).is_ok()
}

impl Output {
    /// The same for an answer that is a list; `names` are its names.
    pub fn answer_list(
        self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
        names: impl FnOnce() -> Vec<String>,
    ) {
        if self.format == Format::Name {
            for name in names() {
                print(&format!("{}\n", clean(&name)));
            }
        } else {
            self.answer(document, text);
        }
    }
}

/// Whether people read the answer as it is printed.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// How wide the terminal is; none in a file or a pipe.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into())
}

/// Prints text. A closed pipe is the reader's choice, not an error.
pub fn print(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        say(&format!("outbox-relay: cannot write the answer: {error}\n"));
    }
}

/// Tells people something that is not part of the answer, on standard error. If that is closed,
/// there is nobody to tell.
pub fn say(text: &str) {
    let _closed = std::io::stderr().write_all(visible(text, &['\n', '\r', '\u{1b}']).as_bytes());
}

/// Tells a script something beside the answer: one line of JSON on standard error.
pub fn say_json(document: &impl Serialize) {
    let document = serde_json::to_string(document).expect("an answer has only string keys");
    say(&(visible_json(&document).into_owned() + "\n"));
}

/// Text from the database, safe for a terminal: a control character in a key must not move the
/// cursor, nor an invisible one turn the line around.
pub fn clean(text: &str) -> String {
    visible(text, &[]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_database_cannot_move_the_cursor() {
        assert_eq!(clean("order-1\u{1b}[2J\n\u{9b}"), r"order-1\u{1b}[2J\n\u{9b}");
        assert_eq!(clean("order-\u{202e}1\u{2028}"), r"order-\u{202e}1\u{2028}");
        let columns = [Column::Whole("key"), Column::Whole("reason")];
        let table = table(columns, [["a\tb".into(), "held".into()]]);
        assert_eq!(table.lines().map(str::trim).collect::<Vec<_>>(), ["key   reason", r"a\tb  held"]);
    }
}
