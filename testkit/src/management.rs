//! RabbitMQ's management API: vhosts, permissions, policies, queues, connections. Used by the bed, and by fault tests that
//! revoke, delete or close things under a running relay.

use serde_json::{Value, json};

use super::http::{self, Request, Response, segment};
use super::urls;

pub struct Management {
    url: String,
}

/// A client connection as the API lists it.
#[derive(Debug, Clone)]
pub struct BrokerConnection {
    /// Unique, like `127.0.0.1:50000 -> 127.0.0.1:5672`.
    pub name: String,
    pub vhost: String,
    /// The name that the client gave itself.
    pub client_name: String,
}

impl Management {
    /// Of `http://user:password@host:port`.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    pub async fn create_vhost(&self, vhost: &str) {
        self.expect("PUT", &["vhosts", vhost], &json!({})).await;
        self.set_permissions(vhost, &urls::user_of(&self.url).0, ".*", ".*", ".*").await;
    }

    /// Closes its connections and drops its queues; one that is not there is fine.
    pub async fn delete_vhost(&self, vhost: &str) {
        self.try_delete_vhost(vhost).await.expect("the vhost is deleted");
    }

    /// The same for clean-up, which must not panic.
    pub async fn try_delete_vhost(&self, vhost: &str) -> Result<(), String> {
        let response = self.try_call("DELETE", &["vhosts", vhost], "").await.map_err(|e| e.to_string())?;
        let gone = response.status < 300 || response.status == 404;
        if gone { Ok(()) } else { Err(format!("{} {}", response.status, response.body)) }
    }

    pub async fn create_user(&self, user: &str, password: &str) {
        self.expect("PUT", &["users", user], &json!({"password": password, "tags": ""})).await;
    }

    pub async fn delete_user(&self, user: &str) {
        self.delete(&["users", user]).await;
    }

    /// A limit of the user's, for example `max-channels`.
    pub async fn limit_user(&self, user: &str, limit: &str, value: u32) {
        self.expect("PUT", &["user-limits", user, limit], &json!({"value": value})).await;
    }

    /// Three patterns over names of exchanges and queues.
    pub async fn set_permissions(&self, vhost: &str, user: &str, configure: &str, write: &str, read: &str) {
        let rights = json!({"configure": configure, "write": write, "read": read});
        self.expect("PUT", &["permissions", vhost, user], &rights).await;
    }

    /// Which routing keys of a topic exchange the user may write.
    pub async fn set_topic_permissions(&self, vhost: &str, user: &str, exchange: &str, write: &str) {
        let rights = json!({"exchange": exchange, "write": write, "read": ".*"});
        self.expect("PUT", &["topic-permissions", vhost, user], &rights).await;
    }

    pub async fn clear_permissions(&self, vhost: &str, user: &str) {
        self.delete(&["permissions", vhost, user]).await;
    }

    /// Messages in the queue; statistics are some seconds old, so poll, or ask the bed, which asks the queue itself.
    pub async fn queue_messages(&self, vhost: &str, queue: &str) -> Option<u64> {
        self.queue(vhost, queue).await.and_then(|info| info["messages"].as_u64())
    }

    /// All the API knows about the queue, `None` when there is no such queue.
    pub async fn queue(&self, vhost: &str, queue: &str) -> Option<Value> {
        let response = self.call("GET", &["queues", vhost, queue], "").await;
        (response.status != 404).then(|| read(&response, "queue"))
    }

    pub async fn delete_queue(&self, vhost: &str, queue: &str) {
        self.delete(&["queues", vhost, queue]).await;
    }

    /// The names and kinds of the exchanges, by name.
    pub async fn exchanges(&self, vhost: &str) -> Vec<(String, String)> {
        let response = self.try_call("GET", &["exchanges", vhost], "").await.expect("the management API answers");
        let exchanges: Vec<Value> = serde_json::from_str(&response.body).expect("a list of exchanges");
        let text = |exchange: &Value, field: &str| exchange[field].as_str().unwrap_or_default().to_owned();
        let mut exchanges: Vec<_> = exchanges.iter().map(|one| (text(one, "name"), text(one, "type"))).collect();
        exchanges.sort();
        exchanges
    }

    pub async fn delete_exchange(&self, vhost: &str, exchange: &str) {
        self.delete(&["exchanges", vhost, exchange]).await;
    }

    /// Applies to queues whose name matches, for example `{"max-length": 10, "overflow": "reject-publish"}`.
    pub async fn put_policy(&self, vhost: &str, name: &str, pattern: &str, definition: Value) {
        let policy = json!({"pattern": pattern, "definition": definition, "apply-to": "queues", "priority": 0});
        self.expect("PUT", &["policies", vhost, name], &policy).await;
    }

    pub async fn delete_policy(&self, vhost: &str, name: &str) {
        self.delete(&["policies", vhost, name]).await;
    }

    /// The open connections of the vhost; a new one shows up after some seconds, so poll.
    pub async fn connections(&self, vhost: &str) -> Vec<BrokerConnection> {
        let response = self.call("GET", &["vhosts", vhost, "connections"], "").await;
        let list = read(&response, "connections");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.as_array()
            .expect("connections are a list")
            .iter()
            .map(|one| BrokerConnection {
                name: text(&one["name"]),
                vhost: text(&one["vhost"]),
                client_name: text(&one["client_properties"]["connection_name"]),
            })
            .filter(|one| !one.name.is_empty())
            .collect()
    }

    /// Closes the vhost's connections whose client name starts like this (all, when empty); returns how many.
    pub async fn close_connections(&self, vhost: &str, client_name: &str) -> usize {
        let mut closed = 0;
        for one in self.connections(vhost).await.iter().filter(|one| one.client_name.starts_with(client_name)) {
            closed += usize::from(self.delete(&["connections", &one.name]).await);
        }
        closed
    }

    /// True when there was something to delete.
    async fn delete(&self, path: &[&str]) -> bool {
        let response = self.call("DELETE", path, "").await;
        assert!(
            response.status < 300 || response.status == 404,
            "DELETE {path:?}: {} {}",
            response.status,
            response.body
        );
        response.status != 404
    }

    async fn expect(&self, method: &str, path: &[&str], body: &Value) {
        let response = self.call(method, path, &body.to_string()).await;
        assert!(response.status < 300, "{method} {path:?}: {} {}", response.status, response.body);
    }

    async fn call(&self, method: &str, path: &[&str], body: &str) -> Response {
        let answer = self.try_call(method, path, body).await;
        answer.unwrap_or_else(|e| panic!("the management API did not answer {method} {path:?}: {e}"))
    }

    async fn try_call(&self, method: &str, path: &[&str], body: &str) -> std::io::Result<Response> {
        let (user, password) = urls::user_of(&self.url);
        let path = path.iter().fold("/api".to_owned(), |path, part| format!("{path}/{}", segment(part)));
        let request = Request { method, path: &path, login: Some((&user, &password)), body };
        http::send(urls::addr_of(&self.url), &request).await
    }
}

fn read(response: &Response, what: &str) -> Value {
    assert!(response.status < 300, "{what}: {} {}", response.status, response.body);
    serde_json::from_str(&response.body).unwrap_or_else(|e| panic!("{what}: {e}: {}", response.body))
}
