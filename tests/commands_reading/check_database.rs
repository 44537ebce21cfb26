//! `check` finds what keeps a relay from its database and its tables, and each finding names its fix.

use std::time::Duration;

use serde_json::Value;
use testkit::command::{Command, Ended, run};
use testkit::process::unique;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Relay, Stall, TestBed, eventually};

use crate::commands_reading::stage::{secret, without_exchange};

/// The findings of `check` on the bed's database alone.
async fn check(bed: &TestBed, args: &[&str]) -> (Ended, Vec<Value>) {
    let answer = run(bed, &[&["check", "--json"], args].concat()).await;
    let findings = answer.json()["findings"].as_array().expect("findings are a list").clone();
    (answer, findings)
}

/// The verdict on one thing, with what was found and its fix.
fn one<'a>(findings: &'a [Value], check: &str) -> (&'a str, &'a str, &'a str) {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no finding about {check}: {findings:#?}"));
    let text = |field: &str| finding[field].as_str().unwrap_or_default();
    (text("verdict"), text("found"), text("fix"))
}

#[track_caller]
fn assert_finding(findings: &[Value], check: &str, verdict: &str, found: &str, fix: &str) {
    let is = one(findings, check);
    assert!(is.0 == verdict && is.1.contains(found) && is.2.contains(fix), "{check}: {is:?}");
}

#[tokio::test]
async fn an_outbox_in_order_passes() {
    let world = without_exchange("check_good").await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
    assert_eq!(answer.json()["ok"], true);
    for check in [
        "arguments",
        "version",
        "writable",
        "privileges",
        "schema",
        "row security",
        "indexes",
        "sequence",
        "wake",
        "writers",
        "pooler",
        "names",
    ] {
        assert_eq!(one(&findings, check).0, "ok", "{check}");
    }
    assert!(findings.iter().any(|finding| finding["area"] == "broker" && finding["verdict"] == "skip"));
    let shown = run(&world.bed, &["check"]).await.stdout;
    assert!(shown.contains("ok    database privileges"), "{shown}");
    assert!(shown.ends_with("0 fail, 1 skip\n"), "{shown}");
}

#[tokio::test]
async fn offline_it_connects_to_nothing() {
    let url = ["--database-url", "postgres://nobody@127.0.0.1:9/none", "--amqp-url", "amqp://127.0.0.1:9"];
    let answer = Command::new(&[&["check", "--offline"][..], &url].concat()).run().await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stdout.contains("2 skip"), "{}", answer.stdout);
    let wrong =
        Command::new(&[&["check", "--offline", "--batch-size", "0", "--workers", "99"][..], &url].concat()).run().await;
    assert_eq!(wrong.code, Some(64));
    assert!(wrong.stderr.contains("--batch-size") && wrong.stderr.contains("--workers"), "{}", wrong.stderr);
}

#[tokio::test]
async fn missing_tables_and_missing_grants_are_named_with_their_statements() {
    let bed = TestBed::new("check_grants").await;
    let (answer, findings) = check(&bed, &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "schema", "fail", "has no outbox tables", "outbox-relay migrate");
    bed.migrate().await;
    let (owner, role) = (bed.client().await, unique("checked"));
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.expect("a role");
    let (_, nothing) = check(&bed, &["--database-user", &role]).await;
    assert_finding(
        &nothing,
        "privileges",
        "fail",
        "USAGE on schema",
        &format!("GRANT USAGE ON SCHEMA outbox TO {role};"),
    );
    let grants = format!(
        "GRANT USAGE ON SCHEMA outbox TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA outbox TO {role};
         GRANT SELECT ON ALL SEQUENCES IN SCHEMA outbox TO {role}; REVOKE UPDATE ON outbox.events FROM {role};
         REVOKE DELETE ON outbox.waits FROM {role}"
    );
    owner.batch_execute(&grants).await.expect("most grants");
    let (_, some) = check(&bed, &["--database-user", &role]).await;
    let fix = format!("GRANT UPDATE ON outbox.events TO {role};");
    assert_finding(&some, "privileges", "fail", "lacks UPDATE on events, DELETE on waits", &fix);
    let fix = one(&some, "privileges").2.to_owned();
    owner.batch_execute(&fix).await.expect("the fix is SQL that works");
    let (answer, all) = check(&bed, &["--database-user", &role]).await;
    owner.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("the role is dropped");
    assert_eq!((answer.code, one(&all, "privileges").0), (Some(0), "ok"), "{}", answer.stdout);
}

