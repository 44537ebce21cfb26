//! AMQP 0-9-1 frames by hand, server side: just what the fake broker reads and writes. On purpose without lapin's own
//! codec, so that the fake does not share its mistakes.

pub const METHOD: u8 = 1;
pub const HEADER: u8 = 2;
pub const BODY: u8 = 3;
pub const HEARTBEAT: u8 = 8;
const END: u8 = 0xCE;

pub struct Frame {
    pub kind: u8,
    pub channel: u16,
    pub payload: Vec<u8>,
}

/// Takes the first whole frame off the buffer, `None` while it is incomplete.
pub fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
    let size = u32::from_be_bytes(buffer.get(3..7)?.try_into().expect("four bytes")) as usize;
    let total = 7 + size + 1;
    if buffer.len() < total {
        return None;
    }
    assert_eq!(buffer[total - 1], END, "the client's frame has no frame end");
    let (kind, channel) = (buffer[0], u16::from_be_bytes([buffer[1], buffer[2]]));
    let payload = buffer[7..7 + size].to_vec();
    buffer.drain(..total);
    Some(Frame { kind, channel, payload })
}

pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).expect("a small payload").to_be_bytes());
    bytes.extend(payload);
    bytes.push(END);
    bytes
}

/// A method's arguments, written in order.
#[derive(Default)]
pub struct Args(Vec<u8>);

impl Args {
    pub fn octet(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn short(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn long(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn long_long(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn short_str(self, text: &[u8]) -> Self {
        let mut with_size = self.octet(u8::try_from(text.len()).expect("at most 255 bytes"));
        with_size.0.extend(text);
        with_size
    }

    pub fn long_str(self, text: &[u8]) -> Self {
        let mut with_size = self.long(u32::try_from(text.len()).expect("a small text"));
        with_size.0.extend(text);
        with_size
    }

    /// The method's frame on that channel.
    pub fn method(self, channel: u16, class: u16, method: u16) -> Vec<u8> {
        let mut payload = Args::default().short(class).short(method).0;
        payload.extend(self.0);
        frame(METHOD, channel, &payload)
    }
}

/// Reads a payload in order; the client is lapin, so a payload that ends early is a bug of the test.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    pub fn octet(&mut self) -> u8 {
        self.bytes(1)[0]
    }

    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.bytes(2).try_into().expect("two bytes"))
    }

    pub fn long(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes(4).try_into().expect("four bytes"))
    }

    pub fn long_long(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes(8).try_into().expect("eight bytes"))
    }

    pub fn short_str(&mut self) -> &'a [u8] {
        let size = self.octet() as usize;
        self.bytes(size)
    }
}

/// What the fake needs of a content header.
pub struct ContentHeader {
    pub body_size: u64,
    pub message_id: Option<String>,
}

/// Reads a content header's size and message id; the properties before it are walked over in the protocol's order.
pub fn content_header(payload: &[u8]) -> ContentHeader {
    let mut reader = Reader(payload);
    reader.bytes(4);
    let body_size = reader.long_long();
    let flags = reader.short();
    let has = |bit: u16| flags & (1 << bit) != 0;
    for short_str in [15, 14] {
        if has(short_str) {
            reader.short_str();
        }
    }
    if has(13) {
        let size = reader.long() as usize;
        reader.bytes(size);
    }
    for octet in [12, 11] {
        if has(octet) {
            reader.octet();
        }
    }
    for short_str in [10, 9, 8] {
        if has(short_str) {
            reader.short_str();
        }
    }
    let message_id = has(7).then(|| String::from_utf8_lossy(reader.short_str()).into_owned());
    ContentHeader { body_size, message_id }
}
