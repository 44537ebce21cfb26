//! Looks at the server's messages until the login is over, because the driver makes room for a message as large as its head says. Used only
//! when connecting.
//!
//! After the login everything passes: rows may be large.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Larger than all messages of a login together; they have about 1 KiB.
const LOGIN_BYTES_MAX: usize = 1 << 20;
const HEAD_BYTES: usize = 5;
const READY_FOR_QUERY: u8 = b'Z';
/// The answer to a request for TLS is one byte: this, or N.
const TLS: u8 = b'S';
const NO_TLS: u8 = b'N';

/// The state of a login.
#[derive(Debug, Default)]
struct Login {
    expects_answer: bool,
    is_over: bool,
    head: Vec<u8>,
    /// How much of the message is still to come.
    left: usize,
    bytes: usize,
}

impl Login {
    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.is_over {
            if std::mem::take(&mut self.expects_answer) && matches!(bytes[0], TLS | NO_TLS) {
                // What is encrypted is looked at above the encryption.
                self.is_over = bytes[0] == TLS;
                bytes = &bytes[1..];
            } else if self.left > 0 {
                let count = self.left.min(bytes.len());
                self.left -= count;
                bytes = &bytes[count..];
            } else {
                let count = (HEAD_BYTES - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                self.message()?;
            }
        }
        Ok(())
    }

    fn message(&mut self) -> io::Result<()> {
        let Some(&[kind, a, b, c, d]) = self.head.first_chunk() else { return Ok(()) };
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        self.bytes = self.bytes.saturating_add(size).saturating_add(1);
        if self.bytes > LOGIN_BYTES_MAX {
            let words = format!("the server announced {} bytes before the login; it may not be PostgreSQL", self.bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        self.head.clear();
        // The size counts its own four bytes; the driver refuses less.
        self.left = size.saturating_sub(4);
        self.is_over = kind == READY_FOR_QUERY;
        Ok(())
    }
}

/// A stream whose login is looked at.
pub(super) struct Guarded<S> {
    stream: S,
    login: Login,
}

impl<S> Guarded<S> {
    /// A stream on which nothing was sent; `asks_for_tls` if the first byte answers that.
    pub(super) fn new(stream: S, asks_for_tls: bool) -> Self {
        Self { stream, login: Login { expects_answer: asks_for_tls, ..Login::default() } }
    }

    /// Looks at nothing where all bytes are encrypted.
    pub(super) fn unless(mut self, is_encrypted: bool) -> Self {
        self.login.is_over |= is_encrypted;
        self
    }

    fn encrypted(stream: S) -> Self {
        Self::new(stream, false)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, login } = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(stream).poll_read(context, into))?;
        Poll::Ready(login.feed(&into.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Guarded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// Encrypts as `C` does, and looks at the login inside.
pub(super) struct GuardedTls<C>(pub(super) C);

impl<S, C: TlsConnect<S>> TlsConnect<S> for GuardedTls<C> {
    type Stream = Guarded<C::Stream>;
    type Error = C::Error;
    type Future = MapOk<C::Future, fn(C::Stream) -> Guarded<C::Stream>>;

    fn connect(self, stream: S) -> Self::Future {
        self.0.connect(stream).map_ok(Guarded::encrypted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
        let size = u32::try_from(contents.len() + 4).expect("small").to_be_bytes();
        [&[kind][..], &size, contents].concat()
    }

    fn login() -> Vec<u8> {
        [message(b'R', &[0; 4]), message(b'S', b"server_version\x0015\x00"), message(READY_FOR_QUERY, b"I")].concat()
    }

    #[test]
    fn a_login_passes_however_it_arrives_and_then_everything_does() {
        for (asks_for_tls, answer) in [(false, &b""[..]), (true, b"N")] {
            for step in [1, 3, 100] {
                let mut login = Login { expects_answer: asks_for_tls, ..Login::default() };
                let bytes = [answer, &self::login(), &[b'D', 0x7f, 0xff, 0xff, 0xff]].concat();
                bytes.chunks(step).for_each(|piece| login.feed(piece).expect("it passes"));
                assert!(login.is_over);
            }
        }
    }

    #[test]
    fn a_message_of_two_gigabytes_before_the_login_is_refused() {
        let announced = [b'E', 0x7f, 0xff, 0xff, 0xff];
        for (asks_for_tls, answer) in [(false, &b""[..]), (true, b"N"), (true, b"")] {
            let mut login = Login { expects_answer: asks_for_tls, ..Login::default() };
            let error = login.feed(&[answer, &announced].concat()).expect_err("2 GB");
            assert!(error.to_string().contains("2147483648 bytes before the login"), "{error}");
        }
        let mut login = Login::default();
        let many = message(b'S', &[b'x'; 1_000]);
        assert!((0..2_000).any(|_| login.feed(&many).is_err()), "many small ones are as large");
    }
}
