//! The raw publisher: persistent, mandatory messages of 1 KiB with confirms over a plain socket, nothing else.
//!
//! Called by the demo's `ceiling` and by the benchmark, which compare the relay with it. Promises that every message
//! counted was confirmed. Refuses to go on after a return, a nack or two minutes without the last confirm.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use crate::wire::{Method, Wire, frame, method, short_string};

const WINDOW: usize = 2000;
const PAYLOAD: [u8; 1024] = [b'x'; 1024];
const BURST: usize = 1 << 18;
const AT_MOST: Duration = Duration::from_secs(120);

const ACK: (u16, u16) = (60, 80);

/// Where to, and what kind of messages.
pub enum Kind<'a> {
    /// To a queue by the default exchange, with as few properties as a relay could do with: the least that a broker can have to do.
    Plain(&'a str),
    /// To an exchange, with the properties and headers that the relay sets.
    #[allow(dead_code, reason = "the benchmark's alone; this file is the demo's too")]
    AsRelayed { exchange: &'a str, routing_key: &'a str },
}

/// Puts the channel into confirm mode and publishes `count` messages; how long that took.
pub fn publish(wire: &mut Wire, kind: &Kind<'_>, count: usize) -> Result<Duration> {
    wire.call(1, (85, 10), &[0], (85, 11))?; // confirm.select
    let envelope = publish_method(kind)?;
    let mut confirms = Confirms::new(count);
    let mut sent = 0;
    let start = Instant::now();
    while confirms.confirmed < count {
        let mut out = Vec::with_capacity(BURST + 2 * PAYLOAD.len());
        while sent < count && sent - confirms.confirmed < WINDOW && out.len() < BURST {
            append_message(&mut out, &envelope, kind, sent)?;
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

/// basic.publish, mandatory.
fn publish_method(kind: &Kind<'_>) -> Result<Vec<u8>> {
    let (exchange, routing_key) = match kind {
        Kind::Plain(queue) => ("", *queue),
        Kind::AsRelayed { exchange, routing_key } => (*exchange, *routing_key),
    };
    let mut args = vec![0, 0];
    short_string(&mut args, exchange)?;
    short_string(&mut args, routing_key)?;
    args.push(1);
    Ok(method(1, (60, 40), &args))
}

// Of the properties' flags (AMQP 0-9-1, section 4.2.6.1).
const CONTENT_TYPE: u16 = 1 << 15;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const APP_ID: u16 = 1 << 3;

fn append_message(out: &mut Vec<u8>, envelope: &[u8], kind: &Kind<'_>, number: usize) -> Result<()> {
    out.extend_from_slice(envelope);
    let mut header = vec![0, 60, 0, 0];
    header.extend_from_slice(&(PAYLOAD.len() as u64).to_be_bytes());
    let relayed = match kind {
        Kind::Plain(_) => false,
        Kind::AsRelayed { .. } => true,
    };
    let more = if relayed { HEADERS | TIMESTAMP | APP_ID } else { 0 };
    header.extend_from_slice(&(CONTENT_TYPE | DELIVERY_MODE | MESSAGE_ID | TYPE | more).to_be_bytes());
    short_string(&mut header, "application/json")?;
    if relayed {
        append_headers(&mut header, number)?;
    }
    header.push(2); // persistent
    short_string(&mut header, &format!("0192f3a4-0000-7000-8000-{number:012}"))?;
    if relayed {
        header.extend_from_slice(&1_795_575_295_u64.to_be_bytes());
    }
    short_string(&mut header, "order.created")?;
    if relayed {
        short_string(&mut header, "order-service")?;
    }
    frame(out, 2, 1, &header);
    frame(out, 3, 1, &PAYLOAD);
    Ok(())
}

/// The three headers that the relay adds to each message (docs/operating.md).
fn append_headers(out: &mut Vec<u8>, number: usize) -> Result<()> {
    let mut table = Vec::with_capacity(128);
    for (name, value) in [("x-outbox-key", format!("order-{number:08}")), ("x-outbox-route", "default".into())] {
        short_string(&mut table, name)?;
        table.push(b'S');
        long_string(&mut table, value.as_bytes())?;
    }
    short_string(&mut table, "x-outbox-seq")?;
    table.push(b'l');
    table.extend_from_slice(&(number as u64).to_be_bytes());
    long_string(out, &table)
}

/// A long string, and a table, is four bytes of length and the bytes.
fn long_string(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    out.extend_from_slice(&u32::try_from(bytes.len()).map_err(Error::other)?.to_be_bytes());
    out.extend_from_slice(bytes);
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
