//! Secrets as they get mangled on their way to the relay: keys, certificates, password files and URLs. Whatever is said about them, no
//! eight consecutive bytes of the secret are in it, as text, as a list of numbers, in hexadecimal or in base64.

use std::sync::LazyLock;

use clap::Parser;
use outbox_relay::cli::{Cli, Command};
use outbox_relay::config::run::run_config;
use proptest::prelude::*;
use testkit::certificates::{Authority, Files, Issued};
use tokio::runtime::Runtime;

const WINDOW: usize = 8;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static CLIENT: LazyLock<Issued> = LazyLock::new(|| Authority::new("the authority").client("relay"));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The forms in which eight bytes would be told.
fn forms(bytes: &[u8]) -> Vec<String> {
    let joined = |parts: Vec<String>, by: &str| parts.join(by);
    let numbers = |by: &str| joined(bytes.iter().map(ToString::to_string).collect(), by);
    let hex = |by: &str| joined(bytes.iter().map(|byte| format!("{byte:02x}")).collect(), by);
    let mut forms = vec![String::from_utf8_lossy(bytes).into_owned(), numbers(", "), numbers(","), numbers(" ")];
    forms.extend([hex(""), hex(" "), hex(":"), hex(", 0x")]);
    forms.push(base64(&bytes[..6]));
    forms
}

/// Six bytes, which are eight digits.
fn base64(bytes: &[u8]) -> String {
    let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (0..8).rev().map(|at| char::from(DIGITS[(number >> (6 * at) & 63) as usize])).collect()
}

/// A form of eight bytes of `secret` that is in `said`.
fn leaked(said: &str, secret: &str) -> Option<String> {
    let lower = said.to_lowercase();
    secret.as_bytes().windows(WINDOW).flat_map(forms).find(|form| said.contains(form) || lower.contains(form))
}

/// What `run` says of these flags, and of the first connect if it takes them.
fn said(args: &[String]) -> String {
    let good = ["--database-url=postgres://u@127.0.0.1:1/shop", "--amqp-url=amqp://127.0.0.1:1/%2f"];
    let is_given = |flag: &str| args.iter().any(|arg| arg.split('=').next() == flag.split('=').next());
    let all = ["outbox-relay", "run"].into_iter().chain(good.into_iter().filter(|flag| !is_given(flag)));
    let parsed = Cli::try_parse_from(all.map(str::to_owned).chain(args.iter().cloned()));
    let Command::Run(args) = (match parsed {
        Ok(cli) => cli.command,
        Err(error) => return error.to_string(),
    }) else {
        panic!("asked for run")
    };
    match run_config(&args) {
        Err(problems) => problems.join("\n"),
        Ok(config) => {
            let connected = RUNTIME.block_on(config.database.connect());
            let error = connected.expect_err("nothing listens on port 1");
            format!("{config:?} {error} {error:?}")
        }
    }
}

/// What happens to a PEM file.
fn mangled(pem: &'static str) -> impl Strategy<Value = String> {
    let length = pem.len();
    prop_oneof![
        Just(pem.replace('\n', "\\n")),
        Just(pem.replace('\n', " ")),
        Just(pem.replace('\n', "")),
        Just(pem.replace('\n', "\r")),
        Just(pem.replace('\n', "\n\n")),
        Just(pem.replace("-----", "----")),
        Just(pem.replace("-----\n", "\n")),
        Just(pem.replace("-----BEGIN", "BEGIN")),
        Just(pem.replace("END", "BEGIN")),
        Just(pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
        Just(pem.replace("PRIVATE KEY", "EC PRIVATE KEY")),
        Just(pem.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)),
        Just(pem.lines().rev().collect::<Vec<_>>().join("\n")),
        Just(pem.chars().flat_map(|c| [c, '\0']).collect()),
        (0..length).prop_map(move |at| pem[..at].to_owned()),
        (0..length).prop_map(move |at| pem[at..].to_owned()),
        (0..length, "\\PC{1,3}").prop_map(move |(at, odd)| format!("{}{odd}{}", &pem[..at], &pem[at..])),
        (0..length, 1usize..30).prop_map(move |(at, cut)| format!("{}{}", &pem[..at], &pem[(at + cut).min(length)..])),
        (0..length).prop_map(move |at| format!("-----BEGIN {}", &pem[at..])),
        Just(pem.to_owned()),
    ]
}

