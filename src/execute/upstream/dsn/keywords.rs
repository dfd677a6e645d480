//! The form `host=… user='…'`: values are plain or in single quotes, with `\` before a quote or a backslash.

use super::{DsnError, Parts};

pub(super) fn parts(text: &str) -> Result<Parts, DsnError> {
    let mut parts = Parts::default();
    let mut rest = text;
    if !text.contains('=') {
        return Err(DsnError::NeitherForm);
    }
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or(DsnError::Unfinished)?;
        let (value, after) = value(after.trim_start())?;
        parts.set(key.trim(), value)?;
        rest = after.trim_start();
    }
    Ok(parts)
}

/// One value, and what follows it.
fn value(text: &str) -> Result<(String, &str), DsnError> {
    let (quoted, body) = text.strip_prefix('\'').map_or((false, text), |body| (true, body));
    // Room for all of it: growing would leave parts of a secret behind in memory.
    let mut value = String::with_capacity(body.len());
    let mut characters = body.chars();
    loop {
        let before = characters.as_str();
        match characters.next() {
            Some('\\') => value.push(characters.next().ok_or(DsnError::Unfinished)?),
            Some('\'') if quoted => {
                let after = characters.as_str();
                // `'a'b=…` is a quote too many or too few.
                let sound = after.is_empty() || after.starts_with(char::is_whitespace);
                return if sound { Ok((value, after)) } else { Err(DsnError::Unfinished) };
            }
            Some(character) if !quoted && character.is_whitespace() => return Ok((value, before)),
            Some(character) => value.push(character),
            None if quoted => return Err(DsnError::Unfinished),
            None => return Ok((value, "")),
        }
    }
}
