//! Row filters as native row security, in place of fences: a statement runs as a role of its own, for which policies of the
//! upstream hide the rows.
//!
//! What would be fenced becomes a derived table with the masks and without the row filter: `WHERE CURRENT_USER = 'role'`
//! stands in the filter's place, so that the text gives no row at all to anybody but the role. The role stands for all that
//! one statement reads, with the row filters of what is hidden in it, constants and all; its name is the digest of that, so
//! that what a name means can't change. Row security is the same barrier as a view's with `security_barrier`: PostgreSQL
//! evaluates what the user wrote after the policy, unless it knows it to be leakproof, and tries none of it on samples.
//!
//! Not every relation that would be fenced can be read so, and one that can't may keep all of its statement from it:
//! - the row filter must fail on no row, as for a view, and ask no subquery: that would be read as the role;
//! - the relation must be a table with row security, on which the gateway may make policies;
//! - what else the statement reads must be tables that the gateway may grant to the role. On those that have row security
//!   the role has a policy too, which hides nothing: their row filters, if any, stand in the text;
//! - a policy holds for the relation wherever the statement reads it, so a relation that a policy's subquery reads too, or
//!   that two datasets lie in, stays fenced;
//! - masks that are a policy's own expression stay below a fence.

use super::leak::syntax::whole_rows;
use super::leak::{Barrier, Barriers, is_filter_plain};
use super::relation::upstream;
use super::translate::policy_expression;
use super::{ForwardContext, ForwardError, ROW_ALIAS, bounds};
use crate::catalog::{Dataset, DatasetLocation};
use crate::govern::names::{fold, ident};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::sql::{plain_query, plain_select, print_checked};
use crate::types::DatasetName;
use sha2::{Digest, Sha256};
use sqlparser::ast::{Expr, SelectItem, SetExpr, Value, VisitMut, VisitorMut};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Relations that one role may read, at most.
const MOST_RELATIONS: usize = 16;
/// Says how policies are made of what a role stands for: another way is another name, so that gateways of two versions do
/// not change each other's.
const FORM: &str = "1";
/// What hides no row.
pub(super) const NOTHING_HIDDEN: &str = "true";

/// The tables of an upstream that roles can be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowTables {
    /// With row security, and the gateway may make policies on them.
    pub secured: BTreeSet<DatasetName>,
    /// Without row security.
    pub plain: BTreeSet<DatasetName>,
}

/// A role that a statement runs as, and what it may see.
///
/// INVARIANT: only this module makes one, of a governed statement, and its name is the digest of the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSecurity {
    pub(super) role: String,
    pub(super) relations: Vec<SecuredRelation>,
}

impl RowSecurity {
    /// The role's name, which is also that of its policies: `querygate_` and 32 hexadecimal digits.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// All that it may read, by schema and name.
    pub fn relations(&self) -> &[SecuredRelation] {
        &self.relations
    }
}

/// A table of the upstream that a role may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuredRelation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) policy: Option<String>,
}

impl SecuredRelation {
    /// Schema and name in the upstream.
    pub fn name(&self) -> (&str, &str) {
        (&self.schema, &self.name)
    }

    /// The columns that it may read.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows that it may see, as a condition over the table's own columns; `None`: the table must have no row security,
    /// and all are seen. It holds a policy's constants: not for logs.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }
}

/// What a role is called that reads these relations of a source: 128 bits of SHA-256. No part of it can hold a NUL.
pub(super) fn role_of(source: &str, relations: &[SecuredRelation]) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update(part.as_bytes());
        digest.update([0]);
    };
    add(FORM);
    add(source);
    for SecuredRelation { schema, name, columns, policy } in relations {
        add(schema);
        add(name);
        columns.iter().for_each(|column| add(column));
        // No column has an empty name.
        add("");
        add(if policy.is_some() { "policy" } else { "plain" });
        add(policy.as_deref().unwrap_or_default());
    }
    format!("querygate_{}", hex::encode(digest.finalize()).chars().take(32).collect::<String>())
}

/// What stands in the place of a row filter that a role's policy has.
pub(super) fn acting_as(role: &str) -> String {
    format!("CURRENT_USER = '{role}'")
}

