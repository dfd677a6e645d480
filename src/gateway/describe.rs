//! What a statement would give, without running it.

use super::Gateway;
use super::run::{deadline, named, query_of};
use crate::error::ErrorReport;
use crate::govern::forward::upstream_of;
use crate::pipeline::govern_statement;
use crate::session::{Description, StatementContext};
use crate::sql::ParsedStatement;
use postgres_types::Type;
use std::sync::Arc;
use std::time::Instant;

impl Gateway {
    /// Parameters and result columns, as governed at this moment. The session records what comes of a Parse or Describe.
    ///
    /// Working types out costs as much as planning does: it takes a place among the workspace's statements and ends at the
    /// statement's time.
    pub(super) async fn describe(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameter_types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        let started = Instant::now();
        let moment = self.now(context)?;
        let mut types = parameter_types.to_vec();
        types.resize(statement.parameters().max(types.len()), None);
        if let Some(write) = super::write::write_of(statement)? {
            return self.describe_write(context, &moment, statement, (write, &types)).await;
        }
        if let Some(ready) = self.ready(context, &moment, statement, &types, "SELECT") {
            return self.describe_ready(context, &moment, &ready, &types).await;
        }
        let question = self.question(context, &moment, "SELECT");
        let governed =
            govern_statement(query_of(statement)?, &question).map_err(|error| error.report(&moment.decision, None))?;
        if upstream_of(&governed.statement).map_err(|error| error.report())?.is_some() {
            return self.describe_forwarded(context, &moment, statement, governed, &types).await;
        }
        let reservation = self.quota.reserve_to_describe(&moment.workspace, &moment.principal.user().id);
        let reservation = reservation.map_err(|error| error.report())?;
        let deadline = deadline(context, &moment, &governed.limits);
        let scope = self.scope(context, &moment, &governed);
        let engine = Arc::clone(&self.engine);
        let given = parameter_types.to_vec();
        let output = governed.statement.output().to_vec();
        let describe = async move { engine.describe(&governed.statement, &scope, &given) };
        let ((parameters, schema), _place) = self.on_engine(reservation, &deadline, started, describe).await?;
        Ok(Description { parameters, schema: Some(named(&schema, &output)) })
    }
}
