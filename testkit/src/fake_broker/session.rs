//! One connection of the fake broker: the handshake, channels, publishes, and the behaviour's answer to them. Used by the
//! fake broker's accepting thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::frames::{self, Args, BODY, Frame, HEADER, HEARTBEAT, METHOD, Reader, content_header};
use super::{Behaviour, Shared};

struct Publish {
    tag: u64,
    exchange: Vec<u8>,
    routing_key: Vec<u8>,
    mandatory: bool,
    header: Vec<u8>,
    body_size: u64,
    body: Vec<u8>,
}

impl Publish {
    fn is_returned(&self) -> bool {
        self.mandatory && self.routing_key.starts_with(b"nope")
    }
}

#[derive(Default)]
struct Channel {
    last_tag: u64,
    incoming: Option<Publish>,
    unconfirmed: Vec<Publish>,
}

pub struct Session {
    stream: TcpStream,
    /// Which connection of the broker's it is, from 1.
    number: u64,
    shared: Arc<Shared>,
    channels: HashMap<u16, Channel>,
    out: Vec<u8>,
    heartbeat: Option<Duration>,
    /// This connection hears no more confirms.
    mute: bool,
}

type Flow = ControlFlow<()>;

impl Session {
    pub fn new(stream: TcpStream, number: u64, shared: Arc<Shared>) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(shared.quiet)).expect("a read timeout");
        Self { stream, number, shared, channels: HashMap::new(), out: Vec::new(), heartbeat: None, mute: false }
    }

    /// Until the client or the behaviour ends the connection.
    pub fn serve(mut self) {
        let (mut input, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        let (mut greeted, mut last_heartbeat) = (false, Instant::now());
        while !self.shared.stopped.load(Ordering::Relaxed) {
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => input.extend(&buffer[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.confirm_leftovers(),
                Err(_) => return,
            }
            if !greeted && input.len() >= 8 {
                input.drain(..8);
                greeted = true;
                self.out.extend(
                    Args::default().octet(0).octet(9).long(0).long_str(b"PLAIN").long_str(b"en_US").method(0, 10, 10),
                );
            }
            while greeted && let Some(frame) = frames::take(&mut input) {
                if self.frame(frame).is_break() {
                    self.stream.write_all(&self.out).ok();
                    return;
                }
            }
            if self.shared.state().behaviour == Behaviour::Ack {
                self.confirm_leftovers();
            }
            if self.heartbeat.is_some_and(|every| last_heartbeat.elapsed() >= every) {
                last_heartbeat = Instant::now();
                self.out.extend(frames::frame(HEARTBEAT, 0, &[]));
            }
            if self.stream.write_all(&std::mem::take(&mut self.out)).is_err() {
                return;
            }
        }
    }

    fn frame(&mut self, Frame { kind, channel, payload }: Frame) -> Flow {
        match kind {
            METHOD => self.method(channel, &payload),
            HEADER => {
                let Some(publish) = self.channels.get_mut(&channel).and_then(|c| c.incoming.as_mut()) else {
                    return Flow::Continue(());
                };
                publish.body_size = content_header(&payload).body_size;
                publish.header = payload;
                self.publish_if_whole(channel)
            }
            BODY => {
                let Some(publish) = self.channels.get_mut(&channel).and_then(|c| c.incoming.as_mut()) else {
                    return Flow::Continue(());
                };
                publish.body.extend(payload);
                self.publish_if_whole(channel)
            }
            _ => Flow::Continue(()),
        }
    }

    fn method(&mut self, channel: u16, payload: &[u8]) -> Flow {
        let mut args = Reader(payload);
        let (class, method) = (args.short(), args.short());
        let answer = match (class, method) {
            // start-ok, answered with tune: no heartbeat wished for, the client's wish decides.
            (10, 11) => Args::default().short(2047).long(131_072).short(0).method(0, 10, 30),
            (10, 31) => {
                args.bytes(6);
                let seconds = args.short();
                self.heartbeat = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)) / 2);
                return Flow::Continue(());
            }
            (10, 40) => Args::default().octet(0).method(0, 10, 41),
            (10, 50) => {
                self.out.extend(Args::default().method(0, 10, 51));
                return Flow::Break(());
            }
            (10, 51) => return Flow::Break(()),
            (20, 10) => {
                self.channels.insert(channel, Channel::default());
                Args::default().long(0).method(channel, 20, 11)
            }
            (20, 40) => {
                self.channels.remove(&channel);
                Args::default().method(channel, 20, 41)
            }
            (20, 41) => return Flow::Continue(()),
            (40, 10) => Args::default().method(channel, 40, 11),
            (85, 10) => Args::default().method(channel, 85, 11),
            (60, 40) => {
                self.begin_publish(channel, args);
                return Flow::Continue(());
            }
            _ => Args::default()
                .short(540)
                .short_str(b"NOT_IMPLEMENTED - fake broker")
                .short(class)
                .short(method)
                .method(0, 10, 50),
        };
        self.out.extend(answer);
        Flow::Continue(())
    }

    fn begin_publish(&mut self, channel: u16, mut args: Reader<'_>) {
        // A channel that the broker has closed: the client's frames are ignored, as RabbitMQ does.
        let Some(channel) = self.channels.get_mut(&channel) else { return };
        args.short();
        let (exchange, routing_key) = (args.short_str().to_vec(), args.short_str().to_vec());
        let mandatory = args.octet() & 1 == 1;
        channel.last_tag += 1;
        let tag = channel.last_tag;
        channel.incoming =
            Some(Publish { tag, exchange, routing_key, mandatory, header: Vec::new(), body_size: 0, body: Vec::new() });
    }

    fn publish_if_whole(&mut self, number: u16) -> Flow {
        let Some(channel) = self.channels.get_mut(&number) else { return Flow::Continue(()) };
        let Some(publish) = channel.incoming.take_if(|p| p.body.len() as u64 >= p.body_size) else {
            return Flow::Continue(());
        };
        let message_id = content_header(&publish.header).message_id.unwrap_or_default();
        channel.unconfirmed.push(publish);
        let waiting = channel.unconfirmed.len();
        let (behaviour, counted) = self.shared.count(message_id);
        self.react(number, &behaviour, counted, waiting)
    }

    fn react(&mut self, number: u16, behaviour: &Behaviour, counted: u64, waiting: usize) -> Flow {
        match *behaviour {
            Behaviour::Ack | Behaviour::Silent => {}
            Behaviour::ReturnThenMultipleAck { every } if waiting >= every => self.confirm(number, behaviour),
            Behaviour::AckOutOfOrderSingly { window } if waiting >= window => self.confirm(number, behaviour),
            Behaviour::AckUnknownTag { after } if counted >= after => {
                self.out.extend(ack(number, 1 << 40, false));
                self.mute = true;
                self.be_good();
            }
            Behaviour::LoseAck { nth } => {
                let lost = self.channels.get_mut(&number).and_then(|c| c.unconfirmed.pop_if(|_| counted == nth));
                if lost.is_none() {
                    self.confirm(number, behaviour);
                }
            }
            Behaviour::CloseChannel { after, code, text } if counted >= after => {
                self.channels.remove(&number);
                self.out.extend(
                    Args::default().short(code).short_str(text.as_bytes()).short(60).short(40).method(number, 20, 40),
                );
                self.be_good();
            }
            Behaviour::TokenExpired { connections } if self.number <= connections => {
                self.channels.remove(&number);
                let text = b"ACCESS_REFUSED - Provided JWT token has expired at timestamp 1690000000 (validated at 1690000005)";
                self.out.extend(Args::default().short(403).short_str(text).short(60).short(40).method(number, 20, 40));
            }
            Behaviour::CloseConnection { after, code, text } if counted >= after => {
                self.channels.clear();
                self.out
                    .extend(Args::default().short(code).short_str(text.as_bytes()).short(0).short(0).method(0, 10, 50));
                self.be_good();
            }
            Behaviour::DropConnection { after } if counted >= after => {
                self.be_good();
                return Flow::Break(());
            }
            _ => {}
        }
        Flow::Continue(())
    }

    fn be_good(&self) {
        self.shared.state().behaviour = Behaviour::Ack;
    }

    fn confirm_leftovers(&mut self) {
        let behaviour = self.shared.state().behaviour.clone();
        if behaviour != Behaviour::Silent && !self.mute {
            let numbers: Vec<u16> = self.channels.keys().copied().collect();
            numbers.into_iter().for_each(|number| self.confirm(number, &behaviour));
        }
    }

    /// Confirms everything the channel waits for, in the behaviour's manner.
    fn confirm(&mut self, number: u16, behaviour: &Behaviour) {
        let Some(channel) = self.channels.get_mut(&number).filter(|_| !self.mute) else { return };
        let mut publishes = std::mem::take(&mut channel.unconfirmed);
        let Some(last) = publishes.last().map(|publish| publish.tag) else { return };
        let singly = matches!(behaviour, Behaviour::AckOutOfOrderSingly { .. } | Behaviour::LoseAck { .. });
        if singly {
            fastrand::shuffle(&mut publishes);
        }
        for publish in publishes {
            if publish.is_returned() {
                self.out.extend(basic_return(number, &publish));
            }
            if singly {
                self.out.extend(ack(number, publish.tag, false));
            }
        }
        if !singly {
            self.out.extend(ack(number, last, true));
        }
    }
}

fn ack(channel: u16, tag: u64, multiple: bool) -> Vec<u8> {
    Args::default().long_long(tag).octet(u8::from(multiple)).method(channel, 60, 80)
}

fn basic_return(channel: u16, publish: &Publish) -> Vec<u8> {
    let args =
        Args::default().short(312).short_str(b"NO_ROUTE").short_str(&publish.exchange).short_str(&publish.routing_key);
    let mut bytes = args.method(channel, 60, 50);
    bytes.extend(frames::frame(HEADER, channel, &publish.header));
    // Frames stay below the tuned maximum of 131,072 bytes.
    for part in publish.body.chunks(131_000) {
        bytes.extend(frames::frame(BODY, channel, part));
    }
    bytes
}
