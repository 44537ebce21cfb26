//! Imports point one way, as docs/architecture.md draws it: nouns and seams at the ground, the services and the pure message above them, then the
//! hot path and the upkeep, then configuration and commands. And no stage of the hot path imports another.

use crate::assert_none;
use crate::tree::{File, files, read};

/// Who may be imported by whom: only what stands further down, or beside it in the same row. There is no list of exceptions.
const LAYERS: [&[&str]; 9] = [
    &["main"],
    &["app", "commands"],
    &["config"],
    &["cli"],
    &["relay", "upkeep"],
    &["message", "postgres", "rabbitmq", "ops"],
    &["net"],
    &["outbox"],
    &["crash", "deadline", "error", "quick"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The module of the crate that a file is in.
fn module(path: &str) -> &str {
    path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default()
}

/// `crate::a::b` and so on, in code: the paths after `crate::`, those in braces too.
fn imports(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in file.code() {
        for marker in ["crate::", "outbox_relay::"] {
            found.extend(line.split(marker).skip(1).map(|rest| (number, rest.to_owned())));
        }
    }
    found
}

/// The first names of a path: `relay::wake::Cause` is `relay` and `wake`.
fn names(path: &str) -> Vec<&str> {
    path.split("::")
        .map(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .collect()
}

/// The stages, from the story at the head of `relay/batch.rs`, each with the file or folder that it is.
fn stages() -> Vec<(String, &'static str)> {
    let text = read("src/relay/batch.rs");
    let story =
        text.lines().find(|line| line.starts_with("//! ") && line.contains("──►")).expect("the story of the stages");
    let place = |stage: &str| match stage {
        "wake" => "src/relay/wake",
        "claim" => "src/postgres/claim",
        "route" => "src/outbox/route",
        "envelope" => "src/message/envelope/",
        "message" => "src/message/amqp",
        "publish" => "src/relay/publish",
        "verdict" => "src/relay/verdict",
        "settle" => "src/relay/settle",
        unknown => panic!("the stage {unknown} has no place"),
    };
    let words = story.trim_start_matches("//! ").split("──►").map(str::trim);
    words.map(|stage| (stage.to_owned(), place(stage))).collect()
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for file in files("src", ".rs").iter().filter(|file| !file.is_test()) {
        let Some(own) = layer(module(&file.path)) else { continue };
        for (number, path) in imports(file) {
            let path = names(&path);
            if layer(path[0]).is_some_and(|other| other < own) {
                wrong.push(format!("{}:{number}: {} is above it", file.path, path.join("::")));
            }
        }
    }
    assert_none(&wrong, "imports point one way (docs/architecture.md)");
    let known: Vec<String> = files("src", ".rs")
        .iter()
        .filter(|file| layer(module(&file.path)).is_none() && module(&file.path) != "lib")
        .map(|file| file.path.clone())
        .collect();
    assert_none(&known, "a new module has its place in LAYERS");
}

#[test]
fn no_stage_imports_another_stage() {
    let stages = stages();
    let mut wrong = Vec::new();
    for (stage, place) in &stages {
        let own: Vec<File> = files("src", ".rs").into_iter().filter(|file| file.path.starts_with(place)).collect();
        assert!(!own.is_empty(), "the stage {stage} has no file at {place}");
        for file in own.iter().filter(|file| !file.is_test()) {
            for (number, path) in imports(file) {
                let names = names(&path);
                let target = format!("src/{}", names.join("/"));
                let other = stages.iter().find(|(other, place)| other != stage && target.starts_with(place));
                // `route` is a noun too: what a claim reads and an answer names.
                let other = other.filter(|(other, _)| other != "route");
                wrong.extend(other.map(|(other, _)| format!("{}:{number}: {other}", file.path)));
            }
        }
    }
    assert_none(&wrong, "what passes between stages are nouns");
}
