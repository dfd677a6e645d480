//! What is refused, and what its sender is told to do instead.

use super::command::Refused;
use super::functions::{self, MAX_COUNT};
use super::{literal, names};
use crate::error::SqlState;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart, Query, Select,
    SetExpr, Statement, TableFactor, Visit, Visitor,
};
use std::ops::ControlFlow;

const READ_ONLY: &str =
    "The gateway runs SELECT, VALUES, TABLE, COPY … TO STDOUT, and the INSERT, UPDATE and DELETE that a policy grants.";
/// What is said of a form of writing that is on no list.
pub(super) const NOT_WRITTEN: &str =
    "The gateway takes INSERT (VALUES or a query), UPDATE and DELETE of one table, with RETURNING.";
const NO_PROCEDURES: &str = "The gateway runs queries only; procedures and code blocks stay in the database.";
const BY_CATALOG: &str = "Users, roles and access are kept in the gateway's catalog and policies, not by SQL.";
const NO_FILES: &str = "Files and other databases are reached only as datasets of the gateway's catalog.";
const NO_LISTEN: &str = "The gateway passes no notifications on; poll a query instead.";
const NO_MAINTENANCE: &str = "Maintenance is done in the source itself, not through the gateway.";
const NOT_POSTGRESQL: &str = "The gateway takes PostgreSQL's statements for reading.";

/// The refusal of a statement that begins with these words; `None` if they begin nothing that is known.
pub(super) fn by_words(first: &str, second: &str) -> Option<Refused> {
    let first = first.to_ascii_uppercase();
    let second = second.to_ascii_uppercase();
    let hint = match first.as_str() {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" => READ_ONLY,
        "CREATE" | "DROP" | "ALTER" => {
            return Some(match second.as_str() {
                "ROLE" | "USER" | "GROUP" | "POLICY" | "DEFAULT" => refuse(&format!("{first} {second}"), BY_CATALOG),
                "SERVER" | "FOREIGN" | "EXTERNAL" | "EXTENSION" | "SUBSCRIPTION" | "PUBLICATION" => {
                    refuse(&format!("{first} {second}"), NO_FILES)
                }
                "SYSTEM" => refuse("ALTER SYSTEM", NO_MAINTENANCE),
                _ => refuse(&first, READ_ONLY),
            });
        }
        "COMMENT" | "REFRESH" | "SELECT" => READ_ONLY,
        "GRANT" | "REVOKE" | "REASSIGN" | "SECURITY" => BY_CATALOG,
        "CALL" | "DO" => NO_PROCEDURES,
        "LOAD" | "IMPORT" => NO_FILES,
        "LISTEN" | "NOTIFY" => NO_LISTEN,
        "VACUUM" | "ANALYZE" | "ANALYSE" | "CLUSTER" | "REINDEX" | "CHECKPOINT" | "LOCK" => NO_MAINTENANCE,
        _ => return None,
    };
    Some(refuse(&first, hint))
}

/// What is said of a statement that writes where nothing may be written.
pub(super) fn nothing_written(kind: super::write::WriteKind) -> Refused {
    refuse(kind.word(), READ_ONLY)
}

/// `… is not supported by the gateway`.
pub(super) fn refuse(what: &str, hint: &'static str) -> Refused {
    Refused::unsupported(format!("{what} is not supported by the gateway"), hint)
}

