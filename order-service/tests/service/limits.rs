//! Limits, faults of the database, and what the log shows of all that.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::bodies;
use crate::http::{Request, read};
use crate::stage::Stage;

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let stage = Stage::with(&["--body-bytes-max", "4096"]).await;
    let large = bodies::order(|body| body["note"] = "x".repeat(4096).into());
    assert_eq!(stage.place("key-1", &large).await.problem(), "413 BODY_TOO_LARGE");
    stage.place("key-1", &bodies::order(|body| body["note"] = "a field that nobody knows".into())).await.data(201);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_answered_at_its_deadline() {
    let stage = Stage::with(&["--request-seconds-max", "1"]).await;
    let mut stream = TcpStream::connect(stage.service.address).await.expect("connected");
    let head = "POST /orders HTTP/1.1\r\nHost: test\r\nConnection: close\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let answer = read(&mut stream).await.expect("an answer");
    assert_eq!(answer.problem(), "503 DEADLINE_EXCEEDED");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn an_order_that_another_transaction_keeps_locked_can_be_tried_again() {
    let stage = Stage::with(&["--lock-seconds-max", "1"]).await;
    let id = stage.placed().await;
    let mut other = stage.database.client().await;
    let transaction = other.transaction().await.expect("begun");
    let lock = "SELECT 1 FROM order_service.orders FOR UPDATE";
    transaction.query(lock, &[]).await.expect("locked");
    let path = format!("/orders/{id}/cancel");
    assert_eq!(stage.post(&path, &bodies::reason()).await.problem(), "503 TRY_AGAIN");
    transaction.rollback().await.expect("released");
    stage.post(&path, &bodies::reason()).await.data(200);
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_and_the_service_recovers() {
    let stage = Stage::new().await;
    let path = format!("/orders/{}", stage.placed().await);
    let row = stage.database.client().await.query_one("SELECT current_database()", &[]).await.expect("asked");
    let name: String = row.get(0);
    let server = stage.database.server().await;
    let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    server.batch_execute(&close).await.expect("closed");
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
    server.query(end, &[&name]).await.expect("ended");
    for path in [path.as_str(), "/health"] {
        let answer = stage.get(path).await;
        assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("503 TRY_AGAIN", Some("1")), "{path}");
    }
    assert_eq!(stage.place("key-2", bodies::ORDER).await.problem(), "503 TRY_AGAIN");
    server.batch_execute(&close.replace("false", "true")).await.expect("opened");
    stage.get(&path).await.data(200);
    stage.place("key-2", bodies::ORDER).await.data(201);
}

#[tokio::test]
async fn the_log_is_json_and_tells_nothing_of_people() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    stage.post(&format!("/orders/{id}/cancel"), &bodies::reason()).await.data(200);
    stage.post(&format!("/orders/{id}/cancel"), &json!({ "reason": "SecretReason" })).await.problem();
    stage.get("/orders?userId=user-xyz-789").await.data(200);
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let broken = bodies::ORDER.replace("\"USD\"", "\"USD");
    let body = Some(broken.as_bytes());
    stage.request(&Request { method: "POST", path: "/orders", headers: &headers, body }).await.problem();
    let is_request = |line: &String| line.contains("\"message\":\"request\"");
    let end = Instant::now() + Duration::from_secs(60);
    while stage.service.log().iter().filter(|line| is_request(line)).count() < 5 {
        assert!(Instant::now() < end, "a line for each request: {:?}", stage.service.log());
        tokio::time::sleep(Duration::from_millis(20)).await; // between two looks
    }
    let lines = stage.service.log();
    let requests: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .filter(|line| line["message"] == "request")
        .collect();
    assert_eq!(requests.len(), 5, "{lines:?}");
    let refused = &requests[2];
    assert_eq!((&refused["path"], &refused["status"]), (&json!("/orders/{orderId}/cancel"), &json!(409)));
    assert_eq!(refused["code"], "ILLEGAL_TRANSITION");
    assert!(refused["order_id"] == id && refused["duration_ms"].is_u64(), "{refused}");
    let decided: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "decided")
        .collect();
    let told = decided.iter().map(|line| line["event_types"].as_str().unwrap_or_default());
    let told: Vec<String> = told.flat_map(|types| types.split(',').map(str::to_owned)).collect();
    assert_eq!((decided.len(), told), (2, stage.events(&id).await), "a line for each decision: {lines:?}");
    for line in decided {
        let ids = line["event_ids"].as_str().expect("ids").split(',').map(|id| id.parse::<uuid::Uuid>());
        assert!(line["order_id"] == id && ids.into_iter().all(|id| id.is_ok()), "{line}");
    }
    for secret in ["John", "john.doe", "15551234567", "Main St", "user-xyz-789", "SecretReason", "299.99"] {
        assert!(lines.iter().all(|line| !line.contains(secret)), "{secret} in {lines:?}");
    }
}
