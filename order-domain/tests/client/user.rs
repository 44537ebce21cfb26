//! The User Service, as the README assumes it.

use order_domain::client::user::UserClient;
use serde_json::json;

use crate::server::{Reply, Server};
use crate::stage::{caller, request};

#[tokio::test]
async fn an_account_is_known_active_blocked_or_unknown() {
    let user_id = "user-1".parse().expect("an id");
    for (reply, is_active) in [
        (Reply::ok(json!({"success": true, "data": {"id": "user-1", "email": "x@example.com"}})), Some(true)),
        (Reply::ok(json!({"id": "user-1", "status": "ACTIVE"})), Some(true)),
        (Reply::ok(json!({"id": "user-1", "status": "BLOCKED"})), Some(false)),
        (Reply::Json(404, String::new()), None),
    ] {
        let server = Server::always(reply).await;
        let client = UserClient::new(&server.url(), &caller()).expect("an address");
        let user = client.get(&user_id, &request()).await.expect("an answer");
        assert_eq!(user.map(|user| user.is_active()), is_active);
        assert_eq!(server.requests()[0].line(), "GET /api/v1/users/user-1");
    }
}

#[tokio::test]
async fn another_account_is_no_answer() {
    let server = Server::always(Reply::ok(json!({"id": "user-2"}))).await;
    let client = UserClient::new(&server.url(), &caller()).expect("an address");
    let error = client.get(&"user-1".parse().expect("an id"), &request()).await.expect_err("not asked for");
    assert!(error.to_string().ends_with("it is another account"), "{error}");
}
