//! The order in which the writers' work is done: one step is one transaction on one order.
//!
//! Made by `main` once, shared by `writers`. Promises exactly the events asked for, each order's life complete, and a
//! tenth of the orders alive at any time, so that writers meet on the same order and a key's events follow closely.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::settings::Settings;

/// About one transaction in seven changes its order twice.
const TWO_EVENTS: f64 = 0.15;
/// The share of the whole run that one order's life takes.
const LIFE: f64 = 0.1;

#[derive(Clone, Copy)]
pub struct Step {
    pub order: u32,
    pub life: i64,
    pub events: i64,
}

pub struct Schedule(Mutex<VecDeque<Step>>);

impl Schedule {
    pub fn new(settings: &Settings) -> Self {
        let mut steps = Vec::with_capacity(settings.events as usize);
        for order in 0..settings.orders {
            let life = settings.life_of(order);
            let mut left = life;
            while left > 0 {
                let events = if left > 1 && fastrand::f64() < TWO_EVENTS { 2 } else { 1 };
                let position = f64::from(order) / f64::from(settings.orders) + fastrand::f64() * LIFE;
                steps.push((position, Step { order, life, events }));
                left -= events;
            }
        }
        steps.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Self(Mutex::new(steps.into_iter().map(|(_, step)| step).collect()))
    }

    pub fn next(&self) -> Option<Step> {
        self.0.lock().expect("no holder of the schedule panics").pop_front()
    }
}
