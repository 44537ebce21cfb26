//! Settings of the export from OpenTelemetry's own variables. The libraries read most of them
//! (endpoint, headers, sampler, resource, delays). This file reads what they leave to the program,
//! and what must be known before anything starts.

use std::time::Duration;

use hyper::Uri;

use crate::net::tls::TlsFiles;

const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const CA: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CERT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const KEY: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];
const QUEUE: [&str; 1] = ["OTEL_BSP_MAX_QUEUE_SIZE"];

/// The only protocol that is built in.
const SPOKEN: &str = "http/protobuf";
/// Default and maximum, in milliseconds; the default is the specification's.
const TIMEOUT_MS: (u64, u64) = (10_000, 60_000);
/// Default and maximum, in spans; a span takes about 2 KiB.
const QUEUE_SPANS: (u64, u64) = (2_048, 65_536);

/// How spans leave the process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Host and port of the collector, for the log; the rest of the URL may be secret.
    pub(super) collector: String,
    /// The limit for one request, and for all attempts at one batch.
    pub(super) timeout: Duration,
    /// The most queued spans.
    pub(super) queue: usize,
    /// For `https`.
    pub(super) tls: TlsFiles,
}

impl Settings {
    /// The settings; `None` if no spans are asked for; an error text if they are, but cannot be
    /// exported.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let is = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let Some(endpoint) = first(&ENDPOINT) else { return Ok(None) };
        if let Some(protocol) = first(&PROTOCOL).filter(|protocol| protocol != SPOKEN) {
            return Err(format!("the protocol '{protocol}' is not supported; this relay only speaks {SPOKEN}"));
        }
        let uri = endpoint.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let Some(host) = uri.as_ref().and_then(Uri::host) else {
            return Err("the collector's endpoint must be a URL that starts with http:// or https://".to_owned());
        };
        let port = uri.as_ref().and_then(Uri::port_u16).map(|port| format!(":{port}")).unwrap_or_default();
        let number = |names: &[&str], (default, max): (u64, u64)| match first(names) {
            None => Ok(default),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if (1..=max).contains(&number) => Ok(number),
                Ok(_) | Err(_) => Err(format!("{}: must be 1 to {max}, got '{text}'", names.join(", "))),
            },
        };
        let path = |names: &[&str]| first(names).map(Into::into);
        Ok(Some(Self {
            collector: format!("{host}{port}"),
            timeout: Duration::from_millis(number(&TIMEOUT, TIMEOUT_MS)?),
            queue: usize::try_from(number(&QUEUE, QUEUE_SPANS)?).unwrap_or(usize::MAX),
            tls: TlsFiles { ca: path(&CA), cert: path(&CERT), key: path(&KEY) },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::read(find)
    }

    const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@collector:4318/base");

    #[test]
    fn without_an_endpoint_or_switched_off_nothing_is_asked_for() {
        for variables in [
            vec![],
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            vec![HERE, ("OTEL_SDK_DISABLED", "TRUE")],
            vec![HERE, ("OTEL_TRACES_EXPORTER", "none")],
            vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        ] {
            assert_eq!(read(&variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn the_variables_for_traces_win_and_defaults_are_those_of_the_specification() {
        let plain = read(&[HERE]).expect("valid").expect("asked for");
        assert_eq!((plain.timeout, plain.queue), (Duration::from_secs(10), 2_048));
        assert_eq!(plain.collector, "collector:4318", "without what may be a secret");
        let set = read(&[
            HERE,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ]);
        let set = set.expect("valid").expect("asked for");
        let expected = Settings {
            collector: "traces.example".into(),
            timeout: Duration::from_millis(250),
            queue: 64,
            tls: TlsFiles { ca: Some("/ca.pem".into()), ..TlsFiles::default() },
        };
        assert_eq!(set, expected);
    }

    #[test]
    fn what_cannot_be_had_is_said_without_the_url() {
        for (variables, words) in [
            (vec![HERE, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "'grpc'"),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "secret@collector:4318")], "http://"),
            (vec![HERE, ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")], "'10s'"),
            (vec![HERE, ("OTEL_BSP_MAX_QUEUE_SIZE", "0")], "'0'"),
            (vec![HERE, ("OTEL_BSP_MAX_QUEUE_SIZE", "70000")], "65536"),
        ] {
            let error = read(&variables).expect_err(words);
            assert!(error.contains(words) && !error.contains("secret"), "{error}");
        }
    }
}
