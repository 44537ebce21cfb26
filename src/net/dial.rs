//! TCP connections to a name with several addresses: each has its own limit, a slow one does not keep the next one waiting, and the one
//! that worked is tried first the next time (RFC 8305, "happy eyeballs").
//!
//! Used when connecting to either service. A caller whose login fails at one address asks for the next.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

use crate::deadline::deadline;
use crate::net::io_words;

/// The RFC's recommendation.
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// More addresses than any service needs.
const ADDRESSES_MAX: usize = 16;

/// The addresses that worked, by name and port.
#[derive(Debug, Clone, Default)]
pub struct GoodAddresses(Arc<Mutex<HashMap<(String, u16), SocketAddr>>>);

impl GoodAddresses {
    /// Remembers an address after a login.
    pub(crate) fn remember(&self, host: &str, address: SocketAddr) {
        let mut good = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A URL in a file may change any number of times.
        if good.len() >= ADDRESSES_MAX {
            good.clear();
        }
        good.insert((host.to_owned(), address.port()), address);
    }

    fn of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(host.to_owned(), port)).copied()
    }
}

/// The addresses of one name that were not tried yet.
pub(crate) struct Addresses {
    left: VecDeque<SocketAddr>,
    /// Whether errors must say which address they are about.
    is_name: bool,
    limit: Duration,
}

impl Addresses {
    /// Looks the name up, within `limit`, which is also that of each address.
    pub(crate) async fn look_up(host: &str, port: u16, limit: Duration, good: &GoodAddresses) -> Result<Self, String> {
        let found = deadline(limit, "looking up the address", lookup_host((host, port))).await;
        let found = found.map_err(|error| error.to_string())?.map_err(|error| io_words(&error))?;
        let mut left = in_turn(found.take(ADDRESSES_MAX).collect());
        if let Some(at) = good.of(host, port).and_then(|good| left.iter().position(|address| *address == good)) {
            left.swap(0, at);
        }
        if left.is_empty() {
            return Err("the name has no address".to_owned());
        }
        Ok(Self { left, is_name: host.parse::<IpAddr>().is_err(), limit })
    }

    /// This address alone.
    pub(crate) fn only(address: SocketAddr, limit: Duration) -> Self {
        Self { left: VecDeque::from([address]), is_name: false, limit }
    }

    /// The same in any order.
    pub(crate) fn shuffled(mut self) -> Self {
        fastrand::shuffle(self.left.make_contiguous());
        self
    }

    /// Whether there is another one to try.
    pub(crate) fn are_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// An error, with the address that it is about.
    pub(crate) fn placed(&self, address: SocketAddr, error: &str) -> String {
        if self.is_name { format!("{}: {error}", address.ip()) } else { error.to_owned() }
    }

    /// The first of the addresses that answers. It, and those that failed, are not tried again.
    pub(crate) async fn dial(&mut self) -> Result<(TcpStream, SocketAddr), String> {
        let limit = self.limit;
        let connect = |address| async move {
            let connected = deadline(limit, "connecting", TcpStream::connect(address)).await;
            let connected = connected.map_err(|error| error.to_string());
            (address, connected.and_then(|connected| connected.map_err(|error| io_words(&error))))
        };
        let (mut running, mut trying, mut errors) = (FuturesUnordered::new(), Vec::new(), Vec::new());
        loop {
            if let Some(address) = self.left.pop_front() {
                trying.push(address);
                running.push(connect(address));
            }
            let done = tokio::select! {
                done = running.next() => done,
                () = tokio::time::sleep(NEXT_AFTER), if !self.left.is_empty() => continue,
            };
            match done {
                Some((address, Ok(stream))) => {
                    self.left.extend(trying.into_iter().filter(|one| *one != address));
                    return Ok((stream, address));
                }
                Some((address, Err(error))) => {
                    trying.retain(|one| *one != address);
                    errors.push(self.placed(address, &error));
                }
                None => return Err(errors.join(", ")),
            }
        }
    }
}

/// One address of each family in turn, beginning with the first, so that a broken family costs one wait.
fn in_turn(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_first_family =
        |address: &SocketAddr| addresses.first().is_some_and(|first| first.is_ipv4() == address.is_ipv4());
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses.iter().copied().partition(is_first_family);
    let mut turns = VecDeque::new();
    while !one.is_empty() || !other.is_empty() {
        turns.extend(one.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn addresses(left: &[SocketAddr], limit: Duration) -> Addresses {
        Addresses { left: left.iter().copied().collect(), is_name: true, limit }
    }

    /// A listener that answers no more: its queue is full, so the kernel drops what comes.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(at("127.0.0.1:0")).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("its address");
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(NEXT_AFTER, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        (listener, queued)
    }

    #[test]
    fn families_take_turns() {
        let found = in_turn(["[::1]:1", "[::2]:1", "127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"].map(at).to_vec());
        assert_eq!(found, ["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "127.0.0.3:1"].map(at));
    }

    #[tokio::test]
    async fn an_address_that_drops_packets_does_not_keep_the_next_one_waiting() {
        let (dead, _queued) = silent().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let of = |listener: &TcpListener| listener.local_addr().expect("its address");
        let mut both = addresses(&[of(&dead), of(&alive)], Duration::from_secs(5));
        let started = Instant::now();
        let (_, address) = both.dial().await.expect("the second one answers");
        assert_eq!(address, of(&alive));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(both.left, [of(&dead)], "it can still be tried");
    }

    #[tokio::test]
    async fn when_none_answers_the_error_names_each_address() {
        let (dead, _queued) = silent().await;
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a listener").local_addr().expect("its address");
        let mut both = addresses(&[dead.local_addr().expect("its address"), closed], Duration::from_millis(400));
        let error = both.dial().await.expect_err("none answers");
        assert!(error.contains("127.0.0.1: connection refused"), "{error}");
        assert!(error.contains("127.0.0.1: connecting took longer"), "{error}");
        assert!(!both.are_left());
    }

    #[tokio::test]
    async fn the_address_that_worked_is_the_first_of_the_next_time() {
        let good = GoodAddresses::default();
        let limit = Duration::from_secs(5);
        let found = Addresses::look_up("localhost", 9, limit, &good).await.expect("it is there").left;
        let last = *found.back().expect("an address");
        good.remember("localhost", last);
        let found = Addresses::look_up("localhost", 9, limit, &good).await.expect("it is there").left;
        assert_eq!(found.front(), Some(&last));
    }
}