/// The part of a PEM file that is secret.
fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// Something secret of eight bytes or more, which nothing else contains.
fn password() -> impl Strategy<Value = String> {
    "[XYZ]{3}[XYZ@#/?,%&=:+ \\[\\]\\\\'\"]{0,12}[XYZ]{8,10}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_mangled_key_is_told(
        key in mangled(&CLIENT.key),
        service in prop_oneof![Just("database"), Just("amqp")],
        is_own_file in any::<bool>(),
    ) {
        let files = Files::new();
        let path = files.write("key", &key);
        let url = if service == "amqp" { "--amqp-url=amqps://u@127.0.0.1:1" } else { "--database-url=postgres://u@127.0.0.1:1/d?sslmode=verify-full" };
        for file in ["ca", "cert", "key"] {
            let mut args = vec![url.to_owned(), format!("--{service}-{file}-file={path}")];
            if file == "key" {
                args.push(format!("--{service}-cert-file={}", if is_own_file { files.write("cert", &CLIENT.cert) } else { path.clone() }));
            }
            let said = said(&args);
            prop_assert_eq!(leaked(&said, &body(&CLIENT.key)), None, "{}", said);
        }
    }

    #[test]
    fn no_part_of_a_mangled_certificate_is_told(cert in mangled(&CLIENT.cert)) {
        let files = Files::new();
        let (cert, key) = (files.write("cert", &cert), files.write("key", &CLIENT.key));
        for flag in ["--amqp-ca-file", "--amqp-cert-file"] {
            let args = ["--amqp-url=amqps://u@127.0.0.1:1".to_owned(), format!("{flag}={cert}"), format!("--amqp-key-file={key}")];
            let said = said(&args);
            prop_assert_eq!(leaked(&said, &body(&CLIENT.cert)), None, "{}", said);
            prop_assert_eq!(leaked(&said, &body(&CLIENT.key)), None, "{}", said);
        }
    }

    #[test]
    fn no_part_of_a_password_in_a_url_is_told(password in password(), is_file in any::<bool>(), odd in "(,|\n| |@|)") {
        for (flag, url) in [
            ("database-url", format!("postgres://u:{password}@127.0.0.1:1/d{odd}")),
            ("database-url", format!("postgres://127.0.0.1:1/d?user=u&password={password}{odd}")),
            ("database-url", format!("host=127.0.0.1 port=1 user=u password={password}{odd}")),
            ("database-url", format!("postgres://u:1{password}@127.0.0.1:1/d?sslmode=disable")),
            ("amqp-url", format!("amqp://u:{password}@127.0.0.1:1/v{odd}")),
            ("amqp-url", format!("amqp://u:1{password}@127.0.0.1:1/v{odd}")),
            ("amqp-url", format!("amqp://127.0.0.1:1/v{odd}{password}@h")),
        ] {
            let files = Files::new();
            let arg = if is_file { format!("--{flag}-file={}", files.write("url", &url)) } else { format!("--{flag}={url}") };
            let said = said(&[arg]);
            prop_assert_eq!(leaked(&said, &password), None, "{}: {}", url, said);
        }
    }

    #[test]
    fn no_part_of_a_password_file_is_told(password in password(), odd in "(\u{0}|\n\n|\r\n|\u{fffd}|x{70000}|)") {
        let files = Files::new();
        let path = files.write("password", &format!("{password}{odd}"));
        let said = said(&[format!("--database-password-file={path}"), format!("--amqp-password-file={path}")]);
        prop_assert_eq!(leaked(&said, &password), None, "{}", said);
    }
}

#[test]
fn the_check_for_leaks_finds_each_form() {
    let secret = "abcdefghijkl";
    for said in [
        "xx cdefghij xx",
        "[99, 100, 101, 102, 103, 104, 105, 106]",
        "6364656667686970".replace("70", "6a").as_str(),
        "Y2RlZmdo",
    ] {
        assert!(leaked(said, secret).is_some(), "{said}");
    }
    assert_eq!(leaked("abcdefg hijkl", secret), None);
}
