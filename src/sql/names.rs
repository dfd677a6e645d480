//! Names as PostgreSQL reads them: case, quotes, length, and how many parts they may have.

use super::literal::undouble;
use crate::error::{ErrorReport, SqlState};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// The longest name in bytes (`NAMEDATALEN - 1` in PostgreSQL); a longer one is cut to it.
pub const MAX_NAME_BYTES: usize = 63;

/// The name that an identifier of a tree stands for: lower case without quotes, as written inside of them, cut to
/// [`MAX_NAME_BYTES`] ("Identifiers and Key Words" in PostgreSQL's manual).
pub fn fold_ident(ident: &Ident) -> String {
    match ident.quote_style {
        None => fold_unquoted(&ident.value),
        Some(quote) => truncate(undouble(&ident.value, quote).into_owned()),
    }
}

/// The name that a word without quotes stands for. Only ASCII letters change, as in a UTF-8 database.
pub fn fold_unquoted(word: &str) -> String {
    truncate(word.to_ascii_lowercase())
}

/// An identifier for a tree that stands for exactly this name.
pub fn quoted_ident(name: &str) -> Ident {
    Ident::with_quote('"', name.replace('"', "\"\""))
}

/// Cuts at a character, as PostgreSQL does.
pub(super) fn truncate(mut name: String) -> String {
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// Why a name of several parts was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than `database.schema.name`.
    #[error("improper qualified name (too many dotted names): {0}")]
    TooManyParts(String),
    /// A part that is a function call or the like.
    #[error("improper qualified name: {0}")]
    NotAName(String),
    /// `database.` is another than the current one.
    #[error("cross-database references are not implemented: {0}")]
    OtherDatabase(String),
}

impl NameError {
    /// What the client is told.
    pub fn report(&self) -> ErrorReport {
        let state = match self {
            Self::TooManyParts(_) | Self::NotAName(_) => SqlState::SYNTAX_ERROR,
            Self::OtherDatabase(_) => SqlState::FEATURE_NOT_SUPPORTED,
        };
        ErrorReport::new(state, self.to_string())
    }
}

/// The name of a relation or a function: `name`, `schema.name`; all folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPath {
    /// The schema, if one is given.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectPath {
    /// Reads a name of one to three parts. A third must be the database that the client is connected to.
    ///
    /// # Errors
    /// [`NameError`], with the name as written.
    pub fn read(name: &ObjectName, current_database: &str) -> Result<Self, NameError> {
        let parts = parts(name)?;
        match parts.as_slice() {
            [name] => Ok(Self { schema: None, name: name.clone() }),
            [schema, name] => Ok(Self { schema: Some(schema.clone()), name: name.clone() }),
            [database, schema, object] if database == current_database => {
                Ok(Self { schema: Some(schema.clone()), name: object.clone() })
            }
            [_, _, _] => Err(NameError::OtherDatabase(show(name))),
            _ => Err(NameError::TooManyParts(show(name))),
        }
    }
}

/// The folded parts of a name.
///
/// # Errors
/// [`NameError::NotAName`] if a part is no identifier.
pub fn parts(name: &ObjectName) -> Result<Vec<String>, NameError> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold_ident(ident)),
            ObjectNamePart::Function(_) => Err(NameError::NotAName(show(name))),
        })
        .collect()
}

/// A name for a message: as written, but not at any length.
fn show(name: &ObjectName) -> String {
    let text = name.to_string();
    if text.chars().count() > 200 { text.chars().take(200).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[Ident]) -> ObjectName {
        ObjectName::from(parts.to_vec())
    }

    #[test]
    fn words_fold_and_quotes_keep() {
        assert_eq!(fold_ident(&Ident::new("CustoMer")), "customer");
        assert_eq!(fold_ident(&Ident::new("GRÖSSE")), "grÖsse");
        assert_eq!(fold_ident(&Ident::with_quote('"', "A\"\"b")), "A\"b");
        assert_eq!(fold_ident(&quoted_ident("A\"b")), "A\"b");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(fold_ident(&Ident::new("a".repeat(70))).len(), 63);
        let cut = fold_ident(&Ident::with_quote('"', format!("{}é", "a".repeat(62))));
        assert_eq!(cut, "a".repeat(62));
    }

    #[test]
    fn paths_have_one_to_three_parts_and_one_database() {
        let read =
            |parts: &[&str]| ObjectPath::read(&name(&parts.iter().map(|p| Ident::new(*p)).collect::<Vec<_>>()), "lab");
        assert_eq!(read(&["T"]).unwrap(), ObjectPath { schema: None, name: "t".into() });
        assert_eq!(read(&["S", "t"]).unwrap(), ObjectPath { schema: Some("s".into()), name: "t".into() });
        assert_eq!(read(&["LAB", "s", "t"]).unwrap(), ObjectPath { schema: Some("s".into()), name: "t".into() });
        assert_eq!(read(&["other", "s", "t"]).unwrap_err().report().sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
        assert_eq!(read(&["a", "b", "c", "d"]).unwrap_err().report().sqlstate, SqlState::SYNTAX_ERROR);
    }
}