#[tokio::test]
async fn row_security_is_found_before_it_hides_a_row() {
    let world = without_exchange("check_rls").await;
    let role = unique("checked");
    world
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA outbox TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA outbox TO {role};
             GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO {role}; ALTER TABLE outbox.events ENABLE ROW LEVEL SECURITY"
        ))
        .await;
    let (answer, findings) = check(&world.bed, &["--database-user", &role]).await;
    let (owners, _) = check(&world.bed, &[]).await;
    world.execute(one(&findings, "row security").2.split(';').next().expect("a statement")).await;
    let (fixed, _) = check(&world.bed, &["--database-user", &role]).await;
    world.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "row security", "fail", "policies on outbox.events apply", "DISABLE ROW LEVEL SECURITY");
    assert_eq!((owners.code, fixed.code), (Some(0), Some(0)), "a superuser sees all, and the fix helps");
}

#[tokio::test]
async fn what_stands_in_the_way_of_writes_is_found() {
    let world = without_exchange("check_way").await;
    world
        .execute(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER keep BEFORE UPDATE ON outbox.events FOR EACH ROW EXECUTE FUNCTION public.no();
             CREATE RULE never AS ON DELETE TO outbox.waits DO INSTEAD NOTHING;
             DROP INDEX outbox.events_pending;
             ALTER TABLE outbox.events ALTER COLUMN payload TYPE jsonb",
        )
        .await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(
        &findings,
        "triggers",
        "warn",
        "the trigger 'keep' acts on UPDATE of outbox.events",
        "DROP TRIGGER \"keep\"",
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding["found"].as_str().is_some_and(|found| found.contains("the rule 'never'")))
    );
    assert_finding(&findings, "indexes", "fail", "events_pending", "REINDEX INDEX CONCURRENTLY outbox.events_pending;");
    assert_finding(&findings, "payload", "fail", "jsonb", "TYPE json");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_found() {
    let world = without_exchange("check_readonly").await;
    let name = world.bed.name();
    world.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "writable", "fail", "default_transaction_read_only is on", "ALTER ROLE");
}

#[tokio::test]
async fn listening_without_a_trigger_is_found_and_the_fix_helps() {
    let world = without_exchange("check_listen").await;
    let (answer, findings) = check(&world.bed, &["--wake", "listen"]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "wake", "fail", "no trigger notifies", "outbox-relay migrate --with-notify");
    assert_eq!(run(&world.bed, &["migrate", "--with-notify"]).await.code, Some(0));
    assert_eq!(check(&world.bed, &["--wake", "listen"]).await.0.code, Some(0));
    let (_, polling) = check(&world.bed, &[]).await;
    assert_finding(&polling, "wake", "warn", "this relay polls", "--wake listen");
}

#[tokio::test]
async fn names_that_the_routes_do_not_know_are_found() {
    let mut world = without_exchange("check_names").await;
    world.commit("order-1", secret(&["order.created"])).await;
    world.commit("order-2", secret(&["order.created"])).await;
    world
        .execute(
            "INSERT INTO outbox.holds (scope, route, kind, reason) VALUES ('route', 'renamed-1', 'operator', 'maintenance');
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, routes_confirmed)
             SELECT aggregate_id, lane, id, seq, 'retry', 'infinity', '{renamed-2}' FROM outbox.events WHERE aggregate_id = 'order-1';
             UPDATE outbox.events SET only_routes = '{renamed-3}' WHERE aggregate_id = 'order-2'",
        )
        .await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "held routes", "warn", "renamed-1", "routes hold NAME");
    assert_finding(&findings, "confirmed routes", "fail", "renamed-2", "keep the old name");
    assert_finding(&findings, "replayed routes", "fail", "renamed-3", "keep the old name");
}

