//! Certificates and keys from PEM files, and what is wrong with a file that cannot be used. Used only by `tls`.
//!
//! The library's errors quote lines of the file, so their text is never passed on: a problem is told in our own words,
//! from the kind of the error and from known labels in the file.

use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::net::io_words;

/// Larger than a bundle of all public authorities.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// How an ASN.1 sequence of more than 255 bytes begins, which is a certificate or a key in DER format.
const DER_START: [u8; 2] = [0x30, 0x82];

/// The certificates of a file; one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(words(&pem::Error::NoItemsFound, &text, CERTIFICATE)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(words(&error, &text, CERTIFICATE)),
    }
}

/// The first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    if has(&text, "ENCRYPTED") {
        return Err("its key is encrypted; write one without a password: openssl pkey -in KEY -out NEW-KEY".to_owned());
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| words(&error, &text, KEY))
}

const CERTIFICATE: &str = "a certificate";
const KEY: &str = "a private key";

/// Must not pass on the error's own text.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
fn words(error: &pem::Error, text: &[u8], wanted: &str) -> String {
    if let Some(flaw) = flaw(text) {
        return flaw.to_owned();
    }
    match error {
        pem::Error::NoItemsFound => match contents(text) {
            Some(contents) => format!("it contains {contents}, not {wanted}"),
            None => format!("it does not contain {wanted} in PEM format"),
        },
        pem::Error::MissingSectionEnd { .. } => "it is cut off: the line with END is missing or damaged".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line with BEGIN is damaged".to_owned(),
        pem::Error::Base64Decode(_) => "what is between BEGIN and END is not base64".to_owned(),
        pem::Error::SectionTooLarge => "a section of it is too large".to_owned(),
        _ => format!("it does not contain {wanted} in PEM format"),
    }
}

/// What often happens to a file on its way through a variable or a template.
fn flaw(text: &[u8]) -> Option<&'static str> {
    if text.starts_with(&DER_START) {
        return Some("it is in DER format; convert it to PEM with openssl, -inform der");
    }
    if has(text, "-----BEGIN ") && has(text, "\\n") {
        return Some("its line ends are written as \\n; write real line ends");
    }
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    if has(text, "-----BEGIN ") && lines.count() == 1 {
        return Some("its line ends are lost: BEGIN, contents and END need lines of their own");
    }
    text.starts_with(b"\xff\xfe").then_some("it is in UTF-16; save it as plain text")
}

/// The file's sections, by labels that we know: others may be part of a secret.
fn contents(text: &[u8]) -> Option<&'static str> {
    let known = [
        ("-----BEGIN CERTIFICATE-----", CERTIFICATE),
        ("-----BEGIN TRUSTED CERTIFICATE-----", "a certificate in OpenSSL's own format"),
        ("-----BEGIN CERTIFICATE REQUEST-----", "a request for a certificate"),
        ("PRIVATE KEY-----", KEY),
        ("-----BEGIN PUBLIC KEY-----", "a public key"),
        ("-----BEGIN X509 CRL-----", "a revocation list"),
    ];
    known.into_iter().find(|(label, _)| has(text, label)).map(|(_, contents)| contents)
}

fn has(text: &[u8], label: &str) -> bool {
    text.windows(label.len()).any(|window| window == label.as_bytes())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |words: &str| words.to_owned();
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&io_words(&error)))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&io_words(&error)))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable("it is too large to be a certificate file"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_has_its_words() {
        for (text, found) in [
            ("-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----", "written as \\n"),
            ("-----BEGIN PRIVATE KEY----- MIIE -----END PRIVATE KEY-----", "line ends are lost"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "cut off"),
            ("-----BEGIN PRIVATE KEY\nMIIE\n-----END PRIVATE KEY-----", "BEGIN is damaged"),
            ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", "not base64"),
            ("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "a certificate, not a private key"),
            ("0\u{82}", "does not contain a private key"),
            ("", "does not contain a private key"),
        ] {
            let error = PrivateKeyDer::from_pem_slice(text.as_bytes()).expect_err(text);
            let said = words(&error, text.as_bytes(), KEY);
            assert!(said.contains(found), "{text}: {said}");
        }
        assert_eq!(flaw(&[0x30, 0x82, 1]), Some("it is in DER format; convert it to PEM with openssl, -inform der"));
    }
}
