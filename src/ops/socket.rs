//! Binds the admin port. Called by `app` once, when the relay starts.
//!
//! Promises that `[::]` takes connections over IPv4 too, whatever the system's `bindv6only` says, and that it is `0.0.0.0` where the system
//! has no IPv6 (`ipv6.disable=1`): it means every address of this host. Refuses to replace an address that names one.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the system keeps until they are accepted; the system has a limit of its own below it (`somaxconn`).
const BACKLOG: i32 = 1024;

/// Listens on `address`. Needs a runtime of tokio.
///
/// # Errors
///
/// What the system says of `address`, also where its replacement was tried in vain.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let error = match bind_exactly(address) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let Some(instead) = replacement(address, &error) else { return Err(error) };
    let listener = bind_exactly(instead).map_err(|_| error)?;
    tracing::info!(%address, %instead, "no IPv6 here: the admin port listens on IPv4");
    Ok(listener)
}

/// What means the same as `address` where the system has no IPv6; that it has none is all that these errors can mean for a wildcard.
fn replacement(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_about_the_port = matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied);
    let is_replaceable = address.is_ipv6() && address.ip().is_unspecified() && !is_about_the_port;
    is_replaceable.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

fn bind_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn every_address_is_ipv4_too() {
        let listener = bind(address("[::]:0")).expect("it listens, with IPv6 or without");
        let port = listener.local_addr().expect("an address").port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("IPv4 reaches it");
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_and_not_replaced() {
        let first = bind(address("[::]:0")).expect("it listens");
        let taken = first.local_addr().expect("an address");
        assert_eq!(bind(taken).expect_err("in use").kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn without_ipv6_every_address_is_every_ipv4_address() {
        // EAFNOSUPPORT of socket(2) with ipv6.disable=1, EADDRNOTAVAIL of bind(2) in a container without IPv6.
        for code in [97, 99] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(replacement(address("[::]:9632"), &error), Some(address("0.0.0.0:9632")), "{error}");
            for chosen in ["[::1]:9632", "127.0.0.1:9632", "0.0.0.0:9632", "[2001:db8::1]:9632"] {
                assert_eq!(replacement(address(chosen), &error), None, "{chosen}: {error}");
            }
        }
    }

    #[test]
    fn what_is_about_the_port_is_told_of_the_address_that_was_asked_for() {
        for kind in [ErrorKind::AddrInUse, ErrorKind::PermissionDenied] {
            assert_eq!(replacement(address("[::]:80"), &io::Error::from(kind)), None);
        }
    }
}
