//! What several tests of this crate share: exact JSON, sample orders, and files that are generated and compared.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod exact;
pub mod files;
pub mod samples;
