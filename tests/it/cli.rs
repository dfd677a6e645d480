//! The command line, as a new user runs it.

use crate::fixture;
use std::process::{Command, Output};

fn querygate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_querygate")).args(arguments).current_dir(fixture::demo_folder()).output().unwrap()
}

#[test]
fn the_tour_ends_well_and_shows_every_statement() {
    let output = querygate(&["demo", "--tour", "--scale", "0.002"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for number in 1..=12 {
        assert!(text.contains(&format!("\n{number:>2} ")), "no statement {number}\n{text}");
    }
    assert!(text.contains("hold together"), "{text}");
}

#[test]
fn the_shipped_catalog_and_policies_pass_their_checks() {
    for arguments in [["check"], ["test"]] {
        let output = querygate(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
