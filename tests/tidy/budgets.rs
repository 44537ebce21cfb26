//! Sizes, by the ruler that the house was measured with: lines of a file without its inline tests, lines of a function from `fn` to the
//! brace that closes it. And the words that every file opens with.

use crate::assert_none;
use crate::tree::{File, files};

const FILE_LINES_MEDIAN_MAX: usize = 150;
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

fn rust() -> Vec<File> {
    let folders = ["src", "testkit", "tests", "examples", "benches", "demo", "order-domain", "order-service"];
    folders.iter().flat_map(|folder| files(folder, ".rs")).collect()
}

fn size(file: &File) -> usize {
    file.program().count()
}

#[test]
fn no_file_has_more_than_500_lines_and_half_of_them_fewer_than_150() {
    let mut sizes: Vec<(usize, String)> =
        files("src", ".rs").into_iter().map(|file| (size(&file), file.path)).collect();
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    assert!(median < FILE_LINES_MEDIAN_MAX, "the median is {median} lines");
    let large: Vec<String> = rust()
        .iter()
        .map(|file| (size(file), &file.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&large, "a file does one job, in at most 500 lines");
}

#[test]
fn no_function_has_more_than_70_lines() {
    let mut long = Vec::new();
    for file in rust().iter().filter(|file| !file.is_test()) {
        let lines: Vec<(usize, &str)> = file.program().collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let Some(length) = function_lines(line, lines.iter().skip(at).map(|(_, line)| *line)) else { continue };
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{}:{number}: {length} lines", file.path));
            }
        }
    }
    assert_none(&long, "a function does one thing, in at most 70 lines");
}

/// Lines of the function that starts here, up to the brace with its own indentation.
fn function_lines<'a>(first: &str, mut lines: impl Iterator<Item = &'a str>) -> Option<usize> {
    let indent = first.len() - first.trim_start().len();
    let words: Vec<&str> = first.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "fn")?;
    let is_declaration = words[..at].iter().all(|word| {
        ["const", "async", "unsafe", "extern", "default", "\"C\""].contains(word) || word.starts_with("pub")
    });
    if !is_declaration {
        return None;
    }
    let closing = " ".repeat(indent) + "}";
    let end = lines
        .position(|line| line.starts_with(&closing) || (line == first && line.trim_end().ends_with(['}', ';'])))?;
    Some(end + 1)
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut silent: Vec<String> =
        rust().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    let statements = ["sql", "order-domain/sql", "order-service/sql"];
    let statements = statements.iter().flat_map(|folder| files(folder, ".sql"));
    silent.extend(statements.filter(|file| !file.text.starts_with("-- ")).map(|file| file.path));
    assert_none(&silent, "a file opens with `//!`, a statement with `--`: what it does, who calls it");
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["unimpl", "emented!"].concat()];
    let mut left = Vec::new();
    let all = [".rs", ".sql", ".md", ".sh", ".toml", "Makefile", "Dockerfile", ".yaml", ".yml"];
    let scripts = files("dev", "").into_iter().chain(all.iter().flat_map(|ending| files("", ending)));
    for file in scripts {
        for (number, line) in file.text.lines().enumerate() {
            left.extend(
                marks
                    .iter()
                    .filter(|mark| line.contains(*mark))
                    .map(|mark| format!("{}:{}: {mark}", file.path, number + 1)),
            );
        }
    }
    assert_none(&left, "what is left for later is an issue, not a comment");
}
