//! A backlog for the drain: as many events as before, on new orders, committed as fast as the database takes them.
//!
//! Called by `drain` while no relay runs. Promises that each order's versions are inserted in their order and that
//! consecutive events belong to different orders. Nothing here is measured, so the orders table is left out.

use std::time::Duration;

use tokio_postgres::{Client, Config};
use uuid::Uuid;

use crate::database::connect;
use crate::failure::{Failure, within};
use crate::ledger::{Change, Ledger};
use crate::orders::{event, order_id};
use crate::settings::Settings;

const ROWS: usize = 1000;
const INSERT: Duration = Duration::from_secs(60);
const TELL: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                    SELECT 'order', key, type, body::json
                    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS row (key, type, body, place)
                    ORDER BY place
                    RETURNING id, aggregate_id, (payload ->> 'version')::bigint";

pub async fn commit(config: &Config, settings: &Settings, ledger: &Ledger) -> Result<(), Failure> {
    let client = connect(config).await?;
    let mut rows = Rows::default();
    for version in 1..=settings.life_of(0) {
        for order in (0..settings.orders).filter(|&order| version <= settings.life_of(order)) {
            rows.add(settings.orders + order, version, settings.life_of(order));
            if rows.keys.len() == ROWS {
                std::mem::take(&mut rows).insert(&client, ledger).await?;
            }
        }
    }
    rows.insert(&client, ledger).await
}

/// The columns of one multi-row INSERT.
#[derive(Default)]
struct Rows {
    keys: Vec<String>,
    types: Vec<&'static str>,
    payloads: Vec<String>,
}

impl Rows {
    fn add(&mut self, order: u32, version: i64, life: i64) {
        let event = event(order, version, life);
        self.keys.push(order_id(order));
        self.types.push(event.event_type);
        self.payloads.push(event.payload);
    }

    async fn insert(self, client: &Client, ledger: &Ledger) -> Result<(), Failure> {
        let told = within(INSERT, "committing the backlog", async {
            client.query(TELL, &[&self.keys, &self.types, &self.payloads]).await
        })
        .await?;
        let change = |row: &tokio_postgres::Row| Change { key: row.get(1), version: row.get(2) };
        ledger.commit(told.iter().map(|row| (row.get::<_, Uuid>(0), change(row))));
        Ok(())
    }
}