/// How a statement reads one relation of the upstream.
#[derive(Default)]
struct Reads<'a> {
    governed: Vec<&'a GovernedDataset>,
    /// Columns of the datasets that lie there.
    columns: BTreeSet<&'a str>,
    /// A policy's expression reads it, too.
    is_raw: bool,
    is_secured: bool,
}

impl Reads<'_> {
    /// Whether all reads want the same rows.
    fn agree(&self) -> bool {
        let same = |other: &&GovernedDataset| {
            self.governed
                .first()
                .is_some_and(|first| first.dataset.name == other.dataset.name && first.filter == other.filter)
        };
        !self.is_raw && self.governed.iter().all(same)
    }
}

/// Puts row security in place of each fence that it can stand for.
pub(super) fn choose(
    statement: &GovernedStatement,
    fences: &mut Barriers,
    context: &ForwardContext<'_>,
    tables: &RowTables,
) -> Result<(), ForwardError> {
    let Some(reads) = reads(statement, context, tables) else { return Ok(()) };
    // The outputs would be a whole row's as well; what views leave to fences is left to them here.
    let whole = whole_rows(statement.query());
    let mut hidden: BTreeMap<(&str, &str), String> = BTreeMap::new();
    let mut keys = Vec::new();
    for relation in statement.relations().iter().filter(|relation| !whole.contains(&relation.key)) {
        let GovernedTarget::Dataset(governed) = &relation.target else { continue };
        let is_fenced = fences.get(&relation.key).is_some_and(|fenced| match fenced.barrier {
            Barrier::Open | Barrier::Flattened | Barrier::Guarded => false,
            Barrier::Fenced => fenced.view.is_none(),
        });
        let Some(place) = location(&governed.dataset) else { continue };
        let fits = reads.get(&place).is_some_and(|reads| reads.is_secured && reads.agree());
        let Some(filter) = governed.filter.as_ref().filter(|_| is_fenced && fits) else { continue };
        if computes(governed) || !is_filter_plain(governed, statement, context) {
            continue;
        }
        hidden.insert(place, policy_text(filter, governed)?);
        keys.push(relation.key.clone());
    }
    if hidden.is_empty() {
        return Ok(());
    }
    let relations = reads.iter().map(|(place, reads)| SecuredRelation {
        schema: place.0.to_owned(),
        name: place.1.to_owned(),
        columns: reads.columns.iter().map(|column| (*column).to_owned()).collect(),
        policy: reads.is_secured.then(|| hidden.get(place).cloned().unwrap_or_else(|| NOTHING_HIDDEN.to_owned())),
    });
    let relations: Vec<SecuredRelation> = relations.collect();
    let source = super::upstream_of(statement)?.ok_or(ForwardError::Broken("it reads no upstream"))?;
    let role = role_of(source, &relations);
    for key in keys {
        if let Some(fenced) = fences.relations.get_mut(&key) {
            fenced.replace_by_role(role.clone());
        }
    }
    fences.rows = Some(RowSecurity { role, relations });
    Ok(())
}

/// All relations of the upstream that a statement reads; `None`: the gateway can't give a role all of them.
fn reads<'a>(
    statement: &'a GovernedStatement,
    context: &ForwardContext<'_>,
    tables: &RowTables,
) -> Option<BTreeMap<(&'a str, &'a str), Reads<'a>>> {
    let mut all: BTreeMap<(&str, &str), Reads<'_>> = BTreeMap::new();
    let mut add = |dataset: &'a Dataset, governed: Option<&'a GovernedDataset>| -> Option<()> {
        let is_secured = tables.secured.contains(&dataset.name);
        if !context.tables.contains(&dataset.name) || !(is_secured || tables.plain.contains(&dataset.name)) {
            return None;
        }
        let reads = all.entry(location(dataset)?).or_default();
        reads.columns.extend(dataset.columns.iter().map(|column| column.name.as_str()));
        reads.is_secured |= is_secured;
        match governed {
            Some(governed) => reads.governed.push(governed),
            None => reads.is_raw = true,
        }
        Some(())
    };
    for relation in statement.relations() {
        let GovernedTarget::Dataset(governed) = &relation.target else { return None };
        add(&governed.dataset, Some(governed))?;
        for raw in governed.raw_relations.values() {
            add(raw, None)?;
        }
    }
    (all.len() <= MOST_RELATIONS).then_some(all)
}

