//! Imports point one way: main, then app and commands, config, cli, then relay, upkeep and ops, then link, then nouns. And no stage of the hot
//! path imports another: `relay/mod.rs` alone knows their order.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::tree::{File, files, read};

/// Who may be imported by whom: only what stands further down, or beside it in the same row.
const LAYERS: [&[&str]; 7] = [
    &["main"],
    &["app", "commands"],
    &["config"],
    &["cli"],
    &["relay", "upkeep", "ops"],
    &["link"],
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

/// The stages, from the story at the head of `relay/mod.rs`.
fn stages() -> Vec<String> {
    let text = read("src/relay/mod.rs");
    let story =
        text.lines().find(|line| line.starts_with("//! ") && line.contains("──►")).expect("the story of the stages");
    let stages: Vec<String> =
        story.trim_start_matches("//! ").split("──►").map(|stage| stage.trim().to_owned()).collect();
    assert!(stages.len() >= 6 && stages.contains(&"publish".to_owned()), "{stages:?}");
    stages
}

/// Modules of the hot path that `link` may import: the two seams, and what passes through them.
fn nouns() -> BTreeSet<&'static str> {
    BTreeSet::from([
        "answer",
        "backoff",
        "broker",
        "destination",
        "event",
        "labels",
        "message",
        "quota",
        "routing",
        "store",
        "wake",
    ])
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for file in files("src", ".rs").iter().filter(|file| !file.is_test()) {
        let Some(own) = layer(module(&file.path)) else { continue };
        for (number, path) in imports(file) {
            let path = names(&path);
            let is_noun = path[0] == "relay" && path.get(1).is_some_and(|name| nouns().contains(name));
            if layer(path[0]).is_some_and(|other| other < own) && !is_noun {
                wrong.push(format!("{}:{number}: {} is above it", file.path, path.join("::")));
            }
        }
    }
    assert_none(&wrong, "imports point one way (design, section 9)");
    let known: Vec<String> = files("src", ".rs")
        .iter()
        .filter(|file| layer(module(&file.path)).is_none() && module(&file.path) != "lib")
        .map(|file| file.path.clone())
        .collect();
    assert_none(&known, "a new module has its place in LAYERS");
}

#[test]
fn no_stage_imports_another_stage() {
    let (stages, mut wrong) = (stages(), Vec::new());
    for stage in stages.iter().filter(|stage| *stage != "claim") {
        let own = files("src/relay", ".rs");
        let own = own.iter().filter(|file| {
            file.path == format!("src/relay/{stage}.rs") || file.path.starts_with(&format!("src/relay/{stage}/"))
        });
        let mut count = 0;
        for file in own {
            count += 1;
            for (number, line) in file.code() {
                let others = stages.iter().filter(|other| *other != stage);
                let imported = others.filter(|other| {
                    line.contains(&format!("relay::{other}::")) || line.contains(&format!("super::{other}::"))
                });
                // A limit that the message stage sets is a noun of the wire.
                let imported = imported.filter(|_| !line.contains("message::SHORT_STRING_BYTES_MAX"));
                wrong.extend(imported.map(|other| format!("{}:{number}: {other}", file.path)));
            }
        }
        assert!(count > 0, "the stage {stage} has no file");
    }
    assert_none(&wrong, "what passes between stages are nouns");
}
