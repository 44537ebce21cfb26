//! Certificates for real TLS listeners: an authority, and what it issues, good and bad. Used by the tests of connecting.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::process::unique;
use super::program;

/// A private authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM form.
pub struct Issued {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("an authority").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For a server of these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, "server", OffsetDateTime::now_utc() + Duration::days(1))
    }

    /// The same, expired an hour ago.
    pub fn expired(&self, names: &[&str]) -> Issued {
        self.issue(names, "server", OffsetDateTime::now_utc() - Duration::hours(1))
    }

    /// For a client that logs in as `user`.
    pub fn client(&self, user: &str) -> Issued {
        self.issue(&[], user, OffsetDateTime::now_utc() + Duration::days(1))
    }

    fn issue(&self, names: &[&str], common_name: &str, until: OffsetDateTime) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = OffsetDateTime::now_utc() - Duration::days(2);
        params.not_after = until;
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Issued { cert, key: key.serialize_pem() }
    }
}

/// A folder of files that a test gives to its processes, removed when the test ends.
pub struct Files(PathBuf);

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Files {
    pub fn new() -> Self {
        let folder = program::scratch().join(unique("files"));
        std::fs::create_dir_all(&folder).expect("a folder for the files");
        Self(folder)
    }

    /// Writes a file, in one step as a rotation does, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let (path, new) = (self.path(name), self.0.join(format!(".{name}.new")));
        std::fs::write(&new, text).expect("the file is written");
        std::fs::rename(&new, &path).expect("the file takes its place");
        path
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(Path::new(&self.path(name))).expect("the file is removed");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
