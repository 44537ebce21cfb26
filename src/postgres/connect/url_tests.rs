//! Database URLs work as pasted; a refusal names the fix and never shows the URL.

use std::path::Path;

use tokio_postgres::config::Host;

use crate::postgres::connect::url;
use crate::postgres::connect::url::SslMode;

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
fn postgres_urls_and_strings_work_as_pasted() {
    for (url, mode) in [
        ("postgres://u:p@h/d?sslmode=disable", SslMode::Disable),
        ("postgresql://u:p@h/d?sslmode=allow", SslMode::Allow),
        ("postgres://u:p@h/d?sslmode=prefer&connect_timeout=3", SslMode::Prefer),
        ("postgres://u:p@h/d?connect_timeout=3&sslmode=require&gssencmode=disable", SslMode::Require),
        ("postgres://u:p@h/d?sslmode=verify-ca&sslrootcert=/etc/ca%20x.pem", SslMode::VerifyCa),
        ("host=h user=u password='p' dbname=d sslmode=verify-full sslrootcert='/etc/ca x.pem'", SslMode::VerifyFull),
        (
            "postgres://u:p@h/d?sslmode=verify-full&target_session_attrs=read-write&channel_binding=require",
            SslMode::VerifyFull,
        ),
    ] {
        let read = url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(read.ssl_mode, Some(mode), "{url}");
        assert_eq!((read.config.get_user(), read.config.get_password()), (Some("u"), Some(&b"p"[..])), "{url}");
        assert_eq!(read.config.get_dbname(), Some("d"), "{url}");
        if url.contains("sslrootcert") {
            assert_eq!(read.files.ca.as_deref(), Some(Path::new("/etc/ca x.pem")), "{url}");
        }
    }
}

#[test]
fn a_socket_is_this_machine() {
    for url in
        ["postgres://u@%2Frun%2Fpostgresql/d", "postgres:///d?host=/run/postgresql", "host=/run/postgresql user=u"]
    {
        let read = url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(!read.is_remote(), "{url}");
        assert_eq!(read.nodes()[0].get_hosts(), [Host::Unix("/run/postgresql".into())], "{url}");
    }
}

#[test]
fn one_host_or_address_elsewhere_makes_a_url_another_machines() {
    for (url, is_remote) in [
        ("host=localhost user=u", false),
        ("host=localhost,127.0.0.1,::1 hostaddr=127.0.0.1,127.0.0.2,::1 user=u", false),
        ("hostaddr=::1 user=u", false),
        ("hostaddr=192.0.2.2 user=u", true),
        ("host=localhost hostaddr=192.0.2.2 user=u", true),
        ("postgres://u@localhost/d?hostaddr=192.0.2.2", true),
        ("host=localhost,localhost hostaddr=127.0.0.1,2001:db8::1 user=u", true),
        ("host=localhost,db.example user=u", true),
        ("host=db.example hostaddr=127.0.0.1 user=u", true),
    ] {
        let read = url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(read.is_remote(), is_remote, "{url}");
    }
}

#[test]
fn several_hosts_are_tried_one_by_one() {
    for url in [
        "postgres://u:p%40ss@a,b:6432,[::1]:7432/d",
        "host=a,b,::1 port=5432,6432,7432 user=u password='p@ss' dbname=d",
    ] {
        let nodes = url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).nodes();
        let found: Vec<_> = nodes.iter().map(|node| (node.get_hosts()[0].clone(), node.get_ports()[0])).collect();
        let expected = [("a", 5432), ("b", 6432), ("::1", 7432)].map(|(host, port)| (Host::Tcp(host.into()), port));
        assert_eq!(found, expected, "{url}");
        assert!(
            nodes.iter().all(|node| node.get_password() == Some(b"p@ss") && node.get_dbname() == Some("d")),
            "{url}"
        );
    }
}

#[test]
fn a_database_url_that_cannot_be_is_refused_with_the_fix() {
    for (url, fix) in [
        ("mysql://u:hunter2@h/d", "postgres://"),
        ("nonsense", "postgres://"),
        ("postgres:///d", "names no host"),
        ("postgres:// nonsense", "spaces"),
        ("postgres://u:hunter2@h/d?sslmode=on", "verify-full"),
        ("postgres://u:hunter2@h/d?sslcrl=/x", "revocation lists"),
        ("postgres://u:hunter2@h/d?gssencmode=require", "GSSAPI"),
        ("postgres://u:hunter2@h/d?pgbouncer=true", "works behind a pooler"),
        ("postgres://u:hunter2@h/d?schema=shop", "--schema"),
        ("postgres://u:hunter2@h/d?target_session_attrs=standby", "the relay writes"),
        ("postgres://u:p@ss?hunter2=x@h/d", "percent-encoded"),
        ("postgres://u:p@hunter2@h/d", "%40"),
        ("postgres://u:p#hunter2@h/d", "%23"),
        ("postgres://u:5432/hunter2@h/d", "%2F"),
        ("postgres://h/d?password=my&hunter2=x", "percent-encode &"),
        ("postgres://u:hunter2@h/d?sslmod=require", "perhaps 'sslmode'"),
        ("host=h password=hunter2 schema=x", "--schema"),
        ("host=h password=my hunter2=x", "quote it"),
    ] {
        let words = refused(url::parse(url), url);
        assert!(words.contains(fix), "{url}: {words}");
    }
}
