//! URLs, HTTP, metrics text and the polling wait.

use std::time::Duration;

use testkit::relay::sum_of;
use testkit::{eventually, http, urls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn urls_change_path_and_address() {
    let url = "postgres://me:secret@127.0.0.1:5432/postgres?sslmode=disable";
    assert_eq!(urls::with_path(url, "fresh"), "postgres://me:secret@127.0.0.1:5432/fresh?sslmode=disable");
    let proxy = "127.0.0.1:9999".parse().expect("an address");
    assert_eq!(urls::with_addr(url, proxy), "postgres://me:secret@127.0.0.1:9999/postgres?sslmode=disable");
    assert_eq!(urls::addr_of("amqp://guest:guest@localhost:5672/%2f").to_string(), "127.0.0.1:5672");
    assert_eq!(urls::with_path("http://127.0.0.1:15672", "v"), "http://127.0.0.1:15672/v");
    assert_eq!(urls::user_of(url), ("me".to_owned(), "secret".to_owned()));
    assert_eq!(urls::user_of("http://127.0.0.1:1"), ("guest".to_owned(), "guest".to_owned()));
    assert_eq!(urls::with_query("amqp://h/v", "heartbeat=5"), "amqp://h/v?heartbeat=5");
}

#[test]
fn base64_and_segments_follow_their_standards() {
    for (plain, encoded) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("guest:guest", "Z3Vlc3Q6Z3Vlc3Q=")]
    {
        assert_eq!(http::base64(plain.as_bytes()), encoded);
    }
    assert_eq!(http::segment("/"), "%2F");
    assert_eq!(http::segment("127.0.0.1:5 -> x"), "127.0.0.1%3A5%20-%3E%20x");
}

#[test]
fn metrics_are_summed_over_labels_and_not_over_longer_names() {
    let page = "# HELP a x\na{k=\"1\"} 2\na{k=\"2\"} 3.5\na_total 100\nb 7\n";
    assert_eq!(sum_of(page, "a", ""), 5.5);
    assert_eq!(sum_of(page, "a", "k=\"2\""), 3.5);
    assert_eq!(sum_of(page, "b", ""), 7.0);
    assert_eq!(sum_of(page, "none", ""), 0.0);
}

#[tokio::test]
async fn http_answers_are_read_whole_in_both_encodings() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
    ] {
        let response = ask(answer).await.expect("a whole answer");
        assert_eq!((response.status, response.body.as_str()), (200, body));
    }
    assert!(ask("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").await.is_err(), "a short body is an error");
}

async fn ask(answer: &'static str) -> std::io::Result<http::Response> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.expect("a request") > 0, "the request is not empty");
        stream.write_all(answer.as_bytes()).await.expect("the answer is sent");
    };
    tokio::join!(http::get(addr, "/"), serve).0
}

#[tokio::test]
async fn eventually_gives_the_value_once_it_is_there() {
    let mut looks = 0;
    let value = eventually(Duration::from_secs(5), "the third look", async || {
        looks += 1;
        (looks == 3).then_some("here")
    })
    .await;
    assert_eq!(value, "here");
}

#[tokio::test]
#[should_panic(expected = "not within 30ms (the last look hung): an answer")]
async fn eventually_ends_a_look_that_hangs() {
    eventually(Duration::from_millis(30), "an answer", async || std::future::pending::<bool>().await).await;
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: a miracle")]
async fn eventually_panics_at_the_deadline() {
    eventually(Duration::from_millis(30), "a miracle", async || false).await;
}
