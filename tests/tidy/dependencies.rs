//! Dependencies: each is used, each has its line with a reason in `docs/dependencies.md`, and each line there is about one that is used.
//! By name and not by compiling: quick, offline, and enough for a crate that nobody mentions any more.

use crate::assert_none;
use crate::tree::{files, read};

/// The manifests of the relay and of what its tests share.
const OURS: &str = "Cargo.toml";
const TESTKIT: &str = "testkit/Cargo.toml";
const DEMO: &str = "demo/Cargo.toml";

/// Names in a table of a manifest.
fn declared(manifest: &str, table: &str) -> Vec<String> {
    let manifest = read(manifest);
    let lines = manifest.lines().skip_while(|line| *line != format!("[{table}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().to_owned()).collect()
}

/// What the tests' crate uses, besides the relay itself.
fn shared() -> Vec<String> {
    declared(TESTKIT, "dependencies").into_iter().filter(|name| name != "outbox-relay").collect()
}

fn is_used(name: &str, folders: &[&str]) -> bool {
    let module = name.replace('-', "_");
    let uses = [format!("{module}::"), format!("use {module};"), format!("extern crate {module}")];
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    folders.iter().flat_map(|folder| files(folder, ".rs")).any(|file| {
        file.text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
            uses.iter().any(|mark| {
                line.match_indices(mark.as_str()).any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_part))
            })
        })
    })
}

#[test]
fn every_dependency_is_used() {
    let program = declared(OURS, "dependencies");
    assert!(program.len() > 10 && program.contains(&"tokio".to_owned()), "{program:?}");
    let mut unused: Vec<String> = program.into_iter().filter(|name| !is_used(name, &["src"])).collect();
    let tests = declared(OURS, "dev-dependencies").into_iter();
    unused.extend(tests.filter(|name| !is_used(name, &["src", "tests", "examples", "benches"])));
    let testkit = shared();
    assert!(testkit.len() > 5, "{testkit:?}");
    unused.extend(testkit.into_iter().filter(|name| !is_used(name, &["testkit/src"])));
    let demo = declared(DEMO, "dependencies");
    assert!(demo.contains(&"lapin".to_owned()), "{demo:?}");
    unused.extend(demo.into_iter().filter(|name| !is_used(name, &["demo/src"])));
    assert_none(&unused, "a dependency that nothing mentions");
}

#[test]
fn every_dependency_has_its_reason() {
    let text = read("docs/dependencies.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let named: Vec<String> = rows
        .filter(|(crates, _)| *crates != "crate")
        .flat_map(|(crates, _)| {
            crates.split(", ").map(|name| name.split(" (").next().unwrap_or(name).trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let ours = ["dependencies", "dev-dependencies"].into_iter().flat_map(|table| declared(OURS, table));
    let used: Vec<String> = ours.chain(shared()).chain(declared(DEMO, "dependencies")).collect();
    let mut wrong: Vec<String> =
        used.iter().filter(|name| !named.contains(name)).map(|name| format!("{name} has no reason")).collect();
    wrong.extend(
        named.iter().filter(|name| !used.contains(name)).map(|name| format!("{name} is none of ours any more")),
    );
    assert_none(&wrong, "docs/dependencies.md has one line each");
}