#[tokio::test]
async fn a_routes_file_that_lacks_a_name_or_a_type_in_use_is_found_and_keeping_them_fixes_it() {
    let mut world = without_exchange("check_renamed").await;
    for (key, event_type) in [("order-1", "order.paid"), ("order-2", "order.paid"), ("order-3", "order.odd")] {
        world.commit(key, secret(&[event_type])).await;
    }
    world
        .execute(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, routes_confirmed)
             SELECT aggregate_id, lane, id, seq, 'retry', 'infinity', '{paid-old}' FROM outbox.events WHERE aggregate_id = 'order-1';
             UPDATE outbox.events SET only_routes = '{paid-older}' WHERE aggregate_id = 'order-2'",
        )
        .await;
    let path = std::env::temp_dir().join(format!("outbox-relay-check-renamed-{}.toml", std::process::id()));
    let file = path.to_str().expect("text");
    let write = |routes: &[(&str, &str)]| {
        let route = |(name, event_type): &(&str, &str)| {
            format!("[[route]]\nname = \"{name}\"\nevent_type = \"{event_type}\"\nrouting_key = \"{name}\"\n")
        };
        std::fs::write(&path, routes.iter().map(route).collect::<String>()).expect("a file is written");
    };
    write(&[("paid-new", "order.paid")]);
    let (renamed, findings) = check(&world.bed, &["--routes", file]).await;
    write(&[("paid-old", "order.paid"), ("paid-older", "order.paid"), ("rest", "*")]);
    let (kept, _) = check(&world.bed, &["--routes", file]).await;
    std::fs::remove_file(&path).expect("the file is removed");
    assert_eq!((renamed.code, kept.code), (Some(1), Some(0)), "{}", kept.stdout);
    assert_finding(&findings, "confirmed routes", "fail", "paid-old", "keep the old name");
    assert_finding(&findings, "replayed routes", "fail", "paid-older", "keep the old name");
    assert_finding(&findings, "event types", "fail", "no route names them: order.odd", "add a route for \"*\"");
}

#[tokio::test]
async fn an_unreachable_database_is_a_finding_and_not_a_hang() {
    let world = without_exchange("check_away").await;
    let proxy = Proxy::start(addr_of(&world.bed.database_url())).await;
    let url = with_addr(&world.bed.database_url(), proxy.addr());
    for faults in [Faults { refuse: true, ..Faults::default() }, Faults { stall: Stall::Both, ..Faults::default() }] {
        proxy.set(faults);
        let answer = Command::new(&["check", "--database-url", &url]).run().await;
        assert_eq!(answer.code, Some(1), "{}{}", answer.stdout, answer.stderr);
        assert!(
            answer.stdout.contains("fail  database reachable") && answer.stdout.contains("fix: "),
            "{}",
            answer.stdout
        );
        assert!(answer.took < Duration::from_secs(8), "took {:?}", answer.took);
    }
}

#[tokio::test]
async fn an_old_transaction_and_too_few_connections_are_worth_a_warning() {
    let world = without_exchange("check_room").await;
    let role = unique("checked");
    world
        .execute(&format!(
            "CREATE ROLE {role} LOGIN CONNECTION LIMIT 5; GRANT USAGE ON SCHEMA outbox TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA outbox TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO {role}"
        ))
        .await;
    let relay = Relay::start(&world.bed, &[]).await;
    let checked = async || check(&world.bed, &["--database-user", &role, "--workers", "8"]).await.1;
    eventually(Duration::from_secs(20), "the relay is seen", async || {
        one(&checked().await, "connections").1.contains("relays seen: 1")
    })
    .await;
    let findings = checked().await;
    drop(relay);
    world.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert_finding(
        &findings,
        "connections",
        "warn",
        "the role may open only 5",
        &format!("ALTER ROLE {role} CONNECTION LIMIT 10"),
    );
}

#[tokio::test]
async fn a_roles_password_that_ends_soon_is_worth_a_warning() {
    let bed = TestBed::new("check_password").await;
    bed.migrate().await;
    let (role, client) = (unique("ends"), bed.client().await);
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await.expect("a role");
    let mut seen = Vec::new();
    for until in ["infinity", "now + 100 d", "now + 3 d"] {
        let sql = match until.strip_prefix("now + ") {
            None => format!("ALTER ROLE {role} VALID UNTIL '{until}'"),
            Some(days) => {
                let end = format!("SELECT (clock_timestamp() + interval '{days}')::text");
                let end: String = client.query_one(&end, &[]).await.expect("a time").get(0);
                format!("ALTER ROLE {role} VALID UNTIL '{end}'")
            }
        };
        client.batch_execute(&sql).await.expect("altered");
        let (_, findings) = check(&bed, &["--database-user", &role]).await;
        seen.push(findings);
    }
    client.batch_execute(&format!("DROP ROLE {role}")).await.expect("dropped");
    assert!(!seen[0].iter().any(|finding| finding["check"] == "password expiry"), "{:?}", seen[0]);
    assert_finding(&seen[1], "password expiry", "ok", "ends in", "");
    assert_finding(&seen[2], "password expiry", "warn", &format!("the password of {role} ends in"), "ALTER ROLE");
}

