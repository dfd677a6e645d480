//! What it means that two answers are the same.

use crate::raw::{Described, Reply};
use std::fmt::Write;

/// Types from here on are a database's own, and the gateway shows them as text (README, "PostgreSQL sources").
const FIRST_OWN_TYPE: u32 = 16_384;
const TEXT: u32 = 25;
const NUMBERS: [u32; 6] = [20, 21, 23, 700, 701, 1700];

/// How a gateway's answer stands to the oracle's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Same,
    Refused { code: String, message: String },
    Differs(String),
}

impl Outcome {
    /// Of two, the one that has more to tell.
    pub(super) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Differs(_), _)
            | (Self::Refused { .. }, Self::Refused { .. } | Self::Same)
            | (Self::Same, Self::Same) => self,
            (Self::Refused { .. } | Self::Same, _) => other,
        }
    }
}

/// If one of the two failed: what that means.
fn failed(oracle: &Reply, gateway: &Reply, sql: &str) -> Option<Outcome> {
    let refused = |code: String| Outcome::Refused { code, message: gateway.error_field(b'M').unwrap_or_default() };
    match (oracle.error(), gateway.error()) {
        (None, None) => None,
        (Some(wanted), Some(found)) if wanted == found => Some(Outcome::Same),
        // A denied column is named as such; the oracle's view does not have it.
        (Some(wanted), Some(found)) if wanted == "42703" && found == "42501" && sql.contains("notes") => {
            Some(Outcome::Same)
        }
        (Some(wanted), Some(found)) if found != "0A000" => {
            Some(Outcome::Differs(format!("error {found} in place of {wanted}: {gateway:?}")))
        }
        (_, Some(found)) => Some(refused(found)),
        (Some(wanted), None) => Some(Outcome::Differs(format!("rows in place of error {wanted}"))),
    }
}

/// An upstream's answer: columns, types, modifiers, parameters, values and tag, byte by byte.
pub(super) fn exactly(oracle: &Reply, gateway: &Reply, sql: &str, ordered: bool, binary: bool) -> Outcome {
    if let Some(outcome) = failed(oracle, gateway, sql) {
        return outcome;
    }
    let shown = |column: Described| match column.oid {
        FIRST_OWN_TYPE.. => Described { oid: TEXT, len: -1, modifier: -1, ..column },
        _built_in => column,
    };
    let wanted: Vec<Described> = oracle.columns().into_iter().map(shown).collect();
    let found = gateway.columns();
    if wanted != found {
        return Outcome::Differs(format!("columns\n    {found:?} in place of\n    {wanted:?}"));
    }
    let own = |oid: u32| if oid >= FIRST_OWN_TYPE { TEXT } else { oid };
    let wanted: Vec<u32> = oracle.parameters().into_iter().map(own).collect();
    let found = gateway.parameters();
    if wanted != found {
        return Outcome::Differs(format!("parameters {found:?} in place of {wanted:?}"));
    }
    let (mut wanted, mut found) = (oracle.rows(), gateway.rows());
    if binary {
        // What is shown as text has the bytes of a text; of an array of enums these are others.
        for (at, _) in oracle.columns().iter().enumerate().filter(|(_, column)| column.oid >= FIRST_OWN_TYPE) {
            wanted.iter_mut().chain(&mut found).for_each(|row| row[at] = None);
        }
    }
    if !ordered {
        wanted.sort();
        found.sort();
    }
    if wanted != found {
        let place = wanted.iter().zip(&found).position(|(one, other)| one != other).unwrap_or(0);
        let row = |rows: &[crate::raw::Row]| rows.get(place).map(|row| row.iter().map(shown_value).collect::<Vec<_>>());
        return Outcome::Differs(format!(
            "{} rows in place of {}; the first other: {:?} in place of {:?}",
            found.len(),
            wanted.len(),
            row(&found),
            row(&wanted)
        ));
    }
    let tag = |reply: &Reply| reply.messages.iter().find(|(kind, _)| *kind == b'C').cloned();
    if tag(oracle) == tag(gateway) { Outcome::Same } else { Outcome::Differs("another command tag".to_owned()) }
}

fn shown_value(value: &Option<Vec<u8>>) -> String {
    value.as_ref().map_or("NULL".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The answer over files: names of columns, and values for what they mean, to nine digits of a fraction.
pub(super) fn by_value(oracle: &Reply, gateway: &Reply, sql: &str, ordered: bool) -> Outcome {
    if let Some(outcome) = failed(oracle, gateway, sql) {
        return outcome;
    }
    let names = |reply: &Reply| reply.columns().into_iter().map(|column| column.name).collect::<Vec<_>>();
    if names(oracle) != names(gateway) {
        return Outcome::Differs(format!("columns {:?} in place of {:?}", names(gateway), names(oracle)));
    }
    let kinds: Vec<bool> = oracle.columns().iter().map(|column| NUMBERS.contains(&column.oid)).collect();
    let read = |reply: &Reply| {
        let rows = reply.rows().into_iter().map(|row| {
            let values = row.iter().zip(&kinds).map(|(value, number)| meaning(value.as_deref(), *number));
            values.collect::<Vec<_>>()
        });
        let mut rows: Vec<Vec<String>> = rows.collect();
        if !ordered {
            rows.sort();
        }
        rows
    };
    let (wanted, found) = (read(oracle), read(gateway));
    if wanted == found {
        return Outcome::Same;
    }
    let place = wanted.iter().zip(&found).position(|(one, other)| one != other).unwrap_or(0);
    let mut told = String::new();
    write!(
        told,
        "{} rows in place of {}; the first other: {:?} in place of {:?}",
        found.len(),
        wanted.len(),
        found.get(place),
        wanted.get(place)
    )
    .unwrap();
    Outcome::Differs(told)
}

/// A value as text that is the same for all that mean the same.
fn meaning(value: Option<&[u8]>, is_number: bool) -> String {
    let Some(bytes) = value else { return "NULL".to_owned() };
    let text = String::from_utf8_lossy(bytes).into_owned();
    if !is_number {
        return format!("'{text}'");
    }
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        Some(_) => String::new(),
        None => text.clone(),
    };
    match (whole.parse::<i64>(), text.parse::<f64>()) {
        (Ok(whole), _) => format!("{whole:.0}"),
        // Whole in one engine and all but whole in the other.
        (Err(_), Ok(number)) if (number - number.round()).abs() < 1e-12 && number.abs() < 1e15 => {
            format!("{:.0}", number.round() + 0.0)
        }
        (Err(_), Ok(number)) => format!("{number:.9e}"),
        (Err(_), Err(_)) => text,
    }
}
