//! Governed relations as views with `security_barrier` that the gateway keeps in the upstream, in place of fences.
//!
//! A view stands for a governed relation itself and not for one statement: its row filter and its masks, with all
//! constants in them. Its name is the digest of its definition, so that what a name means can't change. PostgreSQL then
//! keeps what the user wrote away from hidden rows, and lets through what it knows to be leakproof.
//!
//! Not every relation that would be fenced can be a view:
//! - the row filter must fail on no row: PostgreSQL may ask a leakproof condition of the user's first, and then the filter's
//!   failing would tell which rows were left;
//! - the relation must be a table: a view of the upstream's own has expressions that may fail, and a condition on one is
//!   evaluated wherever PostgreSQL puts it;
//! - columns whose mask reads the key are in no view, for no key may be in a text; nor are masks that are a policy's own
//!   expression, which may fail. A statement that uses such a column is fenced.

use super::leak::syntax::whole_rows;
use super::leak::{Barrier, Barriers, filter_may_fail};
use super::mask::{KeyParameters, mask_sql, reads_key};
use super::relation::{parsed, upstream};
use super::translate::policy_expression;
use super::{ForwardContext, ForwardError, ROW_ALIAS, bounds};
use crate::govern::names::{column_expr, ident, object_name};
use crate::govern::statement::{ColumnValue, GovernedColumn, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::sql::{conjunction, plain_query, plain_select, print_checked};
use sha2::{Digest, Sha256};
use sqlparser::ast::{SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor};

/// A view that stands for a governed relation.
///
/// INVARIANT: only this module makes one, of a governed relation, and its name is the digest of its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarrierView {
    schema: String,
    name: String,
    definition: String,
}

impl BarrierView {
    /// The schema in the upstream.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its name: `v_` and 32 hexadecimal digits.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SELECT that it is. It holds a policy's constants: not for logs.
    pub fn definition(&self) -> &str {
        &self.definition
    }
}

/// The name of the view with a definition: 128 bits of its SHA-256.
pub(super) fn name_of(definition: &str) -> String {
    let digest = hex::encode(Sha256::digest(definition.as_bytes()));
    format!("v_{}", digest.chars().take(32).collect::<String>())
}

/// Puts a view in place of each fence that one can stand for.
pub(super) fn choose(
    statement: &GovernedStatement,
    fences: &mut Barriers,
    context: &ForwardContext<'_>,
    schema: &str,
    key: KeyParameters,
) -> Result<(), ForwardError> {
    // A view has more columns than the statement uses, or fewer than a whole row.
    let whole = whole_rows(statement.query());
    for relation in statement.relations().iter().filter(|relation| !whole.contains(&relation.key)) {
        let GovernedTarget::Dataset(dataset) = &relation.target else { continue };
        let Some(fenced) = fences.relations.get_mut(&relation.key) else { continue };
        let is_fenced = match fenced.barrier {
            Barrier::Open | Barrier::Flattened | Barrier::Guarded => false,
            Barrier::Fenced => true,
        };
        let is_table = context.tables.contains(&dataset.dataset.name);
        if is_fenced && is_table && can_be_view(dataset) && !filter_may_fail(dataset, statement, context) {
            fenced.replace_by(view(dataset, schema, key)?);
        }
    }
    Ok(())
}

fn can_be_view(dataset: &GovernedDataset) -> bool {
    let mut columns = dataset.columns.iter();
    columns.all(|column| is_in_view(column) || !dataset.used.contains(&column.name))
        && view_columns(dataset).next().is_some()
}

/// Whether a column can be an output of a view.
pub(super) fn is_in_view(column: &GovernedColumn) -> bool {
    match &column.value {
        ColumnValue::Clear => true,
        ColumnValue::Masked(mask) => !reads_key(mask),
        ColumnValue::Computed(_) => false,
    }
}

/// The view's columns, with their places in the dataset.
pub(super) fn view_columns(dataset: &GovernedDataset) -> impl Iterator<Item = (usize, &GovernedColumn)> {
    dataset.columns.iter().enumerate().filter(|(_, column)| is_in_view(column))
}

