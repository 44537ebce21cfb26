//! The second phase: the loop is closed. Customers order at two replicas of the order service, the relay tells the Notification and the
//! Inventory Service, they answer by their own documents, and the orders show what they said.
//!
//! Called by `main` after `story`. Promises that every message that was told is accounted for: by a mark in the inbox, which is written
//! with its effect, or as a dead letter. Answers whether that, and everything that the orders have to show, is so.

mod accounts;
mod customers;
mod inventory;
mod notification;
mod poison;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::neighbours::accounts::Accounts;
use crate::neighbours::wire::{Neighbour, Told};
use crate::stage::Stage;

const REPLICAS: usize = 2;
const ORDERS: u32 = 24;
const TICK: Duration = Duration::from_millis(100);
/// For the whole loop, retries and all.
const PATIENCE: Duration = Duration::from_secs(90);

pub async fn run(stage: &mut Stage) -> Result<bool, Failure> {
    let replicas = stage.start_hearing_services(REPLICAS).await?;
    accounts::until_hearing(&replicas, PATIENCE).await?;
    let told = Arc::new(Told::default());
    let notification =
        Neighbour::start(stage.broker(), "notification", notification::HEARS, Arc::clone(&told), notification::answer)
            .await?;
    let inventory =
        Neighbour::start(stage.broker(), "inventory", inventory::HEARS, Arc::clone(&told), inventory::answer).await?;
    let others = stage.broker().bind_others().await?;
    stage.start_relay_with_routes()?.listening().await?;
    println!(
        "{ORDERS} orders at {REPLICAS} replicas of the order service; the neighbours answer by their own documents"
    );
    let started = Instant::now();
    let orders = customers::run(&replicas, ORDERS).await?;
    let texted = customers::text(replicas[0], &orders[1]).await?;
    let shown = customers::until_shown(stage, &replicas, &orders, &texted, PATIENCE).await?;
    let took = started.elapsed();
    let poison = poison::run(stage, replicas[0], &orders[2], &told, PATIENCE).await?;
    let accounts = Accounts::settle(stage, &replicas, &told, PATIENCE).await?;
    accounts.show(&shown, &poison, took);
    for neighbour in [notification, inventory] {
        neighbour.close(stage.broker()).await?;
    }
    stage.stop_relay().await?;
    stage.broker().delete_queue(&others).await?;
    stage.stop_services().await?;
    println!();
    Ok(accounts.is_kept() && shown.is_kept() && poison.is_kept())
}
