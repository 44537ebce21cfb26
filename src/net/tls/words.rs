//! Explains failed TLS handshakes to people, and how to fix them. Used when connecting to either
//! service.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, ExtendedKeyPurpose};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The other side of the handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// The host whose name the certificate must have.
    pub(crate) host: &'a str,
    /// `database` or `amqp`: the prefix of the flags that fix it.
    pub(crate) flags: &'static str,
}

/// The TLS error inside an I/O error, if there is one.
pub(crate) fn tls_error(error: &std::io::Error) -> Option<&Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<Error>().or_else(|| inner.source().and_then(|cause| cause.downcast_ref::<Error>()))
}

/// The error and its fix.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
pub(crate) fn explain(error: &Error, peer: Peer<'_>) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error, peer),
        Error::PeerMisbehaved(error) => format!("the server breaks the rules of TLS ({error:?})"),
        Error::AlertReceived(alert) => refused(*alert, peer),
        Error::InvalidMessage(_) => "the server does not speak TLS on this port; check port and scheme".to_owned(),
        Error::PeerIncompatible(error) => {
            format!(
                "the server shares no TLS version or cipher with the relay, which speaks TLS 1.2 and 1.3 ({error:?})"
            )
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
fn certificate(error: &CertificateError, Peer { host, flags }: Peer<'_>) -> String {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the server's certificate names no host (its subject does not count); add '{host}' as a subjectAltName"
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().map(|name| bare_name(name)).collect();
            let names = names.join(", ");
            format!(
                "the server's certificate is for {names}, not for '{host}'; use a name of the certificate in the URL, or issue one for '{host}'"
            )
        }
        CertificateError::NotValidForName => {
            format!("the server's certificate is not for '{host}'; use a name of the certificate in the URL")
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired at {}; renew it (or a clock is wrong)", at(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is only valid from {}; a clock is wrong", at(*not_before))
        }
        CertificateError::UnknownIssuer => format!(
            "the server's certificate is from an unknown authority; pass the authority's certificate with --{flags}-ca-file"
        ),
        CertificateError::InvalidPurposeContext { required: ExtendedKeyPurpose::ServerAuth, .. } => {
            "the server's certificate is not issued for servers (extended key usage serverAuth)".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate is signed in a way that is not accepted, such as SHA-1; issue one that is signed with SHA-256"
                .to_owned()
        }
        CertificateError::BadSignature => format!(
            "a signature of the server's certificate or handshake cannot be verified: RSA keys need 2048 bits or more, and the authority in --{flags}-ca-file may be another one of the same name"
        ),
        other => unusual(&other.to_string(), host),
    }
}

/// What the library says only with the name of its own error.
fn unusual(words: &str, host: &str) -> String {
    if words.contains("CaUsedAsEndEntity") {
        format!("the server uses an authority's certificate as its own (self-signed, CA:TRUE); issue one for '{host}'")
    } else if words.contains("UnsupportedCertVersion") {
        format!(
            "the server's certificate is of X.509 version 1, which is never accepted; issue one of version 3: openssl x509 -req … -extfile <(echo subjectAltName=DNS:{host})"
        )
    } else {
        format!("the server's certificate cannot be accepted: {words}")
    }
}

/// The server ended the handshake because of our certificate, or because there is none.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
fn refused(alert: AlertDescription, Peer { flags, .. }: Peer<'_>) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            format!("the server requires a client certificate; pass --{flags}-cert-file and --{flags}-key-file")
        }
        AlertDescription::HandshakeFailure => format!(
            "the server ended the handshake; it may require a client certificate (--{flags}-cert-file and --{flags}-key-file)"
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => format!(
            "the server does not accept our client certificate ({alert:?}); check --{flags}-cert-file and the server's CA file"
        ),
        other => format!("the server ended the TLS handshake ({other:?})"),
    }
}

/// rustls writes names as `DnsName("db.example")`.
fn bare_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    format!("'{}'", inner.trim_matches('"'))
}

fn at(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "an unknown time".to_owned())
}
