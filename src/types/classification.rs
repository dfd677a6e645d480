//! How sensitive data is, and how far it has been prepared.

use std::fmt;
use std::str::FromStr;

/// A word that is none of the allowed ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {allowed}")]
pub struct UnknownWord {
    /// What was written.
    pub word: String,
    /// The allowed words, comma separated.
    pub allowed: &'static str,
}

/// How far a column's values may travel, least to most restrictive; `Ord` follows that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Classification {
    /// Open to all.
    Public,
    /// For the house. A column that no one classified is this.
    #[default]
    Internal,
    /// Regulated, or a competitive secret.
    Proprietary,
}

impl Classification {
    /// The word in catalogs, policies and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Internal => "INTERNAL",
            Self::Proprietary => "PROPRIETARY",
        }
    }
}

impl fmt::Display for Classification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Classification {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "PUBLIC" => Ok(Self::Public),
            "INTERNAL" => Ok(Self::Internal),
            "PROPRIETARY" => Ok(Self::Proprietary),
            _ => Err(UnknownWord { word: word.to_owned(), allowed: "PUBLIC, INTERNAL, PROPRIETARY" }),
        }
    }
}

/// How far a dataset has been prepared for analysts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Source data as it came: explicit approval.
    Raw,
    /// Cleaned and validated: by role.
    Curated,
    /// De-identified or aggregated: self-service.
    Anonymized,
    /// Generated: open.
    Synthetic,
}

impl Tier {
    /// The word in catalogs and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "RAW",
            Self::Curated => "CURATED",
            Self::Anonymized => "ANONYMIZED",
            Self::Synthetic => "SYNTHETIC",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "RAW" => Ok(Self::Raw),
            "CURATED" => Ok(Self::Curated),
            "ANONYMIZED" => Ok(Self::Anonymized),
            "SYNTHETIC" => Ok(Self::Synthetic),
            _ => Err(UnknownWord { word: word.to_owned(), allowed: "RAW, CURATED, ANONYMIZED, SYNTHETIC" }),
        }
    }
}
