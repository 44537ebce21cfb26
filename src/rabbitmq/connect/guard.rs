//! Looks at the broker's frames before the AMQP library does, because a hostile server could make it fill the memory or overflow its stack:
//! frames of the handshake have a size limit, and tables a depth limit at all times. Used only by `stream`.
//!
//! Frames of the handshake and content headers are held back until they are whole and checked; everything else passes.

use std::io;

/// Larger than any frame of a handshake: RabbitMQ's largest has about 600 bytes.
const HANDSHAKE_FRAME_BYTES_MAX: usize = 16 << 10;
/// Our own headers have at most 16 levels, and come back in returns.
const DEPTH_MAX: usize = 32;
/// Content headers hold at most a frame of RabbitMQ's default size, or what was negotiated above it.
const HEADER_BYTES_MAX: usize = 4 << 20;

const FRAME_HEAD_BYTES: usize = 7;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// `connection.start`, and `connection.open-ok`, which ends the handshake.
const START: [u8; 4] = [0, 10, 0, 10];
const OPEN_OK: [u8; 4] = [0, 10, 0, 41];
/// The first byte of a broker's answer that it speaks another protocol.
const PROTOCOL_HEADER: u8 = b'A';

/// What was read, and how much of it may pass.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Bytes of a frame whose head, or whose contents, are not complete.
    held: Vec<u8>,
    /// Checked bytes that were not taken yet.
    checked: Vec<u8>,
    taken: usize,
    /// How many bytes of a frame that needs no check are still to come.
    passing: usize,
    is_logged_in: bool,
    is_foreign: bool,
}

impl Guard {
    /// Takes what was read from the broker.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.is_foreign || (self.held.is_empty() && self.passing == 0 && bytes[0] == PROTOCOL_HEADER) {
                self.is_foreign = true;
                self.checked.extend_from_slice(bytes);
                return Ok(());
            }
            let used = if self.passing > 0 { self.pass(bytes) } else { self.hold(bytes)? };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Moves checked bytes into `into`; 0 if there are none.
    pub(super) fn take(&mut self, into: &mut [u8]) -> usize {
        let ready = &self.checked[self.taken..];
        let count = ready.len().min(into.len());
        into[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        if self.taken == self.checked.len() {
            self.checked.clear();
            self.taken = 0;
        }
        count
    }

    fn pass(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.passing);
        self.checked.extend_from_slice(&bytes[..count]);
        self.passing -= count;
        count
    }

    fn hold(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = match self.size()? {
            None => FRAME_HEAD_BYTES,
            Some(size) => FRAME_HEAD_BYTES + size + 1,
        };
        let count = bytes.len().min(wanted - self.held.len());
        self.held.extend_from_slice(&bytes[..count]);
        let Some(size) = self.size()? else { return Ok(count) };
        if self.is_logged_in && self.held[0] != HEADER {
            self.passing = FRAME_HEAD_BYTES + size + 1 - self.held.len();
            self.checked.append(&mut self.held);
        } else if self.held.len() == FRAME_HEAD_BYTES + size + 1 {
            self.check()?;
            self.checked.append(&mut self.held);
        }
        Ok(count)
    }

    /// The size of the frame's contents, once its head is there.
    fn size(&self) -> io::Result<Option<usize>> {
        let Some(&[kind, _, _, a, b, c, d]) = self.held.first_chunk() else { return Ok(None) };
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let limit = match (self.is_logged_in, kind) {
            (false, _) => HANDSHAKE_FRAME_BYTES_MAX,
            (true, HEADER) => HEADER_BYTES_MAX,
            (true, _) => usize::MAX >> 1,
        };
        if size > limit {
            return Err(refused(&format!("announced a frame of {size} bytes, of {limit} that are possible here")));
        }
        Ok(Some(size))
    }

    fn check(&mut self) -> io::Result<()> {
        let contents = &self.held[FRAME_HEAD_BYTES..self.held.len() - 1];
        match self.held[0] {
            // Class, method, and two bytes of the version come before the table.
            METHOD if contents.starts_with(&START) => table(contents, 6),
            METHOD => {
                self.is_logged_in = contents.starts_with(&OPEN_OK);
                Ok(())
            }
            HEADER => table(contents, headers_at(contents).unwrap_or(contents.len())),
            _ => Ok(()),
        }
    }
}

/// Where the headers begin in a content header: after class, weight, size, flags, content type and encoding.
fn headers_at(contents: &[u8]) -> Option<usize> {
    const HEADERS: u8 = 1 << 5;
    let flags = *contents.get(12)?;
    let mut at = 14;
    for property in [1 << 7, 1 << 6] {
        if flags & property != 0 {
            at += 1 + usize::from(*contents.get(at)?);
        }
    }
    (flags & HEADERS != 0).then_some(at)
}

