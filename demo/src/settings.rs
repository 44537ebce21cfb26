//! What the demo was asked to do: flags, and the two addresses from the environment.
//!
//! Called by `main`, read by every phase. Promises values that make sense together; refuses fewer events than orders.

use std::path::PathBuf;

use clap::Parser;

use crate::failure::Failure;

/// The exchange the relay publishes to; the relay is started with the same name.
pub const EXCHANGE: &str = "order.events";
/// Where the relay's log goes, next to the private services' own.
pub const FOLDER: &str = "target/demo";

/// Shows the relay at work: orders change, their events arrive, and every one of them is accounted for.
#[derive(Parser)]
#[command(name = "demo")]
pub struct Settings {
    /// The relay's binary
    #[arg(long)]
    pub relay: PathBuf,
    /// The reference order service's binary
    #[arg(long)]
    pub service: PathBuf,
    /// Orders that are placed over HTTP
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(6..=10_000))]
    pub http_orders: u32,
    /// Events to commit, and again for the drain
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub events: u32,
    /// Orders that the events are spread over
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub orders: u32,
    /// Leave the relay, the queue and the database running
    #[arg(long)]
    pub keep: bool,
    /// A PostgreSQL server; the demo makes its own database there
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// A RabbitMQ broker and vhost
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: String,
}

impl Settings {
    pub fn check(&self) -> Result<(), Failure> {
        if self.orders > self.events {
            return Err(Failure::new(format!(
                "--orders {} is more than --events {}: an order has at least one event",
                self.orders, self.events
            )));
        }
        Ok(())
    }

    /// How many events the order numbered `order` (from 0) has in its life.
    pub fn life_of(&self, order: u32) -> i64 {
        let (each, rest) = (self.events / self.orders, self.events % self.orders);
        i64::from(each + u32::from(order < rest))
    }
}