fn location(dataset: &Dataset) -> Option<(&str, &str)> {
    match &dataset.location {
        DatasetLocation::Relation { schema, name } => Some((schema, name)),
        DatasetLocation::Files { .. } => None,
    }
}

/// Whether a used column is a policy's own expression.
fn computes(governed: &GovernedDataset) -> bool {
    governed.columns.iter().any(|column| match &column.value {
        ColumnValue::Computed(_) => governed.used.contains(&column.name),
        ColumnValue::Clear | ColumnValue::Masked(_) => false,
    })
}

/// A row filter over the table's own columns, as a policy has it.
fn policy_text(filter: &Expr, governed: &GovernedDataset) -> Result<String, ForwardError> {
    let mut condition = policy_expression(filter, governed)?;
    let _ = VisitMut::visit(&mut condition, &mut OwnColumns);
    let select = |condition: Option<Expr>| -> Result<String, ForwardError> {
        let one = Expr::Value(Value::Number("1".to_owned(), false).into());
        let one = SelectItem::ExprWithAlias { expr: one, alias: ident("one") };
        let select = plain_select(vec![one], upstream(&governed.dataset, ROW_ALIAS)?, condition);
        Ok(print_checked(&plain_query(SetExpr::Select(Box::new(select))))?)
    };
    // Printed as part of a query, which is read back as what it was.
    let before = format!("{} WHERE ", select(None)?);
    let text = select(Some(Expr::Nested(Box::new(condition))))?;
    let text = text.strip_prefix(&before).ok_or(ForwardError::Broken("a row filter in another place"))?;
    bounds::check_text(text)?;
    Ok(text.to_owned())
}

/// Calls columns of the row by their names alone.
struct OwnColumns;

impl VisitorMut for OwnColumns {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [alias, column] = names.as_slice()
            && fold(alias) == ROW_ALIAS
        {
            *expr = Expr::Identifier(column.clone());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::mask::KeyParameters;
    use super::super::tests::{World, filtered, masked};
    use super::super::verify::verify_text;
    use super::super::{ForwardedStatement, forward_with_rows, leak};
    use super::*;
    use crate::decision::Mask;

    /// A join on what may fail: such a relation is fenced.
    const JOIN: &str = "SELECT p.id, p.name FROM people p JOIN orders o ON o.id = p.ssn::int WHERE p.id = 7";

    fn all_secured(world: &World) -> RowTables {
        RowTables { secured: world.tables.clone(), plain: BTreeSet::new() }
    }

    fn forwarded(world: &World, tables: &RowTables, sql: &str) -> ForwardedStatement {
        let governed = world.govern(sql);
        forward_with_rows(&governed, &world.context(), tables).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    fn company() -> World {
        World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Redact))
    }

    fn policies(of: &ForwardedStatement) -> Vec<(&str, Option<&str>)> {
        let rows = of.row_security().unwrap_or_else(|| panic!("{}", of.text()));
        rows.relations().iter().map(|relation| (relation.name().1, relation.policy())).collect()
    }