fn view(governed: &GovernedDataset, schema: &str, key: KeyParameters) -> Result<BarrierView, ForwardError> {
    let mut projection = Vec::new();
    for (_, column) in view_columns(governed) {
        let raw = column_expr(ROW_ALIAS, &column.name);
        let expr = match &column.value {
            ColumnValue::Clear => raw,
            ColumnValue::Masked(mask) => {
                let of = governed.dataset.column(&column.name);
                let of = of.ok_or(ForwardError::Broken("a governed column that its dataset does not have"))?;
                parsed(&mask_sql(mask, &raw.to_string(), &of.sql_type, key)?)?
            }
            ColumnValue::Computed(_) => return Err(ForwardError::Broken("a policy's expression in a view")),
        };
        projection.push(SelectItem::ExprWithAlias { expr, alias: ident(&column.name) });
    }
    let filter = governed.filter.as_ref().map(|filter| policy_expression(filter, governed)).transpose()?;
    let select =
        plain_select(projection, upstream(&governed.dataset, ROW_ALIAS)?, conjunction(filter.into_iter().collect()));
    let definition = print_checked(&plain_query(SetExpr::Select(Box::new(select))))?;
    bounds::check_text(&definition)?;
    Ok(BarrierView { schema: schema.to_owned(), name: name_of(&definition), definition })
}