/// The query that a tree is, if it does nothing but read.
///
/// # Errors
/// [`Refused`] for every other statement, and for a query that writes, locks or makes a table at any depth.
pub(super) fn query_only(tree: &Statement) -> Result<&Query, Refused> {
    let refused = match tree {
        Statement::Query(query) => return read_only(query).map(|()| &**query),
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::Truncate(_)
        | Statement::CreateView(_)
        | Statement::CreateTable(_)
        | Statement::CreateVirtualTable { .. }
        | Statement::CreateIndex(_)
        | Statement::CreateOperator(_)
        | Statement::CreateOperatorFamily(_)
        | Statement::CreateOperatorClass(_)
        | Statement::AlterTable(_)
        | Statement::AlterSchema(_)
        | Statement::AlterIndex { .. }
        | Statement::AlterView { .. }
        | Statement::AlterFunction(_)
        | Statement::AlterType(_)
        | Statement::AlterCollation(_)
        | Statement::AlterOperator(_)
        | Statement::AlterOperatorFamily(_)
        | Statement::AlterOperatorClass(_)
        | Statement::Drop { .. }
        | Statement::DropFunction(_)
        | Statement::DropDomain(_)
        | Statement::DropProcedure { .. }
        | Statement::CreateCollation(_)
        | Statement::DropOperator(_)
        | Statement::DropOperatorFamily(_)
        | Statement::DropOperatorClass(_)
        | Statement::Comment { .. }
        | Statement::CreateSchema { .. }
        | Statement::CreateDatabase { .. }
        | Statement::CreateFunction(_)
        | Statement::CreateTrigger(_)
        | Statement::DropTrigger(_)
        | Statement::CreateProcedure { .. }
        | Statement::CreateMacro { .. }
        | Statement::CreateSequence { .. }
        | Statement::CreateDomain(_)
        | Statement::CreateType { .. }
        | Statement::RenameTable(_) => refuse("a statement that changes data or definitions", READ_ONLY),
        Statement::CreateRole(_)
        | Statement::CreatePolicy(_)
        | Statement::AlterRole { .. }
        | Statement::AlterPolicy(_)
        | Statement::DropPolicy(_)
        | Statement::Grant(_)
        | Statement::Deny(_)
        | Statement::Revoke(_)
        | Statement::CreateUser(_)
        | Statement::AlterUser(_) => refuse("a statement that changes users or access", BY_CATALOG),
        Statement::Install { .. }
        | Statement::Load { .. }
        | Statement::Directory { .. }
        | Statement::CopyIntoSnowflake { .. }
        | Statement::CreateSecret { .. }
        | Statement::CreateServer(_)
        | Statement::CreateConnector(_)
        | Statement::AlterConnector { .. }
        | Statement::AttachDatabase { .. }
        | Statement::AttachDuckDBDatabase { .. }
        | Statement::DetachDuckDBDatabase { .. }
        | Statement::DropSecret { .. }
        | Statement::DropConnector { .. }
        | Statement::CreateExtension(_)
        | Statement::DropExtension(_)
        | Statement::CreateStage { .. }
        | Statement::Unload { .. }
        | Statement::LoadData { .. }
        | Statement::List(_)
        | Statement::Remove(_)
        | Statement::ExportData(_) => refuse("a statement that reaches files or other databases", NO_FILES),
        Statement::Case(_)
        | Statement::If(_)
        | Statement::While(_)
        | Statement::Raise(_)
        | Statement::Call(_)
        | Statement::Open(_)
        | Statement::Assert { .. }
        | Statement::RaisError { .. }
        | Statement::Throw(_)
        | Statement::Print(_)
        | Statement::WaitFor(_)
        | Statement::Return(_) => refuse("a procedural statement", NO_PROCEDURES),
        Statement::LISTEN { .. } | Statement::UNLISTEN { .. } | Statement::NOTIFY { .. } => {
            refuse("a notification", NO_LISTEN)
        }
        Statement::Analyze(_)
        | Statement::Msck(_)
        | Statement::Flush { .. }
        | Statement::Kill { .. }
        | Statement::Cache { .. }
        | Statement::UNCache { .. }
        | Statement::Lock(_)
        | Statement::LockTables { .. }
        | Statement::UnlockTables
        | Statement::OptimizeTable { .. }
        | Statement::Vacuum(_) => refuse("a maintenance statement", NO_MAINTENANCE),
        Statement::AlterSession { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowObjects(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. }
        | Statement::Use(_)
        | Statement::ExplainTable { .. }
        | Statement::Pragma { .. } => refuse("a statement of another SQL dialect", NOT_POSTGRESQL),
        // Statements for the session are never trees: the utility reader takes them before the parser.
        Statement::Set(_)
        | Statement::Copy { .. }
        | Statement::Close { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Discard { .. }
        | Statement::ShowVariable { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Deallocate { .. }
        | Statement::Execute { .. }
        | Statement::Prepare { .. }
        | Statement::Explain { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Reset(_) => refuse("this statement inside of another", NOT_POSTGRESQL),
    };
    Err(refused)
}

/// Walks all queries of a query. The walk grows its stack as it needs.
pub(super) fn read_only(query: &Query) -> Result<(), Refused> {
    match query.visit(&mut ReadOnly) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refused) => Err(refused),
    }
}

struct ReadOnly;

impl Visitor for ReadOnly {
    type Break = Refused;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refused> {
        let Query {
            with: _,
            body,
            order_by: _,
            limit_clause: _,
            fetch: _,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() {
            return ControlFlow::Break(refuse("SELECT FOR UPDATE or FOR SHARE", READ_ONLY));
        }
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return ControlFlow::Break(refuse("a query in another SQL dialect", NOT_POSTGRESQL));
        }
        set_expr(body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refused> {
        if select.into.is_some() {
            return ControlFlow::Break(refuse("SELECT INTO", READ_ONLY));
        }
        let foreign = select.top.is_some()
            || select.exclude.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.select_modifiers.is_some();
        if foreign {
            ControlFlow::Break(refuse("a query in another SQL dialect", NOT_POSTGRESQL))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<Refused> {
        ControlFlow::Break(refuse("a statement that changes data inside of a query", READ_ONLY))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Refused> {
        match table {
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                ControlFlow::Break(refuse("this kind of table expression", NOT_POSTGRESQL))
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refused> {
        match expr {
            Expr::Function(call) if !count_is_bounded(call) => {
                let name = call.name.to_string();
                ControlFlow::Break(refuse(
                    &format!("{name} with this length"),
                    "Give the length as a number of at most 10000.",
                ))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Refused> {
        // `FROM '/path/file'`: a string where a name belongs.
        let quoted = relation
            .0
            .iter()
            .any(|part| part.as_ident().is_none_or(|ident| matches!(ident.quote_style, Some('\'' | '`' | '['))));
        if quoted {
            let message = "a relation must be given by name";
            return ControlFlow::Break(Refused::wrong(SqlState::SYNTAX_ERROR, message));
        }
        ControlFlow::Continue(())
    }
}

/// Whether a call that makes a value of a given size gives it as a constant of at most [`MAX_COUNT`].
fn count_is_bounded(call: &Function) -> bool {
    let name = match call.name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => names::fold_ident(ident),
        Some(ObjectNamePart::Function(_)) | None => return true,
    };
    let Some(index) = functions::lookup(&name).and_then(|function| function.count_argument) else { return true };
    let FunctionArguments::List(list) = &call.args else { return false };
    match list.args.get(index) {
        // Too few arguments: whoever resolves the call refuses it.
        None => true,
        // The sizes of an array's dimensions.
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Array(sizes)))) => {
            let product = sizes.elem.iter().try_fold(1_i64, |product, size| {
                let size = literal::constant(size)?.value.map_or(Some(0), |size| size.parse::<u32>().ok())?;
                (size <= MAX_COUNT).then(|| product.checked_mul(i64::from(size))).flatten()
            });
            product.is_some_and(|count| count <= i64::from(MAX_COUNT))
        }
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => {
            literal::constant(expr).is_some_and(|constant| match constant.value {
                None => true,
                Some(value) => value.parse::<i64>().is_ok_and(|count| count <= i64::from(MAX_COUNT)),
            })
        }
        Some(FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. }) => false,
    }
}

/// Set operations are walked by a loop over the left side, which is where chains grow.
fn set_expr(body: &SetExpr) -> ControlFlow<Refused> {
    let mut waiting = vec![body];
    while let Some(body) = waiting.pop() {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => {}
            SetExpr::SetOperation { left, right, .. } => waiting.extend([&**left, &**right]),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return ControlFlow::Break(refuse("a statement that changes data inside of a query", READ_ONLY));
            }
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use crate::sql::{ParseBounds, command, parse};

    #[test]
    fn sizes_of_made_values_are_bounded_constants() {
        let judge = |sql: &str| command(&parse(sql, &ParseBounds::default()).unwrap()[0]).is_ok();
        for sql in [
            "SELECT lpad(a, 10, '0')",
            "SELECT pg_catalog.repeat('a', 10000)",
            "SELECT rpad(a, -1)",
            "SELECT other(a, b)",
            "SELECT array_fill(7, ARRAY[100, 100], array[2, 2])",
        ] {
            assert!(judge(sql), "{sql}");
        }
        for sql in [
            "SELECT lpad(a, 10001, '0')",
            "SELECT Repeat('a', 1e9)",
            "SELECT \"repeat\"('a', b) FROM t",
            "SELECT 1 WHERE EXISTS (SELECT repeat('a', 5000 * 5000))",
            "SELECT rpad(a, $1)",
            "SELECT array_fill(7, ARRAY[100, 101])",
            "SELECT array_fill(7, ARRAY[100000, 100000, 0])",
            "SELECT array_fill(7, ARRAY[a])",
            "SELECT array_fill(7, '{1000,1000}')",
            "SELECT pg_catalog.array_fill(7, ARRAY[1000, 1000]::int[])",
        ] {
            assert!(!judge(sql), "{sql}");
        }
    }
}
