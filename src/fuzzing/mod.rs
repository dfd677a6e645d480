//! Bytes of an attacker in, a property that holds or a panic: what `fuzz/` runs for hours, and the tests for seconds.
//!
//! Each target is a function of bytes. It panics if a property does not hold, and ends quietly otherwise; what is refused
//! is fine. Compiled for tests and for the feature `fuzzing` alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod documents;
mod log;
mod statement;
mod text;
mod world;

pub use statement::statement;

/// A target: its name, which is that of its corpus in `fuzz/corpus`, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 15] = [
    ("startup", crate::wire::fuzz::startup),
    ("message", crate::wire::fuzz::message),
    ("conversation", crate::wire::fuzz::conversation),
    ("upstream", crate::execute::upstream::fuzz::answer),
    ("parse", text::parse_text),
    ("print", text::print),
    ("redact", text::redact),
    ("template", text::template),
    ("policy_expression", text::policy_expression),
    ("govern", world::govern_text),
    ("govern_generated", world::govern_generated),
    ("config", documents::config),
    ("catalog", documents::catalog),
    ("dsn", documents::dsn),
    ("audit", log::verify),
];

/// Runs a target on one input.
///
/// # Panics
/// If there is no such target, or one of its properties does not hold.
pub fn run(target: &str, input: &[u8]) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("there is no such target");
    run(input);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn corpora() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
    }

    fn inputs(target: &str) -> Vec<Vec<u8>> {
        let folder = corpora().join(target);
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&folder).expect(target).map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Something near an input: what a fuzzer would try first.
    fn near(input: &[u8], others: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=input.len());
            match random.random_range(0..6) {
                0 => input.truncate(at),
                1 => input.insert(at, random.random()),
                2 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                3 if at < input.len() => drop(input.remove(at)),
                4 if at < input.len() => {
                    let until = random.random_range(at..=input.len().min(at + 16));
                    let copied = input[at..until].to_vec();
                    input.splice(at..at, copied);
                }
                _ => {
                    let other = &others[random.random_range(0..others.len())];
                    let from = random.random_range(0..=other.len());
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
        }
        input
    }

    /// The corpus of every target, and a few thousand inputs beside it: `QUERYGATE_FUZZ=100000` for more of each.
    #[test]
    fn no_input_breaks_a_promise() {
        let dose: usize = std::env::var("QUERYGATE_FUZZ").ok().map_or(400, |dose| dose.parse().unwrap());
        let only = std::env::var("QUERYGATE_FUZZ_ONLY").ok();
        std::thread::scope(|scope| {
            for (target, run) in TARGETS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
                let one = move || {
                    let inputs = inputs(target);
                    assert!(inputs.len() >= 5, "{target}: {} inputs", inputs.len());
                    inputs.iter().for_each(|input| run(input));
                    let mut random = StdRng::seed_from_u64(7);
                    for turn in 0..dose {
                        run(&near(&inputs[turn % inputs.len()], &inputs, &mut random));
                    }
                };
                // As much stack as a thread of the server has.
                std::thread::Builder::new()
                    .name((*target).to_owned())
                    .stack_size(2 << 20)
                    .spawn_scoped(scope, one)
                    .unwrap();
            }
        });
    }

    #[test]
    fn every_corpus_has_its_target_and_its_program() {
        let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let names = |folder: &str| -> BTreeSet<String> {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
            let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
            std::fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap().path())).collect()
        };
        assert_eq!(names("corpus"), targets);
        assert_eq!(names("fuzz_targets"), targets);
    }
}
