//! How a command ends: its error, and the exit code that scripts and Kubernetes see.

use std::process::ExitCode;

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
        })
    }
}
