//! What commands print: text and tables for people, one JSON document for scripts. The only place that writes to standard output.

pub mod next;
pub mod time;
pub mod words;

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// As asked for with `--json`.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Answers once: `document` where JSON is wanted, else `text`.
    pub fn answer(self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let document = serde_json::to_string_pretty(document).expect("an answer has only string keys");
            print(&(document + "\n"));
        } else {
            print(&text());
        }
    }
}

/// Prints text. A closed pipe is the reader's choice and no error.
pub fn print(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        say(&format!("outbox-relay: the answer cannot be written: {error}\n"));
    }
}

/// Tells a person something beside the answer, on standard error. Where that is closed, nobody is left to be told.
pub fn say(text: &str) {
    let _closed = std::io::stderr().write_all(text.as_bytes());
}

/// A table as wide as the terminal allows, ending with a newline. Cells are cleaned.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // To a file or a pipe lines are as long as they are.
    if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        table.set_width(width.0);
    }
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| clean(&cell)));
    }
    table.trim_fmt() + "\n"
}

/// Text from the database as a terminal may see it: a control character in a key must not move the cursor.
pub fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_database_cannot_move_the_cursor() {
        assert_eq!(clean("order-1\u{1b}[2J\n\u{9b}"), r"order-1\u{1b}[2J\n\u{9b}");
        let table = table(["key", "reason"], [["a\tb".into(), "held".into()]]);
        assert_eq!(table.lines().map(str::trim).collect::<Vec<_>>(), ["key   reason", r"a\tb  held"]);
    }
}
