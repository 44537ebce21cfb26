//! Text from elsewhere, safe for a terminal and a log: characters that move the cursor, turn the direction or cannot be seen are escaped.
//! Pure; used by the log and by everything that prints.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character can be seen, or is the blank: no control, no format character (such as the overrides of direction), no separator of
/// lines or paragraphs, and no code without a character.
pub fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The standard library escapes what cannot be printed; after a letter it leaves marks that combine with it.
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(2).is_none()
}

/// The text with every other character as `\u{202e}`; those of `keep` stay.
pub fn visible<'a>(text: &'a str, keep: &[char]) -> Cow<'a, str> {
    let stays = |c: char| keep.contains(&c) || is_visible(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    text.chars().flat_map(|c| if stays(c) { vec![c] } else { c.escape_default().collect() }).collect()
}

/// A JSON document with the same characters as `\u202e`, which is the same document. Its own line ends stay.
pub fn visible_json(document: &str) -> Cow<'_, str> {
    let stays = |c: char| c == '\n' || is_visible(c);
    if document.chars().all(stays) {
        return Cow::Borrowed(document);
    }
    let mut text = String::with_capacity(document.len());
    for c in document.chars() {
        if stays(c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(text, "\\u{unit:04x}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_or_hides_text_is_escaped_and_what_people_write_is_not() {
        // Cc, Cf, Zl and Zp, a few of each.
        for c in "\u{0}\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\u{e0001}\u{e007f}".chars() {
            assert!(!is_visible(c), "{c:?}");
        }
        for text in ["order-1", "Zürich, e\u{301}t\u{e9}", "注文", "заказ", "طلب", "🛒 \"'\\"] {
            assert_eq!(visible(text, &[]), text);
            assert_eq!(visible_json(text), text);
        }
        assert_eq!(visible("a\u{202e}b\n\t", &['\n']), "a\\u{202e}b\n\\t");
    }

    #[test]
    fn an_escaped_document_reads_as_the_same() {
        let document = serde_json::json!({"key": "a\u{202e}b\u{e0001}\n", "n": 1});
        let text = serde_json::to_string_pretty(&document).expect("a document");
        let shown = visible_json(&text);
        assert!(shown.chars().all(|c| c == '\n' || is_visible(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("a document"), document);
    }
}
