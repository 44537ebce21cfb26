//! Splits libpq's `key=value` strings into names and values. Used for URLs, to take parameters out
//! of them.

use std::iter::Peekable;
use std::str::CharIndices;

/// The pairs, in order; `None` if it is not such a string.
pub(super) fn pairs(text: &str) -> Option<Vec<(&str, String)>> {
    let mut letters = text.char_indices().peekable();
    let mut pairs = Vec::new();
    loop {
        skip_blanks(&mut letters);
        let Some(&(from, _)) = letters.peek() else { return Some(pairs) };
        while letters.next_if(|(_, c)| *c != '=' && !c.is_whitespace()).is_some() {}
        let to = letters.peek()?.0;
        skip_blanks(&mut letters);
        letters.next_if(|(_, c)| *c == '=')?;
        skip_blanks(&mut letters);
        pairs.push((&text[from..to], value(&mut letters)?));
    }
}

fn skip_blanks(letters: &mut Peekable<CharIndices<'_>>) {
    while letters.next_if(|(_, c)| c.is_whitespace()).is_some() {}
}

/// A backslash escapes the next character; values with spaces need quotes.
fn value(letters: &mut Peekable<CharIndices<'_>>) -> Option<String> {
    let quoted = letters.next_if(|(_, c)| *c == '\'').is_some();
    let mut value = String::new();
    loop {
        match letters.next() {
            Some((_, '\\')) => value.push(letters.next()?.1),
            Some((_, '\'')) if quoted => return Some(value),
            Some((_, c)) if c.is_whitespace() && !quoted => return Some(value),
            Some((_, c)) => value.push(c),
            None if quoted => return None,
            None => return Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        let read = pairs(r"host=db port = 5432 password='it''s' ").unwrap_or_default();
        assert_eq!(read.len(), 0, "quotes are escaped with a backslash, not doubled");
        let read = pairs(r"host=db port = 5432 password='a b\'c' user=x\ y").unwrap_or_default();
        let expected = [("host", "db"), ("port", "5432"), ("password", "a b'c"), ("user", "x y")];
        assert_eq!(read, expected.map(|(name, value)| (name, value.to_owned())));
        assert!(pairs("nonsense").is_none());
    }
}
