//! Where cargo has put what it built: the relay's program, and a folder for the files of the tests.
//!
//! Only the package of a program knows its path when it is compiled (`CARGO_BIN_EXE_..`), and this crate is another one. But tests,
//! benchmarks and examples all lie in `TARGET/PROFILE/deps` or `TARGET/PROFILE/examples`, beside the programs in `TARGET/PROFILE`.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::process::unique;

/// The relay under test. Cargo builds it before any test or benchmark of its package.
///
/// # Panics
///
/// When it is not there.
pub fn relay() -> &'static str {
    static RELAY: LazyLock<String> = LazyLock::new(|| {
        let name = "outbox-relay";
        // Newer versions of cargo say it to the running test too, wherever they put things.
        let told = env::var_os(format!("CARGO_BIN_EXE_{name}")).map(PathBuf::from);
        let path = told.unwrap_or_else(|| profile().join(name).with_extension(env::consts::EXE_EXTENSION));
        assert!(path.is_file(), "{} is not there: cargo build --bin {name}", path.display());
        path.into_os_string().into_string().expect("a path in UTF-8")
    });
    &RELAY
}

/// A folder for files that a test makes; `cargo clean` removes it.
pub fn scratch() -> &'static Path {
    static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = profile().parent().expect("a profile is a folder of the target folder").join("tmp");
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        folder
    });
    &SCRATCH
}

/// Writes a file that is the test's own; returns its path.
pub fn scratch_file(ending: &str, text: &str) -> String {
    let path = scratch().join(format!("{}.{ending}", unique("file")));
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.into_os_string().into_string().expect("a path in UTF-8")
}

/// `TARGET/PROFILE` of this test.
fn profile() -> PathBuf {
    let own = env::current_exe().expect("the path of this test");
    let mut above = own.ancestors().skip(1);
    let marks = ["deps", "examples"];
    let is_inside = |folder: &&Path| folder.file_name().is_some_and(|name| marks.iter().any(|mark| name == *mark));
    let inside = above.find(is_inside);
    let profile = inside.and_then(Path::parent);
    profile.unwrap_or_else(|| panic!("{} is not where cargo puts tests", own.display())).to_owned()
}
