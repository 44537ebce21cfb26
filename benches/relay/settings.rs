//! What the benchmark was asked to do: flags, each with the variable that `make bench` passes on.
//!
//! Called by `main`, read by every case. Refuses a case that does not exist and an other relay that is only half described.

use clap::Parser;

use crate::cases::CASES;
use crate::failure::Failure;

/// Measures the relay beside the raw publisher, in interleaved rounds.
#[derive(Parser)]
#[command(name = "bench")]
pub struct Settings {
    /// Cases to run, by name, or all
    #[arg(long, env = "CASES", default_value = "all", value_delimiter = ',')]
    pub cases: Vec<String>,
    /// full (the sizes of the targets), or a multiple of the sizes that take a quarter of an hour
    #[arg(long, env = "SCALE", default_value = "1")]
    pub scale: Scale,
    /// Rounds of what is measured in rounds
    #[arg(long, env = "ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rounds: u32,
    /// Shell command that starts another relay; it sees DATABASE_URL, AMQP_URL and EXCHANGE and makes its own tables
    #[arg(long, env = "OTHER_START", default_value = "")]
    pub other_start: String,
    /// Its INSERT: $1 rows, $2 aggregates, $3 bytes of payload, all bigint
    #[arg(long, env = "OTHER_INSERT", default_value = "")]
    pub other_insert: String,
    /// Query of one boolean: whether it is done with everything
    #[arg(long, env = "OTHER_DONE", default_value = "")]
    pub other_done: String,
    /// A PostgreSQL server; each round makes its own database there
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// A RabbitMQ broker and vhost
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: String,
    /// Passed by cargo
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// How large everything is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// The sizes of the targets.
    Full,
    /// So many times the quick sizes.
    Times(f64),
}

impl std::str::FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("full", _) => Ok(Self::Full),
            (_, Ok(times)) if times > 0.0 && times <= 100.0 => Ok(Self::Times(times)),
            (_, Ok(_) | Err(_)) => Err("give full, or a number above 0 and up to 100".into()),
        }
    }
}

impl Settings {
    pub fn check(&self) -> Result<(), Failure> {
        let unknown = |name: &&String| *name != "all" && !CASES.iter().any(|case| case.name == **name);
        if let Some(name) = self.cases.iter().find(unknown) {
            let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
            return Err(Failure::new(format!("there is no case '{name}'; there are {}", names.join(", "))));
        }
        let other = [&self.other_start, &self.other_insert, &self.other_done];
        let given = other.iter().filter(|text| !text.is_empty()).count();
        if given == 1 || given == 2 {
            return Err(Failure::new("OTHER_START, OTHER_INSERT and OTHER_DONE belong together: give all three"));
        }
        Ok(())
    }

    pub fn wants(&self, case: &str) -> bool {
        self.cases.iter().any(|name| name == "all" || name == case)
    }

    pub fn has_other(&self) -> bool {
        !self.other_start.is_empty()
    }

    /// The size for the scale that was asked for: `full` is the target's, `quick` is what a quarter of an hour allows.
    pub fn size(&self, quick: u32, full: u32) -> u32 {
        match self.scale {
            Scale::Full => full,
            Scale::Times(times) => ((f64::from(quick) * times) as u32).max(1),
        }
    }
}
