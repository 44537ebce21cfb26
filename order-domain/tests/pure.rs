//! The model and what it hears is pure: no file of it knows a database, a broker, a network, a file or a task. What does I/O is
//! in the few modules that a feature brings.

use std::fs;
use std::path::{Path, PathBuf};

/// What features bring. Nothing else in `src/` may import these or what they are made of.
const IMPURE: [&str; 8] = ["amqp", "cache", "client", "inbox.rs", "postgres.rs", "sqlx.rs", "outbox.rs", "schema.rs"];

const FORBIDDEN: [&str; 18] = [
    "crate::amqp",
    "crate::cache",
    "crate::inbox",
    "crate::outbox",
    "crate::postgres",
    "crate::sqlx",
    "lapin",
    "tokio",
    "sqlx::",
    "redis::",
    "reqwest",
    "backon",
    "futures_util",
    "tracing::",
    "std::net",
    "std::fs",
    "std::env",
    "std::thread",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Where code, and not its documentation, says one of `marks`.
fn said(text: &str, marks: &[&'static str]) -> Vec<(usize, &'static str)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(at, line)| marks.iter().filter(|mark| line.contains(**mark)).map(move |mark| (at + 1, *mark)))
        .collect()
}

#[test]
fn the_pure_part_imports_nothing_that_does_io() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let is_impure = |path: &PathBuf| IMPURE.iter().any(|name| path.starts_with(root.join(name)));
    let pure: Vec<_> = files.iter().filter(|path| !is_impure(path) && !path.ends_with("src/lib.rs")).collect();
    assert!(pure.len() > 40 && pure.iter().any(|path| path.ends_with("inbound/message.rs")), "{}", pure.len());
    let mut wrong = Vec::new();
    for path in pure {
        let text = fs::read_to_string(path).expect("a source");
        wrong.extend(
            said(&text, &FORBIDDEN).into_iter().map(|(line, mark)| format!("{}:{line}: {mark}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "the pure part does I/O:\n{}", wrong.join("\n"));
    // The rule sees what it has to see.
    let impure = fs::read_to_string(root.join("amqp/link.rs")).expect("a source");
    assert!(!said(&impure, &FORBIDDEN).is_empty());
}

#[test]
fn each_impure_module_is_there_only_with_its_feature() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(root.join("lib.rs")).expect("a source");
    let lines: Vec<&str> = lib.lines().collect();
    for module in IMPURE.map(|name| name.trim_end_matches(".rs")) {
        let at =
            lines.iter().position(|line| *line == format!("pub mod {module};")).unwrap_or_else(|| panic!("{module}"));
        assert!(lines[at - 1].starts_with("#[cfg(") && lines[at - 1].contains("feature = "), "{module}");
    }
}

/// Each compiles alone: `make lint` builds every feature that there is.
#[test]
fn lint_builds_every_feature_alone() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("the manifest");
    let features =
        manifest.lines().skip_while(|line| *line != "[features]").skip(1).take_while(|line| !line.starts_with('['));
    let names: Vec<&str> = features
        .filter_map(|line| line.split_once(" = ["))
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
        .collect();
    assert!(names.contains(&"amqp") && names.contains(&"postgres"), "{names:?}");
    let makefile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile")).expect("the Makefile");
    let built = makefile.lines().find(|line| line.contains("for feature in ''")).expect("the loop over the features");
    for name in names {
        assert!(built.contains(&format!(" {name}")), "make lint does not build {name} alone");
    }
}
