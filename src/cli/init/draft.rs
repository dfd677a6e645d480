//! The texts of a first catalog and a first policy, made of what a database says of itself. Pure: facts in, texts out.

use super::guess::{Guess, guess};
use super::yaml::{quoted, remark, scalar};
use crate::catalog::{
    RowSecurity, SystemRelations, UpstreamColumn, UpstreamFacts, UpstreamKind, UpstreamName, UpstreamRelation,
};
use crate::decision::Mask;
use crate::types::{DatasetName, SqlType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The longest description that is taken over, in characters.
const LONGEST_DESCRIPTION: usize = 400;

/// A tag that guesses use.
pub(super) struct TagText {
    pub(super) name: &'static str,
    /// The tags that it implies: the first is used in its place where its mask does not suit a column.
    implies: &'static [&'static str],
    /// As JSON, which is YAML too.
    mask: &'static str,
    description: &'static str,
}

/// All tags that guesses use. Each masks by itself, so that a policy that opens one uncovers nothing.
#[rustfmt::skip]
pub(super) const TAGS: &[TagText] = &[
    TagText { name: "PII", implies: &[], mask: r#"{"name": "redact"}"#, description: "says who somebody is" },
    TagText { name: "SENSITIVE", implies: &[], mask: r#"{"name": "null"}"#, description: "would harm somebody if it were known" },
    TagText { name: "NAME", implies: &["PII"], mask: r#"{"name": "partial", "prefix": 1, "suffix": 0}"#, description: "a person's name" },
    TagText { name: "EMAIL", implies: &["PII"], mask: r#"{"name": "email"}"#, description: "an e-mail address" },
    TagText { name: "PHONE", implies: &["PII"], mask: r#"{"name": "last", "n": 2}"#, description: "a telephone number" },
    TagText { name: "NATIONAL_ID", implies: &["PII", "SENSITIVE"], mask: r#"{"name": "redact"}"#, description: "what a state, an insurer or a tax office knows somebody by" },
    TagText { name: "BANK_ACCOUNT", implies: &["PII", "SENSITIVE"], mask: r#"{"name": "hash"}"#, description: "hashed, so that it can still be joined" },
    TagText { name: "CARD", implies: &["PII", "SENSITIVE"], mask: r#"{"name": "last", "n": 4}"#, description: "a payment card" },
    TagText { name: "BIRTH_DATE", implies: &["PII"], mask: r#"{"name": "year"}"#, description: "a date of birth or of death" },
    TagText { name: "ONLINE_ID", implies: &["PII"], mask: r#"{"name": "redact"}"#, description: "an address or a device on a network" },
    TagText { name: "ADDRESS", implies: &["PII"], mask: r#"{"name": "redact"}"#, description: "where somebody lives" },
    TagText { name: "LOCATION", implies: &["PII"], mask: r#"{"name": "redact"}"#, description: "where somebody is" },
    TagText { name: "SALARY", implies: &["SENSITIVE"], mask: r#"{"name": "round", "step": 10000}"#, description: "what somebody earns" },
    TagText { name: "SPECIAL_CATEGORY", implies: &["PII", "SENSITIVE"], mask: r#"{"name": "null"}"#, description: "health, faith, origin, politics and the like" },
    TagText { name: "SECRET", implies: &["SENSITIVE"], mask: r#"{"name": "null"}"#, description: "opens something: a password, a token, a key" },
    TagText { name: "NOTES", implies: &["SENSITIVE"], mask: r#"{"name": "redact"}"#, description: "free text, in which anything may stand" },
];

/// Where the connection string is to be had, as the catalog says it.
pub(super) enum DsnText<'a> {
    /// `dsn_env`
    Env(&'a str),
    /// `dsn_file`
    File(&'a str),
}

/// The source's file, and what there is to tell about it.
pub(super) struct Draft {
    /// The file of the source and its datasets.
    pub(super) text: String,
    /// Its datasets.
    pub(super) datasets: usize,
    /// Columns that nothing was guessed of: they are open.
    pub(super) open: usize,
    /// Columns that are closed: dataset, column, guess.
    pub(super) closed: Vec<(String, String, Guess)>,
    /// Relations that are not in it, and why.
    pub(super) left_out: Vec<(UpstreamName, String)>,
}

/// The catalog of one database. `schemas` are those that are wanted; empty is all.
pub(super) fn draft(source: &str, dsn: &DsnText<'_>, facts: &UpstreamFacts, schemas: &[String]) -> Draft {
    let wanted = |(schema, _): &UpstreamName| schemas.is_empty() || schemas.contains(schema);
    let mut draft = Draft { text: String::new(), datasets: 0, open: 0, closed: Vec::new(), left_out: Vec::new() };
    let mut taken: BTreeMap<&UpstreamName, &UpstreamRelation> = BTreeMap::new();
    for (name, relation) in facts.relations.iter().filter(|(name, _)| wanted(name)) {
        match unfit(name, relation) {
            Some(why) => draft.left_out.push((name.clone(), why)),
            None => _ = taken.insert(name, relation),
        }
    }
    let (key, place) = match dsn {
        DsnText::Env(name) => ("dsn_env", *name),
        DsnText::File(path) => ("dsn_file", *path),
    };
    let text = &mut draft.text;
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "# A first catalog of the source {source}, written by querygate init for a data steward to review.\n\
         #\n\
         # It was made of names, types, keys and comments; no row was read. A column whose name, type or comment hints at\n\
         # people or secrets has a tag, and the reason beside it. The first policy closes every column with a tag, and every\n\
         # column that is not listed here. What nothing hinted at is open to the role ANALYST: look at those first.\n\
         #\n\
         # After a change: querygate check --connect\n\n\
         sources:\n  - {{name: {}, kind: postgres, {key}: {}}}\n\ndatasets:\n",
        scalar(source),
        scalar(place)
    );
    let guesses = Guesses::of(&taken);
    for (name, relation) in &taken {
        dataset(source, name, relation, (&taken, &guesses), &mut draft);
    }
    if taken.is_empty() {
        draft.text.push_str("  []\n");
    }
    draft
}

/// Why a relation is in no first catalog.
fn unfit((schema, name): &UpstreamName, relation: &UpstreamRelation) -> Option<String> {
    let speakable = |name: &str| {
        !name.trim().is_empty() && name.len() <= 63 && !name.chars().any(|letter| letter.is_control() || letter == '"')
    };
    if SystemRelations::SCHEMAS.contains(&schema.to_lowercase().as_str())
        || schema.to_lowercase().starts_with("__querygate")
    {
        return Some("its schema is called as one of the gateway's own".into());
    }
    if schema.starts_with("querygate_") {
        return Some("the gateway's own".into());
    }
    if let Some(parent) = &relation.parent {
        return Some(format!("a part of {}.{}, which stands for it", parent.0, parent.1));
    }
    if relation.is_of_extension {
        return Some("an extension brought it".into());
    }
    if !relation.is_readable {
        return Some("the login may not read it".into());
    }
    if !speakable(schema) || !speakable(name) || schema.contains('.') || name.contains('.') {
        return Some("the catalog can't write its name".into());
    }
    if relation.columns.is_empty() {
        return Some("it has no columns".into());
    }
    let unspeakable = relation.columns.iter().find(|column| !speakable(&column.name))?;
    Some(format!("the catalog can't write the name of its column {:?}", unspeakable.name))
}

fn dataset(
    source: &str,
    name: &UpstreamName,
    relation: &UpstreamRelation,
    (taken, guesses): (&BTreeMap<&UpstreamName, &UpstreamRelation>, &Guesses),
    draft: &mut Draft,
) {
    let dotted = DatasetName::new(&name.0, &name.1).to_string();
    let text = &mut draft.text;
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(String::new());
    match relation.kind {
        UpstreamKind::Table => {}
        UpstreamKind::PartitionedTable => line("  # A partitioned table: it stands for its partitions.".into()),
        UpstreamKind::View | UpstreamKind::MaterializedView | UpstreamKind::ForeignTable => {
            line(format!("  # {} of the source: statements over it are always fenced.", relation.kind.words()));
        }
    }
    match relation.row_security {
        RowSecurity::None => {}
        RowSecurity::Active => line("  # Its own row security hides rows from the gateway's login.".into()),
        RowSecurity::Bypassed => {
            line("  # It has row security, which the gateway's login is above: nobody here is held to it.".into())
        }
    }
    line(format!("  - name: {}", scalar(&dotted)));
    line(format!("    source: {}", scalar(source)));
    line(format!("    relation: {}", scalar(&dotted)));
    line("    tier: RAW".into());
    if let Some(description) = description(relation.comment.as_deref()) {
        line(format!("    description: {description}"));
    }
    if let Some(keys) = keys(relation, taken) {
        line(format!("    keys: {keys}"));
    }
    line("    columns:".into());
    draft.datasets = draft.datasets.saturating_add(1);
    for column in &relation.columns {
        let sql_type = column.sql_type();
        let mut entry = format!("name: {}", scalar(&column.name));
        let mut remarks = Vec::new();
        match &sql_type {
            SqlType::Other(name) => remarks.push(format!("its type there is {name}")),
            known => _ = write!(entry, ", type: {}", scalar(&known.to_string())),
        }
        match guesses.guess(name, relation, column).map(|guess| suited(guess, &sql_type)) {
            Some(guess) => {
                let _ = write!(entry, ", tags: [{}]", guess.tag);
                remarks.push(format!("guessed: {}", guess.reason));
                draft.closed.push((dotted.clone(), column.name.clone(), guess));
            }
            None => {
                entry.push_str(", classification: INTERNAL");
                draft.open = draft.open.saturating_add(1);
            }
        }
        if let Some(description) = description(column.comment.as_deref()) {
            let _ = write!(entry, ", description: {description}");
        }
        if !column.is_readable {
            remarks.push("the login may not read it".into());
        }
        let remarks = if remarks.is_empty() { String::new() } else { format!("  # {}", remark(&remarks.join("; "))) };
        let _ = writeln!(draft.text, "      - {{{entry}}}{remarks}");
    }
}

/// What is guessed of columns of tables, by their names: a view shows them under the same.
struct Guesses(BTreeMap<String, (String, Guess)>);

impl Guesses {
    fn of(taken: &BTreeMap<&UpstreamName, &UpstreamRelation>) -> Self {
        let mut guesses = BTreeMap::new();
        for (name, relation) in taken.iter().filter(|(_, relation)| relation.kind.is_table()) {
            for column in &relation.columns {
                if let Some(guess) = guess(column, &name.1) {
                    let place = format!("{}.{}.{}", name.0, name.1, column.name);
                    guesses.entry(column.name.clone()).or_insert((place, guess));
                }
            }
        }
        Self(guesses)
    }

    fn guess(&self, name: &UpstreamName, relation: &UpstreamRelation, column: &UpstreamColumn) -> Option<Guess> {
        guess(column, &name.1).or_else(|| {
            let (place, guess) = self.0.get(&column.name).filter(|_| !relation.kind.is_table())?;
            Some(Guess { tag: guess.tag, reason: format!("called as {place} is") })
        })
    }
}

/// A guess whose tag has a mask for the column's type.
fn suited(mut guess: Guess, sql_type: &SqlType) -> Guess {
    let suits = |tag: &TagText| {
        let mask = serde_json::from_str(tag.mask).ok().and_then(|mask| Mask::from_json(&mask).ok());
        mask.is_some_and(|mask| mask.suits(sql_type).is_ok())
    };
    if let Some(tag) = TAGS.iter().find(|tag| tag.name == guess.tag).filter(|tag| !suits(tag)) {
        guess.tag = tag.implies.first().copied().unwrap_or("SENSITIVE");
    }
    guess
}

fn description(comment: Option<&str>) -> Option<String> {
    let comment: String = comment?.trim().chars().take(LONGEST_DESCRIPTION).collect();
    (!comment.is_empty()).then(|| quoted(&comment))
}

/// The keys that the upstream keeps, as far as the catalog can say them.
fn keys(relation: &UpstreamRelation, taken: &BTreeMap<&UpstreamName, &UpstreamRelation>) -> Option<String> {
    let list = |columns: &[String]| columns.iter().map(|column| scalar(column)).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    let primary = relation.unique.iter().find(|key| key.is_primary);
    if let Some(key) = primary.filter(|key| relation.is_unique(&key.columns.iter().map(String::as_str).collect())) {
        parts.push(format!("primary: [{}]", list(&key.columns)));
    }
    let type_of = |relation: &UpstreamRelation, name: &str| {
        relation.columns.iter().find(|column| column.name == name).map(|column| column.sql_type())
    };
    let plain = |name: &String| !name.contains(['(', ')', ',']) && name.trim() == name;
    let mut foreign = Vec::new();
    let mut seen = BTreeSet::new();
    for key in &relation.foreign {
        let Some(there) = taken.get(&key.references) else { continue };
        let sound = key.columns.iter().zip(&key.referenced_columns).all(|(here, other)| {
            match (type_of(relation, here), type_of(there, other)) {
                (Some(a), Some(b)) => {
                    a == b || (a.is_number() && b.is_number()) || (a.is_temporal() && b.is_temporal())
                }
                _unknown => false,
            }
        });
        let (schema, name) = &key.references;
        let speakable = key.referenced_columns.iter().all(plain) && plain(name) && plain(schema);
        let unique = there.is_unique(&key.referenced_columns.iter().map(String::as_str).collect());
        if sound && speakable && unique && seen.insert((&key.columns, &key.references)) {
            let references = format!("{schema}.{name}({})", key.referenced_columns.join(", "));
            foreign.push(format!("{{columns: [{}], references: {}}}", list(&key.columns), scalar(&references)));
        }
    }
    if !foreign.is_empty() {
        parts.push(format!("foreign: [{}]", foreign.join(", ")));
    }
    (!parts.is_empty()).then(|| format!("{{{}}}", parts.join(", ")))
}

/// `tags.yaml`
pub(super) fn tags() -> String {
    let mut text = String::from(
        "# What the tags of a first catalog mean, and the mask that each brings once the policy opens it. Who sees more is for\n\
         # policies to say (`unmask`). Columns with a tag that implies PII or SENSITIVE also count where results leave.\n\ntags:\n",
    );
    for tag in TAGS {
        let implies =
            if tag.implies.is_empty() { String::new() } else { format!("implies: [{}], ", tag.implies.join(", ")) };
        let (name, mask) = (tag.name, tag.mask);
        let _ = writeln!(
            text,
            "  {name}: {{classification: PROPRIETARY, {implies}mask: {mask}, description: {}}}",
            quoted(tag.description)
        );
    }
    text
}

/// `workspaces.yaml`
pub(super) fn workspaces(source: &str) -> String {
    format!(
        "# The database name of a connection names a workspace. One without datasets has all of the catalog.\n\nworkspaces:\n  \
         - name: {}\n    type: SHARED_ANALYSIS\n    description: the first workspace, of whoever has the role ANALYST\n    \
         roles: [ANALYST]\n",
        scalar(source)
    )
}

/// `users.yaml`
pub(super) const USERS: &str =
    "# Who may connect. Add somebody with: querygate user add NAME --role ANALYST\n\nusers:\n";

/// `first_access.rego`
pub(super) const POLICY: &str = r#"# A first policy, written by querygate init: the role ANALYST reads what nothing has closed, and nobody reads anything else.
#
# A closed column can't be named, and * leaves it out. Closed are columns with a tag, columns that the catalog does not list
# (they came after it was written), and PROPRIETARY ones. To open the columns of a tag, review them in the catalog, then put
# the tag into `reviewed`: from then on its mask applies, and `unmask` says who sees more.
package analytics.data_access

metadata := {"id": "FIRST-ACCESS", "title": "First access, until it has been reviewed"}

reviewed := set() # such as {"EMAIL", "PHONE"}

# Tags that others imply. By themselves they open nothing.
implied := {"PII", "SENSITIVE"}

default allow := false

allow if "ANALYST" in input.user.roles

reasons contains "Data of this source is open to the role ANALYST alone until a data steward has reviewed it." if not allow

column_masks[column.name] := {"name": "deny"} if {
	some column in input.dataset.columns
	closed(column)
}

closed(column) if not column.listed

closed(column) if {
	count(column.tags) == 0
	column.classification == "PROPRIETARY"
}

closed(column) if {
	count(column.tags) > 0
	count({tag | some tag in column.tags; tag in reviewed}) == 0
}

closed(column) if {
	some tag in column.tags
	not tag in reviewed
	not tag in implied
}
"#;

/// `first_access_test.rego`
pub(super) const POLICY_TEST: &str = r#"package analytics.data_access_test

import data.analytics.data_access

column(name, tags) := {"name": name, "classification": "INTERNAL", "tags": tags, "listed": true}

dataset := {"name": "public.people", "columns": [
	column("id", []),
	column("email", ["EMAIL", "PII"]),
	{"name": "new", "classification": "INTERNAL", "tags": [], "listed": false},
	{"name": "pay", "classification": "PROPRIETARY", "tags": [], "listed": true},
]}

analyst := {"user": {"id": "ann", "roles": ["ANALYST"]}, "dataset": dataset}

test_analysts_read_what_nothing_has_closed if {
	data_access.allow with input as analyst
	not data_access.column_masks.id with input as analyst
}

test_others_read_nothing if {
	not data_access.allow with input as object.union(analyst, {"user": {"id": "ben", "roles": []}})
}

test_columns_with_a_tag_are_closed if {
	data_access.column_masks.email.name == "deny" with input as analyst with data_access.reviewed as set()
}

test_reviewed_tags_leave_columns_to_their_masks if {
	not data_access.column_masks.email with input as analyst with data_access.reviewed as {"EMAIL"}
	data_access.column_masks.email with input as analyst with data_access.reviewed as {"PII"}
}

test_columns_that_the_catalog_does_not_list_are_closed if data_access.column_masks["new"] with input as analyst

test_proprietary_columns_are_closed if data_access.column_masks.pay with input as analyst
"#;
