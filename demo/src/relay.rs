//! How the relay is migrated and started.
//!
//! Called by `stage`. Promises the same program, services and log for every start of a run.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Failure, within};
use crate::process::free_address;
use crate::program::{Program, command, ended};
use crate::settings::EXCHANGE;

const MIGRATE: Duration = Duration::from_secs(30);

/// How to start it; the same for every start of a run.
pub struct Launch {
    pub program: PathBuf,
    pub database_url: String,
    pub amqp_url: String,
    pub log: PathBuf,
}

impl Launch {
    pub async fn migrate(&self) -> Result<(), Failure> {
        let mut command = command(&self.program, &self.log)?;
        command.args(["migrate", "--database-url", &self.database_url]);
        let what = format!("running `{} migrate`", self.program.display());
        let status = within(MIGRATE, &what, command.status()).await?;
        if status.success() { Ok(()) } else { Err(ended("the relay's `migrate` failed", status, &self.log)) }
    }

    /// With these flags beside those that every start has.
    pub fn start(&self, flags: &[&str]) -> Result<Program, Failure> {
        let admin = free_address()?;
        let mut command = command(&self.program, &self.log)?;
        command.args(["run", "--database-url", &self.database_url, "--amqp-url", &self.amqp_url]);
        command.args(["--exchange", EXCHANGE, "--source", "order-service"]).args(flags);
        command.args(["--admin-addr", &admin.to_string()]);
        Program::start("the relay", command, admin, &self.log)
    }
}
