//! What each mask of SPEC section 4 does to one value: the one definition that every engine renders.
//!
//! NULL never comes here: it stays NULL. A mask never fails: an error would tell about the value that it stands for, so
//! what has no masked value (a multiple that the type can't hold, a number below the first edge) is NULL, `None` here.
//!
//! Lengths and positions count Unicode scalar values, as PostgreSQL's `char_length`, `left` and `right` do in a UTF-8
//! database, not bytes and not what a reader sees as one character: a letter with a combining accent is two, so a cut may
//! fall between them.
//!
//! Pure: nothing here knows an engine, and nothing here ever prints a key.

mod calendar;
mod number;

pub use calendar::{CalendarUnit, truncate_days, truncate_instant};
pub use number::{Buckets, Step, TopCode, floor_of};

use crate::types::{Redacted, WorkspaceName};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;

/// What stands for hidden text.
pub const STARS: &str = "***";

/// The key under which a workspace's values are hashed. Equal values have equal hashes within a workspace, and nothing
/// in common between two.
#[derive(Clone)]
pub struct MaskKey {
    secret: Redacted<Vec<u8>>,
    /// Tells keys apart without telling anything about them.
    id: u64,
}

impl MaskKey {
    /// The key of a workspace: HMAC-SHA-256 of `querygate-mask:<name>` under the gateway's master key.
    pub fn derive(master: &Redacted<Vec<u8>>, workspace: &WorkspaceName) -> Self {
        let message = format!("querygate-mask:{workspace}");
        let secret = hmac(master.expose(), message.as_bytes());
        let digest = Sha256::new().chain_update(b"querygate-mask-key-id:").chain_update(secret).finalize();
        let id = digest.iter().take(8).fold(0, |id, byte| (id << 8) | u64::from(*byte));
        Self { secret: Redacted::new(secret.to_vec()), id }
    }

    /// `hash` of text: the first 16 bytes of the HMAC of its UTF-8 bytes, as 32 lower-case hex digits.
    pub fn hash_text(&self, text: &str) -> String {
        let bytes = self.hash_bytes(text.as_bytes());
        let mut digits = hex::encode(bytes);
        digits.truncate(32);
        digits
    }

    /// `hash` of bytes: the 32 bytes of the HMAC.
    pub fn hash_bytes(&self, bytes: &[u8]) -> [u8; 32] {
        hmac(self.secret.expose(), bytes)
    }

    /// `hash` of a bigint: the first 8 bytes of the HMAC of its decimal digits, as a number above zero (the sign bit is
    /// cleared, zero becomes one).
    pub fn hash_bigint(&self, number: i64) -> i64 {
        let bytes = self.hash_bytes(number.to_string().as_bytes());
        let folded = bytes.iter().take(8).fold(0_u64, |folded, byte| (folded << 8) | u64::from(*byte));
        i64::try_from(folded & (u64::MAX >> 1)).unwrap_or(i64::MAX).max(1)
    }

    /// `email`: the first character, `***@`, and what follows the last `@`. A text without an `@`, with nothing before
    /// the last one or nothing after it is no address and is hashed as [`Self::hash_text`] does.
    pub fn email(&self, text: &str) -> String {
        match text.rsplit_once('@') {
            Some((before, domain)) if !domain.is_empty() => match before.chars().next() {
                Some(first) => format!("{first}{STARS}@{domain}"),
                None => self.hash_text(text),
            },
            Some(_) | None => self.hash_text(text),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104), for a key of any length.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key of any length is taken; the empty array is never reached, and would hash everything alike.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mac| mac.chain_update(message).finalize().into_bytes().into())
}

/// The key of HMAC-SHA-256 as the two blocks that RFC 2104 makes of it, for an engine that has SHA-256 alone:
/// `sha256(outer || sha256(inner || message))`. As secret as the key.
#[derive(Debug)]
pub struct KeyBlocks {
    /// The key, filled up to 64 bytes, XOR 0x36.
    pub inner: Redacted<Vec<u8>>,
    /// The same, XOR 0x5c.
    pub outer: Redacted<Vec<u8>>,
}

impl MaskKey {
    /// The padded blocks of the key.
    pub fn blocks(&self) -> KeyBlocks {
        const BLOCK: usize = 64;
        // A derived key is 32 bytes; a longer one than a block would be hashed first.
        let padded = |with: u8| -> Redacted<Vec<u8>> {
            let secret = self.secret.expose().iter().copied().chain(std::iter::repeat(0));
            Redacted::new(secret.take(BLOCK).map(|byte| byte ^ with).collect())
        };
        KeyBlocks { inner: padded(0x36), outer: padded(0x5c) }
    }
}

impl PartialEq for MaskKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.expose().ct_eq(other.secret.expose()).into()
    }
}

impl Eq for MaskKey {}

impl Hash for MaskKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(***)")
    }
}

