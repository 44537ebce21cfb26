//! TLS to both services: which certificates to trust, and which one to show. Made again for each
//! connect, so that rotated files need no restart.
//!
//! Called when connecting to either service. The public authorities' roots are built in, because
//! containers often have none, and a CA file adds to them. If names are not checked, only the CA
//! file counts, because anybody can get a certificate from a public authority.

mod verify;
pub(crate) mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::net::io_words;
use crate::net::tls::verify::{ChainOnly, Nothing};

/// Larger than a bundle of all public authorities.
const FILE_BYTES_MAX: u64 = 4 << 20;

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

/// Makes a configuration from the present contents of the files.
pub(crate) fn client_config(files: &TlsFiles, verify: Verify) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS version is possible: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(files, verify, provider)?);
    let Some(cert) = &files.cert else {
        return match &files.key {
            Some(key) => Err(format!("the key file '{}' needs its certificate's file as well", key.display())),
            None => Ok(builder.with_no_client_auth()),
        };
    };
    let chain = certificates(cert)?;
    let key_file = files.key.as_ref().unwrap_or(cert);
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?).map_err(|error| {
        let words = pem_words(&error, "a private key without a password");
        format!("the key file '{}' cannot be used: {words}", key_file.display())
    })?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        format!("certificate '{}' and key '{}' do not match: {error}", cert.display(), key_file.display())
    })
}

fn verifier(
    files: &TlsFiles,
    verify: Verify,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    match verify {
        Verify::Nothing => return Ok(Arc::new(Nothing(provider))),
        Verify::Chain => {}
        Verify::Full => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    if let Some(ca) = &files.ca {
        let (added, _unusable) = roots.add_parsable_certificates(certificates(ca)?);
        if added == 0 {
            return Err(format!("the CA file '{}' contains no usable certificate", ca.display()));
        }
    }
    let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("the certificates cannot be used: {error}"))?;
    Ok(if verify == Verify::Chain { Arc::new(ChainOnly(full)) } else { full })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |words: String| format!("the certificate file '{}' cannot be used: {words}", path.display());
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(unusable("it contains no certificate in PEM format".to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(pem_words(&error, "a certificate"))),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
fn pem_words(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("it does not contain {what} in PEM format"),
        other => other.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let unreadable = |words: &str| format!("the file '{}' cannot be read: {words}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&io_words(&error)))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&io_words(&error)))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable("it is too large to be a certificate file"));
    }
    Ok(bytes)
}
