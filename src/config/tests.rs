//! Defaults, overrides, and a message for each mistake.

use super::*;
use std::time::Duration;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn nothing(_: &Path) -> std::io::Result<String> {
    Err(std::io::ErrorKind::NotFound.into())
}

fn of(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    parse(Some((Path::new("/etc/querygate/querygate.toml"), text)), &variables(pairs), &nothing)
}

#[test]
fn nothing_given_is_a_gateway_on_loopback() {
    let config = parse(None, &BTreeMap::new(), &nothing).expect("defaults");
    assert_eq!(config.listen.to_string(), "127.0.0.1:6432");
    assert_eq!(config.admin_listen, None);
    assert_eq!(config.catalog_dir, Path::new("catalog"));
    assert_eq!(config.tls.mode, TlsMode::Off);
    assert_eq!(config.limits.max_connections, 10_000);
    assert_eq!((config.limits.max_startups, config.limits.max_startups_per_address), (2_000, 1_000));
    let logins = config.limits.logins;
    assert_eq!((logins.attempts, logins.attempts_per_user, logins.attempts_per_address), (3, 20, 50));
    assert_eq!((logins.delay, logins.delay_max), (Duration::from_secs(1), Duration::from_secs(60)));
    assert_eq!(config.limits.max_statement_bytes, 2 << 20);
    assert_eq!(config.shutdown_grace, Duration::from_secs(30));
    assert_eq!((config.log_format, config.log_level.as_str()), (LogFormat::Text, "info"));
    assert_eq!(config.environment.zone_of("127.0.0.1".parse().expect("address")), "internal");
    assert!(config.hash_key.made_at_start);
    assert!(matches!(config.warnings.as_slice(), [one] if one.starts_with("no hash key is set")));
    let other = parse(None, &BTreeMap::new(), &nothing).expect("defaults");
    assert_ne!(config.hash_key.master, other.hash_key.master);
}

