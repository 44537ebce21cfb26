//! AMQP URLs work as pasted; a refusal names the fix and never shows the URL.

use std::path::Path;

use crate::rabbitmq::connect::url;

fn refused<T>(parsed: Result<T, String>, url: &str) -> String {
    match parsed {
        Ok(_) => panic!("{url} is taken"),
        Err(words) => {
            assert!(!words.contains("hunter2") && !words.contains("://u:"), "{url}: {words}");
            words
        }
    }
}

#[test]
fn amqp_urls_work_as_pasted() {
    for (url, host, port, vhost) in [
        ("amqp://u:p@h:5672", "h", 5672, "/"),
        ("amqp://u:p@h:5672/", "h", 5672, "/"),
        ("amqp://u:p@h:5672/%2f", "h", 5672, "/"),
        ("amqp://u:p@h/shop", "h", 5672, "shop"),
        ("amqp://u:p@h/a%2Fb%20c", "h", 5672, "a/b c"),
        ("amqp://u:p@10.1.2.3:5672/shop", "10.1.2.3", 5672, "shop"),
        ("amqp://u:p@[::1]:5672/shop", "::1", 5672, "shop"),
        ("amqp://[::1]:5672", "::1", 5672, "/"),
        ("amqps://u:p@b-1.mq.example", "b-1.mq.example", 5671, "/"),
        ("amqps://u:p@h/?heartbeat=10&connection_timeout=2000&verify=verify_peer", "h", 5671, "/"),
    ] {
        let uri = url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).uri;
        let found = (uri.authority.host.as_str(), uri.authority.port, uri.vhost.as_str());
        assert_eq!(found, (host, port, vhost), "{url}");
    }
    let url = url::parse("amqp://re%40lay:p%2Fa%3As@h").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (url.uri.authority.userinfo.username, url.uri.authority.userinfo.password),
        ("re@lay".into(), "p/a:s".into())
    );
}

#[test]
fn rabbitmqs_own_parameters_are_understood() {
    let url = "amqps://h?cacertfile=/etc/ca%20x.pem&certfile=/c.pem&keyfile=/k.pem&server_name_indication=mq&auth_mechanism=external";
    let url = url::parse(url).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(url.files.ca.as_deref(), Some(Path::new("/etc/ca x.pem")));
    assert_eq!(url.files.cert.as_deref(), Some(Path::new("/c.pem")));
    assert_eq!(url.files.key.as_deref(), Some(Path::new("/k.pem")));
    assert_eq!(url.server_name.as_deref(), Some("mq"));
    assert!(url.has_user, "the certificate says who it is");
}

#[test]
fn an_amqp_url_that_cannot_be_is_refused_with_the_fix() {
    for (url, fix) in [
        ("http://u:hunter2@h", "amqp nor amqps"),
        ("amqp://u:hunter2#x@h", "%23"),
        ("amqp://u:hunter@hunter2@h", "%40"),
        ("amqp://u:12/hunter2@h/v", "%2F"),
        ("amqp:///x", "no host"),
        ("amqps://u:hunter2@h?verify=verify_none", "--amqp-ca-file"),
        ("amqps://u:hunter2@h?server_name_indication=disable", "remove it, or set"),
        ("amqp://u:hunter2@h?cacertfile=/ca", "amqps://"),
        ("amqp://u:hunter2@h?heartbeat=0", "heartbeat=0"),
        ("amqp://u:hunter2@h?connection_timeout=99999999", "connection_timeout"),
        ("amqp://u:hunter2@h?ssl_options=x", "unknown parameter 'ssl_options'"),
    ] {
        let words = refused(url::parse(url), url);
        assert!(words.contains(fix), "{url}: {words}");
    }
}
