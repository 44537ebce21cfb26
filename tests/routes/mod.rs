//! The routes file with real services: what each of the order service's consumers gets, what happens when one of several routes is
//! broken, and which files are refused.

mod stand;

mod declare;

mod documents;

mod fan_out;

mod held;

mod lean;

mod partitions;

mod places;

mod render;

mod shapes;

mod slow;
