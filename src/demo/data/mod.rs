//! The demo's data: TPC-H tables and a small made-up company, the same on every machine.
//!
//! Everything is generated; no person, account or number in it belongs to anybody (number ranges are those that are
//! never handed out, domains those that are reserved for examples). `catalog/catalog.yaml` relies on the files, columns
//! and types written here.
//!
//! Must never write into a folder that it did not make.

mod company;
mod files;
mod names;
mod random;
mod tpch;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DemoDataOptions {
    /// TPC-H scale factor: 0.01 is 60,000 line items and 3 MB, 1 is 6 million and 300 MB.
    pub scale: f64,
}

impl Default for DemoDataOptions {
    fn default() -> Self {
        Self { scale: 0.01 }
    }
}

/// What was found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoData {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it was made now; `false`: it was there already.
    pub is_new: bool,
}

/// Why there is no demo data.
#[derive(Debug, thiserror::Error)]
pub enum DemoDataError {
    /// The scale is not above zero or is beyond what the generator takes.
    #[error("scale {0} is not between 0.001 and 1000")]
    Scale(f64),
    /// The folder holds something else.
    #[error("{} exists and holds no demo data: give another folder, or remove it", .0.display())]
    Foreign(PathBuf),
    /// A file can't be written.
    #[error("can't write {}: {cause}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the operating system or the writer said.
        cause: String,
    },
}

impl DemoDataError {
    fn write(path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Write { path: path.to_owned(), cause: cause.to_string() }
    }
}

/// Raised whenever what is generated changes.
const VERSION: u32 = 1;
/// Says that a folder is the demo's, and what is in it.
const MARKER: &str = "DEMO_DATA";

/// Makes the demo's data in a folder, unless the same data is there already. Blocking.
///
/// It is made beside the folder and moved into its place when it is whole, so a demo that was stopped half way leaves
/// nothing that looks like data. Demo data of another version or scale is replaced.
///
/// # Errors
/// [`DemoDataError`]; the folder is then as it was.
pub fn generate(folder: &Path, options: &DemoDataOptions) -> Result<DemoData, DemoDataError> {
    if !(0.001..=1000.0).contains(&options.scale) {
        return Err(DemoDataError::Scale(options.scale));
    }
    let wanted = format!("querygate demo data, version {VERSION}, scale {}\n", options.scale);
    let marker = fs::read_to_string(folder.join(MARKER)).ok();
    if marker.as_deref() == Some(&wanted) {
        return Ok(DemoData { folder: folder.to_owned(), is_new: false });
    }
    if marker.is_none() && !is_absent_or_empty(folder) {
        return Err(DemoDataError::Foreign(folder.to_owned()));
    }
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".partial-{}", std::process::id()));
    let partial = folder.with_file_name(name);
    let made = fill(&partial, options, &wanted).and_then(|()| put_in_place(&partial, folder));
    if made.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    made.map(|()| DemoData { folder: folder.to_owned(), is_new: true })
}

fn is_absent_or_empty(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn fill(folder: &Path, options: &DemoDataOptions, marker: &str) -> Result<(), DemoDataError> {
    fs::create_dir_all(folder).map_err(|error| DemoDataError::write(folder, error))?;
    tpch::write(&folder.join("tpch"), options.scale)?;
    company::write(folder)?;
    let path = folder.join(MARKER);
    fs::write(&path, marker).map_err(|error| DemoDataError::write(&path, error))
}

fn put_in_place(partial: &Path, folder: &Path) -> Result<(), DemoDataError> {
    let failed = |error: io::Error| DemoDataError::write(folder, error);
    // Empty, or the demo's own: looked at above.
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    fs::rename(partial, folder).map_err(failed)
}

#[cfg(test)]
mod tests;
