//! All integration tests, in one program: linking the engine once is what makes the build short.

mod bypass;
mod case;
mod clients;
mod fixture;
mod govern;
mod noninterference;
mod supply_chain;
mod tidy;
