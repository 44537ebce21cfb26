//! The services beside the order service, as tests want them: they answer well, with another price or stock, badly, late, or not at all, and
//! change that while they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{Received, Reply, Server};

/// What a neighbour does instead of answering well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It takes a connection and closes it.
    Down,
    Hangs,
    Fails,
    /// HTML with status 200.
    Lost,
    /// Its answer comes a byte a second.
    Slow,
}

impl Fault {
    pub const ALL: [Self; 5] = [Self::Down, Self::Hangs, Self::Fails, Self::Lost, Self::Slow];

    fn reply(self) -> Option<Reply> {
        match self {
            Self::None => None,
            Self::Down => Some(Reply::Close),
            Self::Hangs => Some(Reply::Hang),
            Self::Fails => Some(Reply::Json(500, String::new())),
            Self::Lost => Some(Reply::ok("<html>")),
            Self::Slow => Some(Reply::Drip(" ".repeat(30))),
        }
    }
}

/// A neighbour with a state that tests change.
pub struct Neighbour<T> {
    pub server: Server,
    state: Arc<Mutex<(Fault, T)>>,
}

impl<T: Send + 'static> Neighbour<T> {
    async fn start(state: T, answer: fn(&mut T, &Received) -> Reply) -> Self {
        let state = Arc::new(Mutex::new((Fault::None, state)));
        let kept = Arc::clone(&state);
        let server = Server::start(move |_, request| {
            let mut state = kept.lock().expect("no holder panics");
            let fault = state.0;
            fault.reply().unwrap_or_else(|| answer(&mut state.1, request))
        });
        Self { server: server.await, state }
    }

    pub fn set(&self, fault: Fault) {
        self.state.lock().expect("no holder panics").0 = fault;
    }

    pub fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.state.lock().expect("no holder panics").1)
    }

    /// The first lines of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.server.requests().iter().map(Received::line).collect()
    }
}

/// The Product Service: what it knows of each product.
pub type Products = Neighbour<BTreeMap<String, Value>>;

/// One that sells what the tests' order has, at its prices.
pub async fn products() -> Products {
    let known = [("prod-456", "Desk Chair", 299.99), ("prod-789", "Mat", 50.0)].map(|(id, name, price)| {
        (id.to_owned(), json!({"id": id, "name": name, "price": price, "status": "ACTIVE", "quantityAvailable": 100}))
    });
    Neighbour::start(BTreeMap::from(known), |known, request| {
        let ids = request.json()["ids"].as_array().cloned().unwrap_or_default();
        let found: Vec<&Value> = ids.iter().filter_map(|id| known.get(id.as_str()?)).collect();
        Reply::ok(json!(found))
    })
    .await
}

/// The User Service: the status of each account.
pub async fn users() -> Neighbour<BTreeMap<String, String>> {
    let known = BTreeMap::from([("user-xyz-789".to_owned(), "ACTIVE".to_owned())]);
    Neighbour::start(known, |known, request| {
        let id = request.path.rsplit('/').next().unwrap_or_default();
        match known.get(id) {
            Some(status) => Reply::ok(json!({"id": id, "status": status})),
            None => Reply::Json(404, String::new()),
        }
    })
    .await
}

/// The Inventory Service: its allocations, whether it has stock, and whether it answers when it has reserved.
#[derive(Default)]
pub struct Stock {
    pub records: Vec<Value>,
    pub is_empty: bool,
    /// The next reservation is made, and its answer never comes.
    pub is_silent_once: bool,
}

impl Stock {
    /// Those that are kept.
    pub fn live(&self) -> Vec<Value> {
        let is_live = |record: &&Value| record["status"] == "PENDING" || record["status"] == "CONFIRMED";
        self.records.iter().filter(is_live).cloned().collect()
    }

    fn reserve(&mut self, order_id: &Value, item: &Value) -> Value {
        let record = json!({
            "id": format!("alloc-{}", self.records.len() + 1), "orderId": order_id, "orderItemId": item["orderItemId"],
            "inventoryItemId": item["inventoryItemId"], "warehouseId": "wh-1", "quantity": item["quantity"],
            "status": "PENDING", "expiresAt": item["expiresAt"], "updatedAt": now()
        });
        self.records.push(record.clone());
        record
    }
}

/// An Inventory Service with stock and without allocations.
pub async fn inventory() -> Neighbour<Stock> {
    Neighbour::start(Stock::default(), |stock, request| {
        let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), path.as_slice()) {
            ("POST", _) if stock.is_empty => {
                let details = json!({"requested": 3, "available": 2});
                let error = json!({"code": "INSUFFICIENT_STOCK", "message": "Not enough inventory available", "details": details});
                Reply::Json(409, json!({"success": false, "error": error}).to_string())
            }
            ("POST", path) => {
                let body = request.json();
                let items = if path.len() == 1 { vec![body.clone()] } else { body["items"].as_array().cloned().expect("items") };
                let made: Vec<Value> = items.iter().map(|item| stock.reserve(&body["orderId"], item)).collect();
                if std::mem::take(&mut stock.is_silent_once) {
                    return Reply::Hang;
                }
                let data = if path.len() == 1 { made[0].clone() } else { json!(made) };
                Reply::ok(json!({"success": true, "data": data}))
            }
            ("GET", ["allocations", "by-order", order_id]) => {
                let found: Vec<&Value> = stock.records.iter().filter(|record| record["orderId"] == *order_id).collect();
                Reply::ok(json!({"success": true, "data": found}))
            }
            ("PUT", ["allocations", id, verb]) => {
                let status = if *verb == "confirm" { "CONFIRMED" } else { "CANCELLED" };
                let record = stock.records.iter_mut().find(|record| record["id"] == *id).expect("it is there");
                record["status"] = json!(status);
                record["updatedAt"] = json!(now());
                Reply::ok(json!({"success": true, "data": record}))
            }
            _ => Reply::Json(404, String::new()),
        }
    })
    .await
}

fn now() -> String {
    order_domain::value::timestamp::Timestamp::now().to_string()
}
