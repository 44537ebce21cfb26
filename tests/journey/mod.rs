//! The promises of the README, one file per subject: real relay processes against real services.

mod p1_no_loss;

mod no_history;

mod p2_order_writers;

mod poison;
mod readme;

mod bad_input;

mod p5_flows;
mod p5_holds;

mod p5_no_collateral;

mod p6_bounded;

mod p7_cheap;

mod any_row;

mod bad_rows;
