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

/// Puts the channel into confirm mode and publishes `count` messages to `queue`; how long that took.
pub fn publish(wire: &mut Wire, queue: &str, count: usize) -> Result<Duration> {
    wire.call(1, (85, 10), &[0], (85, 11))?; // confirm.select
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