    #[test]
    fn a_role_stands_for_what_a_statement_reads() {
        let world = company();
        let tables = all_secured(&world);
        let one = forwarded(&world, &tables, JOIN);
        let role = one.row_security().unwrap().role().to_owned();
        assert_eq!(policies(&one), [("orders", Some("true")), ("people", Some("((region = 'EU'))"))]);
        let read = format!(
            "FROM (SELECT __querygate_t.id AS id, CASE WHEN __querygate_t.name IS NULL THEN NULL ELSE \
             CAST('***' AS pg_catalog.text) END AS name, __querygate_t.ssn AS ssn FROM sales.people AS __querygate_t \
             WHERE (CURRENT_USER = '{role}')) AS p JOIN"
        );
        assert!(one.text().contains(&read), "{}", one.text());
        assert!(!one.text().contains("OFFSET 0") && !one.text().contains("'EU'"), "{}", one.text());
        assert_eq!(one.relations()[0].role.as_deref(), Some(role.as_str()));
        for sql in [
            "SELECT a.id FROM people a LEFT JOIN people b ON a.ssn::int = b.id LEFT JOIN orders o ON true",
            "WITH c AS (SELECT * FROM people) SELECT id FROM c WHERE ssn::int > 0 AND EXISTS (SELECT 1 FROM orders)",
            "SELECT x.s FROM (SELECT ssn::int AS s FROM people UNION SELECT id FROM orders) x WHERE x.s > 0",
        ] {
            assert_eq!(forwarded(&world, &tables, sql).row_security(), one.row_security(), "{sql}");
        }
        // Another filter, another relation, or one without row security is another role.
        let other = World::new().people(masked(filtered("region = 'US'"), "name", Mask::Redact));
        let mut plain = all_secured(&world);
        let orders = DatasetName::new("public", "orders");
        plain.secured.remove(&orders);
        plain.plain.insert(orders);
        let mut roles = BTreeSet::from([role]);
        for (world, tables, sql) in [
            (&other, &tables, JOIN),
            (&world, &plain, JOIN),
            (&world, &tables, "SELECT id FROM (SELECT id, ssn FROM people) p WHERE ssn::int > 0"),
        ] {
            let forwarded = forwarded(world, tables, sql);
            assert!(roles.insert(forwarded.row_security().unwrap().role().to_owned()), "{sql}");
        }
        assert_eq!(policies(&forwarded(&world, &plain, JOIN))[0], ("orders", None));
        // What needs no fence needs no role, and what writes has none.
        assert_eq!(forwarded(&world, &tables, "SELECT id FROM people WHERE id = 7").row_security(), None);
    }

