//! Every relative link of a document leads somewhere.

use std::path::Path;

use crate::assert_none;
use crate::tree::{exists, files};

/// The targets of `[text](target)`, outside of code.
fn targets(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut is_code) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            found.extend(rest.split(')').next().map(|target| (number + 1, target.to_owned())));
        }
    }
    found
}

/// A heading as an anchor, the way GitHub writes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = files("", ".md");
    let mut broken = Vec::new();
    for document in &documents {
        for (number, target) in targets(&document.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
            let there = if path.is_empty() { Path::new(&document.path).to_owned() } else { folder.join(path) };
            if !exists(&there) {
                broken.push(format!("{}:{number}: {target}", document.path));
                continue;
            }
            let normal = there.components().collect::<std::path::PathBuf>();
            let other = documents.iter().find(|other| Path::new(&other.path) == normal);
            let has = |text: &str| text.lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
            if !fragment.is_empty() && other.is_some_and(|other| !has(&other.text)) {
                broken.push(format!("{}:{number}: {target} (no such heading)", document.path));
            }
        }
    }
    assert_none(&broken, "a link leads somewhere");
}
