//! How a command ends: its error, and the exit code that scripts and Kubernetes see.

use std::process::ExitCode;

use serde::Serialize;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Wrong usage or configuration: every problem, one per line.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The command needs a service that cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Not found or refused, or only partly done.
    #[error("{0}")]
    No(String),
    /// A bug.
    #[error("{0}")]
    Bug(String),
    /// Any of these, with what to do about it.
    #[error("{error}; {fix}")]
    Fixable {
        /// What went wrong.
        error: Box<AppError>,
        /// What to do.
        fix: String,
    },
}

/// An error as `--json` shows it: one line on standard error, beside the answer where there is one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorAnswer {
    error: ErrorDocument,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorDocument {
    /// `usage` (exit code 64), `unreachable` (69), `no` (1: not found, refused or only partly done) or `bug` (70).
    kind: &'static str,
    /// What went wrong; several problems of a configuration are lines.
    message: String,
    /// What to do, where that is not in the message.
    fix: Option<String>,
}

impl AppError {
    /// 1: not found, refused or partly done; 64: usage or configuration; 69: a service is
    /// unreachable; 70: a bug.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::No(_) => 1,
            Self::Config(_) => 64,
            Self::Unreachable(_) => 69,
            Self::Bug(_) => 70,
            Self::Fixable { error, .. } => return error.exit_code(),
        })
    }

    /// The same error, with what to do about it.
    #[must_use]
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self::Fixable { error: Box::new(self), fix: fix.into() }
    }

    /// The error as `--json` shows it.
    pub fn answer(&self) -> ErrorAnswer {
        let (error, fix) = match self {
            Self::Fixable { error, fix } => (&**error, Some(fix.clone())),
            Self::Config(_) | Self::Unreachable(_) | Self::No(_) | Self::Bug(_) => (self, None),
        };
        ErrorAnswer { error: ErrorDocument { kind: error.kind(), message: error.to_string(), fix } }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Config(_) => "usage",
            Self::Unreachable(_) => "unreachable",
            Self::No(_) => "no",
            Self::Bug(_) => "bug",
            Self::Fixable { error, .. } => error.kind(),
        }
    }
}
