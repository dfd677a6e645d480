//! The eight tables of TPC-H (specification 3.0.1), by the `tpchgen` crates: the same rows as `dbgen`.

use super::DemoDataError;
use super::files::{folder, parquet};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use std::path::Path;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

/// Files of the line items.
const LINE_ITEM_FILES: i32 = 4;

pub(super) fn write(path: &Path, scale: f64) -> Result<(), DemoDataError> {
    folder(path)?;
    let line_items = path.join("lineitem");
    folder(&line_items)?;
    table(&path.join("region.parquet"), RegionArrow::new(RegionGenerator::new(scale, 1, 1)), 5)?;
    table(&path.join("nation.parquet"), NationArrow::new(NationGenerator::new(scale, 1, 1)), 25)?;
    table(
        &path.join("supplier.parquet"),
        SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)),
        rows(10_000, scale),
    )?;
    table(
        &path.join("customer.parquet"),
        CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)),
        rows(150_000, scale),
    )?;
    table(&path.join("part.parquet"), PartArrow::new(PartGenerator::new(scale, 1, 1)), rows(200_000, scale))?;
    table(
        &path.join("partsupp.parquet"),
        PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)),
        rows(800_000, scale),
    )?;
    table(&path.join("orders.parquet"), OrderArrow::new(OrderGenerator::new(scale, 1, 1)), rows(1_500_000, scale))?;
    let in_group = rows(6_000_000 / u32::try_from(LINE_ITEM_FILES).unwrap_or(1), scale);
    let parts = std::thread::available_parallelism().map_or(1, |cores| i32::try_from(cores.get()).unwrap_or(1));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..parts.min(LINE_ITEM_FILES))
            .map(|worker| {
                let line_items = &line_items;
                scope.spawn(move || {
                    let mine = (1..=LINE_ITEM_FILES).filter(|part| part % parts.min(LINE_ITEM_FILES) == worker);
                    for part in mine {
                        let generator = LineItemGenerator::new(scale, part, LINE_ITEM_FILES);
                        let file = line_items.join(format!("part-{part}.parquet"));
                        table(&file, LineItemArrow::new(generator), in_group)?;
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| {
            writer.join().unwrap_or_else(|_| Err(DemoDataError::write(&line_items, "a writer stopped")))
        })
    })
}

/// Rows of a row group of a table with so many rows at scale 1: a quarter of the table, within reason.
fn rows(at_scale_one: u32, scale: f64) -> usize {
    (f64::from(at_scale_one) * scale / 4.0).clamp(2_000.0, 131_072.0) as usize
}

fn table<R>(path: &Path, reader: R, row_group_rows: usize) -> Result<(), DemoDataError>
where
    R: RecordBatchReader + Iterator<Item = Result<RecordBatch, ArrowError>>,
{
    parquet(path, reader.schema(), reader, row_group_rows)
}
