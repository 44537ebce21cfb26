//! Every crash point is a place of the program, and every place is in the list that `make faults` goes through, which fails where a
//! relay does not die at its point.

use std::collections::BTreeSet;

use outbox_relay::crash::Point;

use crate::assert_none;
use crate::tree::files;

#[test]
fn every_crash_point_is_in_the_program_and_in_the_list() {
    const CALL: &str = "crash::point(crash::Point::";
    let mut passed = BTreeSet::new();
    for file in files("src", ".rs").iter().filter(|file| file.path != "src/crash.rs") {
        for (_, line) in file.code() {
            let calls = line.split(CALL).skip(1).filter_map(|rest| rest.split(')').next());
            passed.extend(calls.map(ToOwned::to_owned));
        }
    }
    let listed: BTreeSet<String> = Point::ALL.iter().map(|point| format!("{point:?}")).collect();
    let differing: Vec<String> = passed.symmetric_difference(&listed).cloned().collect();
    assert_none(&differing, "a crash point that is only in the list, or only in the program");
}
