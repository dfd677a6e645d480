//! The form `user:password@host:port,host/database?key=value`, after its `postgres://`.

use super::{DsnError, Parts};

pub(super) fn parts(rest: &str) -> Result<Parts, DsnError> {
    let mut parts = Parts::default();
    // A `#` would begin a fragment: in a connection string it is a password that was not escaped.
    if rest.contains('#') {
        return Err(DsnError::Escape);
    }
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, database) = rest.split_once('/').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
        // What stands before the last @ and holds another one is a password that was not escaped.
        if login.contains('@') {
            return Err(DsnError::Escape);
        }
        parts.set("user", decoded(user)?)?;
        if let Some(password) = password {
            parts.set("password", decoded(password)?)?;
        }
    }
    if !hosts.is_empty() {
        let (names, ports) = split_hosts(hosts)?;
        parts.set("host", names)?;
        parts.set("port", ports)?;
    }
    if let Some(database) = database.filter(|database| !database.is_empty()) {
        parts.set("dbname", decoded(database)?)?;
    }
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(DsnError::Unfinished)?;
        parts.set(&decoded(key)?, decoded(value)?)?;
    }
    Ok(parts)
}

/// `h1:5432,[::1]:5433,h3` as names and ports; a port that is not given is empty.
fn split_hosts(hosts: &str) -> Result<(String, String), DsnError> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(DsnError::Host)?;
                let port = if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(DsnError::Host)? };
                (address, port)
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decoded(name)?);
        ports.push(port);
    }
    Ok((names.join(","), ports.join(",")))
}

/// Percent-escapes resolved.
fn decoded(text: &str) -> Result<String, DsnError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return Err(DsnError::Escape) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| DsnError::Escape)?);
    }
    String::from_utf8(bytes).map_err(|_| DsnError::NotText)
}
