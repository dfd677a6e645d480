//! `querygate init`: a first catalog and a first policy of a PostgreSQL database, for a data steward to review.
//!
//! Nothing is written that would not pass `querygate check`, no file that is there is touched without --force, and no
//! part of a connection string is written or printed.

mod draft;
mod guess;
mod yaml;

use super::{ConfigArgs, Ended, print, runtime, serve};
use crate::catalog::{CatalogFile, DsnSource, InferredColumn, InferredSchema, UpstreamFacts, check_report, load};
use crate::gateway::{facts_by, facts_of};
use crate::policy::{PolicyBundle, PolicyFile};
use crate::types::{DatasetName, Redacted};
use clap::Args;
use draft::{Draft, DsnText};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many guesses and relations the summary lists of each kind.
const MOST_LINES: usize = 20;

/// Which database, and what to call it.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The database: env:NAME for a connection string in an environment variable, file:PATH for one in a file.
    #[arg(long, value_name = "env:NAME|file:PATH", value_parser = from)]
    from: From,
    /// What the catalog calls the source, and the first workspace. Without it, what the variable or the file is called.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only relations of this schema; may be given several times.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where the connection string is.
#[derive(Debug, Clone)]
enum From {
    Env(String),
    File(String),
    Dsn(Redacted<String>),
}

fn from(text: &str) -> Result<From, String> {
    if let Some(name) = text.strip_prefix("env:") {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        return if starts && name.chars().all(plain) {
            Ok(From::Env(name.to_owned()))
        } else {
            Err("after env: stands the name of an environment variable, such as CRM_DSN".into())
        };
    }
    if let Some(path) = text.strip_prefix("file:") {
        let absolute = std::path::absolute(path).map_err(|_| "after file: stands the path of a file".to_owned())?;
        let path = absolute.to_str().ok_or("the path of the file is not UTF-8")?;
        return Ok(From::File(path.to_owned()));
    }
    Ok(From::Dsn(Redacted::new(text.to_owned())))
}

/// A file to be written.
struct Text {
    path: PathBuf,
    text: String,
}

pub(super) fn run(args: &InitArgs) -> Ended {
    let config = serve::config(&args.config)?;
    let source = source_name(args)?;
    let variable = format!("{}_DSN", source.to_ascii_uppercase());
    let dsn = match &args.from {
        From::Env(name) => DsnText::Env(name),
        From::File(path) => DsnText::File(path),
        From::Dsn(_) => DsnText::Env(&variable),
    };
    let paths = Paths {
        source: config.catalog_dir.join(format!("{source}.yaml")),
        tags: config.catalog_dir.join("tags.yaml"),
        workspaces: config.catalog_dir.join("workspaces.yaml"),
        users: config.catalog_dir.join("users.yaml"),
        policy: config.policies_dir.join("first_access.rego"),
        test: config.policies_dir.join("first_access_test.rego"),
    };
    if !args.force {
        paths.must_not_be_there()?;
    }
    let facts = runtime()?.block_on(async {
        match &args.from {
            From::Env(name) => facts_of(&DsnSource::Env(name.clone())).await,
            From::File(path) => facts_of(&DsnSource::File(path.clone())).await,
            From::Dsn(dsn) => facts_by(dsn.expose()).await,
        }
    })?;
    if let Some(schema) = args.schemas.iter().find(|schema| !facts.relations.keys().any(|(of, _)| of == *schema)) {
        return Err(format!("there is no relation in a schema {schema:?}"));
    }
    let draft = draft::draft(&source, &dsn, &facts, &args.schemas);
    let texts = [
        (paths.source, draft.text.clone()),
        (paths.tags, draft::tags()),
        (paths.workspaces, draft::workspaces(&source)),
        (paths.users, draft::USERS.to_owned()),
        (paths.policy, draft::POLICY.to_owned()),
        (paths.test, draft::POLICY_TEST.to_owned()),
    ]
    .map(|(path, text)| Text { path, text });
    prove(&texts, &facts)?;
    write(&texts, args.force)?;
    print(summary(&source, &texts, &draft, &args.from, &variable));
    Ok(ExitCode::SUCCESS)
}

fn source_name(args: &InitArgs) -> Result<String, String> {
    let derived = match &args.from {
        From::Env(name) => Some(name.as_str()),
        From::File(path) => Path::new(path).file_stem().and_then(|stem| stem.to_str()),
        From::Dsn(_) => None,
    };
    let derived = derived.map(|name| {
        let name = name.to_ascii_lowercase();
        let stem = name.strip_suffix("_dsn").or_else(|| name.strip_suffix("-dsn")).unwrap_or(&name);
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>()
    });
    let name = args.source.clone().or(derived).unwrap_or_else(|| "upstream".to_owned());
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    if !starts || name.len() > 40 || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Err(format!(
            "{name:?} can't be the name of a source here: small letters, digits and _; say --source NAME"
        ));
    }
    if ["tags", "workspaces", "users"].contains(&name.as_str()) {
        return Err(format!("{name:?} is what another file of the catalog is called; say --source NAME"));
    }
    Ok(name)
}

struct Paths {
    source: PathBuf,
    tags: PathBuf,
    workspaces: PathBuf,
    users: PathBuf,
    policy: PathBuf,
    test: PathBuf,
}

