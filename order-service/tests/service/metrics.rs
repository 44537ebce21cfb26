//! What Prometheus reads on the admin port: names that the chart's rules use, bounded labels, and counts of what happened.

use serde_json::json;
use testkit::relay::sum_of;

use crate::bodies;
use crate::facts;
use crate::hearers::Hearers;
use crate::http::{Request, send};
use crate::neighbours::{Fault, products};
use crate::program::Program;
use crate::stage::Stage;

const ADMIN: [&str; 2] = ["--admin-listen", "127.0.0.1:0"];
const RULES: &str = include_str!("../../../helm/outbox-relay/files/alerts.yaml");

async fn page(service: &Program) -> String {
    let request = Request { method: "GET", path: "/metrics", headers: &[], body: None };
    let answer = send(service.admin(), &request).await.expect("the admin port answers");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    answer.text
}

#[tokio::test]
async fn every_series_of_the_rules_is_there_from_the_start_and_no_id_is_a_label() {
    let stage = Stage::with(&ADMIN).await;
    let before = page(&stage.service).await;
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let names: Vec<&str> = RULES.split(|c| !is_part(c)).filter(|word| word.starts_with("order_")).collect();
    assert!(names.len() >= 4, "the rules read metrics of the order service: {names:?}");
    for name in names {
        assert!(before.contains(&format!("\n{name}{{")), "{name} is not there:\n{before}");
    }
    for kind in ["ORDER_CONFIRMATION", "ORDER_SHIPPED", "ORDER_CANCELLATION", "CUSTOM", "OTHER"] {
        let line = format!("order_notification_failed_total{{type=\"{kind}\"}} 0");
        assert!(before.contains(&line), "{line} is not there:\n{before}");
    }
    let id = stage.placed().await;
    let after = page(&stage.service).await;
    assert!(!after.contains(&id));
    assert_eq!(after.lines().count(), before.lines().count(), "an order makes no series of its own");
}

#[tokio::test]
async fn notifications_are_counted_once_by_their_type_and_messages_by_their_end() {
    let hearers = Hearers::new(&ADMIN).await;
    let (id, _) = hearers.placed().await;
    for (kind, channel) in [("ORDER_SHIPPED", "SMS"), ("BIRTHDAY", "EMAIL")] {
        let body = json!({ "type": kind, "channels": [channel], "templateData": { "text": "On its way" } });
        hearers.stage.post(&format!("/orders/{id}/notifications"), &body).await.data(202);
    }
    let (shipped, birthday) =
        (hearers.notification(&id, "ORDER_SHIPPED").await, hearers.notification(&id, "BIRTHDAY").await);
    for will_retry in [true, false, false] {
        hearers.tell("notification.failed", &facts::failed(&id, &shipped, "ORDER_SHIPPED", "SMS", will_retry)).await;
    }
    hearers.tell("notification.sent", &facts::sent(&id, &birthday, "BIRTHDAY", "EMAIL")).await;
    hearers.broker.publish("notification.events", "notification.sent", Some("m-text"), b"no JSON").await;
    hearers.until_handled(3).await;
    hearers.until_dead(1).await;
    hearers.until_empty().await;
    let page = page(&hearers.stage.service).await;
    let of = |name: &str, label: &str| sum_of(&page, name, label);
    assert_eq!(of("order_notification_failed_total", "type=\"ORDER_SHIPPED\""), 1.0, "{page}");
    assert_eq!(of("order_notification_sent_total", "type=\"OTHER\""), 1.0, "a type that nobody knows\n{page}");
    // The shipped one, and then by e-mail.
    assert_eq!(of("order_notification_requested_total", "type=\"ORDER_SHIPPED\""), 2.0, "{page}");
    assert_eq!(of("order_inbound_dead_letters_total", "reason=\"SCHEMA_INVALID\""), 1.0, "{page}");
    assert!(of("order_inbound_seconds_count", "source=\"notification\"") >= 4.0, "{page}");
    assert!(!page.contains("BIRTHDAY") && !page.contains(&id), "labels are bounded");
}

#[tokio::test]
async fn a_critical_notification_that_was_given_up_is_an_alert_in_log_and_metric() {
    let hearers = Hearers::new(&ADMIN).await;
    let (id, _) = hearers.placed().await;
    let body = json!({ "id": "e-1", "data": { "type": "ORDER_CONFIRMATION", "orderId": id, "retryCount": 3 } });
    hearers.tell("notification.retry.maxattempts", &body).await;
    hearers.until_dead(1).await;
    let page = page(&hearers.stage.service).await;
    assert_eq!(sum_of(&page, "order_notification_alerts_total", "type=\"ORDER_CONFIRMATION\""), 1.0, "{page}");
    let log = hearers.stage.service.log();
    let alert = log.iter().find(|line| line.contains("\"NOTIFICATION_FAILURE\"")).expect("an alert");
    for word in [id.as_str(), "ORDER_CONFIRMATION", "\"retry_count\":3"] {
        assert!(alert.contains(word), "{word} is missing in {alert}");
    }
}

#[tokio::test]
async fn the_breaker_of_a_service_that_is_away_moves_the_gauge() {
    let products = products().await;
    let stage = Stage::with(&[&ADMIN[..], &["--product-url", &products.server.url()]].concat()).await;
    let state = async |state: &str| {
        let page = page(&stage.service).await;
        sum_of(&page, "order_circuit_breaker_state", &format!("service=\"product\",state=\"{state}\""))
    };
    assert_eq!((state("closed").await, state("open").await), (1.0, 0.0));
    products.set(Fault::Fails);
    for number in 0..3 {
        stage.place(&format!("key-{number}"), bodies::ORDER).await.data(201);
    }
    assert_eq!((state("closed").await, state("open").await), (0.0, 1.0));
    let page = page(&stage.service).await;
    assert!(sum_of(&page, "order_dependency_request_seconds_count", "service=\"product\"") >= 3.0, "{page}");
    assert!(sum_of(&page, "order_dependency_retries_total", "service=\"product\"") > 0.0, "{page}");
}

#[tokio::test]
async fn an_order_that_the_product_service_contradicts_is_a_discrepancy() {
    let products = products().await;
    let stage = Stage::with(&[&ADMIN[..], &["--product-url", &products.server.url()]].concat()).await;
    let order = bodies::order(|body| body["items"][0]["quantity"] = 9_999.into());
    assert_eq!(stage.place("key-1", &order).await.status, 409);
    let page = page(&stage.service).await;
    assert_eq!(sum_of(&page, "order_product_discrepancies_total", "kind=\"availability\""), 1.0, "{page}");
    assert_eq!(sum_of(&page, "order_product_discrepancies_total", "kind=\"price\""), 0.0, "{page}");
}
