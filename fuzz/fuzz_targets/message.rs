#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| querygate::fuzzing::run("message", input));
