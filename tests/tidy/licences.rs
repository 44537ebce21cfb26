//! Licences, bans and sources of everything that is linked, by `deny.toml` and what cargo itself knows.
//!
//! `deny.toml` is cargo-deny's own file, so that cargo-deny can be run too; compiling it takes longer than all other gates together,
//! and these three checks are what it would be asked for here. Advisories need the network, so they are no gate.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::assert_none;
use crate::tree::read;

/// Two of one of these would be two ways to be wrong: TLS, the runtime, the protocols.
const SINGLE: [&str; 5] = ["rustls", "tokio", "hyper", "tokio-postgres", "lapin"];

/// The strings of `key = [ .. ]` in a table.
fn list(table: &str, key: &str) -> Vec<String> {
    let text = read("deny.toml");
    let lines = text.lines().skip_while(|line| *line != format!("[{table}]")).skip(1);
    let lines =
        lines.take_while(|line| !line.starts_with('[')).skip_while(|line| !line.starts_with(&format!("{key} = [")));
    let mut found = Vec::new();
    for line in lines {
        found.extend(line.split('#').next().unwrap_or_default().split('"').skip(1).step_by(2).map(str::to_owned));
        if line.trim_end().ends_with(']') {
            break;
        }
    }
    assert!(!found.is_empty(), "deny.toml has no {table}.{key}");
    found
}

/// Downloads what the machine does not have yet: a build only fetches what it compiles, which is less than every feature needs.
fn cargo(args: &[&str]) -> Vec<u8> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(args).arg("--locked");
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {}: {}", args[0], String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// This platform, as rustc calls it.
fn host() -> String {
    let rustc = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc runs");
    String::from_utf8(rustc.stdout).expect("a name is text").trim().to_owned()
}

/// Every package that is compiled on this platform with any feature. The metadata alone names optional packages too that nothing asks for.
fn packages() -> Vec<Value> {
    let tree = "tree --workspace --all-features --edges normal,build,dev --prefix none --format {p}";
    let tree = cargo(&tree.split(' ').collect::<Vec<_>>());
    let tree = String::from_utf8(tree).expect("names are text");
    let compiled: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap_or_default()))
        .collect();
    // Without the crates of other platforms.
    let metadata = format!("metadata --format-version 1 --all-features --filter-platform {}", host());
    let metadata = cargo(&metadata.split(' ').collect::<Vec<_>>());
    let metadata: Value = serde_json::from_slice(&metadata).expect("JSON");
    let all = metadata["packages"].as_array().expect("packages").iter();
    all.filter(|package| compiled.contains(&(text(package, "name"), text(package, "version")))).cloned().collect()
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

fn name(package: &Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

/// Whether an SPDX expression is satisfied by `allowed`: AND binds closer than OR, and an exception only adds permissions.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (ok, rest) = any_of(&words, allowed);
    ok && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut ok, mut rest) = all_of(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (other, after) = all_of(more, allowed);
        (ok, rest) = (ok || other, after);
    }
    (ok, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut ok, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (other, after) = one(more, allowed);
        (ok, rest) = (ok && other, after);
    }
    (ok, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (ok, rest) = any_of(inner, allowed);
            (ok && rest.first() == Some(&")"), rest.get(1..).unwrap_or_default())
        }
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => (allowed.iter().any(|known| known == licence), rest),
        [] => (false, &[]),
    }
}

#[test]
fn every_licence_is_one_that_we_take() {
    let allowed = list("licenses", "allow");
    let packages = packages();
    assert!(packages.len() > 50, "{} packages", packages.len());
    let wrong: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(text(package, "license"), &allowed))
        .map(|package| format!("{}: '{}'", name(package), text(package, "license")))
        .collect();
    assert_none(&wrong, "a licence that is not in deny.toml");
}

#[test]
fn nothing_banned_is_linked_and_of_what_must_be_one_there_is_one() {
    let banned = list("bans", "deny");
    let mut versions = BTreeMap::<&str, usize>::new();
    let packages = packages();
    for package in &packages {
        *versions.entry(text(package, "name")).or_default() += 1;
    }
    let mut wrong: Vec<String> = banned
        .iter()
        .filter(|name| versions.contains_key(name.as_str()))
        .map(|name| format!("{name} is banned"))
        .collect();
    wrong.extend(
        SINGLE
            .iter()
            .filter(|name| versions.get(**name).is_some_and(|count| *count > 1))
            .map(|name| format!("{name} twice")),
    );
    if ["ring", "aws-lc-rs"].iter().all(|name| versions.contains_key(name)) {
        wrong.push("two implementations of cryptography: ring and aws-lc-rs".into());
    }
    assert_none(&wrong, "bans of deny.toml");
}

#[test]
fn everything_comes_from_the_one_registry() {
    let registries = list("sources", "allow-registry");
    let ours = |source: &str| registries.iter().any(|registry| source == format!("registry+{registry}"));
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| package["source"].as_str().is_some_and(|source| !ours(source)))
        .map(|package| format!("{} from {}", name(package), text(package, "source")))
        .collect();
    assert_none(&wrong, "sources of deny.toml");
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "MIT AND Apache-2.0",
        "(MIT OR X) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in
        ["", "GPL-3.0", "MIT AND X", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT MIT", "(MIT", "X OR (MIT AND Y)"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
