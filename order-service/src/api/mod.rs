//! The endpoints. Each reads its request, lets the domain decide in the store's transaction, and answers with the order.

pub mod change;
pub mod dead_letters;
pub mod fulfilment;
pub mod health;
pub mod notify;
pub mod payment;
pub mod place;
pub mod products;
pub mod read;
pub mod refund;
pub mod returns;
