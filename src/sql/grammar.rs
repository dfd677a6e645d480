//! Texts as PostgreSQL's own grammar reads them (libpg_query): trees as data, without places.

use super::stack::on_deep_stack;
use serde_json::Value;

/// A text that PostgreSQL's grammar does not take, or not as one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL's grammar does not take the text as one statement")]
pub struct NotOneStatement;

/// The tree of the one statement of a text: `{"node": {"SelectStmt": {…}}}`, by the names of libpg_query. Two texts with
/// the same tree mean the same.
///
/// # Errors
/// [`NotOneStatement`].
pub fn postgres_tree(text: &str) -> Result<Value, NotOneStatement> {
    on_deep_stack(|| {
        let parsed = pg_query::parse(text, pg_query::ParserOptions::DEFAULT).map_err(|_| NotOneStatement)?;
        let [statement] = parsed.protobuf.stmts.as_slice() else { return Err(NotOneStatement) };
        let mut tree = serde_json::to_value(&statement.stmt).map_err(|_| NotOneStatement)?;
        without_places(&mut tree);
        Ok(tree)
    })
}

/// Places in the text, and in which of two spellings a call was written.
fn without_places(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|field, _| {
                !matches!(
                    field.as_str(),
                    "location" | "rexpr_list_start" | "rexpr_list_end" | "list_start" | "list_end" | "funcformat"
                )
            });
            fields.values_mut().for_each(without_places);
        }
        Value::Array(items) => items.iter_mut().for_each(without_places),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
