//! The demo: its data, so that one command shows the product on a machine that has nothing else.

pub mod data;