    #[test]
    fn what_a_policy_can_not_hide_soundly_stays_fenced() {
        let world = company();
        let tables = all_secured(&world);
        let fenced = |world: &World, tables: &RowTables, sql: &str| {
            let forwarded = forwarded(world, tables, sql);
            assert_eq!(forwarded.row_security(), None, "{sql}");
            assert!(forwarded.text().contains("OFFSET 0"), "{}", forwarded.text());
        };
        // Masks that read the key are in the text, as ever.
        let hashed = World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Hash));
        assert!(forwarded(&hashed, &tables, JOIN).text().contains("pg_catalog.sha256"));
        let computed =
            World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Expression("left(name, 1)".into())));
        fenced(&computed, &tables, JOIN);
        fenced(&World::new().people(filtered("100 / salary > 1")), &tables, JOIN);
        fenced(&World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t)")), &tables, JOIN);
        fenced(&world, &tables, "SELECT row_to_json(p) FROM people p JOIN orders o ON o.id = p.ssn::int");
        // All that it reads must be fit for a role: a table, and one that can be given to it.
        let mut unknown = company();
        unknown.tables.remove(&DatasetName::new("public", "orders"));
        fenced(&unknown, &tables, JOIN);
        for name in ["orders", "people"] {
            let mut less = all_secured(&world);
            less.secured.remove(&DatasetName::new("public", name));
            fenced(&world, &less, JOIN);
        }
        let mut plain = all_secured(&world);
        plain.secured.remove(&DatasetName::new("public", "people"));
        plain.plain.insert(DatasetName::new("public", "people"));
        fenced(&world, &plain, JOIN);
    }

    #[test]
    fn a_changed_text_policy_or_role_is_not_proved() {
        let world = company();
        let governed = world.govern(JOIN);
        let context = world.context();
        let key = KeyParameters { inner: 3, outer: 4 };
        let mut fences = leak::barriers(&governed, &context);
        choose(&governed, &mut fences, &context, &all_secured(&world)).unwrap();
        let text = forward_with_rows(&governed, &context, &all_secured(&world)).unwrap().text;
        let verify = |text: &str, fences: &Barriers| verify_text(text, &governed, fences, &context, key);
        assert_eq!(verify(&text, &fences), Ok(()));
        let rows = fences.rows.clone().unwrap();
        let role = rows.role.as_str();
        let other = format!("querygate_{}", "0".repeat(32));
        let condition = format!(" WHERE (CURRENT_USER = '{role}')");
        for (from, to) in [
            (role, other.as_str()),
            (condition.as_str(), ""),
            ("CURRENT_USER = ", "SESSION_USER = "),
            ("CURRENT_USER = ", "CURRENT_USER <> "),
            ("CURRENT_USER = ", "NOT CURRENT_USER = "),
            ("sales.people", "sales.salaries"),
            ("sales.people", "ONLY sales.people"),
            ("__querygate_t.ssn AS ssn", "__querygate_t.salary AS ssn"),
            ("ELSE CAST('***' AS pg_catalog.text) END", "ELSE __querygate_t.name END"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(verify(&changed, &fences).is_err(), "{changed}");
        }
        // Policies that are other ones, under the name that such a role would have.
        let people = rows.relations.iter().position(|relation| relation.name == "people").unwrap();
        let mut with = |change: &dyn Fn(&mut RowSecurity)| {
            let mut changed = rows.clone();
            change(&mut changed);
            changed.role = role_of("crm", &changed.relations);
            fences.relations.get_mut("r0").unwrap().role = Some(changed.role.clone());
            let text = text.replace(role, &changed.role);
            fences.rows = Some(changed);
            verify(&text, &fences)
        };
        assert_eq!(with(&|_| {}), Ok(()));
        for policy in [
            "true",
            "((region = 'US'))",
            "((region = 'EU')) OR true",
            "((name = 'EU'))",
            "((region = 'EU' OR id > 0))",
            "((region = 'EU') AND id > 0)",
            "((region = 'EU')) GROUP BY 1",
            "region = 'EU') OR (true",
            "((region = 'EU')); SELECT 1",
            "((p.region = 'EU'))",
            "region = (SELECT 'EU')",
            "",
        ] {
            let verified = with(&|rows| rows.relations[people].policy = Some(policy.to_owned()));
            assert!(verified.is_err(), "{policy}");
        }
        assert!(with(&|rows| rows.relations[people].policy = None).is_err());
        assert!(with(&|rows| rows.relations[people].schema = "other".to_owned()).is_err());
        assert!(with(&|rows| rows.relations[people].columns.truncate(2)).is_err());
        assert!(with(&|rows| _ = rows.relations.remove(people)).is_err());
        assert!(with(&|rows| rows.relations[1 - people].policy = Some("((region = 'EU'))".to_owned())).is_err());
        let foreign = SecuredRelation {
            schema: "sales".to_owned(),
            name: "salaries".to_owned(),
            columns: vec!["id".to_owned()],
            policy: None,
        };
        assert!(with(&|rows| rows.relations.push(foreign.clone())).is_err());
        // A role that is called otherwise, and a filter that is left out without one.
        let misnamed = RowSecurity { role: other.clone(), ..rows.clone() };
        fences.relations.get_mut("r0").unwrap().role = Some(other.clone());
        fences.rows = Some(misnamed);
        assert!(verify(&text.replace(role, &other), &fences).is_err());
        fences.relations.get_mut("r0").unwrap().role = Some(role.to_owned());
        fences.rows = None;
        assert!(verify(&text, &fences).is_err());
        fences.rows = Some(rows.clone());
        assert_eq!(verify(&text, &fences), Ok(()));
        fences.relations.get_mut("r0").unwrap().role = None;
        assert!(verify(&text, &fences).is_err());
    }

    #[test]
    fn a_relation_that_a_policy_reads_as_it_is_stays_as_it_is() {
        let mut world = company();
        let orders = DatasetName::new("public", "orders");
        world = world.orders(filtered("person_id IN (SELECT p.id FROM public.people p)"));
        let tables = all_secured(&world);
        let sql = "SELECT o.id FROM people p JOIN orders o ON o.id = p.ssn::int";
        assert_eq!(forwarded(&world, &tables, sql).row_security(), None);
        assert!(tables.secured.contains(&orders));
        // Alone it has its policy.
        let alone = forwarded(&world, &tables, "SELECT id FROM (SELECT id, ssn FROM people) p WHERE ssn::int > 0");
        assert_eq!(policies(&alone), [("people", Some("((region = 'EU'))"))]);
    }
}
