//! `check` finds what keeps a relay from its broker, publishes nothing on the way, and each finding names its fix.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lapin::ExchangeKind;
use serde_json::Value;
use testkit::command::{Ended, run};
use testkit::process::unique;
use testkit::program::scratch_file;
use testkit::urls::{addr_of, with_addr, with_path, with_user};
use testkit::{Faults, PrivateServices, Proxy, Queue, QueueKind, Relay, Stall, TestBed, Topology, eventually};

use crate::commands_reading::stage::{stage, without_exchange};

/// The findings about the broker.
async fn check(bed: &TestBed, amqp_url: &str, args: &[&str]) -> (Ended, Vec<Value>) {
    let answer = run(bed, &[&["check", "--json", "--amqp-url", amqp_url], args].concat()).await;
    let findings = answer.json()["findings"].as_array().expect("findings are a list").clone();
    (answer, findings.into_iter().filter(|finding| finding["area"] == "broker").collect())
}

#[track_caller]
fn assert_finding(findings: &[Value], check: &str, verdict: &str, found: &str, fix: &str) {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no finding about {check}: {findings:#?}"));
    let text = |field: &str| finding[field].as_str().unwrap_or_default();
    assert!(
        text("verdict") == verdict && text("found").contains(found) && text("fix").contains(fix),
        "{check}: {finding:#}"
    );
}

#[tokio::test]
async fn a_broker_in_order_passes_and_gets_no_message() {
    let world = stage("checked_good").await;
    let everything = Topology {
        exchange: "fan".into(),
        kind: ExchangeKind::Fanout,
        queues: vec![Queue::new("all", QueueKind::Classic)],
    };
    world.bed.declare_topology(&everything).await;
    for exchange in ["order.events", "fan", ""] {
        let (answer, findings) = check(&world.bed, &world.bed.amqp_url(), &["--exchange", exchange]).await;
        assert_eq!(answer.code, Some(0), "{}", answer.stdout);
        assert_finding(&findings, "reachable", "ok", "logged in", "");
        assert_finding(&findings, "confirms", "ok", "", "");
        assert_finding(&findings, "exchange", "ok", &format!("'{exchange}' exists"), "");
        assert_finding(&findings, "alarms", "ok", "takes messages", "");
    }
    assert_eq!(world.bed.queue_messages("all").await, 0, "a fanout would have passed on whatever was accepted");
    assert_eq!(world.bed.queue_messages("orders").await, 0);
}

#[tokio::test]
async fn a_missing_exchange_fails_unless_the_relay_declares_it() {
    let world = without_exchange("checked_missing").await;
    let (answer, findings) = check(&world.bed, &world.bed.amqp_url(), &[]).await;
    assert_eq!(answer.code, Some(1));
    assert_finding(&findings, "exchange", "fail", "'order.events' does not exist", "--declare");
    let (answer, findings) = check(&world.bed, &world.bed.amqp_url(), &["--declare"]).await;
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert_finding(&findings, "exchange", "ok", "the relay declares it", "");
    let (_, findings) = check(&world.bed, &world.bed.amqp_url(), &[]).await;
    assert_finding(&findings, "exchange", "fail", "does not exist", "");
}

#[tokio::test]
async fn an_exchange_of_another_kind_is_worth_a_warning() {
    let world = without_exchange("checked_kind").await;
    let direct = Topology { exchange: "order.events".into(), kind: ExchangeKind::Direct, queues: Vec::new() };
    world.bed.declare_topology(&direct).await;
    let (answer, findings) = check(&world.bed, &world.bed.amqp_url(), &["--declare"]).await;
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert_finding(&findings, "exchange kind", "warn", "not as --declare would create it", "run without --declare");
}

#[tokio::test]
async fn a_user_without_rights_is_found_before_the_relay_is() {
    let world = stage("checked_rights").await;
    let (management, user) = (world.bed.management(), unique("checked"));
    management.create_user(&user, "hunter-4711").await;
    let url = with_user(&world.bed.amqp_url(), &user);
    let (_, wrong) = check(&world.bed, &url, &["--amqp-password", "wrong"]).await;
    let (_, no_vhost) = check(&world.bed, &url, &["--amqp-password", "hunter-4711"]).await;
    management.set_permissions(world.bed.vhost(), &user, "^$", "^$", "^$").await;
    let (answer, no_write) = check(&world.bed, &url, &["--amqp-password", "hunter-4711"]).await;
    management.set_permissions(world.bed.vhost(), &user, "^$", ".*", "^$").await;
    let (write, _) = check(&world.bed, &url, &["--amqp-password", "hunter-4711"]).await;
    let (declare, cannot_declare) = check(&world.bed, &url, &["--amqp-password", "hunter-4711", "--declare"]).await;
    management.set_topic_permissions(world.bed.vhost(), &user, "order.events", "^order\\.").await;
    let (topic, by_key) = check(&world.bed, &url, &["--amqp-password", "hunter-4711"]).await;
    management.delete_user(&user).await;
    assert_finding(&wrong, "reachable", "fail", "refused the login", "check user and password");
    assert_finding(&no_vhost, "reachable", "fail", "", "permissions");
    assert_finding(&no_write, "exchange", "fail", "may not write to 'order.events'", "set_permissions");
    assert_eq!((answer.code, write.code), (Some(1), Some(0)), "{}", write.stdout);
    assert_finding(&cannot_declare, "exchange kind", "warn", "unknown", "without --declare");
    assert_eq!(declare.code, Some(0));
    assert_finding(&by_key, "exchange", "warn", "topic permissions", "list_topic_permissions");
    assert_eq!(topic.code, Some(0));
    assert!(!format!("{wrong:?}{no_vhost:?}").contains("hunter-4711"), "no password is shown");
}

#[tokio::test]
async fn a_token_in_place_of_the_password_is_shown_with_its_end_and_never_itself() {
    let world = stage("checked_token").await;
    let (management, user) = (world.bed.management(), unique("token"));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let end = time::OffsetDateTime::now_utc().unix_timestamp() + 3_500;
    let claims = part(&format!(r#"{{"sub":"relay","exp":{end}}}"#));
    let token = format!("{}.{claims}.{}", part(r#"{"alg":"RS256"}"#), part("signature"));
    management.create_user(&user, &token).await;
    management.set_permissions(world.bed.vhost(), &user, "^$", ".*", "^$").await;
    let url = with_user(&world.bed.amqp_url(), &user);
    let (given, by_flag) = check(&world.bed, &url, &["--amqp-password", &token]).await;
    let file = scratch_file("token", &token);
    let (read, by_file) = check(&world.bed, &url, &["--amqp-password-file", &file]).await;
    management.delete_user(&user).await;
    assert_eq!((given.code, read.code), (Some(0), Some(0)));
    assert_finding(&by_flag, "password expiry", "warn", "the token ends in 58m", "--amqp-password-file");
    assert_finding(&by_file, "password expiry", "ok", "takes the next one from its file", "");
    assert!(!format!("{}{}", given.stdout, read.stdout).contains(&claims), "no token is shown");
}

#[tokio::test]
async fn a_missing_vhost_and_an_unreachable_node_are_findings_and_no_hang() {
    let world = stage("checked_away").await;
    let (_, findings) = check(&world.bed, &with_path(&world.bed.amqp_url(), "nowhere"), &[]).await;
    assert_finding(&findings, "reachable", "fail", "vhost 'nowhere'", "create the vhost");
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let away = with_addr(&world.bed.amqp_url(), proxy.addr());
    for faults in [Faults { refuse: true, ..Faults::default() }, Faults { stall: Stall::Both, ..Faults::default() }] {
        proxy.set(faults);
        let both = format!("{away},{}", world.bed.amqp_url());
        let (answer, findings) = check(&world.bed, &both, &[]).await;
        assert_eq!(answer.code, Some(1), "one node of two is away: {}", answer.stdout);
        assert_finding(&findings, "reachable", "fail", &proxy.addr().to_string(), "whether the node is running");
        assert_finding(&findings, "exchange", "ok", "'order.events' exists", "");
        assert!(answer.took < Duration::from_secs(10), "took {:?}", answer.took);
    }
}

#[tokio::test]
async fn a_broker_with_an_alarm_takes_no_messages_and_the_reading_commands_need_none() {
    let services = PrivateServices::start("checked_alarm", &["rabbitmq"], None).await;
    let bed = TestBed::on(&services).await;
    bed.migrate().await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    services.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    let (answer, findings) = check(&bed, &bed.amqp_url(), &[]).await;
    assert_finding(&findings, "alarms", "fail", "low on memory", "rabbitmqctl status");
    assert_eq!(answer.code, Some(1));
    assert!(answer.took < Duration::from_secs(15), "took {:?}", answer.took);
    services.stop("rabbitmq").await;
    for command in [&["status"][..], &["keys", "list"]] {
        assert_eq!(run(&bed, command).await.code, Some(0), "{command:?} needs no broker");
    }
    let (_, findings) = check(&bed, &bed.amqp_url(), &[]).await;
    assert_finding(&findings, "reachable", "fail", "", "whether the node is running");
}

/// A routes file of four partitions, or of another number of them.
fn partitioned(partitions: u16) -> String {
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", unique("partitions")));
    let routes = format!(
        "[[route]]\nevent_type = \"*\"\nexchange = \"order.events\"\nrouting_key = \"p.{{partition}}\"\n\
         partitions = {partitions}\nqueue = \"p.{{partition}}\"\n"
    );
    std::fs::write(&path, routes).expect("the routes file is written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test]
async fn partitions_are_looked_at_and_a_number_that_changed_while_messages_wait_fails() {
    let world = stage("checked_partitions").await;
    let url = world.bed.amqp_url();
    let four = partitioned(4);
    let (answer, findings) = check(&world.bed, &url, &["--routes", &four, "--declare"]).await;
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert_finding(&findings, "partitions", "ok", "declares its 4 queues", "");
    let (_, findings) = check(&world.bed, &url, &["--routes", &four]).await;
    assert_finding(&findings, "partitions", "fail", "none of its 4 queues", "--declare");
    let relay = Relay::start(&world.bed, &["--routes", &four, "--declare"]).await;
    let client = world.bed.client().await;
    let emit = "SELECT outbox.emit('Order', 'order-42', 'order.created', '{}')";
    client.query_one(emit, &[]).await.expect("an event");
    eventually(Duration::from_secs(60), "it is in its queue", async || world.bed.pending().await == 0).await;
    drop(relay);
    let (answer, findings) = check(&world.bed, &url, &["--routes", &four, "--declare"]).await;
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert_finding(&findings, "partitions", "warn", "no consumer takes from p.0", "start a consumer");
    for (other, words) in [(8, "p.4"), (2, "p.2")] {
        let (answer, findings) = check(&world.bed, &url, &["--routes", &partitioned(other), "--declare"]).await;
        assert_eq!(answer.code, Some(1), "{other}: {}", answer.stdout);
        assert_finding(&findings, "partitions", "fail", words, "out of order");
    }
}

#[tokio::test]
async fn small_frames_are_found_and_headers_above_them_are_a_dead_letter_on_the_same_connection() {
    let world = stage("small_frames").await;
    let query = if world.bed.amqp_url().contains('?') { '&' } else { '?' };
    let url = format!("{}{query}frame_max=8192", world.bed.amqp_url());
    let (_, findings) = check(&world.bed, &url, &[]).await;
    assert_finding(&findings, "frames", "warn", "frames of 8192 bytes", "raise frame_max");
    let relay = Relay::start(&world.bed, &["--amqp-url", &url]).await;
    let large = format!("{{\"h\": \"{}\"}}", "y".repeat(10_000));
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers)
                  VALUES ('Order', 'large', 'order.created', '{}', cast($1::text AS json))";
    world.client.execute(insert, &[&large]).await.expect("a row");
    let letters = "SELECT count(*) FROM outbox.dead_letters WHERE last_error LIKE '%a frame holds 7168%'";
    eventually(Duration::from_secs(20), "a dead letter", async || world.ask::<i64>(letters, &[]).await == 1).await;
    assert_eq!(relay.log().matches("connected to the broker").count(), 1, "{}", relay.log());
}
