//! Makes the words of a command the same in every run: ids are numbered as they appear, times and spans become `<time>` and `<age>`, the
//! machine's own names become plain ones, and tables are set again. Used by the transcripts.

use std::cell::RefCell;
use std::fs;

use uuid::Uuid;

const HOST: &str = "order-service-1";

pub struct Stable {
    /// Of the database and of the vhost.
    bed: String,
    host: String,
    ids: RefCell<Vec<Uuid>>,
}

impl Stable {
    pub fn new(bed: &str) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host has a name");
        Self { bed: bed.to_owned(), host: host.trim().to_owned(), ids: RefCell::default() }
    }

    pub fn text(&self, text: &str) -> String {
        let text = text.replace(&self.bed, "shop");
        let lines: Vec<&str> = text.lines().collect();
        let mut stable = String::new();
        for lines in lines.chunk_by(|left, right| is_row(left) && is_row(right)) {
            if is_row(lines[0]) {
                stable.push_str(&self.table(lines));
            } else {
                stable.push_str(&self.line(lines[0]));
                stable.push('\n');
            }
        }
        stable
    }

    /// Columns start where the header's words do, which finds empty cells too.
    fn table(&self, lines: &[&str]) -> String {
        let starts = columns(lines[0]);
        let rows: Vec<Vec<String>> = lines.iter().map(|line| self.cells(line, &starts)).collect();
        let widths: Vec<usize> = (0..starts.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        let set = |row: &Vec<String>| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            format!(" {}", cells.join("  ")).trim_end().to_owned() + "\n"
        };
        rows.iter().map(set).collect()
    }

    fn cells(&self, line: &str, starts: &[usize]) -> Vec<String> {
        let chars: Vec<char> = line.chars().collect();
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        let cell = |(start, end): (&usize, usize)| {
            let (start, end) = ((*start).min(chars.len()), end.min(chars.len()));
            self.line(chars[start..end].iter().collect::<String>().trim_end())
        };
        let mut cells: Vec<String> = starts.iter().zip(ends).map(cell).collect();
        // A relay tells its last confirm and how many events it has published every 10 s, so that depends on the moment.
        if cells[0] == format!("{HOST}/7") && cells.len() == 6 {
            cells[4] = "<age> ago".into();
            cells[5] = "<n>".into();
        }
        cells
    }

    /// A line of prose, or a cell.
    fn line(&self, line: &str) -> String {
        for (start, rest) in [
            ("floors ", "<n> events behind"),
            ("ok    database reachable         ", "PostgreSQL 15 as postgres, no TLS"),
            ("ok    database version           ", "15 is supported"),
            ("ok    database connections       ", "<n> free; relays seen: 1; with 4 workers each they need at most 6"),
            ("ok    database old transactions  ", "the oldest has been open for <age> (pid <n>, order-service)"),
        ] {
            if line.starts_with(start) && line.len() > start.len() {
                return format!("{start}{rest}");
            }
        }
        if line.contains(" dead rows left to vacuum") {
            return "<n> dead rows left to vacuum, last autovacuum never".into();
        }
        let words: Vec<&str> = line.split(' ').collect();
        let word = |(at, word): (usize, &&str)| {
            let before = at.checked_sub(1).map_or("", |at| words[at]);
            self.word(before, word, words.get(at + 1).copied().unwrap_or_default())
        };
        let line = words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ");
        // A hold's next probe may be due while the command looks.
        line.replace("<age> <age>", "<age>").replace("a relay is about to probe it", "the next probe is in <age>")
    }

    fn word(&self, before: &str, word: &str, after: &str) -> String {
        // `name="value"` is a word too.
        let value = word.find("=\"").map_or(word, |at| &word[at + 1..]);
        let core = value.trim_matches(['(', ')', ';', ',', '.', ':', '\'', '"']);
        let is_counted = ["for", "after", "in", "~"].contains(&before) || after.starts_with("ago");
        let stable = if let (36, Ok(id)) = (core.len(), Uuid::try_parse(core)) {
            self.id(id)
        } else if is_time(core) {
            "<time>".into()
        } else if is_span(core) && (is_counted || is_span(after) || is_span(before.trim_start_matches('('))) {
            "<age>".into()
        } else if core.starts_with("127.0.0.1:") {
            "broker:5672".into()
        } else if core.strip_prefix(&self.host).is_some_and(|pid| pid.starts_with('/')) {
            format!("{HOST}/7")
        } else if core.starts_with("outbox-relay/") {
            let parts: Vec<&str> = core.split('/').collect();
            let pid = if parts.len() > 3 { "/7" } else { "" };
            format!("{}/{}/{HOST}{pid}", parts[0], parts[1])
        } else {
            return word.to_owned();
        };
        word.replacen(core, &stable, 1)
    }

    fn id(&self, id: Uuid) -> String {
        let mut ids = self.ids.borrow_mut();
        let place = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        });
        format!("7b0c6e1{place:x}-5d1f-4c3a-9a52-0e84b1d2c9f{place:x}")
    }
}

/// Rows of a table start with one blank.
fn is_row(line: &str) -> bool {
    line.starts_with(' ') && !line.starts_with("  ") && line.len() > 1
}

fn columns(header: &str) -> Vec<usize> {
    let chars: Vec<char> = header.chars().collect();
    let starts_here = |at: &usize| chars[*at] != ' ' && (*at < 2 || (chars[at - 1] == ' ' && chars[at - 2] == ' '));
    (0..chars.len()).filter(starts_here).collect()
}

fn is_time(word: &str) -> bool {
    word.len() >= 20
        && word.starts_with("20")
        && (word.ends_with('Z') || word.ends_with("+00:00"))
        && word.as_bytes()[10] == b'T'
}

fn is_span(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < word.len() && ["ms", "s", "m", "h", "d"].contains(&unit)
}
