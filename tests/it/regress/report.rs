//! What came of each statement, counted.

use super::kinds::Kind;
use crate::raw::{Described, Reply, Row};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Types from here on are a database's own, and the gateway shows them as text.
const FIRST_OWN_TYPE: u32 = 16_384;
const TEXT: u32 = 25;

/// How the gateway's answer stands to PostgreSQL's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The same rows, or the same SQLSTATE.
    Same,
    /// The same rows in an order that ORDER BY leaves open, as far as can be seen.
    OtherOrder,
    /// PostgreSQL refuses it, and so does the gateway, with another SQLSTATE.
    OtherError,
    /// The gateway refuses what PostgreSQL answers.
    Refused,
    /// Other rows, names or types, or rows in place of an error.
    Wrong,
    /// XX000: a defect, whatever PostgreSQL says.
    Defect,
}

impl Outcome {
    pub(super) const ALL: [Self; 6] =
        [Self::Same, Self::OtherOrder, Self::OtherError, Self::Refused, Self::Wrong, Self::Defect];

    /// Whether the gateway answered as it should.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Same | Self::OtherOrder)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherOrder => "other order",
            Self::OtherError => "other error",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
            Self::Defect => "XX000",
        }
    }
}

/// One statement.
pub(super) struct Told {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) sql: String,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    /// PostgreSQL answers it with rows.
    pub(super) answered: bool,
    pub(super) reason: String,
}

pub(super) fn compare(wanted: &Reply, found: &Reply, ordered: bool) -> (Outcome, String) {
    let message = || {
        let field = |field| found.error_field(field).unwrap_or_default();
        format!("{} {}", field(b'C'), field(b'M').replace('\n', " "))
    };
    match (wanted.error(), found.error()) {
        (_, Some(code)) if code == "XX000" && wanted.error().is_none_or(|wanted| wanted != code) => {
            return (Outcome::Defect, message());
        }
        (Some(wanted), Some(found)) if wanted == found => return (Outcome::Same, String::new()),
        (Some(wanted), Some(_)) => return (Outcome::OtherError, format!("{wanted}: {}", message())),
        (None, Some(_)) => return (Outcome::Refused, message()),
        (Some(code), None) => {
            let told = wanted.error_field(b'M').unwrap_or_default();
            return (Outcome::Wrong, format!("rows in place of {code} {told}"));
        }
        (None, None) => {}
    }
    let shown = |column: Described| match column.oid {
        FIRST_OWN_TYPE.. => Described { oid: TEXT, len: -1, modifier: -1, ..column },
        _built_in => column,
    };
    let wanted_columns: Vec<Described> = wanted.columns().into_iter().map(shown).collect();
    let found_columns: Vec<Described> = found.columns().into_iter().map(shown).collect();
    if wanted_columns != found_columns {
        let first = wanted_columns.iter().zip(&found_columns).find(|(one, other)| one != other);
        return (Outcome::Wrong, format!("columns: {first:?} of {} and {}", wanted_columns.len(), found_columns.len()));
    }
    let (mut wanted, mut found) = (wanted.rows(), found.rows());
    if wanted == found {
        return (Outcome::Same, String::new());
    }
    wanted.sort();
    found.sort();
    if wanted == found {
        return (if ordered { Outcome::OtherOrder } else { Outcome::Same }, String::new());
    }
    let place = wanted.iter().zip(&found).position(|(one, other)| one != other).unwrap_or(0);
    (
        Outcome::Wrong,
        format!(
            "{} rows in place of {}; {} in place of {}",
            found.len(),
            wanted.len(),
            shown_row(found.get(place)),
            shown_row(wanted.get(place))
        ),
    )
}

fn shown_row(row: Option<&Row>) -> String {
    let Some(row) = row else { return "none".to_owned() };
    let value = |value: &Option<Vec<u8>>| {
        value.as_ref().map_or("NULL".to_owned(), |bytes| String::from_utf8_lossy(bytes).chars().take(60).collect())
    };
    format!("({})", row.iter().map(value).collect::<Vec<_>>().join(", "))
}

/// The table of counts, and the reasons that come most often among what is not left out on purpose.
pub(super) fn table(all: &[Told], reasons: usize) -> String {
    let mut text = String::new();
    for answered in [true, false] {
        writeln!(text, "\nstatements that PostgreSQL {}:", if answered { "answers" } else { "refuses" }).unwrap();
        write!(text, "{:<40}", "").unwrap();
        for outcome in Outcome::ALL {
            write!(text, "{:>12}", outcome.name()).unwrap();
        }
        writeln!(text, "{:>12}{:>10}", "all", "share").unwrap();
        for kind in Kind::ALL {
            let of: Vec<&Told> = all.iter().filter(|told| told.kind == kind && told.answered == answered).collect();
            write!(text, "{:<40}", kind.name()).unwrap();
            for outcome in Outcome::ALL {
                write!(text, "{:>12}", of.iter().filter(|told| told.outcome == outcome).count()).unwrap();
            }
            let good = of.iter().filter(|told| told.outcome.is_good()).count();
            let share = if of.is_empty() { 0.0 } else { 100.0 * good as f64 / of.len() as f64 };
            writeln!(text, "{:>12}{share:>9.1}%", of.len()).unwrap();
        }
    }
    let mut counted: BTreeMap<(&Outcome, String), (usize, &Told)> = BTreeMap::new();
    let ours = |told: &&Told| matches!(told.kind, Kind::Data | Kind::Values) && told.outcome > Outcome::OtherError;
    for told in all.iter().filter(ours) {
        let reason: String = told.reason.chars().take(110).collect();
        counted.entry((&told.outcome, reason)).or_insert((0, told)).0 += 1;
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    writeln!(text, "\nwhy not, of data and values:").unwrap();
    for ((outcome, reason), (count, told)) in counted.into_iter().take(reasons) {
        writeln!(text, "{count:>6} {:<8} {reason}   [{}:{}]", outcome.name(), told.file, told.line).unwrap();
    }
    text
}
