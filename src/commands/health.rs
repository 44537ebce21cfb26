//! `health`: asks the relay of this host whether it is alive or ready. Called by `commands`, for containers without a shell or curl.
//!
//! Promises an answer within `ANSWER_TIMEOUT`. Connects to no database and no broker: the relay's own pages say what counts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::commands::print::print;
use crate::config::health::HealthConfig;
use crate::deadline::deadline;
use crate::error::AppError;

/// Less than the 5 s within which Docker's and Kubernetes' users expect an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Of an answer: the pages have one short line.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Prints what the page says and ends well if that is yes.
pub async fn health(config: HealthConfig) -> Result<(), AppError> {
    let Some(address) = config.admin_addr else {
        return Err(AppError::No("--admin-addr is off: there is nobody to ask".into()));
    };
    let page = if config.ready { "/readyz" } else { "/livez" };
    let address = reachable(address);
    let asked = deadline(ANSWER_TIMEOUT, "the answer", ask(address, page)).await;
    let answered =
        asked.map_err(|error| error.to_string()).and_then(|answer| answer.map_err(|error| error.to_string()));
    let (status, text) =
        answered.map_err(|error| AppError::No(format!("http://{address}{page} does not answer: {error}")))?;
    let text = text.trim_end();
    if status == StatusCode::OK {
        print(&format!("{text}\n"));
        Ok(())
    } else {
        Err(AppError::No(format!("http://{address}{page} answers {}: {text}", status.as_u16())))
    }
}

/// A wildcard is every address of this host, and so this one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let is_everywhere = address.ip().is_unspecified();
    let ip = if is_everywhere { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

async fn ask(
    address: SocketAddr,
    page: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the answer; an error of it is the answer's too.
    let connection = tokio::spawn(connection);
    let request = Request::get(page).header(header::HOST, address.to_string()).body(Body::empty())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
    connection.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_wildcard_this_host_is_asked() {
        for (given, asked) in [
            ("[::]:9632", "127.0.0.1:9632"),
            ("0.0.0.0:9632", "127.0.0.1:9632"),
            ("[::1]:9632", "[::1]:9632"),
            ("10.0.0.5:80", "10.0.0.5:80"),
        ] {
            assert_eq!(reachable(given.parse().expect("an address")), asked.parse().expect("an address"));
        }
    }
}
