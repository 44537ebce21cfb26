//! The stream that lapin uses: a connection that we made, plain or with TLS. lapin's own TLS
//! accepts neither another name for the certificate nor a private authority in addition to the
//! built-in ones, and its errors say less.
//!
//! Used only by `broker_connect`. lapin gets the connected stream once, and never a second one.

use std::future::{Future, ready};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::Reactor;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::rabbitmq::connect::guard::Guard;

/// How much is read at once; confirms are small.
const READ_BYTES: usize = 16 << 10;

/// A connection to the broker, whose frames are checked before the library sees them.
pub(super) struct BrokerStream {
    transport: Transport,
    guard: Guard,
    buffer: Box<[u8]>,
}

enum Transport {
    /// Unencrypted.
    Plain(Compat<TcpStream>),
    /// Encrypted.
    Tls(Box<Compat<TlsStream<TcpStream>>>),
}

impl Transport {
    fn reader(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl BrokerStream {
    fn over(transport: Transport) -> Self {
        Self { transport, guard: Guard::default(), buffer: vec![0; READ_BYTES].into_boxed_slice() }
    }
}

impl From<TcpStream> for BrokerStream {
    fn from(stream: TcpStream) -> Self {
        Self::over(Transport::Plain(stream.compat()))
    }
}

impl From<TlsStream<TcpStream>> for BrokerStream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self::over(Transport::Tls(Box::new(stream.compat())))
    }
}

impl AsyncRead for BrokerStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { transport, guard, buffer } = self.get_mut();
        loop {
            let taken = guard.take(bytes);
            if taken > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            match std::task::ready!(transport.reader().poll_read(context, buffer))? {
                0 => return Poll::Ready(Ok(0)),
                read => guard.feed(&buffer[..read])?,
            }
        }
    }
}

impl AsyncWrite for BrokerStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().transport.writer().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().transport.writer().poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().transport.writer().poll_close(context)
    }
}

/// Closes the socket unless disarmed. Otherwise lapin's thread would wait for ever for a broker
/// that never finishes the login.
pub(super) struct HangUp(Option<std::net::TcpStream>);

impl HangUp {
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self(Some(stream.as_fd().try_clone_to_owned()?.into())))
    }

    /// Disarms it: the login has finished.
    pub(super) fn never(mut self) {
        self.0 = None;
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|socket| socket.shutdown(Shutdown::Both)) {
            tracing::debug!(%error, "the connection to the broker was already closed");
        }
    }
}

/// Gives lapin tokio's timers and our streams.
#[derive(Debug, Clone)]
pub(super) struct BrokerReactor(pub(super) Tokio);

impl Reactor for BrokerReactor {
    type TcpStream = BrokerStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    /// `broker_connect` makes the streams.
    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<BrokerStream>> + Send + 'static {
        ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}