impl Paths {
    fn must_not_be_there(&self) -> Result<(), String> {
        let all = [&self.source, &self.tags, &self.workspaces, &self.users, &self.policy, &self.test];
        let there: Vec<String> =
            all.iter().filter(|path| path.symlink_metadata().is_ok()).map(|path| path.display().to_string()).collect();
        if there.is_empty() {
            return Ok(());
        }
        Err(format!(
            "nothing was written: {} there already; --force writes over them, another folder keeps both (QUERYGATE_CATALOG_DIR, \
             QUERYGATE_POLICIES_DIR)",
            if there.len() == 1 { format!("{} is", there.concat()) } else { format!("{} are", there.join(", ")) }
        ))
    }
}

/// Holds the texts against each other and against the database, as `check` will.
fn prove(texts: &[Text], facts: &UpstreamFacts) -> Result<(), String> {
    let of = |extension: &str| -> Vec<(String, String)> {
        let texts = texts.iter().filter(|text| text.path.extension().is_some_and(|of| of == extension));
        texts.map(|text| (text.path.display().to_string(), text.text.clone())).collect()
    };
    let files: Vec<CatalogFile> = of("yaml").into_iter().map(|(path, text)| CatalogFile { path, text }).collect();
    let policies: Vec<PolicyFile> = of("rego").into_iter().map(|(path, text)| PolicyFile { path, text }).collect();
    let schemas: BTreeMap<DatasetName, InferredSchema> = facts
        .relations
        .iter()
        .map(|((schema, name), relation)| {
            let columns = relation.columns.iter().map(|column| InferredColumn {
                name: column.name.clone(),
                sql_type: column.sql_type(),
                nullable: column.nullable,
            });
            (DatasetName::new(schema, name), columns.collect())
        })
        .collect();
    let (spec, mut findings) = load(&files);
    if let Some(spec) = spec {
        let (snapshot, found) = spec.assemble(&schemas);
        findings = found;
        match (snapshot, PolicyBundle::load(&policies)) {
            (Some(snapshot), Ok(bundle)) => findings.extend(bundle.check(&snapshot)),
            (_, Err(found)) => findings.extend(found),
            (None, Ok(_)) => {}
        }
    }
    findings.retain(|finding| finding.is_error());
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!("nothing was written, for it would not pass its own check\n{}", check_report(&findings)))
}

fn write(texts: &[Text], force: bool) -> Result<(), String> {
    for Text { path, text } in texts {
        let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        let mut options = std::fs::OpenOptions::new();
        // Between the look and the writing somebody else may have made it.
        let opened =
            if force { options.write(true).create(true).truncate(true) } else { options.write(true).create_new(true) };
        opened.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(wrong)?;
    }
    Ok(())
}

fn summary(source: &str, texts: &[Text], draft: &Draft, from: &From, variable: &str) -> String {
    let mut summary = String::from("written, for a data steward to review:\n");
    // Writing to a String can't fail.
    for text in texts {
        let _ = writeln!(summary, "  {}", text.path.display());
    }
    let closed = draft.closed.len();
    let _ = writeln!(
        summary,
        "\nof the source {source}: datasets {}, columns open to the role ANALYST {}, columns closed {closed}",
        draft.datasets, draft.open
    );
    let more = |summary: &mut String, count: usize| {
        if count > MOST_LINES {
            let _ = writeln!(summary, "  … and {} more", count.saturating_sub(MOST_LINES));
        }
    };
    if closed > 0 {
        let _ = writeln!(
            summary,
            "\nguessed, and closed until their tags are reviewed in {}:",
            name_of(texts, "first_access.rego")
        );
        for (dataset, column, guess) in draft.closed.iter().take(MOST_LINES) {
            let _ = writeln!(summary, "  {:<17} {dataset}.{column}: {}", guess.tag, yaml::remark(&guess.reason));
        }
        more(&mut summary, closed);
    }
    if !draft.left_out.is_empty() {
        summary.push_str("\nleft out:\n");
        for ((schema, name), why) in draft.left_out.iter().take(MOST_LINES) {
            let _ = writeln!(summary, "  {}: {}", yaml::remark(&format!("{schema}.{name}")), yaml::remark(why));
        }
        more(&mut summary, draft.left_out.len());
    }
    let _ = write!(
        summary,
        "\nreview first: what is open and should not be; each tag that was guessed; tier, which is RAW everywhere; owners,\n\
         domains and row filters, of which a database says nothing\n\nthen:\n"
    );
    match from {
        From::Env(name) => _ = writeln!(summary, "  keep {name} set wherever the gateway runs"),
        From::File(path) => _ = writeln!(summary, "  keep {path} readable for the gateway, and for nobody else"),
        From::Dsn(_) => {
            let _ = writeln!(
                summary,
                "  set {variable} to the connection string wherever the gateway runs: no file has it"
            );
        }
    }
    let _ = write!(
        summary,
        "  querygate check --connect\n  querygate test\n  querygate user add NAME --role ANALYST\n  querygate serve\n  \
         psql \"host=127.0.0.1 port=6432 dbname={source} user=NAME\""
    );
    summary
}

fn name_of(texts: &[Text], name: &str) -> String {
    texts
        .iter()
        .find(|text| text.path.ends_with(name))
        .map_or_else(|| name.to_owned(), |text| text.path.display().to_string())
}
