//! A value that must not be shown (a password, a URL), or the file with it. Files are read again at
//! each connect, so that rotating a secret needs no restart.
//!
//! Used by the settings of both services. Refuses files that cannot be a secret: unreadable, empty,
//! or too large.

use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::net::io_words;

/// Larger than any password or list of URLs.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Where a secret comes from. `Debug` hides it.
#[derive(Debug, Clone)]
pub enum Secret {
    /// Given directly.
    Text(SecretString),
    /// In a file; a newline at the end is ignored.
    File(PathBuf),
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file '{path}' cannot be used: {why}")]
pub struct SecretError {
    path: PathBuf,
    why: String,
}

impl Secret {
    /// The secret as it is now.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Text(text) => Ok(text.expose_secret().to_owned()),
            Self::File(path) => read_file(path).map_err(|why| SecretError { path: path.clone(), why }),
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| io_words(&error))?;
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| io_words(&error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if bytes as u64 > FILE_BYTES_MAX {
        Err("it is too large to be a secret".to_owned())
    } else if secret.is_empty() {
        Err("it is empty".to_owned())
    } else {
        Ok(secret.to_owned())
    }
}
