//! Fits text to the terminal: tables whose ids are never split, and prose that is wrapped at words. In a file or a pipe, lines may have any
//! length. Used by every command that prints for people.

use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::AnsiColor;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use textwrap::{Options, WordSeparator, WordSplitter};

use crate::commands::print::{clean, is_terminal, terminal_width};

/// Narrower than this, nothing can be laid out.
const WIDTH_MIN: usize = 40;
/// Where a line's text starts after a label, at most: beyond that, the rest goes below the label's column.
const INDENT_MAX: usize = 34;

/// Set by `-o wide`: nothing is cut, and what is told in short otherwise is told in full.
static IS_WIDE: AtomicBool = AtomicBool::new(false);

/// Asks for everything in full.
pub(super) fn set_wide(is_wide: bool) {
    IS_WIDE.store(is_wide, Ordering::Relaxed);
}

/// Whether everything is to be told in full.
pub fn is_wide() -> bool {
    IS_WIDE.load(Ordering::Relaxed)
}

/// How much a word matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody should look.
    Warn,
    /// Something does not work.
    Bad,
}

/// A word in its colour, on a terminal. `NO_COLOR` turns colours off (no-color.org), and a file or a pipe never has them.
pub fn toned(tone: Tone, word: &str) -> String {
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if wants_none || is_dumb || !is_terminal() {
        return word.to_owned();
    }
    coloured(tone, word)
}

fn coloured(tone: Tone, word: &str) -> String {
    let colour = match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Warn => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    let style = colour.on_default().bold();
    format!("{style}{word}{style:#}")
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Shown whole: ids, ages, counts, words.
    Whole(&'static str),
    /// Cut with `…` where the terminal is too narrow: errors, names that somebody else chose.
    Cut(&'static str),
    /// Only shown with `-o wide`.
    Wide(&'static str),
}

/// How wide the terminal is: `COLUMNS` where it is set, or as the terminal says. None in a file or a pipe.
pub fn width() -> Option<usize> {
    if is_wide() {
        return None;
    }
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = told.or_else(terminal_width);
    width.map(|width: usize| width.max(WIDTH_MIN))
}

/// A table, fitted to the terminal, ending with a newline. Cells are cleaned.
pub fn table<const N: usize>(columns: [Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    table_within(width(), columns, rows)
}

fn table_within<const N: usize>(
    width: Option<usize>,
    columns: [Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_truncation_indicator("…");
    if let Some(width) = width {
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(columns.map(|column| match column {
        Column::Whole(name) | Column::Cut(name) | Column::Wide(name) => name,
    }));
    for row in rows {
        let mut row = Row::from(row.map(|cell| clean(&cell)));
        if width.is_some() {
            row.max_height(1);
        }
        table.add_row(row);
    }
    for (column, kind) in table.column_iter_mut().zip(columns) {
        match kind {
            Column::Whole(_) => {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            Column::Wide(_) if !is_wide() => {
                column.set_constraint(ColumnConstraint::Hidden);
            }
            Column::Cut(_) | Column::Wide(_) => {}
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// The text with its long lines wrapped at words. Rows of tables, which start with one space, and command lines stay as they are.
pub fn wrapped(text: &str) -> String {
    width().map_or_else(|| text.to_owned(), |width| wrapped_at(text, width))
}

fn wrapped_at(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let is_row = line.starts_with(' ') && !line.starts_with("  ");
        if is_row || is_command(line) || textwrap::core::display_width(line) <= width {
            out.push_str(line);
        } else {
            out.push_str(&wrapped_line(line, width));
        }
        out.push_str(end);
    }
    out
}

/// A line to be pasted into a shell.
fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("outbox-relay ")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let indent = indent(line);
    let (label, rest) = line.split_at(indent);
    let below = " ".repeat(indent.max(2));
    let options = Options::new(width)
        .initial_indent(label)
        .subsequent_indent(&below)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(rest, options)
}

/// Where the text of a line starts: after its indent, and after its labels, which end with two spaces.
fn indent(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let labels = line.match_indices("  ").map(|(at, _)| at + line[at..].len() - line[at..].trim_start().len());
    labels.filter(|at| *at <= INDENT_MAX && *at < line.len()).max().unwrap_or(0).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_split_and_a_long_text_is_cut() {
        let id = "7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0";
        let error = "NOT_FOUND - no exchange 'order.events' in vhost 'shop', and a long story about it";
        let columns = [Column::Whole("id"), Column::Whole("age"), Column::Cut("error")];
        let rows = || [[id.to_owned(), "5m".to_owned(), error.to_owned()]];
        let narrow = table_within(Some(80), columns, rows());
        assert_eq!(narrow.lines().count(), 2, "{narrow}");
        assert!(narrow.contains(id) && narrow.contains('…'), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        let wide = table_within(None, columns, rows());
        assert!(wide.contains(error), "{wide}");
    }

    #[test]
    fn prose_is_wrapped_at_words_below_where_it_starts() {
        let text = "pending         3 events, the oldest waiting for 5m 1s (without retries), and more words\n";
        let expected = "pending         3 events, the oldest waiting for\n                5m 1s (without retries), and more\n                words\n";
        assert_eq!(wrapped_at(text, 50), expected);
        let id = "  7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0/7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0 is whole\n";
        let expected = "  7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0/7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0\n  is whole\n";
        assert_eq!(wrapped_at(id, 40), expected);
    }

    #[test]
    fn a_word_has_its_colour_only_on_a_terminal() {
        assert_eq!(coloured(Tone::Bad, "STUCK"), "\u{1b}[1m\u{1b}[31mSTUCK\u{1b}[0m");
        if !is_terminal() {
            assert_eq!(toned(Tone::Bad, "STUCK"), "STUCK");
        }
    }

    #[test]
    fn commands_and_rows_stay_on_one_line() {
        let text = "      outbox-relay keys release a-key-that-is-longer-than-the-terminal-is-wide\n a row  of a table that is too wide for it\n";
        assert_eq!(wrapped_at(text, 40), text);
    }
}
