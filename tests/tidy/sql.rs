//! One statement a file, each migration with its way back.

use crate::assert_none;
use crate::tree::files;

#[test]
fn a_query_is_one_statement() {
    // A batch of statements without parameters, which opens a transaction, is one call.
    let folders = ["sql/queries", "order-domain/sql", "order-service/sql"];
    let several: Vec<String> = folders
        .iter()
        .flat_map(|folder| files(folder, ".sql"))
        .filter(|file| !file.path.starts_with("sql/queries/begin_"))
        .filter(|file| {
            let code: Vec<&str> = file.text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
            code.join("\n").trim_end().trim_end_matches(';').contains(';')
        })
        .map(|file| file.path)
        .collect();
    assert_none(&several, "one statement a file");
}

#[test]
fn every_migration_goes_up_and_down() {
    let paths: Vec<String> = ["sql/migrations", "sql/optional"]
        .iter()
        .flat_map(|folder| files(folder, ".sql"))
        .map(|file| file.path)
        // The consumers' table, which they apply themselves and no migration of the relay touches.
        .filter(|path| path != "sql/optional/inbox.sql")
        .collect();
    assert!(!paths.is_empty());
    let alone: Vec<String> = paths
        .iter()
        .filter(|path| {
            let other = if path.ends_with(".up.sql") {
                path.replace(".up.sql", ".down.sql")
            } else {
                path.replace(".down.sql", ".up.sql")
            };
            other == **path || !paths.contains(&other)
        })
        .cloned()
        .collect();
    assert_none(&alone, "NNNN_name.up.sql has its NNNN_name.down.sql");
}
