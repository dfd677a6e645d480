//! The gateway's configuration: `querygate.toml`, with `QUERYGATE_*` variables over it, as checked values.
//!
//! Two steps: `raw` says what may be written, `check` turns it into a [`Config`] whose every value is sound, and
//! collects all that is not. A key is overridden by its path in capitals: `limits.max_connections` by
//! `QUERYGATE_LIMITS_MAX_CONNECTIONS`. A secret is never a value in the file: only the name of a file that holds it.

mod check;
mod hash_key;
mod raw;
mod zones;

#[cfg(test)]
mod tests;

pub use check::{Config, ConnectionLimits, Engine, LogFormat, LoginLimits, TlsConfig, TlsMode};
pub use hash_key::HashKey;
pub use zones::{Deployment, NetworkZone, NotANetwork};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "querygate.toml";

/// A configuration that can't be used, with every reason that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// Each with its key and where it was given: `limits.max_connections in querygate.toml: must be at least 1`.
    pub problems: Vec<String>,
}

/// Reads the configuration of this process: the file, if there is one, and the environment.
///
/// A file that was named must be there; without a name `querygate.toml` in the working folder is read if it is there.
///
/// # Errors
/// [`ConfigError`] with all mistakes; the first is the file itself if it can't be read.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let path = file.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(ConfigError { problems: vec![format!("{}: {error}", path.display())] }),
    };
    let mut environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(raw::PREFIX))
        .collect();
    let read = |path: &Path| std::fs::read_to_string(path);
    let config = parse(text.as_deref().map(|text| (path.as_path(), text)), &environment, &read);
    // One of them may be a key.
    environment.values_mut().for_each(Zeroize::zeroize);
    config
}

/// The same from values: the file's path and text, the environment, and a way to read the file of the hash key.
///
/// # Errors
/// [`ConfigError`] with all mistakes.
pub fn parse(
    file: Option<(&Path, &str)>,
    environment: &BTreeMap<String, String>,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Config, ConfigError> {
    let (raw, origins, warnings) = raw::read(file, environment).map_err(|problems| ConfigError { problems })?;
    let folder = file.and_then(|(path, _)| path.parent()).unwrap_or(Path::new("")).to_path_buf();
    check::check(raw, check::Context { origins, folder, warnings, environment, read })
}
