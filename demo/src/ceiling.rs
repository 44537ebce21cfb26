//! What the broker itself can take, by the raw publisher.
//!
//! Called by `drain`, before and after. Promises its own durable classic queue without a consumer, deleted at the end.

use std::io::Result;

use crate::broker::Broker;
use crate::failure::{Doing, Failure};
use crate::raw;
use crate::wire::{Wire, short_string};

/// Messages a second that the broker confirmed.
pub async fn measure(broker: &Broker, count: usize) -> std::result::Result<f64, Failure> {
    let (address, queue) = (broker.address.clone(), broker.ceiling_queue.clone());
    let measured = tokio::task::spawn_blocking(move || {
        let mut wire = Wire::connect(&address)?;
        declare(&mut wire, &queue)?;
        let took = raw::publish(&mut wire, &raw::Kind::Plain(&queue), count);
        delete(&mut wire, &queue)?;
        took
    });
    let took = measured.await.doing("measuring the ceiling")?.doing("measuring the broker's ceiling")?;
    Ok(count as f64 / took.as_secs_f64())
}

fn declare(wire: &mut Wire, queue: &str) -> Result<()> {
    let mut args = vec![0, 0];
    short_string(&mut args, queue)?;
    args.push(0b10); // durable
    args.extend_from_slice(&0u32.to_be_bytes()); // no arguments
    wire.call(1, (50, 10), &args, (50, 11))?;
    Ok(())
}

/// Deleting a queue purges it too.
fn delete(wire: &mut Wire, queue: &str) -> Result<()> {
    let mut args = vec![0, 0];
    short_string(&mut args, queue)?;
    args.push(0);
    wire.call(1, (50, 40), &args, (50, 41))?;
    // connection.close: 200, no text, no method to blame
    wire.call(0, (10, 50), &[0, 200, 0, 0, 0, 0, 0], (10, 51))?;
    Ok(())
}