fn table(contents: &[u8], at: usize) -> io::Result<()> {
    let tail = contents.get(at..).unwrap_or_default();
    if tail.is_empty() || depth(tail) <= DEPTH_MAX {
        return Ok(());
    }
    Err(refused(&format!("sent a table with more than {DEPTH_MAX} levels")))
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the broker {what}; it may not be RabbitMQ"))
}

/// How deep the table at the beginning of `bytes` is nested. A table that is damaged is as deep as it can be read; the library refuses it.
fn depth(bytes: &[u8]) -> usize {
    let (mut at, mut deepest) = (0usize, 0usize);
    // The ends of the tables and arrays that are open, and whether its items have names.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let number =
        |at: usize| Some(usize::try_from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)).unwrap_or(usize::MAX));
    let Some(size) = number(0) else { return 0 };
    at += 4;
    open.push((at.saturating_add(size), true));
    while let Some(&(end, is_table)) = open.last() {
        deepest = deepest.max(open.len());
        if deepest > DEPTH_MAX {
            return deepest;
        }
        if at >= end {
            open.pop();
            continue;
        }
        if is_table {
            let Some(name) = bytes.get(at) else { return deepest };
            at += 1 + usize::from(*name);
        }
        let Some(kind) = bytes.get(at) else { return deepest };
        at += 1;
        match kind {
            b'F' | b'A' => {
                let Some(size) = number(at) else { return deepest };
                at += 4;
                open.push((at.saturating_add(size), *kind == b'F'));
            }
            b'S' | b'x' => {
                let Some(size) = number(at) else { return deepest };
                at = at.saturating_add(4).saturating_add(size);
            }
            kind => {
                let Some(size) = fixed(*kind) else { return deepest };
                at += size;
            }
        }
    }
    deepest
}

/// The size of a field of a kind that has one.
fn fixed(kind: u8) -> Option<usize> {
    Some(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' | b'U' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, contents: &[u8]) -> Vec<u8> {
        let size = u32::try_from(contents.len()).expect("small").to_be_bytes();
        [&[kind, 0, 0][..], &size, contents, &[0xce]].concat()
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut table = Vec::new();
        for level in 0..levels {
            let size = u32::try_from(table.len()).expect("small").to_be_bytes();
            table = if level + 1 == levels {
                [&size[..], &table].concat()
            } else {
                [b"\x01aF", &size[..], &table].concat()
            };
        }
        table
    }

    fn start(levels: usize) -> Vec<u8> {
        frame(METHOD, &[&START[..], &[0, 9], &nested(levels)].concat())
    }

    /// Everything that passes when the bytes come `step` at a time.
    fn passed(guard: &mut Guard, bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let (mut passed, mut buffer) = (Vec::new(), [0; 7]);
        for piece in bytes.chunks(step) {
            guard.feed(piece)?;
            loop {
                match guard.take(&mut buffer) {
                    0 => break,
                    count => passed.extend_from_slice(&buffer[..count]),
                }
            }
        }
        Ok(passed)
    }

    #[test]
    fn what_a_broker_sends_passes_unchanged_however_it_arrives() {
        let header = frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 << 5, 0][..], &nested(16)].concat());
        let bytes =
            [start(3), frame(METHOD, &OPEN_OK), frame(METHOD, &[0, 60, 0, 80, 1]), header, frame(8, &[])].concat();
        for step in [1, 2, 5, 8, bytes.len()] {
            assert_eq!(passed(&mut Guard::default(), &bytes, step).expect("it passes"), bytes, "{step}");
        }
        let other = b"AMQP\x00\x00\x09\x01";
        assert_eq!(passed(&mut Guard::default(), other, 3).expect("the library explains it"), other);
    }

    #[test]
    fn a_table_that_is_nested_too_deep_does_not_pass_at_any_time() {
        assert!(passed(&mut Guard::default(), &start(DEPTH_MAX), 9).is_ok());
        for levels in [DEPTH_MAX + 1, 2_000] {
            let error = passed(&mut Guard::default(), &start(levels), 9).expect_err("too deep");
            assert!(error.to_string().contains("more than 32 levels"), "{error}");
        }
        let header = frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 << 5, 0][..], &nested(40)].concat());
        let mut guard = Guard::default();
        passed(&mut guard, &frame(METHOD, &OPEN_OK), 9).expect("the login");
        assert!(passed(&mut guard, &header, 9).is_err());
    }

    #[test]
    fn a_large_frame_passes_only_after_the_login() {
        let head = [METHOD, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        let error = Guard::default().feed(&head).expect_err("2 GB before the login");
        assert!(error.to_string().contains("2147483647 bytes"), "{error}");
        let mut guard = Guard::default();
        guard.feed(&frame(METHOD, &OPEN_OK)).expect("the login");
        guard.feed(&frame(METHOD, &[7; 100_000])).expect("a frame as negotiated");
    }
}
