//! Just enough AMQP 0-9-1 over a plain socket to open a channel and talk on it.
//!
//! Called by `ceiling`, which must owe nothing to the library it is compared with. Promises that every read and write
//! has a deadline and that a close by the broker is an error with the broker's words. Refuses TLS and every login but
//! PLAIN; heartbeats are switched off.

use std::io::{Error, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use lapin::uri::AMQPUri;

const DEADLINE: Duration = Duration::from_secs(30);
const METHOD: u8 = 1;

/// A method frame's class, id and arguments.
pub struct Method {
    pub name: (u16, u16),
    pub args: Vec<u8>,
}

pub struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn connect(address: &AMQPUri) -> Result<Self> {
        let authority = &address.authority;
        let mut addresses = (authority.host.as_str(), authority.port).to_socket_addrs()?;
        let target = addresses.next().ok_or_else(|| Error::other("the broker's host has no address"))?;
        let socket = TcpStream::connect_timeout(&target, DEADLINE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        let mut wire = Self { socket, buffer: Vec::new() };
        wire.send(b"AMQP\0\0\x09\x01")?;
        wire.expect((10, 10))?; // connection.start
        let user = &authority.userinfo;
        let mut args = 0u32.to_be_bytes().to_vec();
        short_string(&mut args, "PLAIN")?;
        long_string(&mut args, format!("\0{}\0{}", user.username, user.password).as_bytes());
        short_string(&mut args, "en_US")?;
        wire.send(&method(0, (10, 11), &args))?;
        let tune = wire.expect((10, 30))?;
        let limits = tune.get(..6).ok_or_else(|| Error::other("a short connection.tune"))?;
        wire.send(&method(0, (10, 31), &[limits, &[0, 0]].concat()))?;
        let mut args = Vec::new();
        short_string(&mut args, &address.vhost)?;
        args.extend_from_slice(&[0, 0]);
        wire.call(0, (10, 40), &args, (10, 41))?; // connection.open
        wire.call(1, (20, 10), &[0], (20, 11))?; // channel.open
        Ok(wire)
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes)
    }

    /// Sends a method and awaits its answer, which must be `answer`.
    pub fn call(&mut self, channel: u16, name: (u16, u16), args: &[u8], answer: (u16, u16)) -> Result<Vec<u8>> {
        self.send(&method(channel, name, args))?;
        self.expect(answer)
    }

    fn expect(&mut self, name: (u16, u16)) -> Result<Vec<u8>> {
        loop {
            match self.next_method()? {
                Some(method) if method.name == name => return Ok(method.args),
                Some(method) => return Err(Error::other(format!("{:?} came instead of {name:?}", method.name))),
                None => self.fill()?,
            }
        }
    }

    /// Waits for more bytes.
    pub fn fill(&mut self) -> Result<()> {
        let mut bytes = [0; 1 << 16];
        match self.socket.read(&mut bytes)? {
            0 => Err(Error::other("the broker closed the socket")),
            count => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }

    /// The next method that is there already as a whole.
    pub fn next_method(&mut self) -> Result<Option<Method>> {
        let Some(length) = self.buffer.get(3..7) else { return Ok(None) };
        let length = u32::from_be_bytes(length.try_into().expect("a slice of four bytes")) as usize;
        if self.buffer.len() < length + 8 {
            return Ok(None);
        }
        let (kind, body) = (self.buffer[0], self.buffer[7..7 + length].to_vec());
        self.buffer.drain(..length + 8);
        let [a, b, c, d, args @ ..] = body.as_slice() else { return Err(Error::other("a short frame")) };
        let name = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        match (kind, name) {
            (METHOD, (10, 50) | (20, 40)) => {
                // Reply code, then the length-prefixed reply text.
                Err(Error::other(format!(
                    "closed by the broker: {}",
                    String::from_utf8_lossy(args.get(3..).unwrap_or(args))
                )))
            }
            (METHOD, _) => Ok(Some(Method { name, args: args.to_vec() })),
            _ => Err(Error::other("a frame that is no method")),
        }
    }
}

pub fn method(channel: u16, name: (u16, u16), args: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + args.len());
    body.extend_from_slice(&name.0.to_be_bytes());
    body.extend_from_slice(&name.1.to_be_bytes());
    body.extend_from_slice(args);
    let mut out = Vec::with_capacity(8 + body.len());
    frame(&mut out, METHOD, channel, &body);
    out
}

pub fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    long_string(out, body);
    out.push(0xCE);
}

pub fn short_string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.push(u8::try_from(text.len()).map_err(|_| Error::other("a name over 255 bytes"))?);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn long_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("the demo sends nothing near 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
