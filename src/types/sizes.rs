//! Counts with their unit in the type.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KB: u64 = 1 << 10;
        const MB: u64 = 1 << 20;
        const GB: u64 = 1 << 30;
        match self.0 {
            n if n >= GB && n % GB == 0 => write!(f, "{} GB", n / GB),
            n if n >= MB && n % MB == 0 => write!(f, "{} MB", n / MB),
            n if n >= KB && n % KB == 0 => write!(f, "{} kB", n / KB),
            n => write!(f, "{n} bytes"),
        }
    }
}

/// A text that is no number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a size: a whole number of bytes, or one with a unit such as \"512 MB\" or \"4 GB\"")]
pub struct NotASize;

impl FromStr for ByteCount {
    type Err = NotASize;

    /// Reads `4096`, `64kB`, `512 MB`, `4 GB`, `1 TB`; units are powers of 1024, as in PostgreSQL's settings.
    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at_checked(digits_end).ok_or(NotASize)?;
        let shift = match unit.trim().to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "KB" | "KIB" => 10,
            "MB" | "MIB" => 20,
            "GB" | "GIB" => 30,
            "TB" | "TIB" => 40,
            _ => return Err(NotASize),
        };
        let number: u64 = digits.parse().map_err(|_| NotASize)?;
        number.checked_mul(1 << shift).map(Self).ok_or(NotASize)
    }
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RowCount(pub u64);

impl fmt::Display for RowCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which version of a catalog or policy bundle answered. It is a digest of what was loaded: equal content, equal revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for text in ["17 bytes", "-1", "4 gigs", "", "GB", "99999999999 TB"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
        for size in [0, 1023, 64 << 10, 512 << 20, 4 << 30] {
            let shown = ByteCount(size).to_string().replace(" bytes", "");
            assert_eq!(shown.parse(), Ok(ByteCount(size)), "{shown}");
        }
    }
}
