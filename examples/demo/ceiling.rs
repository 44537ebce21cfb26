//! What the broker itself can take: persistent, mandatory messages of 1 KiB with confirms over a raw socket.
//!
//! Called by `drain`, before and after. Promises its own durable classic queue without a consumer, deleted at the end,
//! and that every message counted was confirmed. Refuses to go on after a return, a nack or two minutes.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::failure::{Doing, Failure};
use crate::wire::{Method, Wire, frame, method, short_string};

const WINDOW: usize = 2000;
const PAYLOAD: [u8; 1024] = [b'x'; 1024];
const BURST: usize = 1 << 18;
const AT_MOST: Duration = Duration::from_secs(120);

const ACK: (u16, u16) = (60, 80);

/// Messages a second that the broker confirmed.
pub async fn measure(broker: &Broker, count: usize) -> std::result::Result<f64, Failure> {
    let (address, queue) = (broker.address.clone(), broker.ceiling_queue.clone());
    let measured = tokio::task::spawn_blocking(move || {
        let mut wire = Wire::connect(&address)?;
        declare(&mut wire, &queue)?;
        let took = publish(&mut wire, &queue, count);
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
    wire.call(1, (85, 10), &[0], (85, 11))?; // confirm.select
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

fn publish(wire: &mut Wire, queue: &str, count: usize) -> Result<Duration> {
    let envelope = publish_method(queue)?;
    let mut confirms = Confirms::new(count);
    let mut sent = 0;
    let start = Instant::now();
    while confirms.confirmed < count {
        let mut out = Vec::with_capacity(BURST + 2 * PAYLOAD.len());
        while sent < count && sent - confirms.confirmed < WINDOW && out.len() < BURST {
            append_message(&mut out, &envelope, sent)?;
            sent += 1;
        }
        wire.send(&out)?;
        if sent < count && sent - confirms.confirmed < WINDOW * 3 / 4 {
            continue;
        }
        wire.fill()?;
        while let Some(method) = wire.next_method()? {
            confirms.take(&method)?;
        }
        if start.elapsed() > AT_MOST {
            return Err(Error::other(format!("only {} of {count} confirmed in two minutes", confirms.confirmed)));
        }
    }
    Ok(start.elapsed())
}

/// basic.publish to the default exchange, mandatory.
fn publish_method(queue: &str) -> Result<Vec<u8>> {
    let mut args = vec![0, 0];
    short_string(&mut args, "")?;
    short_string(&mut args, queue)?;
    args.push(1);
    Ok(method(1, (60, 40), &args))
}

fn append_message(out: &mut Vec<u8>, envelope: &[u8], number: usize) -> Result<()> {
    out.extend_from_slice(envelope);
    let mut header = vec![0, 60, 0, 0];
    header.extend_from_slice(&(PAYLOAD.len() as u64).to_be_bytes());
    header.extend_from_slice(&(1u16 << 15 | 1 << 12 | 1 << 7 | 1 << 5).to_be_bytes()); // the four properties below
    short_string(&mut header, "application/json")?;
    header.push(2); // persistent
    short_string(&mut header, &format!("0192f3a4-0000-7000-8000-{number:012}"))?;
    short_string(&mut header, "order.created")?;
    frame(out, 2, 1, &header);
    frame(out, 3, 1, &PAYLOAD);
    Ok(())
}

/// Which delivery tags, counted from 1, were confirmed.
struct Confirms {
    confirmed: usize,
    done: Vec<bool>,
    lowest: usize,
}

impl Confirms {
    fn new(count: usize) -> Self {
        Self { confirmed: 0, done: vec![false; count + 1], lowest: 1 }
    }

    fn take(&mut self, method: &Method) -> Result<()> {
        let (ACK, Some((tag, [multiple, ..]))) = (method.name, method.args.split_first_chunk::<8>()) else {
            return Err(Error::other(format!("{:?} came instead of a confirm", method.name)));
        };
        let tag = usize::try_from(u64::from_be_bytes(*tag)).map_err(Error::other)?;
        if tag >= self.done.len() {
            return Err(Error::other(format!("a confirm for message {tag}, which was never sent")));
        }
        let multiple = multiple & 1 == 1;
        for tag in if multiple { self.lowest..=tag } else { tag..=tag } {
            self.confirmed += usize::from(!std::mem::replace(&mut self.done[tag], true));
        }
        if multiple {
            self.lowest = self.lowest.max(tag + 1);
        }
        Ok(())
    }
}
