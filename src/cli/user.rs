//! `querygate user`: people in `users.yaml`, whose comments and order stay as they are.

use super::{ConfigArgs, Ended, print, serve};
use crate::types::Redacted;
use crate::wire::auth::scram;
use clap::{Args, Subcommand};
use rand::TryRngCore;
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How often a password is hashed: PostgreSQL's default (`scram_iterations`).
const ITERATIONS: u32 = 4096;

/// What to do with a user.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user to users.yaml.
    #[command(after_help = "Example: querygate user add carol --role ANALYST --tenant acme --attribute country=DE")]
    Add(AddArgs),
    /// Set a user's password in users.yaml.
    #[command(after_help = "Example: querygate user passwd carol")]
    Passwd(PasswdArgs),
}

/// A new user.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The name to connect with.
    name: String,
    /// A role; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// An attribute that policies read: businessUnit, department, clearance, country, mfa_verified.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A user's new password.
#[derive(Debug, Args)]
pub(super) struct PasswdArgs {
    /// The user.
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(command: &UserCommand) -> Ended {
    let (config, name) = match command {
        UserCommand::Add(args) => (&args.config, &args.name),
        UserCommand::Passwd(args) => (&args.config, &args.name),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("{name:?} is no user name: letters, digits, and any of _ - . @"));
    }
    let file = serve::config(config)?.catalog_dir.join("users.yaml");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let entry = entry(&text, name);
    let changed = match (command, entry) {
        (UserCommand::Add(_), Some(_)) => {
            return Err(format!("there is a user {name} already; querygate user passwd {name}"));
        }
        (UserCommand::Passwd(_), None) => return Err(format!("there is no user {name} in {}", file.display())),
        (UserCommand::Add(args), None) => added(&text, args, &verifier()?)?,
        (UserCommand::Passwd(_), Some(lines)) => with_password(&text, lines, &verifier()?).ok_or_else(|| {
            format!("the entry of {name} has no line of its own for password:; write one, then try again")
        })?,
    };
    replace(&file, &changed)?;
    print(format_args!("{} {name} in {}", if entry.is_some() { "changed" } else { "added" }, file.display()));
    print("a running gateway takes it over on SIGHUP");
    Ok(ExitCode::SUCCESS)
}

/// Asks for a password, twice at a terminal, and makes a verifier from which it can't be read.
fn verifier() -> Result<String, String> {
    let ask = |prompt: &str| -> Result<Redacted<String>, String> {
        if std::io::stdin().is_terminal() {
            write!(std::io::stderr(), "{prompt}: ").map_err(|error| error.to_string())?;
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| format!("no password: {error}"))?;
        let length = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(length);
        Ok(Redacted::new(line))
    };
    let password = ask("Password")?;
    if password.expose().is_empty() {
        return Err("an empty password is none".into());
    }
    if std::io::stdin().is_terminal() && ask("Again")? != password {
        return Err("the two are not the same".into());
    }
    let mut salt = [0_u8; 16];
    rand::rngs::OsRng.try_fill_bytes(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(scram::make_verifier(password.expose(), ITERATIONS, &salt))
}

/// The lines of a user's entry: from its `- name:` to the line before the next entry or key.
fn entry(text: &str, name: &str) -> Option<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = |line: &str| {
        let rest = line.trim_start().strip_prefix("- name:")?;
        let value = rest.split('#').next()?.trim().trim_matches(['"', '\'']);
        (value == name).then_some(line.len() - line.trim_start().len())
    };
    let (start, indent) = lines.iter().enumerate().find_map(|(number, line)| Some((number, starts(line)?)))?;
    let ends = |line: &&str| !line.trim().is_empty() && line.len() - line.trim_start().len() <= indent;
    let length = lines.iter().skip(start + 1).position(ends).unwrap_or(lines.len() - start - 1);
    Some((start, start + 1 + length))
}

fn with_password(text: &str, (start, end): (usize, usize), verifier: &str) -> Option<String> {
    let mut found = false;
    let mut changed = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        let inside = number >= start && number < end;
        if inside && !found && line.trim_start().starts_with("password:") {
            let indent = line.len() - line.trim_start().len();
            let _ = writeln!(changed, "{:indent$}password: \"{verifier}\"", "");
            found = true;
        } else {
            changed.push_str(line);
            changed.push('\n');
        }
    }
    found.then_some(changed)
}

fn added(text: &str, args: &AddArgs, verifier: &str) -> Result<String, String> {
    let word = |word: &str| serde_json::to_string(word).map_err(|error| error.to_string());
    let roles: Result<Vec<String>, String> = args.roles.iter().map(|role| word(role)).collect();
    let mut changed = text.trim_end().to_owned();
    if !text.lines().any(|line| line.starts_with("users:")) {
        changed.push_str("\n\nusers:");
    }
    let _ = write!(
        changed,
        "\n\n  - name: {}\n    password: \"{verifier}\"\n    roles: [{}]\n",
        args.name,
        roles?.join(", ")
    );
    if let Some(tenant) = &args.tenant {
        let _ = writeln!(changed, "    tenant: {}", word(tenant)?);
    }
    if !args.attributes.is_empty() {
        let pairs: Result<Vec<String>, String> = args
            .attributes
            .iter()
            .map(|pair| {
                let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not NAME=VALUE"))?;
                let value = if matches!(value, "true" | "false") { value.to_owned() } else { word(value)? };
                Ok(format!("{name}: {value}"))
            })
            .collect();
        let _ = writeln!(changed, "    attributes: {{{}}}", pairs?.join(", "));
    }
    Ok(changed)
}

/// Writes a file whole or not at all, readable by its owner's group only as it was before.
fn replace(file: &Path, text: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    let beside: PathBuf = file.with_extension("yaml.new");
    std::fs::write(&beside, text).map_err(wrong)?;
    let permissions = std::fs::metadata(file).map_err(wrong)?.permissions();
    std::fs::set_permissions(&beside, permissions).map_err(wrong)?;
    std::fs::rename(&beside, file).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# people\nusers:\n  - name: ana  # first\n    password: \"old\"\n    roles: [ANALYST]\n\n  - name: ben\n    roles: []\nother: 1\n";

    #[test]
    fn an_entry_ends_where_the_next_begins() {
        assert_eq!(entry(TEXT, "ana"), Some((2, 6)));
        assert_eq!(entry(TEXT, "ben"), Some((6, 8)));
        assert_eq!(entry(TEXT, "an"), None);
    }

    #[test]
    fn only_the_password_changes() {
        let changed = with_password(TEXT, (2, 6), "new").unwrap();
        assert_eq!(changed, TEXT.replace("\"old\"", "\"new\""));
        assert_eq!(with_password(TEXT, (6, 8), "new"), None);
    }

    #[test]
    fn what_is_added_is_at_the_end_and_quoted() {
        let args = AddArgs {
            name: "carol".into(),
            roles: vec!["ANALYST".into()],
            tenant: Some("acme: x".into()),
            attributes: vec!["country=DE".into(), "mfa_verified=true".into()],
            config: ConfigArgs { config: None },
        };
        let changed = added("users:\n", &args, "v").unwrap();
        assert_eq!(
            changed,
            "users:\n\n  - name: carol\n    password: \"v\"\n    roles: [\"ANALYST\"]\n    tenant: \"acme: x\"\n    \
             attributes: {country: \"DE\", mfa_verified: true}\n"
        );
    }
}
