//! How the reference order service is started.
//!
//! Called by `stage`.

use std::path::Path;

use crate::failure::Failure;
use crate::process::free_address;
use crate::program::{Program, command};

pub fn start(program: &Path, database_url: &str, log: &Path) -> Result<Program, Failure> {
    let address = free_address()?;
    let mut command = command(program, log)?;
    command.args(["--listen", &address.to_string(), "--database-url", database_url]);
    Program::start("the order service", command, address, log)
}

/// The same as a replica that hears other services, and declares the exchanges that are theirs.
pub fn start_hearing(program: &Path, database_url: &str, amqp_url: &str, log: &Path) -> Result<Program, Failure> {
    let address = free_address()?;
    let mut command = command(program, log)?;
    command.args(["--listen", &address.to_string(), "--database-url", database_url, "--amqp-url", amqp_url]);
    command.arg("--declare-topology");
    Program::start("a replica of the order service", command, address, log)
}
