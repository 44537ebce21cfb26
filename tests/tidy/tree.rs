//! The repository's files, as the rules look at them. Used by every file here.

use std::fs;
use std::path::{Path, PathBuf};

/// Never looked into.
const SKIPPED: [&str; 2] = [".git", "target"];

pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
}

/// The text of one file.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

/// Every file below `folder` whose name ends so, in order.
pub fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn walk(folder: &Path, ending: &str, found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !SKIPPED.contains(&name) {
            walk(&path, ending, found);
        } else if name.ends_with(ending)
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            found.push(File { path, text });
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl File {
    /// Whether all of it is tests: the rules for the program do not hold there.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.ends_with("fixtures.rs")
    }

    /// Its lines up to an inline test module, as `(number, line)`.
    pub fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_module = |line: &&str| line.trim_start().starts_with("mod ") && line.ends_with('{');
        let tests = lines
            .iter()
            .enumerate()
            .find(|(at, line)| **line == "#[cfg(test)]" && lines.iter().skip(at + 1).take(3).any(is_module));
        let end = tests.map_or(lines.len(), |(at, _)| at);
        lines.into_iter().take(end).enumerate().map(|(at, line)| (at + 1, line))
    }

    /// The same without comments and without what is in strings: only code is left.
    pub fn code(&self) -> impl Iterator<Item = (usize, String)> {
        self.program().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(number, line)| {
            let mut inside = false;
            let outside = |c: &char| {
                if *c == '"' {
                    inside = !inside;
                }
                !inside
            };
            let code: String = line.replace("\\\"", "").chars().filter(outside).collect();
            (number, code.split(" //").next().unwrap_or_default().to_owned())
        })
    }
}
