//! Tests of the decision point as a whole.

mod check;
mod cost;
mod decide;
mod golden;
mod narrow;
mod seeds;
mod testing;
mod world;
