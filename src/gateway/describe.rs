//! What a statement would give, without running it.

use super::Gateway;
use super::run::query_of;
use crate::error::ErrorReport;
use crate::execute::datafusion::EngineError;
use crate::pipeline::govern_statement;
use crate::session::{Description, StatementContext};
use crate::sql::ParsedStatement;
use postgres_types::Type;
use std::sync::Arc;

impl Gateway {
    /// Parameters and result columns, as governed at this moment. The session records what comes of a Parse or Describe.
    pub(super) async fn describe(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameter_types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        let moment = self.now(context)?;
        let question = self.question(context, &moment, "SELECT");
        let governed =
            govern_statement(query_of(statement)?, &question).map_err(|error| error.report(&moment.decision, None))?;
        let scope = self.scope(context, &moment, &governed);
        let engine = Arc::clone(&self.engine);
        let given = parameter_types.to_vec();
        let described = self
            .engine
            .on_threads(async move { engine.describe(&governed.statement, &scope, &given) })
            .await
            .map_err(|error: EngineError| error.report());
        described.map(|(parameters, schema)| Description { parameters, schema: Some(schema) })
    }
}
