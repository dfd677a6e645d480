//! What SET, SHOW, RESET and the ends of transactions do to settings.

use super::*;

fn facts() -> Facts<'static> {
    Facts { user: "ana", tenant: "acme", roles: "ANALYST,VIEWER".to_owned(), workspace: "sales", backend_pid: 7 }
}

fn started(startup: &[(&str, &str)]) -> Result<Settings, ErrorReport> {
    Settings::start(&facts(), &startup.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn fresh() -> Settings {
    started(&[]).unwrap()
}

fn set(settings: &mut Settings, name: &str, value: &str) {
    settings.set(name, &[value.to_owned()], false).unwrap();
}

fn set_local(settings: &mut Settings, name: &str, value: &str) {
    settings.set(name, &[value.to_owned()], true).unwrap();
}

#[test]
fn a_new_session_shows_who_and_where_it_is() {
    let settings = fresh();
    for (name, value) in [
        ("querygate.user", "ana"),
        ("querygate.tenant", "acme"),
        ("querygate.roles", "ANALYST,VIEWER"),
        ("querygate.workspace", "sales"),
        ("session_authorization", "ana"),
        ("is_superuser", "off"),
        ("server_version", "15.14"),
        ("search_path", "\"$user\", public"),
        ("TimeZone", "UTC"),
        ("transaction_isolation", "read committed"),
    ] {
        assert_eq!(settings.show(name).unwrap().value, value, "{name}");
    }
    assert_eq!(settings.search_path(), ["ana", "public"]);
    assert_eq!(settings.all().count(), DEFINITIONS.len());
}

#[test]
fn start_up_parameters_become_what_reset_goes_back_to() {
    let mut settings = started(&[
        ("user", "ana"),
        ("database", "sales"),
        ("application_name", "psql"),
        ("options", "-c statement_timeout=5s --time-zone=x\\ y"),
    ])
    .map_err(|error| error.message)
    .unwrap_or_else(|message| {
        assert_eq!(message, "unrecognized configuration parameter \"time_zone\"");
        started(&[("application_name", "psql"), ("options", "-cstatement_timeout=5s -c search_path=a,\\ B")]).unwrap()
    });
    assert_eq!(settings.text("search_path"), "a, B");
    assert_eq!(settings.search_path(), ["a", "b"]);
    assert_eq!(settings.duration("statement_timeout"), Some(Duration::from_secs(5)));
    set(&mut settings, "statement_timeout", "1h");
    set(&mut settings, "application_name", "other");
    settings.reset("statement_timeout", false).unwrap();
    assert_eq!(settings.text("statement_timeout"), "5s");
    settings.reset_all();
    assert_eq!(settings.text("application_name"), "psql");
}

#[test]
fn bad_start_up_parameters_are_refused() {
    for (name, value, sqlstate) in [
        ("nonsense", "1", "42704"),
        ("client_encoding", "LATIN1", "22023"),
        ("server_version", "9", "55P02"),
        ("session_replication_role", "replica", "42501"),
        ("options", "-x", "42601"),
        ("options", "-c", "42601"),
        ("options", "-c nothing", "42601"),
        ("options", "-c datafusion.execution.batch_size=1", "42704"),
    ] {
        assert_eq!(started(&[(name, value)]).unwrap_err().sqlstate.0, sqlstate, "{name}={value}");
    }
    assert!(started(&[("_pq_.command_tag", "1"), ("replication", "false")]).is_ok());
}

#[test]
fn set_is_undone_by_rollback_and_kept_by_commit() {
    let mut settings = fresh();
    set(&mut settings, "jit", "on");
    settings.rollback();
    assert_eq!(settings.text("jit"), "off");
    set(&mut settings, "jit", "on");
    settings.commit();
    settings.rollback();
    assert_eq!(settings.text("jit"), "on");
}

#[test]
fn set_local_ends_with_the_transaction_either_way() {
    for commit in [true, false] {
        let mut settings = fresh();
        set_local(&mut settings, "jit", "on");
        assert!(settings.on("jit"));
        if commit {
            settings.commit()
        } else {
            settings.rollback()
        }
        assert!(!settings.on("jit"));
    }
}

#[test]
fn a_later_set_of_either_kind_stands_before_an_earlier_one() {
    let mut settings = fresh();
    set(&mut settings, "work_mem", "1MB");
    set_local(&mut settings, "work_mem", "2MB");
    assert_eq!(settings.text("work_mem"), "2MB");
    settings.commit();
    assert_eq!(settings.text("work_mem"), "1MB");
    set_local(&mut settings, "work_mem", "2MB");
    set(&mut settings, "work_mem", "3MB");
    assert_eq!(settings.text("work_mem"), "3MB");
    settings.commit();
    assert_eq!(settings.text("work_mem"), "3MB");
}

#[test]
fn savepoints_give_settings_back() {
    let mut settings = fresh();
    set(&mut settings, "work_mem", "1MB");
    settings.push();
    set(&mut settings, "work_mem", "2MB");
    settings.push();
    set_local(&mut settings, "work_mem", "3MB");
    settings.rollback_to(1);
    assert_eq!(settings.text("work_mem"), "2MB");
    settings.rollback_to(0);
    assert_eq!(settings.text("work_mem"), "1MB");
    set(&mut settings, "work_mem", "5MB");
    settings.release(0);
    settings.commit();
    assert_eq!(settings.text("work_mem"), "5MB");
}

#[test]
fn rolling_back_to_a_savepoint_that_is_not_there_undoes_everything() {
    let mut settings = fresh();
    set(&mut settings, "work_mem", "1MB");
    settings.rollback_to(3);
    assert_eq!(settings.text("work_mem"), "4MB");
}

#[test]
fn a_transactions_own_modes_follow_the_defaults_and_end_with_it() {
    let mut settings = fresh();
    set(&mut settings, "transaction_isolation", "serializable");
    assert_eq!(settings.transaction_modes(), [("transaction_isolation", "serializable".to_owned())]);
    settings.commit();
    assert_eq!(settings.text("transaction_isolation"), "read committed");
    set(&mut settings, "default_transaction_isolation", "repeatable read");
    assert_eq!(settings.text("transaction_isolation"), "repeatable read");
}

#[test]
fn changes_of_reported_settings_are_told_once() {
    let mut settings = fresh();
    assert_eq!(settings.take_changes(), []);
    set(&mut settings, "timezone", "Europe/Berlin");
    set(&mut settings, "jit", "on");
    assert_eq!(settings.take_changes(), [("TimeZone".to_owned(), "Europe/Berlin".to_owned())]);
    assert_eq!(settings.take_changes(), []);
    settings.rollback();
    assert_eq!(settings.take_changes(), [("TimeZone".to_owned(), "UTC".to_owned())]);
}

#[test]
fn lists_are_taken_by_lists_only() {
    let mut settings = fresh();
    let two = ["a".to_owned(), "B c".to_owned()];
    settings.set("search_path", &two, false).unwrap();
    assert_eq!(settings.text("search_path"), "a, \"B c\"");
    assert_eq!(settings.search_path(), ["a", "B c"]);
    assert_eq!(settings.set("jit", &two, false).unwrap_err().message, "SET jit takes only one argument");
    settings.set("datestyle", &["iso".to_owned(), "dmy".to_owned()], false).unwrap();
    assert_eq!(settings.text("DateStyle"), "ISO, DMY");
}

#[test]
fn a_list_in_one_quoted_name_stays_one_name() {
    let mut settings = fresh();
    settings.set("search_path", &["a, b".to_owned()], false).unwrap();
    assert_eq!(settings.search_path(), ["a, b"]);
}

#[test]
fn what_cannot_be_changed_says_so() {
    let mut settings = fresh();
    for (name, sqlstate, message) in [
        ("server_version", "55P02", "parameter \"server_version\" cannot be changed"),
        ("querygate.user", "55P02", "parameter \"querygate.user\" cannot be changed"),
        ("is_superuser", "55P02", "parameter \"is_superuser\" cannot be changed"),
        ("session_replication_role", "42501", "permission denied to set parameter \"session_replication_role\""),
        ("datafusion.x", "42704", "unrecognized configuration parameter \"datafusion.x\""),
        ("querygate.nonsense", "42704", "unrecognized configuration parameter \"querygate.nonsense\""),
    ] {
        let error = settings.set(name, &["x".to_owned()], false).unwrap_err();
        assert_eq!((error.sqlstate.0, error.message.as_str()), (sqlstate, message));
        assert_eq!(settings.reset(name, false).unwrap_err().sqlstate.0, sqlstate);
    }
}

#[test]
fn the_snapshot_follows_every_change() {
    let mut settings = fresh();
    assert_eq!(settings.snapshot().get("datestyle"), Some("ISO, MDY"));
    set(&mut settings, "querygate.purpose", "billing");
    assert_eq!(settings.snapshot().get("querygate.purpose"), Some("billing"));
    settings.rollback();
    assert_eq!(settings.snapshot().get("querygate.purpose"), Some(""));
}
