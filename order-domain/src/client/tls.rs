//! Whom the calls trust, and who we are to the services: rustls with the public authorities and those of the platform, and a client
//! certificate where services ask for one.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Our certificate and its key, both PEM.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate, then those that lead to its authority.
    pub certificate: &'a [u8],
    /// The private key.
    pub key: &'a [u8],
}

/// Trusts the public authorities, and those in `authorities` (PEM) as well. Certificates are always verified.
///
/// # Errors
/// What cannot be read, in words; never a part of it.
pub fn client_config(authorities: Option<&[u8]>, identity: Option<Identity<'_>>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = authorities {
        let certificates = certificates(pem, "the file of authorities")?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| format!("an authority cannot be used: {error}"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be set up: {error}"))?.with_root_certificates(roots);
    let Some(Identity { certificate, key }) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate, "the client certificate")?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| "the client key is not a private key in PEM".to_owned())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| format!("the client certificate cannot be used: {error}"))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| format!("{what} cannot be read: {error}"))?;
    if read.is_empty() { Err(format!("{what} has no certificate in PEM")) } else { Ok(read) }
}
