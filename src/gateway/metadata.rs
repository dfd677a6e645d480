//! What a principal may know of the catalog, for system relations and functions.

use super::{Gateway, Moment, SERVER_VERSION};
use crate::catalog::Dataset;
use crate::decision::{Decision, Mask, Obligations};
use crate::egress::upstream_type_of_field;
use crate::execute::datafusion::{StatementScope, sql_type};
use crate::execute::metadata::{
    DatasetAccess, MetadataSnapshot, ResultColumn, SessionFacts, VisibleCatalog, VisibleColumn, VisibleDataset,
    functions,
};
use crate::execute::upstream;
use crate::govern::OutputColumn;
use crate::pipeline::{GovernedOutcome, decide_dataset};
use crate::session::StatementContext;
use crate::sql::functions::lookup;
use arrow::datatypes::SchemaRef;
use std::sync::Arc;

impl Gateway {
    /// What a statement may use besides its governed relations. The catalog is looked through only if the statement reads
    /// a system relation or calls a function that looks the catalog up.
    pub(super) fn scope(
        &self,
        context: &StatementContext,
        moment: &Moment,
        governed: &GovernedOutcome,
    ) -> StatementScope {
        let looks_up = |name: &String| lookup(name).is_some_and(|function| function.system);
        let view = if governed.reads_metadata || governed.functions.iter().any(looks_up) {
            self.visible(context, moment)
        } else {
            VisibleCatalog::default()
        };
        let databases = moment
            .serving
            .catalog
            .workspaces
            .values()
            .filter(|workspace| moment.principal.may_enter(workspace))
            .map(|workspace| workspace.name.to_string())
            .collect();
        let settings = Arc::clone(&context.settings);
        let pid = settings.get("querygate.backend_pid").and_then(|pid| pid.parse().ok()).unwrap_or(0);
        let last_result = context.last_result.get().to_vec();
        let facts = SessionFacts {
            user: moment.principal.user().id.to_string(),
            database: moment.workspace.name.to_string(),
            databases,
            search_path: context.search_path.clone(),
            backend_pid: pid,
            settings,
            server_version: SERVER_VERSION.to_owned(),
            started_at_us: self.started.timestamp_micros(),
            now_us: moment.now.timestamp_micros(),
            last_result,
        };
        let metadata = Arc::new(MetadataSnapshot::new(Arc::clone(&moment.serving.catalog), Arc::new(view), facts));
        StatementScope {
            raw: moment.serving.raw.clone(),
            functions: functions(&metadata),
            metadata,
            mask_key: self.mask_key(&moment.workspace),
            time_zone: context.time_zone.clone(),
        }
    }

    /// The datasets of the workspace whose existence the principal may know, and how each would be read.
    fn visible(&self, context: &StatementContext, moment: &Moment) -> VisibleCatalog {
        let question = self.question(context, moment, "SELECT");
        let in_workspace = |dataset: &&Arc<Dataset>| moment.workspace.holds(&dataset.name);
        let datasets = moment.serving.catalog.datasets.values().filter(in_workspace).filter_map(|dataset| {
            match decide_dataset(dataset, &question) {
                Decision::Allow(obligations) => Some(allowed(dataset, &obligations)),
                Decision::RequireApproval(reason) if !reason.hidden => {
                    Some(closed(dataset, DatasetAccess::NeedsApproval))
                }
                Decision::Deny(reason) if !reason.hidden => Some(closed(dataset, DatasetAccess::Denied)),
                Decision::RequireApproval(_) | Decision::Deny(_) => None,
            }
        });
        VisibleCatalog { datasets: datasets.collect() }
    }
}

fn allowed(dataset: &Arc<Dataset>, obligations: &Obligations) -> VisibleDataset {
    let columns = dataset.columns.iter().filter_map(|column| {
        let mask = obligations.column_masks.get(&column.name).map(|mask| &mask.mask);
        (mask != Some(&Mask::Deny))
            .then(|| VisibleColumn { name: column.name.clone(), mask: mask.map(|mask| mask.to_string()) })
    });
    VisibleDataset {
        dataset: Arc::clone(dataset),
        columns: columns.collect(),
        row_filter: !obligations.row_filters.is_empty() || obligations.filter_required,
        access: DatasetAccess::Allowed,
    }
}

/// A dataset that is known to exist and can't be read: its columns are not told.
fn closed(dataset: &Arc<Dataset>, access: DatasetAccess) -> VisibleDataset {
    VisibleDataset { dataset: Arc::clone(dataset), columns: Vec::new(), row_filter: false, access }
}

/// What `querygate.last_result_columns` will say of a result.
pub(super) fn result_columns(schema: &SchemaRef, output: &[OutputColumn]) -> Vec<ResultColumn> {
    schema
        .fields()
        .iter()
        .zip(output)
        .map(|(field, column)| ResultColumn {
            name: column.name.clone(),
            type_name: match upstream_type_of_field(field) {
                Some(of) => upstream::sql_type_of(&of).to_string(),
                None => sql_type(field.data_type()).to_string(),
            },
            classification: column.classification.to_string(),
            tags: column.tags.iter().map(|tag| tag.to_string()).collect(),
            mask: (!column.masks.is_empty()).then(|| Vec::from_iter(column.masks.iter().cloned()).join(", ")),
        })
        .collect()
}
