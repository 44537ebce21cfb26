//! Files that are made from the types and committed. A test compares; with UPDATE_SCHEMAS=1 in its environment it writes.

use std::fs;
use std::path::{Path, PathBuf};

/// A path within the crate.
pub fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Fails where the file at `path` is not `text`, or makes it so.
pub fn compare(path: &str, text: &str) {
    let file = in_crate(path);
    if std::env::var("UPDATE_SCHEMAS").is_ok_and(|value| value == "1") {
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the folder is made");
        fs::write(&file, text).unwrap_or_else(|e| panic!("{} is not written: {e}", file.display()));
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let first = found.lines().zip(text.lines()).position(|(found, made)| found != made);
    assert!(
        found == text,
        "{path} is not what the types say, from line {}: UPDATE_SCHEMAS=1 cargo test -p order-domain writes it",
        first.unwrap_or_else(|| found.lines().count().min(text.lines().count())) + 1
    );
}
