//! How records are chained: what is hashed, how a line is made, how a line is checked.
//!
//! A line is one JSON object whose last two members are `previousHash` and `hash`:
//!
//! ```text
//! {"eventId":…, … ,"previousHash":"<64 hex digits>","hash":"<64 hex digits>"}
//! ```
//!
//! `hash` is the SHA-256 of the line's own bytes with `,"hash":"…"` taken out, so `previousHash` is in it. Hashing the
//! bytes as they stand leaves no canonical form to argue about: any tool can check a line. The first record's
//! `previousHash` is 64 zeros.

use sha2::{Digest, Sha256};

/// Digits of a hash in hex.
const DIGITS: usize = 64;
const PREVIOUS: &[u8] = br#","previousHash":""#;
const HASH: &[u8] = br#","hash":""#;
const END: &[u8] = br#""}"#;

/// SHA-256 as 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Link([u8; DIGITS]);

impl Link {
    /// What the first record of a log follows.
    pub(super) fn first() -> Self {
        Self([b'0'; DIGITS])
    }

    pub(super) fn as_str(&self) -> &str {
        // INVARIANT: they are hexadecimal digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn of(bytes: &[u8]) -> Self {
        let mut digits = [b'0'; DIGITS];
        let encoded = hex::encode_to_slice(Sha256::digest(bytes), &mut digits);
        debug_assert!(encoded.is_ok(), "a SHA-256 has 64 digits");
        Self(digits)
    }

    fn read(digits: &[u8]) -> Option<Self> {
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }
}

/// Appends one record as a line to `lines` and returns its hash. `json` is a JSON object without `previousHash` and
/// `hash` and with at least one member.
pub(super) fn seal(json: &str, previous: &Link, lines: &mut Vec<u8>) -> Link {
    let start = lines.len();
    lines.extend_from_slice(json.strip_suffix('}').unwrap_or(json).as_bytes());
    lines.extend_from_slice(PREVIOUS);
    lines.extend_from_slice(previous.as_str().as_bytes());
    lines.extend_from_slice(END);
    let hash = Link::of(lines.get(start..).unwrap_or_default());
    lines.pop();
    lines.extend_from_slice(HASH);
    lines.extend_from_slice(hash.as_str().as_bytes());
    lines.extend_from_slice(END);
    lines.push(b'\n');
    hash
}

/// A line whose own hash is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The hash of the record before it, as it claims.
    pub(super) previous: Link,
    /// Its own.
    pub(super) hash: Link,
}

/// Checks one line, without its newline, against its own hash.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn check(line: &[u8]) -> Result<Sealed, &'static str> {
    const NO_HASH: &str = "the line does not end in previousHash and hash";
    let (hashed, hash) = line
        .strip_suffix(END)
        .and_then(|line| line.split_at_checked(line.len().checked_sub(DIGITS)?))
        .and_then(|(rest, digits)| Some((rest.strip_suffix(HASH)?, Link::read(digits)?)))
        .ok_or(NO_HASH)?;
    let previous = hashed
        .strip_suffix(b"\"")
        .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(DIGITS)?))
        .and_then(|(rest, digits)| rest.ends_with(PREVIOUS).then_some(Link::read(digits)?))
        .ok_or(NO_HASH)?;
    let mut digest = Sha256::new();
    digest.update(hashed);
    digest.update(b"}");
    if hex::encode(digest.finalize()) == hash.as_str() {
        Ok(Sealed { previous, hash })
    } else {
        Err("the record does not match its hash: it was changed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_checks_against_what_it_was_sealed_with() {
        let mut lines = Vec::new();
        let first = seal(r#"{"eventId":"a"}"#, &Link::first(), &mut lines);
        let second = seal(r#"{"eventId":"b"}"#, &first, &mut lines);
        let checked: Vec<Sealed> =
            lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(|line| check(line).unwrap()).collect();
        assert_eq!(
            checked,
            [Sealed { previous: Link::first(), hash: first }, Sealed { previous: first, hash: second }]
        );
    }

    #[test]
    fn the_hash_is_what_any_tool_computes_from_the_lines_bytes() {
        let mut line = Vec::new();
        let hash = seal(r#"{"eventId":"a"}"#, &Link::first(), &mut line);
        let text = String::from_utf8(line).unwrap();
        assert_eq!(
            text,
            format!("{{\"eventId\":\"a\",\"previousHash\":\"{}\",\"hash\":\"{}\"}}\n", "0".repeat(64), hash.as_str())
        );
        // printf '{"eventId":"a","previousHash":"000…0"}' | sha256sum
        let without_hash = text.trim_end().replace(&format!(",\"hash\":\"{}\"", hash.as_str()), "");
        assert_eq!(hash.as_str(), hex::encode(Sha256::digest(without_hash.as_bytes())));
    }

    #[test]
    fn hostile_lines_are_errors() {
        for line in ["", "{}", "\"}", "}", &"a".repeat(63), &format!(",\"hash\":\"{}\"}}", "0".repeat(64))] {
            assert!(check(line.as_bytes()).is_err(), "{line}");
        }
    }
}