#[tokio::test]
async fn it_says_whether_the_database_orders_writers_and_names_prepared_transactions_with_their_fix() {
    let bed = TestBed::new("check_writers").await;
    bed.migrate().await;
    let (_, findings) = check(&bed, &[]).await;
    assert_finding(&findings, "writers", "ok", "no trigger orders writers", "");
    bed.migrate_with(&["--order-writers"]).await;
    let client = bed.client().await;
    let gid = bed.name();
    let prepare =
        format!("BEGIN; SELECT outbox.emit('Order', 'order-1', 'order.created', '{{}}'); PREPARE TRANSACTION '{gid}'");
    client.batch_execute(&prepare).await.expect("a prepared transaction");
    let (_, findings) = check(&bed, &[]).await;
    assert_finding(&findings, "writers", "ok", "take turns", "");
    assert!(!findings.iter().any(|finding| finding["check"] == "triggers"), "the trigger is ours: {findings:#?}");
    eventually(Duration::from_secs(30), "the prepared transaction is named", async || {
        let (_, findings) = check(&bed, &[]).await;
        findings.iter().any(|finding| finding["check"] == "prepared transactions")
    })
    .await;
    let (_, findings) = check(&bed, &[]).await;
    assert_finding(&findings, "prepared transactions", "warn", gid, &format!("ROLLBACK PREPARED '{gid}'"));
    let status = run(&bed, &["status", "--json"]).await.with_code(0).json();
    assert_eq!(status["prepared_transactions"][0]["gid"], gid, "{status}");
    run(&bed, &["status"]).await.with_code(0).saying(gid).saying(&format!("ROLLBACK PREPARED '{gid}'"));
    client.batch_execute(&format!("ROLLBACK PREPARED '{gid}'")).await.expect("its fix");
    let (_, findings) = check(&bed, &[]).await;
    assert!(!findings.iter().any(|finding| finding["check"] == "prepared transactions"));
}

/// As after a restore of the rows without their sequence, or a switch to a subscriber of a logical replication.
#[tokio::test]
async fn a_sequence_that_begins_anew_is_found_and_its_fix_sets_it_right() {
    let world = without_exchange("check_sequence").await;
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                  SELECT 'Order', 'order-' || n, 'order.paid', '{}' FROM generate_series(1, 30) n";
    world.execute(insert).await;
    world.execute("SELECT setval('outbox.events_seq_seq', 5)").await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(
        &findings,
        "sequence",
        "fail",
        "the seq 6, but events and floors go up to 30",
        "setval('outbox.events_seq_seq', 30)",
    );
    world.execute("UPDATE outbox.lanes SET floor = 41 WHERE lane = 7").await;
    let (_, findings) = check(&world.bed, &[]).await;
    let fix = one(&findings, "sequence").2;
    world.execute(fix.split(';').next().expect("a statement")).await;
    let (answer, findings) = check(&world.bed, &[]).await;
    assert_finding(&findings, "sequence", "ok", "the seq 41", "");
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
}

#[tokio::test]
async fn an_encoding_that_is_not_utf8_is_named_by_check_and_by_migrate() {
    let bed = TestBed::encoded("check_encoding", "SQL_ASCII").await;
    let migrated = run(&bed, &["migrate"]).await.with_code(0);
    assert!(migrated.stderr.contains("the database's encoding is SQL_ASCII, not UTF8"), "{}", migrated.stderr);
    let (_, findings) = check(&bed, &[]).await;
    assert_finding(&findings, "encoding", "warn", "the database's encoding is SQL_ASCII", "ENCODING 'UTF8'");
}

#[tokio::test]
async fn settings_of_a_session_make_no_finding() {
    let world = without_exchange("check_settings").await;
    let (_, before) = check(&world.bed, &[]).await;
    let set = |setting: &str| format!("ALTER DATABASE {} SET {setting}", world.bed.name());
    for setting in [
        "quote_all_identifiers = on",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Asia/Kathmandu'",
        "search_path = ''",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
    ] {
        world.execute(&set(setting)).await;
    }
    let (_, after) = check(&world.bed, &[]).await;
    let verdicts = |findings: &[Value]| {
        let of = |finding: &Value| format!("{}: {}", finding["check"], finding["verdict"]);
        findings.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&after), verdicts(&before), "{after:#?}");
}
