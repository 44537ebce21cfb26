//! A password, or the file that holds it. Files are read again at each connect, so that a rotated secret needs no restart.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// Where a secret comes from. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Secret {
    /// Given directly.
    Text(SecretString),
    /// In a file; a newline at its end does not count.
    File(PathBuf),
}

/// The file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the secret's file '{path}' cannot be read: {error}")]
pub struct SecretError {
    path: PathBuf,
    error: std::io::Error,
}

impl Secret {
    /// The secret as it is now.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Text(text) => Ok(text.expose_secret().to_owned()),
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<String, SecretError> {
    std::fs::read_to_string(path)
        .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        .map_err(|error| SecretError { path: path.to_owned(), error })
}
