//! Things that have one place: SQL in `sql/`, timeouts in `deadline`, conversions to AMQP's short strings in `link::wire`, printing in
//! the one output module.

use crate::assert_none;
use crate::tree::{File, files};

fn program() -> Vec<File> {
    files("src", ".rs").into_iter().filter(|file| !file.is_test()).collect()
}

/// Lines of the program's code that hold one of `marks`, outside of the files that may.
fn elsewhere(marks: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in program().iter().filter(|file| !allowed.contains(&file.path.as_str())) {
        for (number, line) in file.code() {
            found.extend(
                marks.iter().filter(|mark| line.contains(*mark)).map(|mark| format!("{}:{number}: {mark}", file.path)),
            );
        }
    }
    found
}

#[test]
fn sql_is_in_sql_alone() {
    let verbs = [
        "SELECT ",
        "INSERT INTO",
        "UPDATE ",
        "DELETE FROM",
        "CREATE ",
        "DROP ",
        "ALTER ",
        "GRANT ",
        "REVOKE ",
        "TRUNCATE",
    ];
    let mut found = Vec::new();
    for file in program() {
        // What `check` tells an operator to run is a text of ours, and no statement.
        if file.path.starts_with("src/commands/check/") {
            continue;
        }
        for (number, line) in file.program().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for text in line.split('"').skip(1).step_by(2) {
                let verb = verbs.iter().find(|verb| text.starts_with(*verb));
                found.extend(verb.map(|verb| format!("{}:{number}: {verb}", file.path)));
            }
        }
    }
    assert_none(&found, "statements are files in sql/ (LISTEN, SET LOCAL and the ends of transactions apart)");
}

#[test]
fn every_wait_has_its_deadline_from_one_place() {
    let marks = ["tokio::time::timeout", "time::timeout(", "time::timeout_at", "timeout_at("];
    assert_none(&elsewhere(&marks, &["src/deadline.rs"]), "waits go through crate::deadline::deadline");
}

#[test]
fn short_strings_are_made_where_their_length_is_checked() {
    let marks = ["ShortString::from", "ShortString::try_from"];
    assert_none(&elsewhere(&marks, &["src/rabbitmq/wire.rs"]), "lapin panics on more than 255 bytes");
}

#[test]
fn only_one_place_prints() {
    let marks = ["println!(", "print!(", "stdout()"];
    assert_none(&elsewhere(&marks, &["src/main.rs", "src/commands/print/mod.rs"]), "one module prints");
}

#[test]
fn the_program_leaves_no_error_unseen() {
    let mut found = elsewhere(&["let _ ="], &[]);
    for file in program() {
        let lines = file.code().filter(|(_, line)| line.trim_end().ends_with(".ok();") && !line.contains('='));
        found.extend(lines.map(|(number, _)| format!("{}:{number}: .ok()", file.path)));
    }
    assert_none(&found, "an error is handled, or logged once with its reason");
}