/// The reference to a view that stands for one `rN`.
pub(super) fn view_factor(
    governed: &GovernedDataset,
    alias: &TableAlias,
    view: &BarrierView,
) -> Result<TableFactor, ForwardError> {
    let renamed = alias.columns.len();
    if renamed != 0 && renamed != governed.columns.len() {
        return Err(ForwardError::Broken("an alias names other columns than its relation has"));
    }
    let columns: Vec<TableAliasColumnDef> =
        view_columns(governed).filter_map(|(at, _)| alias.columns.get(at).cloned()).collect();
    Ok(TableFactor::Table {
        name: object_name(&view.schema, &view.name),
        alias: Some(TableAlias { columns, ..alias.clone() }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::leak;
    use super::super::tests::{World, filtered, masked};
    use super::super::verify::verify_text;
    use super::super::{ForwardedStatement, forward_with_views};
    use super::*;
    use crate::decision::Mask;

    const SQL: &str = "SELECT p.id, p.name, o.amount FROM people p JOIN orders o ON o.person_id = p.id \
                       AND o.id = p.ssn::int WHERE p.id = 7 AND p.name = $1";
    /// A join on what may fail: such a relation is fenced.
    const JOIN: &str = "SELECT p.id FROM people p JOIN orders o ON o.id = p.ssn::int";

    fn forwarded(world: &World, sql: &str) -> ForwardedStatement {
        let governed = world.govern(sql);
        forward_with_views(&governed, &world.context(), "kept").unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    fn company() -> World {
        World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Redact))
    }

    #[test]
    fn a_view_stands_for_a_relation_and_not_for_a_statement() {
        let world = company();
        let one = forwarded(&world, SQL);
        let [view] = one.views() else { panic!("{:?}", one.views()) };
        assert_eq!(
            view.definition(),
            "SELECT __querygate_t.id AS id, CASE WHEN __querygate_t.name IS NULL THEN NULL ELSE CAST('***' AS pg_catalog.text) END AS name, \
             __querygate_t.email AS email, __querygate_t.ssn AS ssn, __querygate_t.region AS region, \
             __querygate_t.salary AS salary, __querygate_t.worth AS worth, \
             __querygate_t.\"Odd \"\"one\"\"\" AS \"Odd \"\"one\"\"\" FROM sales.people AS __querygate_t \
             WHERE ((__querygate_t.region = 'EU'))"
        );
        assert_eq!(view.name(), name_of(view.definition()));
        assert!(one.text().contains(&format!("FROM kept.{} AS p", view.name())), "{}", one.text());
        assert!(!one.text().contains("OFFSET 0") && !one.text().contains("sales.people"), "{}", one.text());
        for sql in [
            JOIN,
            "SELECT a.id FROM people a LEFT JOIN people b ON a.ssn::int = b.id",
            "SELECT x, z FROM people AS p (x, y, z) JOIN orders o ON o.id = z::int",
            "WITH c AS (SELECT * FROM people) SELECT id FROM c WHERE ssn::int > 0",
            "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.ssn::int = o.person_id)",
            "SELECT x.s FROM (SELECT ssn::int AS s FROM people UNION SELECT id FROM orders) x WHERE x.s > 0",
        ] {
            assert_eq!(forwarded(&world, sql).views(), one.views(), "{sql}");
        }
        let named = forwarded(&world, "SELECT x FROM people AS p (x, y) JOIN orders o ON o.id = x / 2 WHERE y <> ''");
        assert!(named.text().contains(" AS p (x, y, "), "{}", named.text());
        // Another filter is another view.
        let other = World::new().people(masked(filtered("region = 'US'"), "name", Mask::Redact));
        assert_ne!(forwarded(&other, SQL).views()[0].name(), view.name());
        // What needs no fence needs no view.
        assert!(forwarded(&world, "SELECT id FROM people WHERE id = 7").views().is_empty());
    }

    #[test]
    fn what_may_fail_or_reads_the_key_is_in_no_view() {
        let hashed = masked(filtered("region = 'EU'"), "name", Mask::Hash);
        let world = World::new().people(hashed);
        assert!(forwarded(&world, SQL).views().is_empty());
        let other = forwarded(&world, JOIN);
        assert!(!other.views()[0].definition().contains("name"), "{:?}", other.views());
        let computed =
            World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Expression("left(name, 1)".into())));
        assert!(forwarded(&computed, SQL).views().is_empty());
        assert!(!forwarded(&computed, JOIN).views()[0].definition().contains("name"));
        let failing = World::new().people(filtered("100 / salary > 1"));
        assert!(forwarded(&failing, JOIN).views().is_empty());
        let asking = World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t)"));
        let asking = forwarded(&asking, JOIN);
        assert!(asking.views()[0].definition().contains("FROM sales.tenants AS __querygate_f"), "{:?}", asking.views());
        let mut unknown = company();
        unknown.tables.clear();
        assert!(forwarded(&unknown, SQL).views().is_empty());
    }

    #[test]
    fn a_changed_text_or_view_is_not_proved() {
        let world = company();
        let governed = world.govern(SQL);
        let context = world.context();
        let key = KeyParameters { inner: 3, outer: 4 };
        let mut fences = leak::barriers(&governed, &context);
        choose(&governed, &mut fences, &context, "kept", key).unwrap();
        let text = forward_with_views(&governed, &context, "kept").unwrap().text;
        let verify = |text: &str, fences: &Barriers| verify_text(text, &governed, fences, &context, key);
        assert_eq!(verify(&text, &fences), Ok(()));
        let name = fences.relations["r0"].view.as_ref().unwrap().name().to_owned();
        let other = format!("v_{}", "0".repeat(32));
        for (from, to) in [
            (name.as_str(), other.as_str()),
            (name.as_str(), "people"),
            ("kept.", "sales."),
            ("kept.", ""),
            (" AS p", " AS p (name, id)"),
            (" AS p", ""),
            (" WHERE", &format!(", kept.{name} AS x WHERE")),
            ("ssn", "salary"),
            ("FROM kept", "FROM ONLY kept"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(verify(&changed, &fences).is_err(), "{changed}");
        }
        // A definition that is another one is not proved, whatever it is called.
        let view = fences.relations["r0"].view.clone().unwrap();
        for (from, to) in [
            (" WHERE ((__querygate_t.region = 'EU'))", ""),
            ("'EU'", "'US'"),
            ("= 'EU'", "= 'EU' OR true"),
            ("sales.people", "sales.salaries"),
            (
                "CASE WHEN __querygate_t.name IS NULL THEN NULL ELSE CAST('***' AS pg_catalog.text) END",
                "__querygate_t.name",
            ),
            ("__querygate_t.ssn AS ssn, ", ""),
            ("__querygate_t.ssn AS ssn", "__querygate_t.salary AS ssn"),
            ("'EU')) ", "'EU')) OFFSET 0 "),
        ] {
            let definition = format!("{} ", view.definition).replacen(from, to, 1).trim_end().to_owned();
            assert_ne!(definition, view.definition, "{from}");
            let changed = BarrierView { name: name_of(&definition), definition, ..view.clone() };
            let text = text.replace(&view.name, &changed.name);
            fences.relations.get_mut("r0").unwrap().view = Some(changed);
            assert!(verify(&text, &fences).is_err(), "{text}");
        }
        let misnamed = BarrierView { name: other.clone(), ..view.clone() };
        fences.relations.get_mut("r0").unwrap().view = Some(misnamed);
        assert!(verify(&text.replace(&view.name, &other), &fences).is_err());
    }
}
