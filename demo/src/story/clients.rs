//! The customers: each places orders on a connection of its own and moves them until their lives are over.
//!
//! Called by `mod`. Promises that every request is answered with 2xx, that every tenth order is placed twice by its key
//! and is the same order, and the time that each request took.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use uuid::Uuid;

use crate::failure::{Doing, Failure};
use crate::story::CLIENTS;
use crate::story::http::Client;
use crate::story::lives::{life, order};

/// What was asked of the service.
#[derive(Default)]
pub struct Asked {
    pub orders: usize,
    pub repeated: usize,
    pub took: Vec<Duration>,
}

pub async fn run(address: SocketAddr, orders: u32) -> Result<Asked, Failure> {
    let mut clients = JoinSet::new();
    for first in 0..CLIENTS as u32 {
        clients.spawn(async move {
            let mut customer = Customer { client: Client::connect(address).await?, asked: Asked::default() };
            for number in (first..orders).step_by(CLIENTS) {
                customer.order(number).await?;
            }
            Ok::<_, Failure>(customer.asked)
        });
    }
    let mut all = Asked::default();
    while let Some(ended) = clients.join_next().await {
        let asked = ended.doing("a client")??;
        all.orders += asked.orders;
        all.repeated += asked.repeated;
        all.took.extend(asked.took);
    }
    all.took.sort_unstable();
    Ok(all)
}

struct Customer {
    client: Client,
    asked: Asked,
}

impl Customer {
    async fn order(&mut self, number: u32) -> Result<(), Failure> {
        let (key, body) = (Uuid::new_v4().to_string(), order(number));
        let (_, placed) = self.send("POST", "/orders", Some(&key), &body).await?;
        self.asked.orders += 1;
        let id = placed["id"].as_str().ok_or_else(|| Failure::new("an order without an id"))?;
        if number.is_multiple_of(10) {
            let (status, again) = self.send("POST", "/orders", Some(&key), &body).await?;
            if (status, &again["id"]) != (200, &placed["id"]) {
                return Err(Failure::new(format!("order {id} was placed twice by one key")));
            }
            self.asked.repeated += 1;
        }
        for step in life(number, &placed) {
            let path = if step.command.is_empty() {
                format!("/orders/{id}")
            } else {
                format!("/orders/{id}/{}", step.command)
            };
            self.send(step.method, &path, None, &step.body).await?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &serde_json::Value,
    ) -> Result<(u16, serde_json::Value), Failure> {
        let started = Instant::now();
        let answer = self.client.send(method, path, key, body).await?;
        self.asked.took.push(started.elapsed());
        Ok(answer)
    }
}
