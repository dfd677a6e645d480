//! Each kind of mistake, found; and the demo catalog, sound.

use super::*;
use crate::decision::Mask;
use crate::types::{Classification, DatasetName, Role, SqlType, Tag, UserId, WorkspaceName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const VERIFIER: &str = "SCRAM-SHA-256$4096:e8bMhS648f1612fqDQ8rqw==$+djsbua9TVDab/H2QisRI3/7TSog0WE1cmFrauhmIbs=:\
                        +djsbua9TVDab/H2QisRI3/7TSog0WE1cmFrauhmIbs=";

/// A sound catalog that the cases below break in one place each.
fn sound() -> String {
    format!(
        r#"
sources:
  - {{name: lake, kind: files, location: data}}
  - {{name: crm, kind: postgres, dsn_env: CRM_DSN, pool: {{max: 20}}, region: eu-west-1}}
tags:
  PII: {{classification: PROPRIETARY, mask: {{name: redact}}}}
  EMAIL: {{implies: [PII], mask: {{name: email}}}}
datasets:
  - name: public.people
    source: lake
    location: people/*.parquet
    tier: CURATED
    entity_key: id
    keys: {{primary: [id], foreign: [{{columns: [region_id], references: public.regions(id)}}]}}
    columns:
      - {{name: id}}
      - {{name: region_id, type: bigint}}
      - {{name: email, tags: [EMAIL]}}
  - {{name: public.regions, source: lake, location: regions.csv, tier: CURATED, columns: [{{name: id}}]}}
roles: {{DATA_SCIENTIST: {{includes: [ANALYST]}}}}
users:
  - {{name: ann, password: "{VERIFIER}", roles: [ANALYST], attributes: {{country: DE, mfa_verified: true}}}}
workspaces:
  - {{name: main, type: AD_HOC, owner: ann}}
"#
    )
}

fn file(path: &str, text: &str) -> CatalogFile {
    CatalogFile { path: path.into(), text: text.into() }
}

fn schema(columns: &[(&str, SqlType)]) -> InferredSchema {
    let column = |(name, sql_type): &(&str, SqlType)| InferredColumn {
        name: (*name).into(),
        sql_type: sql_type.clone(),
        nullable: true,
    };
    columns.iter().map(column).collect()
}

fn schemas() -> BTreeMap<DatasetName, InferredSchema> {
    let people = schema(&[("id", SqlType::BigInt), ("region_id", SqlType::BigInt), ("email", SqlType::Text)]);
    let regions = schema(&[("id", SqlType::BigInt)]);
    BTreeMap::from([(DatasetName::new("public", "people"), people), (DatasetName::new("public", "regions"), regions)])
}

/// Loads and assembles one text.
fn assembled(text: &str, schemas: &BTreeMap<DatasetName, InferredSchema>) -> (Option<CatalogSnapshot>, Vec<Finding>) {
    match load(&[file("c.yaml", text)]) {
        (Some(spec), findings) => {
            let (snapshot, all) = spec.assemble(schemas);
            assert!(all.starts_with(&findings), "assembling repeats the findings of loading");
            (snapshot, all)
        }
        (None, findings) => (None, findings),
    }
}

#[test]
fn a_sound_catalog_has_no_findings() {
    let (snapshot, findings) = assembled(&sound(), &schemas());
    assert_eq!(check_report(&findings), "no mistakes found\n");
    let snapshot = snapshot.expect("sound");
    assert_eq!(snapshot.datasets.len(), 2);
    assert!(
        matches!(&snapshot.sources["crm"].kind, SourceKind::Postgres { dsn: DsnSource::Env(name), pool, barrier: None } if name == "CRM_DSN" && pool.max == 20)
    );
    let user = &snapshot.users[&UserId::new("ann")];
    assert!(user.attributes.mfa_verified && user.verifier.as_ref().is_some_and(|held| held.expose() == VERIFIER));
}

/// Replaces one text by another in the sound catalog, and says which line of the report is to come and where.
#[test]
fn every_mistake_is_found_at_its_place() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, &str)] = &[
        // text to replace; by what; finding; help ("" for none)
        ("tier: CURATED\n", "teir: CURATED\n", "12:5: error: unknown key \"teir\" in dataset \"public.people\"", "did you mean \"tier\"?"),
        ("sources:\n", "sauces:\n", "2:1: error: unknown key \"sauces\" in the file", "did you mean \"sources\"?"),
        ("    tier: CURATED\n", "    tier: CURATE\n", "12:11: error: tier \"CURATE\" is none of RAW, CURATED, ANONYMIZED, SYNTHETIC", "did you mean \"CURATED\"?"),
        ("    tier: CURATED\n", "", "9:5: error: dataset \"public.people\" has no tier", "write tier: RAW, CURATED, ANONYMIZED or SYNTHETIC"),
        ("    tier: CURATED\n", "    tier: CURATED\n    tier: RAW\n", "13:5: error: the key \"tier\" is given twice", "it is already given in line 12; keep one"),
        ("    source: lake\n", "    source: lakes\n", "10:13: error: there is no source \"lakes\"", "did you mean \"lake\"?"),
        ("    source: lake\n", "    source: [lake]\n", "10:13: error: source must be text, not a list", ""),
        ("    source: lake\n", "    source:\n", "10:5: error: source has no value", "give it one, or remove the key"),
        ("    source: lake\n", "    source: 12\n", "10:13: error: source must be text, not a number", "quote it: \"12\""),
        ("people/*.parquet", "../people/*.parquet", "11:15: error: location \"../people/*.parquet\": it must not leave its source's location by ..", ""),
        ("people/*.parquet", "/etc/*.parquet", "11:15: error: location \"/etc/*.parquet\": it must be relative to its source's location", ""),
        ("people/*.parquet", "s3://b/*.parquet", "11:15: error: location \"s3://b/*.parquet\": it must be a path in its source, not an address of its own", ""),
        ("people/*.parquet", "people/*.xls", "11:15: error: the format of \"people/*.xls\" can't be told from its name", "write format: parquet, csv, json or arrow"),
        ("people/*.parquet", "people/[a.parquet", "11:15: error: location \"people/[a.parquet\" has a [ without its ]", ""),
        ("    location: people/*.parquet\n", "", "9:5: error: dataset \"public.people\" has no location", "such as customers/*.parquet, relative to its source's location"),
        ("    location: people/*.parquet\n", "    location: people/*.parquet\n    relation: a.b\n", "12:15: error: a dataset of a source of kind files has no relation", ""),
        ("    location: people/*.parquet\n", "    location: people/*.parquet\n    partitions: [year]\n", "9:11: error: partition column \"year\" is not in the data of public.people", "its columns are email, id, region_id"),
        ("name: public.people\n", "name: pg_catalog.people\n", "9:11: error: dataset pg_catalog.people lies in the schema \"pg_catalog\", which is the gateway's own", "call it public.people"),
        ("name: public.people\n", "name: information_schema.people\n", "9:11: error: dataset information_schema.people lies in the schema \"information_schema\", which is the gateway's own", "call it public.people"),
        ("name: public.people\n", "name: querygate.people\n", "9:11: error: dataset querygate.people lies in the schema \"querygate\", which is the gateway's own", "call it public.people"),
        ("name: public.people\n", "name: __querygate_raw.people\n", "9:11: error: dataset __querygate_raw.people lies in the schema \"__querygate_raw\", which is the gateway's own", "call it public.people"),
        ("name: public.people\n", "name: a.b.c\n", "9:11: error: \"a.b.c\" is no name of a dataset", "write schema.name, such as public.customers"),
        ("name: public.people\n", "name: public.regions\n", "19:12: error: dataset \"public.regions\" is defined twice", "keep one of the two"),
        ("name: public.people\n", "name: Public.people\n", "9:11: warning: schema \"Public\" has upper case: clients must quote it", "write \"public\" if the data has it so"),
        ("name: public.people\n", "name: public.my-people\n", "9:11: warning: dataset \"my-people\" is no plain name: clients must quote it", ""),
        ("    tier: CURATED\n", "    tier: CURATED\n    residency: [EU!]\n", "13:17: error: residency \"EU!\" is no region or country", "write it small, such as eu, de or eu-west-1"),
        ("    tier: CURATED\n", "    tier: CURATED\n    domain: hr.people\n", "13:13: error: domain \"hr.people\" can't be part of the package governance.domains.<domain>", "use letters, digits and _ alone"),
        ("    tier: CURATED\n", "    tier: CURATED\n    discoverable: no\n", "13:19: error: discoverable must be true or false, not text", ""),
        ("    tier: CURATED\n", "    tier: CURATED\n    row_filter: require\n", "13:17: error: row_filter \"require\" is none of required, optional", "did you mean \"required\"?"),
        ("    tier: CURATED\n", "    tier: CURATED\n    classification: PUBLIC\n", "13:21: error: a dataset has the classification of its columns", "give each column its own classification, or a tag that has one"),
        ("entity_key: id", "entity_key: uid", "13:17: error: entity_key \"uid\" is not in the data of public.people", "did you mean \"id\"?"),
        ("primary: [id]", "primary: [idd]", "14:22: error: key column \"idd\" is not in the data of public.people", "did you mean \"id\"?"),
        ("primary: [id]", "primary: id", "14:21: error: primary must be a list, not text", "write it as a list: [id]"),
        ("primary: [id]", "primary: [id, id]", "14:26: error: \"id\" is in primary twice", "keep one"),
        ("columns: [region_id], ref", "columns: [region], ref", "14:48: error: key column \"region\" is not in the data of public.people", "did you mean \"region_id\"?"),
        ("public.regions(id)", "public.region(id)", "14:72: error: there is no dataset \"public.region\"", "did you mean \"public.regions\"?"),
        ("public.regions(id)", "public.regions(key)", "14:72: error: public.regions has no column \"key\"", ""),
        ("public.regions(id)", "public.regions", "14:72: error: references \"public.regions\" can't be read", "write schema.name(column), such as public.regions(id)"),
        ("columns: [region_id], ref", "columns: [region_id, id], ref", "14:37: error: the key has 2 columns and references 1", ""),
        ("columns: [region_id], ref", "columns: [email], ref", "14:68: error: key column \"email\" is text and public.regions(id) is bigint", ""),
        ("- {name: email, tags: [EMAIL]}", "- {name: emial, tags: [EMAIL]}", "18:16: error: column \"emial\" is not in the data of public.people", "did you mean \"email\"?"),
        ("- {name: email, tags: [EMAIL]}", "- {name: email, tags: [EMIAL]}", "18:30: error: there is no tag \"EMIAL\"", "did you mean \"EMAIL\"?"),
        ("- {name: email, tags: [EMAIL]}", "- {name: email, tags: [SHOE_SIZE]}", "18:30: error: there is no tag \"SHOE_SIZE\"", "say what it means: tags: {SHOE_SIZE: {}}"),
        ("- {name: email, tags: [EMAIL]}", "- email", "18:9: error: a column must be a mapping", "write {name: email}"),
        ("- {name: email, tags: [EMAIL]}", "- {name: id}", "18:16: error: column \"id\" is listed twice", "keep one of the two"),
        ("- {name: email, tags: [EMAIL]}", "- {name: email, classification: SECRET}", "18:39: error: classification \"SECRET\" is none of PUBLIC, INTERNAL, PROPRIETARY", ""),
        ("- {name: email, tags: [EMAIL]}", "- {name: id2, tags: [EMAIL]}", "18:16: error: column \"id2\" is not in the data of public.people", "did you mean \"id\"?"),
        ("- {name: id}\n", "- {name: id, tags: [EMAIL]}\n", "16:27: error: tag EMAIL can't be on column \"id\": mask email does not suit type bigint", "take the tag off, or give it a mask that suits the type"),
        ("- {name: email, tags: [EMAIL]}", "- {name: email, tags: [EMAIL, PII]}", "18:37: warning: tag PII is implied by EMAIL already; written out, its mask redact applies as well", "leave PII out to have the mask of EMAIL alone"),
        ("      - {name: email, tags: [EMAIL]}\n", "", "9:11: warning: column \"email\" of public.people is not listed", "it is INTERNAL; list it to say what it is"),
        ("type: bigint", "type: integer", "17:33: error: column \"region_id\" is declared integer and the data has bigint", "write type: bigint, or leave it out"),
        ("type: bigint", "type: money", "17:33: error: there is no type \"money\"", "use PostgreSQL's names: text, bigint, numeric(10,2), date, timestamp …"),
        ("mask: {name: email}", "mask: {name: emial}", "7:40: error: there is no mask \"emial\"", "did you mean \"email\"?"),
        ("mask: {name: email}", "mask: email", "7:33: error: mask specification: must be an object such as {name: redact}, not text", "write {name: email}"),
        ("mask: {name: email}", "mask: {name: last}", "7:40: error: mask last: needs the argument n", ""),
        ("mask: {name: email}", "mask: {name: last, n: four}", "7:40: error: mask last: n must be a whole number from 0 to 10000, not text", ""),
        ("implies: [PII], mask", "implies: [PPI], mask", "7:21: error: there is no tag \"PPI\"", "did you mean \"PII\"?"),
        ("  PII: {classification", "  PII: {implies: [EMAIL], classification", "7:21: error: tags imply each other in a circle: EMAIL -> PII -> EMAIL", "take one of these out"),
        ("  PII: {classification", "  DERIVED_FROM_X: {}\n  PII: {classification", "6:3: error: tags that begin with DERIVED_FROM_ are made by the gateway", ""),
        ("kind: files", "kind: file", "3:24: error: kind \"file\" is none of files, postgres", "did you mean \"files\"?"),
        ("kind: files, location: data", "kind: files", "3:5: error: source \"lake\" has no location", "name a folder, or an address such as s3://bucket/prefix"),
        ("location: data", "location: ftp://x/y", "3:41: error: locations of kind ftp:// can't be read", "use a folder or s3://bucket/prefix"),
        ("location: data", "location: s3://", "3:41: error: the location names no bucket", "write s3://bucket/prefix"),
        ("location: data", "location: data, pool: {max: 3}", "3:53: error: a source of kind files has no pool", ""),
        ("dsn_env: CRM_DSN, ", "", "4:5: error: source \"crm\" has no dsn_env", "dsn_env names the environment variable that holds the connection string, dsn_file a file with it"),
        ("dsn_env: CRM_DSN", "dsn_env: CRM_DSN, dsn_file: /run/secrets/crm", "4:61: error: source \"crm\" has dsn_env and dsn_file", "keep one of the two"),
        ("dsn_env: CRM_DSN", "dsn_file: secrets/crm", "4:43: error: dsn_file must be the absolute path of a file, not a connection string", "such as /run/secrets/crm_dsn; keep the connection string out of the catalog"),
        ("dsn_env: CRM_DSN", "dsn_file: postgres://u:secret@h/d", "4:43: error: dsn_file must be the absolute path of a file, not a connection string", "such as /run/secrets/crm_dsn; keep the connection string out of the catalog"),
        ("location: data", "location: data, dsn_file: /x", "3:57: error: a source of kind files has no dsn_file", ""),
        ("max: 20", "mode: statement", "4:64: error: mode \"statement\" is none of transaction, session", ""),
        ("max: 20", "max: 20, queue_timeout_ms: 0", "4:85: error: queue_timeout_ms must be a whole number from 1 to 600000", ""),
        ("max: 20", "idle_timeout_s: 60, max_lifetime_s: 30", "4:74: warning: idle_timeout_s is longer than max_lifetime_s: a connection never grows that old", ""),
        ("max: 20", "idle_timeout: 60", "4:58: error: unknown key \"idle_timeout\" in pool", "did you mean \"idle_timeout_s\"?"),
        ("dsn_env: CRM_DSN", "dsn_env: postgres://u:secret@h/d", "4:42: error: dsn_env must be the name of an environment variable, not a connection string", "such as CRM_DSN; keep the connection string out of the file"),
        ("max: 20", "max: 0", "4:63: error: max must be a whole number from 1 to 10000", ""),
        ("name: crm", "name: lake", "4:12: error: source \"lake\" is defined twice", "keep one of the two"),
        ("includes: [ANALYST]", "includes: [ANALIST]", "20:37: error: there is no role \"ANALIST\"", "did you mean \"ANALYST\"?"),
        ("includes: [ANALYST]}", "includes: [ANALYST]}, ANALYST: {includes: [DATA_SCIENTIST]}", "20:69: error: roles include each other in a circle: ANALYST -> DATA_SCIENTIST -> ANALYST", "take one of these out"),
        ("roles: [ANALYST], attr", "roles: [BOSS], attr", "there is no role \"BOSS\"", ""),
        ("mfa_verified: true", "mfa: true", "unknown key \"mfa\" in the attributes of user \"ann\"", "known keys are businessUnit, department, clearance, country, mfa_verified"),
        ("mfa_verified: true", "mfa_verified: 1", "mfa_verified must be true or false, not a number", ""),
        ("  - {name: main,", "  - {name: ann2, type: AD_HOC, owner: anne}\n  - {name: main,", "24:39: error: there is no user \"anne\"", "did you mean \"ann\"?"),
        ("owner: ann}", "owner: ann, members: [bob]}", "24:54: error: there is no user \"bob\"", ""),
        ("owner: ann}", "roles: [X]}", "24:40: error: there is no role \"X\"", ""),
        ("owner: ann}", "owner: ann, datasets: [public.peple]}", "24:55: error: there is no dataset \"public.peple\"", "did you mean \"public.people\"?"),
        ("owner: ann}", "owner: ann, datasets: []}", "24:54: error: the datasets of workspace \"main\" are an empty list", "leave the key out to mean all datasets, or name some"),
        (", owner: ann}", "}", "24:5: warning: nobody may enter workspace \"main\"", "give it an owner, members or roles"),
        ("type: AD_HOC", "type: ADHOC", "24:24: error: type \"ADHOC\" is none of AD_HOC, RECURRING_REPORT, MODEL_DEVELOPMENT, AUDIT_INVESTIGATION, SHARED_ANALYSIS", "did you mean \"AD_HOC\"?"),
        ("owner: ann}", "owner: ann, limits: {max_row: 3}}", "24:53: error: unknown key \"max_row\" in limits", "did you mean \"max_rows\"?"),
        ("owner: ann}", "owner: ann, limits: {max_rows: -1}}", "24:63: error: max_rows must be a whole number from 1 to 9223372036854775807", ""),
        ("owner: ann}", "owner: ann, limits: {engine_memory: lots}}", "24:68: error: engine_memory must be a size of more than zero", "write a number of bytes, or one with a unit such as 512 MB"),
        ("owner: ann}", "owner: ann, limits: {}, overrides: {}}", "24:67: error: limits and overrides are the same thing", "keep limits"),
        ("sources:\n", "sources: &a\n", "3:3: error: anchors and aliases can't be used here", "write the value out, or quote it if it begins with &"),
        ("kind: files", "kind: !x files", "3:27: error: YAML tags (!…) can't be used here", "quote the value if it begins with !"),
    ];
    let mut missed = Vec::new();
    for (from, to, finding, help) in cases {
        let text = sound();
        assert!(text.contains(from), "the sound catalog has {from:?}");
        let (snapshot, findings) = assembled(&text.replacen(from, to, 1), &schemas());
        match findings.iter().find(|held| held.to_string().contains(finding)) {
            None => missed.push(format!("{to:?}: {finding:?} is not in\n{}", check_report(&findings))),
            Some(found) if found.suggestion.as_deref().unwrap_or("") != *help => {
                missed.push(format!("{to:?}: the help is {:?}", found.suggestion));
            }
            Some(_) => {}
        }
        assert_eq!(snapshot.is_none(), findings.iter().any(Finding::is_error), "{to:?}");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_verifier_that_is_none_is_told_without_being_shown() {
    for (wrong, why) in [
        ("hunter2-secret", "is no SCRAM-SHA-256 verifier"),
        ("md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "is no SCRAM-SHA-256 verifier"),
        ("SCRAM-SHA-256$4096:secret", "is no whole verifier"),
        ("SCRAM-SHA-256$10:e8bMhS648f1612fqDQ8rqw==$secret:secret", "too few or too many iterations"),
        ("SCRAM-SHA-256$x:e8bMhS648f1612fqDQ8rqw==$secret:secret", "iterations that are no number"),
        ("SCRAM-SHA-256$4096:c2VjcmV0$secret:secret", "has a salt that is no base64 of 8 bytes"),
        ("SCRAM-SHA-256$4096:e8bMhS648f1612fqDQ8rqw==$secret:secret", "a key that is no base64 of 32 bytes"),
    ] {
        let (snapshot, findings) = assembled(&sound().replace(VERIFIER, wrong), &schemas());
        let report = check_report(&findings);
        assert!(snapshot.is_none() && report.contains(why), "{report}");
        assert!(!report.contains("secret") && !report.contains("c2VjcmV0") && !report.contains("md5"), "{report}");
    }
}

#[test]
fn all_mistakes_come_in_one_run() {
    let text = sound()
        .replace("kind: files", "kind: files, kind: files")
        .replace("    tier: CURATED\n", "    tier: CURATED\n    tier: RAW\n    teir: x\n")
        .replace("tags: [EMAIL]", "tags: [EMIAL]")
        .replace("owner: ann", "owner: anne");
    let (_, findings) = assembled(&text, &schemas());
    let report = check_report(&findings);
    for part in [
        "3:31: error: the key \"kind\" is given twice",
        "13:5: error: the key \"tier\" is given twice",
        "unknown key \"teir\"",
        "there is no tag \"EMIAL\"",
        "there is no user \"anne\"",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    assert!(report.ends_with("\n5 errors\n"), "{report}");
}

#[test]
fn names_in_a_file_that_can_not_be_read_are_not_called_unknown() {
    let (tags, rest) = ("tags:\n  EMAIL: [\n", sound().replace("  EMAIL:", "  OTHER:"));
    let (spec, findings) = load(&[file("tags.yaml", tags), file("rest.yaml", &rest)]);
    let report = check_report(&findings);
    assert!(report.contains("tags.yaml:") && report.contains("not YAML") && report.contains("1 error\n"), "{report}");
    let (snapshot, _) = spec.expect("the other file").assemble(&schemas());
    assert!(snapshot.is_none(), "a part of a catalog never serves");
}

#[test]
fn hostile_texts_are_answered() {
    let deep = format!("a: {}", "[".repeat(100_000));
    let dashes = "- ".repeat(100_000);
    let indented: String = (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in [
        deep.as_str(),
        dashes.as_str(),
        indented.as_str(),
        "- a",
        "just text",
        "a: *b",
        "? [a]\n: b",
        "\u{0}",
        "%",
        "tags:\n---\nusers: [1]",
        "tags:\n...\nusers: [1]",
        "tags: {}\0\nusers: [1]",
    ] {
        let (snapshot, findings) = assembled(text, &BTreeMap::new());
        let start: String = text.chars().take(20).collect();
        assert!(snapshot.is_none() && findings.iter().any(Finding::is_error), "{start:?}");
    }
    assert!(load(&[]).0.is_none());
}

#[test]
fn a_dataset_without_a_schema_keeps_the_catalog_from_serving() {
    let (snapshot, findings) = assembled(&sound(), &BTreeMap::new());
    assert!(snapshot.is_none());
    assert!(
        check_report(&findings).contains("c.yaml:11:15: error: the columns of dataset public.people could not be read")
    );
}

#[test]
fn a_column_carries_what_its_tags_mean() {
    let tags = "tags:\n  PII: {classification: PROPRIETARY, mask: {name: redact}}\n  EMAIL: {implies: [PII], mask: \
                {name: email}}\n  CONTACT: {implies: [EMAIL]}\n  WORK: {implies: [PII]}\n  OPEN: {classification: PUBLIC}\n";
    let columns = [
        ("a", "[EMAIL]", vec!["EMAIL"], Classification::Proprietary),
        ("b", "[CONTACT]", vec!["EMAIL"], Classification::Proprietary),
        ("c", "[WORK]", vec!["PII"], Classification::Proprietary),
        ("d", "[EMAIL, WORK]", vec!["EMAIL", "PII"], Classification::Proprietary),
        ("e", "[EMAIL, PII]", vec!["EMAIL", "PII"], Classification::Proprietary),
        ("f", "[OPEN]", vec![], Classification::Internal),
        ("g", "[SENSITIVE]", vec![], Classification::Internal),
    ];
    let mut text = format!(
        "sources: [{{name: l, kind: files, location: d}}]\n{tags}datasets:\n  - name: t\n    source: l\n    \
                            location: t.csv\n    tier: RAW\n    columns:\n"
    );
    for (name, tags, _, _) in &columns {
        text.push_str(&format!("      - {{name: {name}, tags: {tags}}}\n"));
    }
    text.push_str("      - {name: h, tags: [OPEN], classification: PUBLIC}\n");
    let names: Vec<(&str, SqlType)> =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i"].into_iter().map(|name| (name, SqlType::Text)).collect();
    let schemas = BTreeMap::from([(DatasetName::new("public", "t"), schema(&names))]);
    let (snapshot, findings) = assembled(&text, &schemas);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", check_report(&findings)));
    let dataset = &snapshot.datasets[&DatasetName::new("public", "t")];
    for (name, _, masks, classification) in columns {
        let column = dataset.column(name).expect(name);
        let from: Vec<&str> = column.tag_masks.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(from, masks, "{name}");
        assert_eq!(column.classification, classification, "{name}");
    }
    let contact = dataset.column("b").expect("b");
    assert_eq!(contact.tags, ["CONTACT", "EMAIL", "PII"].into_iter().map(Tag::from).collect::<BTreeSet<_>>());
    assert_eq!(contact.tag_masks, vec![(Tag::new("EMAIL"), Mask::Email)]);
    assert_eq!(dataset.column("h").map(|column| column.classification), Some(Classification::Public));
    let unlisted = dataset.column("i").expect("i");
    assert!(!unlisted.listed && unlisted.classification == Classification::Internal);
    assert_eq!(dataset.columns.iter().map(|column| column.name.as_str()).collect::<String>(), "abcdefghi");
}

#[test]
fn roles_include_what_theirs_include_and_the_seeds_always_exist() {
    let list =
        "roles:\n  - {name: LEAD, includes: [DATA_SCIENTIST]}\n  - {name: DATA_SCIENTIST, includes: [ANALYST]}\n";
    let (snapshot, findings) = assembled(list, &BTreeMap::new());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", check_report(&findings)));
    let roles = |names: &[&str]| names.iter().map(|name| Role::new(*name)).collect::<BTreeSet<Role>>();
    assert_eq!(snapshot.roles[&Role::new("LEAD")], roles(&["LEAD", "DATA_SCIENTIST", "ANALYST"]));
    assert_eq!(snapshot.roles[&Role::new("AUDITOR")], roles(&["AUDITOR"]));
    assert_eq!(snapshot.roles.len(), 6);
}

#[test]
fn a_workspace_has_the_bounds_of_its_type_unless_the_catalog_says_otherwise() {
    let text = "users: [{name: u}]\nworkspaces:\n  - {name: a, type: SHARED_ANALYSIS, owner: u}\n  - name: b\n    type: AD_HOC\n    \
                members: [u]\n    limits: {timeout_ms: 1_500, max_rows: 7, max_bytes: 10 MB, concurrent_statements: 1, \
                statements_a_day: 2, engine_memory: 1073741824, min_group_size: 9}\n";
    let (snapshot, findings) = assembled(text, &BTreeMap::new());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", check_report(&findings)));
    let shared = &snapshot.workspaces[&WorkspaceName::new("a")].limits;
    assert_eq!(*shared, WorkspaceKind::SharedAnalysis.limits());
    assert_eq!((shared.statement.max_rows, shared.statements_a_day), (Some(100_000), 500));
    assert_eq!(shared.statement.timeout, Some(Duration::from_secs(1800)));
    let own = &snapshot.workspaces[&WorkspaceName::new("b")].limits;
    assert_eq!(own.statement.timeout, Some(Duration::from_millis(1500)));
    assert_eq!((own.statement.max_rows, own.statement.max_bytes), (Some(7), Some(10 << 20)));
    assert_eq!((own.concurrent_statements, own.statements_a_day), (1, 2));
    assert_eq!((own.engine_memory, own.statement.min_group_size), (1 << 30, Some(9)));
}

#[test]
fn a_revision_is_the_content() {
    let revision = |text: &str, schemas: &BTreeMap<DatasetName, InferredSchema>| {
        assembled(text, schemas).0.expect("sound").revision
    };
    let first = revision(&sound(), &schemas());
    assert_eq!(first, revision(&sound(), &schemas()));
    assert_ne!(first, revision(&sound().replace("max: 20", "max: 21"), &schemas()));
    let mut other = schemas();
    other.entry(DatasetName::new("public", "regions")).or_default().push(InferredColumn {
        name: "more".into(),
        sql_type: SqlType::Text,
        nullable: true,
    });
    assert_ne!(first, revision(&sound(), &other));
}

#[test]
fn a_verifier_does_not_show_in_a_spec() {
    let (spec, _) = load(&[file("c.yaml", &sound())]);
    assert!(!format!("{spec:?}").contains("e8bMhS648f1612fqDQ8rqw"));
}

#[test]
fn partition_columns_come_from_the_catalog_or_from_the_files() {
    let text = sound().replace("location: regions.csv", "location: r/*.csv, partitions: [id]");
    let (spec, _) = load(&[file("c.yaml", &text)]);
    let mut spec = spec.expect("sound");
    let people = DatasetName::new("public", "people");
    spec.set_partition_columns(&people, vec!["id".into()]);
    spec.set_partition_columns(&DatasetName::new("public", "regions"), vec!["other".into()]);
    for dataset in spec.datasets() {
        let DatasetLocation::Files { partition_columns, .. } = &dataset.location else { panic!("files") };
        assert_eq!(partition_columns, &["id"]);
    }
    assert_eq!(spec.datasets().flat_map(|dataset| dataset.declared_types()).count(), 1);
}

/// The catalog that the repository ships, with the columns that its demo data has.
#[test]
fn the_demo_catalog_is_sound() {
    let files = [
        file("catalog/catalog.yaml", include_str!("../../catalog/catalog.yaml")),
        file("catalog/users.yaml", include_str!("../../catalog/users.yaml")),
        file("catalog/workspaces.yaml", include_str!("../../catalog/workspaces.yaml")),
    ];
    let (spec, findings) = load(&files);
    assert_eq!(check_report(&findings), "no mistakes found\n");
    let spec = spec.expect("sound");
    let (snapshot, findings) = spec.assemble(&demo_schemas());
    assert_eq!(check_report(&findings), "no mistakes found\n");
    let snapshot = snapshot.expect("sound");
    assert_eq!(snapshot.datasets.len(), 15);
    assert_eq!(snapshot.users.len(), 6);
    assert_eq!(snapshot.workspaces.len(), 3);
    let people = &snapshot.datasets[&DatasetName::new("public", "people")];
    let masks: Vec<String> =
        people.columns.iter().flat_map(|column| &column.tag_masks).map(|(_, mask)| mask.to_string()).collect();
    assert_eq!(masks, ["partial(1, 0, '***')", "email", "last(4)", "last(2)", "year", "round(10000)", "redact"]);
    assert!(people.columns.iter().all(|column| column.listed));
    assert!(!snapshot.datasets[&DatasetName::new("hr", "investigations")].discoverable);
    assert!(snapshot.datasets[&DatasetName::new("public", "tickets")].row_filter_required);
    let dana = Principal::authenticated(snapshot.users[&UserId::new("dana")].clone(), &snapshot);
    assert!(dana.roles().contains(&Role::new("ANALYST")));
    assert!(dana.may_enter(&snapshot.workspaces[&WorkspaceName::new("retail")]));
    assert!(!dana.may_enter(&snapshot.workspaces[&WorkspaceName::new("audit")]));
}

/// PBKDF2 as RFC 5802 has it, to prove that each demo verifier is that of `<name>-demo`.
#[test]
fn the_demo_passwords_are_as_the_readme_says() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, Mac};
    use sha2::{Digest, Sha256};
    let mac = |key: &[u8], text: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        mac.update(text);
        mac.finalize().into_bytes().into()
    };
    let (spec, _) = load(&[file("users.yaml", include_str!("../../catalog/users.yaml"))]);
    for (id, user) in &spec.expect("sound").users {
        let verifier = user.verifier.as_ref().expect("demo users have passwords").expose().clone();
        let parts: Vec<&str> = verifier.split(['$', ':']).collect();
        let salt = STANDARD.decode(parts[2]).expect("base64");
        let password = format!("{id}-demo");
        let mut block = mac(password.as_bytes(), &[salt.as_slice(), &1u32.to_be_bytes()].concat());
        let mut salted = block;
        for _ in 1..parts[1].parse::<u32>().expect("number") {
            block = mac(password.as_bytes(), &block);
            salted.iter_mut().zip(block).for_each(|(held, new)| *held ^= new);
        }
        let stored: [u8; 32] = Sha256::digest(mac(&salted, b"Client Key")).into();
        assert_eq!(STANDARD.encode(stored), parts[3], "{id}");
        assert_eq!(STANDARD.encode(mac(&salted, b"Server Key")), parts[4], "{id}");
    }
}

fn demo_schemas() -> BTreeMap<DatasetName, InferredSchema> {
    let tables = [
        ("tpch.region", "r_regionkey bigint, r_name text, r_comment text"),
        ("tpch.nation", "n_nationkey bigint, n_name text, n_regionkey bigint, n_comment text"),
        (
            "tpch.supplier",
            "s_suppkey bigint, s_name text, s_address text, s_nationkey bigint, s_phone text, s_acctbal numeric(15;2), \
             s_comment text",
        ),
        (
            "tpch.customer",
            "c_custkey bigint, c_name text, c_address text, c_nationkey bigint, c_phone text, c_acctbal numeric(15;2), \
             c_mktsegment text, c_comment text",
        ),
        (
            "tpch.part",
            "p_partkey bigint, p_name text, p_mfgr text, p_brand text, p_type text, p_size integer, p_container text, \
             p_retailprice numeric(15;2), p_comment text",
        ),
        (
            "tpch.partsupp",
            "ps_partkey bigint, ps_suppkey bigint, ps_availqty integer, ps_supplycost numeric(15;2), ps_comment text",
        ),
        (
            "tpch.orders",
            "o_orderkey bigint, o_custkey bigint, o_orderstatus text, o_totalprice numeric(15;2), o_orderdate date, \
             o_orderpriority text, o_clerk text, o_shippriority integer, o_comment text",
        ),
        (
            "tpch.lineitem",
            "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer, l_quantity numeric(15;2), \
             l_extendedprice numeric(15;2), l_discount numeric(15;2), l_tax numeric(15;2), l_returnflag text, \
             l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, \
             l_shipmode text, l_comment text",
        ),
        (
            "public.people",
            "id bigint, tenant_id text, name text, email text, ssn text, phone text, birth_date date, salary \
             numeric(10;2), region text, department text, country text, notes text, created_at timestamp",
        ),
        ("public.regions", "id bigint, code text, name text, manager_email text"),
        ("public.events", "id bigint, person_id bigint, tenant_id text, kind text, at text, amount double"),
        (
            "public.payroll",
            "person_id bigint, pay_month date, department text, base_pay numeric(10;2), bonus numeric(10;2), iban text",
        ),
        ("hr.investigations", "id bigint, person_id bigint, opened_on date, status text, subject text, findings text"),
        (
            "public.people_summary",
            "region text, department text, age_band text, headcount bigint, avg_salary numeric(10;2)",
        ),
        (
            "public.tickets",
            "id bigint, tenant_id text, person_id bigint, subject text, body text, status text, priority integer, \
             opened_at timestamp",
        ),
    ];
    let column = |text: &str| {
        let (name, sql_type) = text.trim().split_once(' ').expect("name and type");
        let sql_type = names::sql_type(&sql_type.replace(';', ",")).expect("a type");
        InferredColumn { name: name.into(), sql_type, nullable: true }
    };
    tables
        .iter()
        .map(|(name, columns)| (DatasetName::parse(name).expect("a name"), columns.split(',').map(column).collect()))
        .collect()
}
