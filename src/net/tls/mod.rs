//! TLS to both services: which certificates to trust, and which one to show. Made again for each
//! connect, so that rotated files need no restart.
//!
//! Called when connecting to either service. The public authorities' roots are built in, because
//! containers often have none, and a CA file adds to them. If names are not checked, only the CA
//! file counts, because anybody can get a certificate from a public authority.

mod pem;
mod verify;
pub(crate) mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::net::tls::verify::{ChainOnly, Nothing};

/// Certificate files, in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Trusted authorities.
    pub ca: Option<PathBuf>,
    /// The client certificate, with the chain to its authority.
    pub cert: Option<PathBuf>,
    /// Its key; `None` if the certificate's file contains it.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// These files, completed by the others.
    pub fn or(self, others: &Self) -> Self {
        // Never combines a certificate and a key from different sources.
        let (cert, key) =
            if self.cert.is_some() { (self.cert, self.key) } else { (others.cert.clone(), others.key.clone()) };
        Self { ca: self.ca.or_else(|| others.ca.clone()), cert, key }
    }
}

/// What to check of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: encrypted, but to anybody.
    Nothing,
    /// That an authority of the CA file issued it, for any name.
    Chain,
    /// That a trusted authority issued it for the host's name.
    Full,
}

/// Which of the files a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The trusted authorities.
    Ca,
    /// The client certificate.
    Cert,
    /// Its key.
    Key,
}

impl TlsFile {
    /// Its flag, after the service's name.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Ca => "ca-file",
            Self::Cert => "cert-file",
            Self::Key => "key-file",
        }
    }
}

/// Why there is no configuration; contains nothing of the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct TlsProblem {
    /// The file to blame, if one is.
    pub file: Option<TlsFile>,
    words: String,
}

impl TlsProblem {
    fn of(file: TlsFile, path: &Path, words: &str) -> Self {
        let name = match file {
            TlsFile::Ca => "CA file",
            TlsFile::Cert => "certificate file",
            TlsFile::Key => "key file",
        };
        Self { file: Some(file), words: format!("the {name} '{}' cannot be used: {words}", path.display()) }
    }
}

impl From<String> for TlsProblem {
    fn from(words: String) -> Self {
        Self { file: None, words }
    }
}

impl From<TlsProblem> for String {
    fn from(problem: TlsProblem) -> Self {
        problem.words
    }
}

/// Makes a configuration from the present contents of the files.
pub(crate) fn client_config(files: &TlsFiles, verify: Verify) -> Result<ClientConfig, TlsProblem> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS version is possible: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(files, verify, provider)?);
    let Some(cert) = &files.cert else {
        return match &files.key {
            Some(key) => Err(TlsProblem::of(TlsFile::Key, key, "it needs its certificate's file as well")),
            None => Ok(builder.with_no_client_auth()),
        };
    };
    let chain = certificates(TlsFile::Cert, cert)?;
    let (of_key, key_file) = files.key.as_ref().map_or((TlsFile::Cert, cert), |key| (TlsFile::Key, key));
    let key = pem::private_key(key_file).map_err(|words| TlsProblem::of(of_key, key_file, &words))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| TlsProblem::of(of_key, key_file, unusable_key(&error)))
}

/// The library's text is not passed on: it may quote the key.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
fn unusable_key(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InconsistentKeys(_) => "its key does not belong to the certificate",
        rustls::Error::InvalidCertificate(_) => "the certificate that belongs to it is damaged",
        _ => "its key is damaged, or of a kind that is not supported: use RSA of 2048 bits or more, ECDSA or Ed25519",
    }
}

fn verifier(
    files: &TlsFiles,
    verify: Verify,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsProblem> {
    let mut roots = RootCertStore::empty();
    match verify {
        Verify::Nothing => return Ok(Arc::new(Nothing(provider))),
        Verify::Chain => {}
        Verify::Full => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    if let Some(ca) = &files.ca {
        let (added, _unusable) = roots.add_parsable_certificates(certificates(TlsFile::Ca, ca)?);
        if added == 0 {
            return Err(TlsProblem::of(TlsFile::Ca, ca, "it contains no certificate of an authority"));
        }
    }
    let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("the certificates cannot be used: {error}"))?;
    Ok(if verify == Verify::Chain { Arc::new(ChainOnly(full)) } else { full })
}

fn certificates(file: TlsFile, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    pem::certificates(path).map_err(|words| TlsProblem::of(file, path, &words))
}
