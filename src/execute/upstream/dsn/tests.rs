use super::*;

#[test]
fn a_uri_says_everything() {
    let dsn = parse(
        "postgres://an%20n:p%40ss%2Fw@h1:6432,[::1],%2Frun%2Fpg:5433/sales%20db?sslmode=require&target_session_attrs=standby\
         &connect_timeout=3&application_name=gate&channel_binding=disable\n",
    )
    .unwrap();
    assert_eq!(
        dsn.hosts,
        [
            Host::Tcp { name: "h1".into(), port: 6432 },
            Host::Tcp { name: "::1".into(), port: 5432 },
            Host::Unix { folder: "/run/pg".into(), port: 5433 },
        ]
    );
    assert_eq!((dsn.user.as_str(), dsn.database.as_str()), ("an n", "sales db"));
    assert_eq!(dsn.password.as_ref().unwrap().expose(), "p@ss/w");
    assert_eq!((dsn.ssl_mode, dsn.target_session), (SslMode::Require, TargetSession::Standby));
    assert_eq!((dsn.connect_timeout, dsn.application_name.as_str()), (Duration::from_secs(3), "gate"));
}

#[test]
fn keywords_say_the_same() {
    let dsn =
        parse(r" host=h1,h2 port = 6432 user=ann password='it\'s \\ 1' dbname=sales sslrootcert=/ca.pem").unwrap();
    assert_eq!(dsn.hosts.len(), 2);
    assert_eq!(dsn.hosts[1], Host::Tcp { name: "h2".into(), port: 6432 });
    assert_eq!(dsn.password.as_ref().unwrap().expose(), r"it's \ 1");
    assert_eq!((dsn.ssl_mode, dsn.roots), (SslMode::VerifyFull, RootCertificates::File("/ca.pem".into())));
}

#[test]
fn the_strictest_protection_is_the_default() {
    let dsn = parse("postgresql://ann@h").unwrap();
    assert_eq!((dsn.ssl_mode, dsn.roots), (SslMode::VerifyFull, RootCertificates::System));
    assert_eq!((dsn.database.as_str(), dsn.channel_binding), ("ann", ChannelBinding::Prefer));
    // As in libpq, an authority that is named is asked.
    assert_eq!(parse("postgres://a@h?sslmode=require&sslrootcert=/ca").unwrap().ssl_mode, SslMode::VerifyCa);
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    let cases = [
        ("postgres://ann:hunter2@h?sslmode=prefer", DsnError::SslModeOpportunistic),
        ("postgres://ann:hunter2@h?sslmode=allow", DsnError::SslModeOpportunistic),
        ("postgres://ann:hunter2@h?sslmode=full", DsnError::SslMode),
        ("postgres://ann:hunter2@h?sslmode=verify-ca", DsnError::VerifyCaNeedsRoot),
        ("postgres://ann:hunter2@h?sslmode=verify-ca&sslrootcert=system", DsnError::VerifyCaNeedsRoot),
        ("postgres://ann:hunter2@h?options=-crow_security%3Doff", DsnError::UnknownKey),
        ("postgres://ann:x?hunter2=1@h/d", DsnError::UnknownKey),
        ("postgres://ann:x#hunter2@h/d", DsnError::Escape),
        ("postgres://ann:x@hunter2@h/d", DsnError::Escape),
        ("postgres://ann:hunter2%@h", DsnError::Escape),
        ("postgres://ann:hunter2@h:99999", DsnError::Port),
        ("postgres://ann:hunter2@h:0", DsnError::Port),
        ("postgres://ann:hunter2@h,,g", DsnError::Host),
        ("postgres://ann@h password=hunter2", DsnError::Host),
        ("host=h@hunter2", DsnError::Host),
        ("postgres://ann:hunter2@[::1", DsnError::Host),
        ("postgres://ann:hunter2@h?user=bob", DsnError::Twice("user")),
        ("postgres://ann:hunter2@h?connect_timeout=0", DsnError::ConnectTimeout),
        ("postgres://ann:hunter2@h?target_session_attrs=prefer-standby", DsnError::TargetSession),
        ("postgres://ann:hunter2@h?sslcert=/c", DsnError::ClientCertificate),
        ("postgres://ann:hunter2@h?channel_binding=require&sslmode=disable", DsnError::ChannelBindingNeedsTls),
        ("postgres://ann:hunter2@%2Ftmp?channel_binding=require", DsnError::ChannelBindingNeedsTls),
        ("postgres://ann:hunter2@h/d%00", DsnError::NotText),
        ("postgres://ann:hunter2@", DsnError::Missing("host")),
        ("postgres://h", DsnError::Missing("user")),
        ("mysql://ann:hunter2@h", DsnError::NeitherForm),
        ("host=h password='hunter2", DsnError::Unfinished),
        ("host=h password='x'hunter2", DsnError::Unfinished),
        ("host=h user=u hunter2", DsnError::Unfinished),
        ("host=h user=u passwort=hunter2", DsnError::UnknownKey),
        ("host=h,g port=1,2,3 user=u", DsnError::Port),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!(error, expected, "{text}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let dsn = parse("postgres://ann:hunter2@h").unwrap();
    assert!(!format!("{dsn:?} {:?}", dsn.password).contains("hunter2"));
}

#[test]
fn a_file_or_the_environment_holds_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "postgres://ann:pw@h/d\n").unwrap();
    let path = file.path().display().to_string();
    assert_eq!(read(&DsnSource::File(path)).unwrap().database, "d");
    assert_eq!(read(&DsnSource::File("/nowhere".into())).unwrap_err(), DsnError::NoFile);
    assert_eq!(read(&DsnSource::Env("QUERYGATE_NO_SUCH_DSN".into())).unwrap_err(), DsnError::NoVariable);
}
