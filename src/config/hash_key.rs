//! The master key of the `hash` mask: from the environment, from a file, or made at start.
//!
//! The key of each workspace is derived from it by the mask, so that hashes of two workspaces have nothing in common.

use crate::types::Redacted;
use hmac::{Hmac, Mac};
use rand::TryRngCore;
use sha2::Sha256;
use std::path::Path;

/// The fewest bytes of a master key: as many as the hash has.
const FEWEST_BYTES: usize = 32;

/// The master key of the `hash` mask.
#[derive(Debug, Clone)]
pub struct HashKey {
    /// The key itself.
    pub master: Redacted<Vec<u8>>,
    /// Whether it was made at start: hashes then change with each start, and differ between gateways.
    pub made_at_start: bool,
}

impl HashKey {
    /// A key from text: 64 or more hex digits, or any text of 32 or more bytes; blanks and line ends around it do not count.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let key = match hex::decode(text) {
            Ok(bytes) => bytes,
            Err(_) => text.as_bytes().to_vec(),
        };
        if key.len() < FEWEST_BYTES {
            return Err("must have at least 64 hex digits, or 32 bytes of other text");
        }
        Ok(Self { master: Redacted::new(key), made_at_start: false })
    }

    /// A key of the operating system's random bytes.
    ///
    /// # Errors
    /// If the system has none to give.
    pub fn random() -> Result<Self, String> {
        let mut key = vec![0; FEWEST_BYTES];
        rand::rngs::OsRng
            .try_fill_bytes(&mut key)
            .map_err(|error| format!("no random bytes for the hash key: {error}"))?;
        Ok(Self { master: Redacted::new(key), made_at_start: true })
    }

    /// The key that the salts of users who do not exist are made from, from which this one can't be found out: the
    /// same at each start. `None` if this one is not.
    pub fn decoy_key(&self) -> Option<Redacted<Vec<u8>>> {
        // The masks' own keys are derived by other words.
        const PURPOSE: &[u8] = b"querygate-decoy-salts";
        let mac = Hmac::<Sha256>::new_from_slice(self.master.expose()).ok().filter(|_| !self.made_at_start)?;
        Some(Redacted::new(mac.chain_update(PURPOSE).finalize().into_bytes().to_vec()))
    }

    /// The key that the variable or the file gives; the variable stands first. `None` if neither is set.
    pub(super) fn given(
        variable: Option<&str>,
        file: Option<(&Path, &str)>,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Option<Result<Self, String>> {
        if let Some(text) = variable {
            return Some(Self::from_text(text).map_err(|why| format!("{}: {why}", super::raw::HASH_KEY_VARIABLE)));
        }
        let (path, origin) = file?;
        let text = match read(path) {
            Ok(text) => Redacted::new(text),
            Err(error) => return Some(Err(format!("{origin}: {}: {error}", path.display()))),
        };
        Some(Self::from_text(text.expose()).map_err(|why| format!("{origin}: the key in {} {why}", path.display())))
    }
}