#[test]
fn every_key_of_the_file_is_read() {
    let config = of(
        r#"
        listen = "0.0.0.0:7000"
        admin_listen = "localhost:7001"
        catalog_dir = "c"
        policies_dir = "/p"
        audit_dir = "a"
        audit_sync_ms = 4
        shutdown_grace_ms = 5
        [tls]
        mode = "require"
        cert = "cert.pem"
        key = "key.pem"
        [limits]
        max_connections = 7
        max_startups = 20
        max_startups_per_address = 30
        login_attempts = 5
        login_attempts_per_user = 0
        login_attempts_per_address = 6
        login_delay_ms = 2000
        login_delay_max_ms = 1000
        startup_timeout_ms = 8
        max_message_bytes = "1 MB"
        max_statement_bytes = "2 MB"
        idle_timeout_ms = 9
        idle_in_transaction_timeout_ms = 0
        write_timeout_ms = 10
        statement_timeout_ms = 11
        max_prepared_statements = 12
        max_portals = 13
        [engine]
        memory_bytes = "1 GB"
        spill_dir = "/tmp/spill"
        spill_max_bytes = 1024
        threads = 3
        target_partitions = 4
        batch_size = 5
        [environment]
        name = "production"
        region = "eu-west-1"
        network_zones = [{cidr = "10.0.0.0/8", zone = "office"}]
        [log]
        format = "json"
        level = "querygate=debug"
        "#,
        &[("QUERYGATE_HASH_KEY", KEY)],
    )
    .expect("sound");
    assert_eq!(config.listen.to_string(), "0.0.0.0:7000");
    assert_eq!(config.admin_listen.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:7001"));
    assert_eq!(config.catalog_dir, Path::new("/etc/querygate/c"));
    assert_eq!(config.policies_dir, Path::new("/p"));
    assert_eq!(config.audit_dir, Path::new("/etc/querygate/a"));
    assert_eq!(config.audit_sync, Some(Duration::from_millis(4)));
    assert_eq!(config.tls.cert.as_deref(), Some(Path::new("/etc/querygate/cert.pem")));
    assert_eq!(config.tls.mode, TlsMode::Require);
    let limits = config.limits;
    assert_eq!((limits.max_connections, limits.max_message_bytes, limits.max_statement_bytes), (7, 1 << 20, 1 << 20));
    assert_eq!((limits.idle_timeout, limits.idle_in_transaction_timeout), (Some(Duration::from_millis(9)), None));
    assert_eq!((limits.max_prepared_statements, limits.max_portals), (12, 13));
    assert_eq!(limits.statement_timeout, Some(Duration::from_millis(11)));
    assert_eq!((limits.max_startups, limits.max_startups_per_address), (20, 20));
    let logins = limits.logins;
    assert_eq!((logins.attempts, logins.attempts_per_user, logins.attempts_per_address), (5, 0, 6));
    assert_eq!((logins.delay, logins.delay_max), (Duration::from_secs(1), Duration::from_secs(1)));
    let engine = config.engine;
    assert_eq!((engine.memory_bytes, engine.spill_max_bytes), (1 << 30, 1024));
    assert_eq!((engine.threads, engine.target_partitions, engine.batch_size), (3, 4, 5));
    assert_eq!(config.environment.zone_of("10.1.1.1".parse().expect("address")), "office");
    assert_eq!(config.environment.region, "eu-west-1");
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.shutdown_grace, Duration::from_millis(5));
    assert!(!config.hash_key.made_at_start && config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_variable_stands_before_the_file() {
    let pairs = [
        ("QUERYGATE_HASH_KEY", KEY),
        ("QUERYGATE_LISTEN", "127.0.0.1:1"),
        ("QUERYGATE_LIMITS_MAX_CONNECTIONS", "3"),
        ("QUERYGATE_ENGINE_MEMORY_BYTES", "512 MB"),
        ("QUERYGATE_ENGINE_SPILL_MAX_BYTES", "0"),
        ("QUERYGATE_ENVIRONMENT_NAME", "1234"),
        ("QUERYGATE_TLS_MODE", "off"),
        ("QUERYGATE_LOG", "debug"),
        ("OTHER_LISTEN", "x"),
    ];
    let config =
        of("listen = \"127.0.0.1:2\"\n[limits]\nmax_connections = 9\nmax_portals = 4\n", &pairs).expect("sound");
    assert_eq!(config.listen.port(), 1);
    assert_eq!((config.limits.max_connections, config.limits.max_portals), (3, 4));
    assert_eq!((config.engine.memory_bytes, config.engine.spill_max_bytes), (512 << 20, 0));
    assert_eq!(config.environment.name, "1234");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn each_mistake_names_its_key_and_its_file() {
    let at = "/etc/querygate/querygate.toml";
    #[rustfmt::skip]
    let cases: &[(&str, &str)] = &[
        ("lisen = \"x\"", "lisen in {at}: there is no such key; did you mean \"listen\"?"),
        ("[limits]\nmax_conections = 3", "limits.max_conections in {at}: there is no such key; did you mean \"max_connections\"?"),
        ("hash_key = \"0123secret\"", "hash_key in {at}: there is no such key"),
        ("listen = \"here\"", "listen in {at}: must be an address and a port"),
        ("listen = 6432", "listen in {at}: must be text"),
        ("[limits]\nmax_connections = 0", "limits.max_connections in {at}: must be from 1 to 1000000"),
        ("[limits]\nmax_connections = -1", "limits.max_connections in {at}: must be a whole number"),
        ("[limits]\nmax_connections = \"many\"", "limits.max_connections in {at}: must be a whole number"),
        ("[limits]\nmax_message_bytes = \"big\"", "limits.max_message_bytes in {at}: not a size"),
        ("[limits]\nmax_message_bytes = []", "limits.max_message_bytes in {at}: must be a number of bytes"),
        ("[limits]\nmax_message_bytes = 12", "limits.max_message_bytes in {at}: must be at least 8 kB"),
        ("[limits]\nmax_message_bytes = \"2 GB\"", "limits.max_message_bytes in {at}: must be no more than 1 GB"),
        ("[limits]\nstartup_timeout_ms = 0", "limits.startup_timeout_ms in {at}: must be more than 0"),
        ("[limits]\nidle_timeout_ms = 99999999999", "limits.idle_timeout_ms in {at}: must be no more than"),
        ("[limits]\nmax_statement_bytes = \"3 MB\"", "limits.max_statement_bytes in {at}: must be no more than 2 MB"),
        ("[limits]\nmax_startups = 0", "limits.max_startups in {at}: must be from 1 to 100000"),
        ("[limits]\nmax_startups_per_address = 0", "limits.max_startups_per_address in {at}: must be from 1"),
        ("[limits]\nlogin_attempts = 10001", "limits.login_attempts in {at}: must be from 0 to 10000"),
        ("[limits]\nlogin_delay_ms = 0", "limits.login_delay_ms in {at}: must be from 1 to 600000 ms"),
        ("[limits]\nlogin_delay_max_ms = 600001", "limits.login_delay_max_ms in {at}: must be from 1 to 600000 ms"),
        ("[limits]\nlogin_atempts = 1", "limits.login_atempts in {at}: there is no such key; did you mean \"login_attempts\"?"),
        ("[engine]\nthreads = 0", "engine.threads in {at}: must be from 1 to 1024"),
        ("[engine]\nmemory_bytes = \"1 MB\"", "engine.memory_bytes in {at}: must be at least 16 MB"),
        ("[tls]\nmode = \"on\"", "tls.mode in {at}: must be one of off, allow, require"),
        ("[tls]\nmode = \"require\"", "tls.mode in {at}: needs tls.cert and tls.key"),
        ("[tls]\ncert = \"a\"", "tls.cert in {at}: needs tls.key beside it"),
        ("[log]\nformat = \"xml\"", "log.format in {at}: must be one of text, json"),
        ("[environment]\nname = \" \"", "environment.name in {at}: must not be empty"),
        ("[environment]\nnetwork_zones = [{cidr = \"10.0.0.1/8\", zone = \"z\"}]", "environment.network_zones.0.cidr in {at}: must be a network"),
        ("[environment]\nnetwork_zones = [{cidr = \"10.0.0.0/8\", zone = \"\"}]", "environment.network_zones.0.zone in {at}: must not be empty"),
        ("[environment]\nnetwork_zones = [{cidr = \"10.0.0.0/8\", zone = \"a\"}, {cidr = \"10.0.0.0/8\", zone = \"b\"}]", "environment.network_zones.1.cidr in {at}: is given twice"),
        ("[environment]\nnetwork_zones = [{cidr = \"10.0.0.0/8\"}]", "zone is missing"),
        ("admin_listen = \"127.0.0.1:6432\"", "admin_listen in {at}: must not be the same as listen"),
        ("catalog_dir = \"\"", "catalog_dir in {at}: must not be empty"),
        ("hash_key_file = \"absent\"", "hash_key_file in {at}: /etc/querygate/absent: "),
        ("listen = ", "{at}: TOML parse error at line 1"),
    ];
    for (text, message) in cases {
        let error = of(text, &[]).expect_err(text);
        let message = message.replace("{at}", at);
        assert!(error.problems.iter().any(|problem| problem.contains(&message)), "{text:?}: {message}\n{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn all_mistakes_come_at_once_and_name_the_variable_that_gave_them() {
    let error =
        of("listen = \"x\"\n[engine]\nthreads = 0\n", &[("QUERYGATE_LIMITS_MAX_PORTALS", "0")]).expect_err("three");
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(
        error.to_string().contains("limits.max_portals in QUERYGATE_LIMITS_MAX_PORTALS: must be from 1"),
        "{error}"
    );
}

#[test]
fn a_variable_that_sets_nothing_is_told() {
    let config = of("", &[("QUERYGATE_HASH_KEY", KEY), ("QUERYGATE_LISTN", "x")]).expect("sound");
    assert_eq!(config.warnings, ["the variable QUERYGATE_LISTN sets nothing; did you mean QUERYGATE_LISTEN?"]);
}

#[test]
fn an_open_port_without_encryption_is_told() {
    let config = of("listen = \"0.0.0.0:6432\"", &[("QUERYGATE_HASH_KEY", KEY)]).expect("sound");
    assert!(matches!(config.warnings.as_slice(), [one] if one.contains("without encryption")));
}

#[test]
fn a_hash_key_comes_from_the_variable_before_the_file_and_never_shows() {
    let read = |path: &Path| {
        assert_eq!(path, Path::new("conf/key"));
        Ok(format!("{KEY}\n"))
    };
    let file = Some((Path::new("conf/querygate.toml"), "hash_key_file = \"key\""));
    let config = parse(file, &BTreeMap::new(), &read).expect("sound");
    assert_eq!(config.hash_key.master.expose(), &hex::decode(KEY).expect("hex"));
    assert!(!format!("{config:?}").contains("0, 17, 34"));
    let text = "a passphrase that is long enough to be one";
    let config = parse(file, &variables(&[("QUERYGATE_HASH_KEY", text)]), &read).expect("sound");
    assert_eq!(config.hash_key.master.expose(), text.as_bytes());
    let error = of("", &[("QUERYGATE_HASH_KEY", "short-secret")]).expect_err("short");
    assert_eq!(error.problems, ["QUERYGATE_HASH_KEY: must have at least 64 hex digits, or 32 bytes of other text"]);
}

#[test]
fn a_named_file_must_be_there() {
    let error = load(Some(Path::new("no/such/querygate.toml"))).expect_err("absent");
    assert!(error.to_string().starts_with("no/such/querygate.toml: "), "{error}");
}
