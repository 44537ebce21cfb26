//! Bad input: every mistake has its exit code and words that name the fix, and changes nothing.

use testkit::command::{Command, run};

use crate::commands_changing::scene::{self, Scene};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_named_and_changes_nothing() {
    let mut world = scene::open("bad_input").await;
    let ids = world.seed(4, 1).await;
    let (pending, published) = (ids[0].to_string(), ids[1].to_string());
    world.execute(&format!("UPDATE outbox.events SET published_at = clock_timestamp() WHERE id = '{published}'")).await;
    let open = world.dead_letter(ids[2], "UNROUTABLE", &[], &["default"]).await.to_string();
    let resolved = world.dead_letter(ids[3], "UNROUTABLE", &[], &["default"]).await.to_string();
    let resolve = "UPDATE outbox.dead_letters SET processed_at = clock_timestamp(), resolution = 'discarded', resolved_by = 'bob'";
    world.execute(&format!("{resolve} WHERE dead_letter_id = {resolved}")).await;
    let dead = ids[2].to_string();
    let before = world.fingerprint().await;
    let cases: &[(&[&str], i32, &str)] = &[
        (&["replay", "--yes"], 64, "no filter is given"),
        (&["replay", "--yes", "--limit", "10"], 64, "no filter is given"),
        (&["replay", "--yes", "--route", "default"], 64, "no filter is given"),
        (
            &["replay", "--since", "last week", "--yes"],
            64,
            "must be an age such as 2h or 30m, a day such as 2026-11-30",
        ),
        (&["replay", "--since", "1h", "--until", "2h", "--yes"], 64, "must be before --until"),
        (&["replay", "--since", "1h", "--rate", "0", "--yes"], 64, "--rate"),
        (&["replay", "--since", "1h", "--limit", "-1", "--yes"], 64, "--limit"),
        (&["replay", "--since", "1h"], 64, "add --yes"),
        (&["replay", "--id", "nonsense"], 64, "is not an event id"),
        (&["replay", "--id", "17"], 64, "is not an event id"),
        (&["replay", "--id", UNKNOWN], 1, "never committed here, purged, or in another schema"),
        (&["replay", "--id", &published, "--id", UNKNOWN], 1, UNKNOWN),
        (&["replay", "--id", &pending], 1, "is pending"),
        (&["replay", "--id", &dead], 1, "dlq replay --id"),
        (&["replay", "--event-type", "no.such", "--yes"], 1, "no published event matches"),
        (&["replay", "--resume", "nonsense"], 64, "replay runs"),
        (&["replay", "--resume", UNKNOWN], 1, "replay runs"),
        (&["replay", "--resume", UNKNOWN, "--since", "1h"], 64, "cannot be used with"),
        (&["replay", "--since", "1h", "--dry-run", "--yes"], 64, "cannot be used with"),
        (&["replay", "--since", "1h", "--dry-run"], 0, "1 matches"),
        (&["dlq", "replay", "--yes", "--all-routes"], 64, "no filter is given"),
        (&["dlq", "replay", "--since", "1h"], 64, "add --yes"),
        (&["dlq", "replay", "--reason", "BAD_LUCK", "--yes"], 64, "must be one of UNROUTABLE"),
        (&["dlq", "replay", "--id", "999999"], 1, "999999 is not a dead letter"),
        (&["dlq", "replay", "--id", &format!("{open},999999")], 1, "999999 is not a dead letter"),
        (&["dlq", "replay", "--id", &resolved], 1, "was discarded"),
        (&["dlq", "replay", "--id", "x"], 64, "is neither a dead letter's number"),
        (&["dlq", "replay", "--event-type", "no.such", "--yes"], 1, "no unresolved dead letter matches"),
        (&["dlq", "replay", "--since", "1h", "--dry-run"], 0, "1 matches"),
        (&["dlq", "discard", "--yes"], 64, "no filter is given"),
        (&["dlq", "discard", "--aggregate-id", "seed-2"], 64, "add --yes"),
        (&["dlq", "discard", "--id", UNKNOWN], 1, "is not a dead letter"),
        (&["dlq", "discard", "--since", "1h", "--dry-run"], 0, "1 matches"),
        (&["dlq", "show", "x"], 64, "is neither a dead letter's number"),
        (&["dlq", "show", UNKNOWN], 1, "outbox-relay trace"),
        (&["dlq", "list", "--limit", "99999999"], 64, "--limit"),
        (&["keys", "release", ""], 64, "1 to 255 bytes"),
        (&["keys", "release", "nobody"], 1, "does not wait"),
        (&["keys", "dead-letter", "seed-0"], 64, "add --yes"),
        (&["routes", "hold", "No Such"], 64, "[a-z0-9-]"),
        (&["routes", "release", "nobody"], 1, "routes list"),
        (&["purge", "published", "--yes"], 64, "--older-than 30d, --aggregate-id ID"),
        (&["purge", "published", "--older-than", "soon", "--yes"], 64, "must be a duration"),
        (&["purge", "published", "--older-than", "0s"], 64, "add --yes"),
        (&["purge", "published", "--older-than", "1h", "--yes"], 1, "nothing matches"),
        (&["purge", "published", "--older-than", "0s", "--dry-run"], 0, "1 matches"),
        (&["purge", "dead-letters", "--older-than", "0s", "--unresolved"], 64, "--unresolved"),
        (&["purge", "dead-letters", "--older-than", "0s", "--dry-run"], 0, "1 matches"),
        (&["replay", "--since", "1h", "--schema", "nobody", "--yes"], 1, "migrate --schema nobody"),
        (&["replay", "--no-such-flag"], 64, "unexpected argument"),
        (&["keys", "release", "k", "--by", &"x".repeat(2_000)], 64, "--by"),
    ];
    for (args, code, words) in cases {
        run(&world.bed, args).await.with_code(*code).saying(words);
    }
    assert_eq!(world.fingerprint().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_exit_code_69() {
    for args in [
        &["replay", "--since", "1h", "--yes"][..],
        &["dlq", "list"],
        &["routes", "hold", "default"],
        &["keys", "release", "k"],
    ] {
        let nowhere = ["--database-url", "postgres://nobody@127.0.0.1:1/shop"];
        Command::new(&[args, &nowhere].concat()).run().await.with_code(69);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_command_explains_itself() {
    for (args, words) in [
        (&["replay", "--help"][..], &["Exit codes", "--resume", "x-outbox-replay", "message_id"][..]),
        (&["dlq", "replay", "--help"], &["Exit codes", "--all-routes", "skipped"]),
        (&["dlq", "discard", "--help"], &["Exit codes", "--release-key"]),
        (&["keys", "release", "--help"], &["Exit codes", "unconfirmed", "held"]),
        (&["keys", "dead-letter", "--help"], &["Exit codes", "OPERATOR"]),
        (&["routes", "hold", "--help"], &["Exit codes", "routes release"]),
        (&["purge", "published", "--help"], &["Exit codes", "erasure"]),
        (&["purge", "dead-letters", "--help"], &["Exit codes", "--unresolved"]),
    ] {
        let help = Command::new(args).run().await.stdout;
        let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}\n{text}");
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = std::process::Command::new(testkit::program::relay());
    command.args(["trace", "nope", "--database-url", "postgresql://nobody@127.0.0.1:1/none"]);
    command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
    assert_eq!(command.status().expect("it runs").code(), Some(69));
}
