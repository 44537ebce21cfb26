//! The promises that need real processes and real faults: order (P2), few duplicates (P3), outages are free (P4). Each test is a row of the
//! matrix (`tests/matrix`) with fewer rounds; `make faults` runs all rows, these too, and tells what each one cost.

#[path = "../matrix/rows/mod.rs"]
mod rows;

use std::env;

use rows::row::Trial;

/// Runs a row as it is marked for the suite. `SEED=` draws the same again.
async fn holds(name: &str) {
    let row = rows::all().into_iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("there is no row {name}"));
    assert!(row.is_quick, "{name} is not marked quick");
    let seed = env::var("SEED").ok().filter(|seed| !seed.is_empty());
    let seed = seed.map_or_else(|| fastrand::u64(..1_000_000), |seed| seed.parse().expect("SEED is a number"));
    eprintln!("SEED={seed}: {}", row.fault);
    let outcome = (row.run)(Trial::quick(name, seed)).await;
    assert!(outcome.held(), "SEED={seed} {name}: {}", outcome.why());
}

macro_rules! quick {
    ($($test:ident: $row:literal),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                holds($row).await;
            }
        )+

        #[test]
        fn every_quick_row_is_a_test() {
            let mut marked: Vec<String> =
                rows::all().into_iter().filter(|row| row.is_quick).map(|row| row.name).collect();
            marked.sort();
            let mut tests = vec![$($row),+];
            tests.sort_unstable();
            assert_eq!(marked, tests);
        }
    };
}

quick! {
    p1_a_relay_killed_between_the_confirms_and_the_commit_loses_nothing: "relay_killed_settling",
    p2_a_relay_killed_between_publish_and_confirm_had_one_event_of_each_key_out: "relay_killed_unconfirmed",
    p2_order_holds_with_one_relay_killed_one_frozen_and_a_transaction_that_commits_late: "relays_overtaken",
    p3_relays_that_are_stopped_and_started_under_load_make_no_duplicate: "relays_rolled",
    p3_a_relay_that_is_stopped_while_confirms_are_slow_makes_no_duplicate: "relay_stopped_unconfirmed",
    p3_a_relay_frozen_for_a_second_makes_no_duplicate: "relay_frozen_1s",
    p3_a_line_to_the_database_cut_inside_a_commit_costs_what_was_in_flight: "pg_cut",
    p3_a_line_to_the_broker_cut_inside_a_frame_costs_what_was_in_flight: "mq_cut",
    p4_lines_that_fall_silent_cost_nothing_but_time: "both_half_open",
    p4_a_broker_that_is_stopped_for_a_minute_costs_nothing: "mq_away",
    p4_a_broker_that_blocks_costs_nothing: "mq_memory_alarm",
    p4_a_full_queue_beside_a_healthy_one_costs_nothing: "queue_full",
    p5_rows_that_the_database_cannot_deliver_cost_nobody_else_anything: "row_encoding",
}
