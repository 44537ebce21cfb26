//! Parses values as people write them, and collects all problems so that they can be reported
//! together.

use std::path::PathBuf;
use std::time::Duration;

use crate::net::secret::Secret;
use crate::net::tls::{TlsFile, TlsFiles, TlsProblem};

/// Collects problems while values are read.
#[derive(Default)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, flag: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("--{flag}: {problem}"));
    }

    /// Adds the problems of another check. Returns its value only if there are no problems.
    pub(crate) fn with<T>(mut self, other: Result<T, Vec<String>>) -> Result<T, Vec<String>> {
        match other {
            Ok(value) if self.0.is_empty() => Ok(value),
            Ok(_) => Err(self.0),
            Err(problems) => {
                self.0.extend(problems);
                Err(self.0)
            }
        }
    }

    pub(crate) fn duration(&mut self, flag: &str, text: &str, range: (Duration, Duration)) -> Duration {
        match humantime::parse_duration(text) {
            Ok(duration) if duration >= range.0 && duration <= range.1 => return duration,
            Ok(_) => {
                let (min, max) = (in_one_unit(range.0), in_one_unit(range.1));
                self.add(flag, format_args!("must be {min} to {max}, got {text}"));
            }
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.add(flag, format_args!("'{text}' needs a unit: {text}s, {text}m …"));
            }
            Err(_) => self.add(flag, format_args!("must be a duration such as 250ms, 30s or 7d, got '{text}'")),
        }
        range.0
    }

    pub(crate) fn number(&mut self, flag: &str, text: &str, range: (usize, usize)) -> usize {
        match text.parse::<usize>() {
            Ok(number) if number >= range.0 && number <= range.1 => return number,
            Ok(_) | Err(_) => self.add(flag, format_args!("must be {} to {}, got {text}", range.0, range.1)),
        }
        range.0
    }

    pub(crate) fn size(&mut self, flag: &str, text: &str, range: (usize, usize)) -> usize {
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) => match usize::try_from(size.as_u64()) {
                Ok(size) if size >= range.0 && size <= range.1 => return size,
                Ok(_) | Err(_) => {
                    let (min, max) = (bytesize::ByteSize(range.0 as u64), bytesize::ByteSize(range.1 as u64));
                    self.add(flag, format_args!("must be {min} to {max}, got {text}"));
                }
            },
            Err(_) => self.add(flag, format_args!("must be a size such as 512KiB or 16MiB, got '{text}'")),
        }
        range.0
    }

    /// Adds a problem with the certificate files of a service, at the flag of its file, or at that of the URL, which may name it.
    pub(crate) fn add_tls(&mut self, url: &str, service: &str, given: &TlsFiles, problem: &TlsProblem) {
        let is_given = |file: &TlsFile| match file {
            TlsFile::Ca => given.ca.is_some(),
            TlsFile::Cert => given.cert.is_some(),
            TlsFile::Key => given.key.is_some(),
        };
        match problem.file.filter(is_given) {
            Some(file) => self.add(&format!("{service}-{}", file.flag()), problem),
            None => self.add(url, problem),
        }
    }

    /// One of the words of the enum `T`.
    pub(crate) fn word<T: clap::ValueEnum>(&mut self, flag: &str, text: &str) -> T {
        if let Ok(value) = T::from_str(text, false) {
            return value;
        }
        let words: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
            .collect();
        self.add(flag, format_args!("must be one of {}, got '{text}'", words.join(", ")));
        T::value_variants().first().expect("an enum of words has at least one").clone()
    }

    /// A value given directly or in a file. `None` if it is missing, or if it has a problem, which
    /// is added.
    pub(crate) fn secret(&mut self, flag: &str, text: Option<&String>, file: Option<&PathBuf>) -> Option<Secret> {
        match (text, file) {
            (Some(_), Some(_)) => {
                self.add(flag, format_args!("given together with --{flag}-file; use only one of them"));
                None
            }
            (Some(text), None) => Some(Secret::Text(text.as_str().into())),
            (None, Some(file)) => {
                let secret = Secret::File(file.clone());
                match secret.read() {
                    Ok(_) => Some(secret),
                    Err(error) => {
                        self.add(&format!("{flag}-file"), error);
                        None
                    }
                }
            }
            (None, None) => None,
        }
    }
}

/// As people write it: `3650d`, not `9years 11months 29days`.
fn in_one_unit(duration: Duration) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let millis = duration.as_millis();
    let whole = units.into_iter().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}