/// `last(n)`: `***` and the last `n` characters; `***` alone if there are no more than `n`.
pub fn last(text: &str, n: u32) -> Cow<'static, str> {
    partial(text, 0, n, STARS).map_or(Cow::Borrowed(STARS), Cow::Owned)
}

/// `partial(prefix, suffix, pad)`: the first `prefix` characters, `pad`, and the last `suffix`. `None` stands for the pad
/// alone: there are no more characters than both.
pub fn partial(text: &str, prefix: u32, suffix: u32, pad: &str) -> Option<String> {
    let (prefix, suffix) = (prefix as usize, suffix as usize);
    let length = text.chars().count();
    if length <= prefix.saturating_add(suffix) {
        return None;
    }
    let mut masked = String::with_capacity(text.len().min(4 * (prefix + suffix)) + pad.len());
    masked.extend(text.chars().take(prefix));
    masked.push_str(pad);
    masked.extend(text.chars().skip(length - suffix));
    Some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(workspace: &str) -> MaskKey {
        MaskKey::derive(&Redacted::new(b"master".to_vec()), &workspace.into())
    }

    #[test]
    fn addresses_keep_their_first_character_and_their_domain() {
        let key = key("adhoc");
        for (text, masked) in [
            ("ana@example.com", "a***@example.com"),
            ("a@b", "a***@b"),
            ("Zoë@example.com", "Z***@example.com"),
            ("山田@例え.jp", "山***@例え.jp"),
            ("👩‍🚀@space.org", "👩***@space.org"),
            ("\"odd@quoted\"@example.com", "\"***@example.com"),
            ("@@x", "@***@x"),
            (" @x", " ***@x"),
        ] {
            assert_eq!(key.email(text), masked, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_hashed() {
        let key = key("adhoc");
        for text in ["", "n/a", "@", "@example.com", "ana@", "ana", "555-1234"] {
            let masked = key.email(text);
            assert_eq!(masked, key.hash_text(text));
            assert_eq!(masked.len(), 32);
            assert!(masked.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn last_counts_characters_and_short_texts_show_nothing() {
        for (text, n, masked) in [
            ("4111111111111111", 4, "***1111"),
            ("1234", 4, "***"),
            ("12345", 4, "***2345"),
            ("", 4, "***"),
            ("", 0, "***"),
            ("abc", 0, "***"),
            ("日本語テキスト", 2, "***スト"),
            ("a😀b😀", 2, "***b😀"),
            ("e\u{301}", 1, "***\u{301}"),
            ("abc", u32::MAX, "***"),
        ] {
            assert_eq!(last(text, n), masked, "{text} {n}");
        }
    }

    #[test]
    fn partial_keeps_both_ends_or_nothing() {
        for (text, prefix, suffix, masked) in [
            ("DE89370400440532013000", 4, 2, Some("DE89…00")),
            ("abcdef", 3, 3, None),
            ("abcdefg", 3, 3, Some("abc…efg")),
            ("abc", 0, 0, Some("…")),
            ("", 0, 0, None),
            ("日本語テ", 1, 1, Some("日…テ")),
            ("abc", u32::MAX, u32::MAX, None),
        ] {
            assert_eq!(partial(text, prefix, suffix, "…").as_deref(), masked, "{text}");
        }
    }

    #[test]
    fn a_hash_is_the_hmac_under_the_workspaces_key() {
        // printf 'querygate-mask:adhoc' | openssl dgst -sha256 -hmac master -binary, and so on.
        assert_eq!(
            hex::encode(hmac(b"key", b"The quick brown fox jumps over the lazy dog")),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        let (one, other) = (key("adhoc"), key("retail"));
        assert_eq!(one.hash_text("ana"), one.hash_text("ana"));
        assert_ne!(one.hash_text("ana"), other.hash_text("ana"));
        assert_eq!(one.hash_text("ana"), hex::encode(&one.hash_bytes(b"ana")[..16]));
        assert_ne!(one, other);
        assert_eq!(one, key("adhoc"));
        assert_eq!(one.hash_text("").len(), 32);
    }

    #[test]
    fn the_blocks_hash_as_the_key_does() {
        let key = key("adhoc");
        let blocks = key.blocks();
        let inner = Sha256::new().chain_update(blocks.inner.expose()).chain_update(b"ana").finalize();
        let outer = Sha256::new().chain_update(blocks.outer.expose()).chain_update(inner).finalize();
        assert_eq!(outer.as_slice(), key.hash_bytes(b"ana"));
    }

    #[test]
    fn a_hashed_bigint_is_above_zero() {
        let key = key("adhoc");
        for number in [0, 1, -1, i64::MIN, i64::MAX, 42] {
            let hashed = key.hash_bigint(number);
            assert!(hashed > 0 && hashed != number);
            assert_eq!(hashed, key.hash_bigint(number));
        }
    }

    #[test]
    fn a_key_never_prints() {
        let key = key("adhoc");
        let shown = format!("{key:?}");
        assert_eq!(shown, "MaskKey(***)");
    }
}
