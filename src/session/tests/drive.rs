//! Plays the wire: turns lines into calls, and replies into lines.

use super::fake::{FakeEngine, principal, workspace};
use crate::egress::{FieldDescription, Progress, ResultRows};
use crate::error::ErrorReport;
use crate::policy::Environment;
use crate::session::{BindRequest, Reply, RowsEnd, Session, SessionLimits, SessionStart, TransactionStatus};
use crate::types::SessionId;
use bytes::{Buf, Bytes, BytesMut};
use std::sync::Arc;

pub(super) struct Driver {
    pub(super) session: Session,
    pub(super) engine: Arc<FakeEngine>,
    lines: Vec<String>,
    logged: usize,
    skipping: bool,
}

pub(super) fn try_start(parameters: &[(&str, &str)]) -> Result<Driver, ErrorReport> {
    let engine = Arc::new(FakeEngine::default());
    let session = Session::start(SessionStart {
        engine: engine.clone(),
        session: SessionId::new("s1"),
        principal: principal(),
        workspace: workspace(),
        environment: Environment {
            name: "development".to_owned(),
            region: "eu".to_owned(),
            network_zone: "office".to_owned(),
            client_ip: std::net::IpAddr::from([127, 0, 0, 1]),
            tls: true,
            application_name: String::new(),
        },
        startup_parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        backend_pid: 7,
        limits: SessionLimits::default(),
    })?;
    Ok(Driver { session, engine, lines: Vec::new(), logged: 0, skipping: false })
}

impl Driver {
    pub(super) fn start(parameters: &[(&str, &str)]) -> Self {
        try_start(parameters).unwrap()
    }

    /// One input; the answer's lines.
    ///
    /// `Q text` Query, `P name text` Parse (`-` is unnamed; `P:23,25 …` with types), `B portal statement values… [pf=0,1]
    /// [rf=1]` Bind, `DS name`, `DP name`, `E portal rows`, `CS name`, `CP name`, `S` Sync; `deaf`, `hear`, `flip` speak
    /// to the engine; `log` shows what it was asked since the last `log`.
    pub(super) async fn input(&mut self, line: &str) -> Vec<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "Q" => self.query(rest).await,
            "S" => {
                self.skipping = false;
                self.session.sync().await.unwrap();
                self.ready();
            }
            "deaf" => self.engine.lose_the_audit_log(true),
            "hear" => self.engine.lose_the_audit_log(false),
            "flip" => self.engine.flip(),
            "log" => {
                let log = self.engine.log();
                self.lines.extend(log.iter().skip(self.logged).map(|line| format!("  {line}")));
                self.logged = log.len();
            }
            _ if self.skipping => self.lines.push("(skipped)".to_owned()),
            _ => {
                if let Err(error) = self.message(word, rest).await {
                    self.say_error(&error);
                    self.skipping = true;
                }
            }
        }
        std::mem::take(&mut self.lines)
    }

    async fn message(&mut self, word: &str, rest: &str) -> Result<(), ErrorReport> {
        let name = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
        let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
        let first = name(words.first().copied().unwrap_or("-"));
        let codes = |key: &str| -> Vec<i16> {
            let found = words.iter().find_map(|word| word.strip_prefix(key));
            found.map(|codes| codes.split(',').map(|code| code.parse().unwrap()).collect()).unwrap_or_default()
        };
        match word {
            parse if parse.starts_with('P') => {
                let types: Vec<u32> = parse
                    .trim_start_matches('P')
                    .trim_start_matches(':')
                    .split(',')
                    .filter_map(|t| t.parse().ok())
                    .collect();
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                self.session.parse(&first, text, &types).await?;
                self.lines.push("1".to_owned());
            }
            "B" => {
                let values = words.iter().skip(2).filter(|word| !word.contains("f="));
                let parameters = values
                    .map(|value| match *value {
                        "NULL" => None,
                        hex if hex.starts_with("\\x") => {
                            Some(Bytes::from(hex::decode(hex.trim_start_matches("\\x")).unwrap()))
                        }
                        text => Some(Bytes::copy_from_slice(text.as_bytes())),
                    })
                    .collect();
                let statement = name(words.get(1).copied().unwrap_or("-"));
                let (parameter_formats, result_formats) = (codes("pf="), codes("rf="));
                self.session
                    .bind(BindRequest { portal: first, statement, parameters, parameter_formats, result_formats })
                    .await?;
                self.lines.push("2".to_owned());
            }
            "DS" => {
                let described = self.session.describe_statement(&first).await?;
                let types: Vec<String> = described.parameters.iter().map(u32::to_string).collect();
                self.lines.push(format!("t {}", types.join(" ")).trim_end().to_owned());
                self.say_fields(described.fields);
            }
            "DP" => {
                let fields = self.session.describe_portal(&first).await?;
                self.say_fields(fields);
            }
            "E" => {
                let rows = words.get(1).map_or(0, |rows| rows.parse().unwrap());
                let reply = self.session.execute(&first, rows).await;
                self.say_notices();
                self.reply(reply?).await?;
            }
            "CS" => {
                self.session.close_statement(&first);
                self.lines.push("3".to_owned());
            }
            "CP" => {
                self.session.close_portal(&first);
                self.lines.push("3".to_owned());
            }
            other => panic!("what is {other}?"),
        }
        Ok(())
    }

    async fn query(&mut self, text: &str) {
        let result = self.query_string(text).await;
        if let Err(error) = &result {
            self.say_error(error);
        }
        self.session.end_query_string(result.is_err()).await.unwrap();
        self.ready();
    }

    async fn query_string(&mut self, text: &str) -> Result<(), ErrorReport> {
        let statements = self.session.begin_query_string(text).await?;
        if statements.is_empty() {
            self.lines.push("I".to_owned());
        }
        let budget = Arc::default();
        for statement in statements {
            let reply = self.session.run(statement, &budget).await;
            self.say_notices();
            self.reply(reply?).await?;
        }
        Ok(())
    }

    async fn reply(&mut self, reply: Reply) -> Result<(), ErrorReport> {
        match reply {
            Reply::Empty => self.lines.push("I".to_owned()),
            Reply::Command { tag } => self.lines.push(format!("C {tag}")),
            Reply::Copy(mut copy) => {
                self.lines.push(format!("H {}", copy.format.code()));
                match self.fill(&mut copy.rows, None, true).await {
                    Ok(_) => {
                        self.lines.push(format!("C COPY {}", copy.rows.rows()));
                        self.session.finish_rows(copy.ticket, copy.rows, RowsEnd::Done);
                    }
                    Err(error) => {
                        self.session.finish_rows(copy.ticket, copy.rows, RowsEnd::Failed(error.clone()));
                        return Err(error);
                    }
                }
            }
            Reply::Rows(mut reply) => {
                if reply.describe {
                    let fields = reply.rows.fields()?;
                    self.say_fields(Some(fields.to_vec()));
                }
                let before = reply.rows.rows();
                let filled = self.fill(&mut reply.rows, reply.max_rows, false).await;
                let tag = reply.tag.command_tag(reply.rows.rows() - before);
                match filled {
                    Ok(Progress::Suspended) if reply.suspends => self.lines.push("s".to_owned()),
                    Ok(_) => self.lines.push(format!("C {tag}")),
                    Err(_) => {}
                }
                match filled {
                    Ok(Progress::Suspended) => {
                        self.session.finish_rows(reply.ticket, reply.rows, RowsEnd::Suspended);
                    }
                    Ok(_) => self.session.finish_rows(reply.ticket, reply.rows, RowsEnd::Done),
                    Err(error) => {
                        self.session.finish_rows(reply.ticket, reply.rows, RowsEnd::Failed(error.clone()));
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends rows until they end or enough of them are out, a little buffer at a time.
    async fn fill(
        &mut self,
        rows: &mut ResultRows,
        max_rows: Option<u64>,
        copy: bool,
    ) -> Result<Progress, ErrorReport> {
        let before = rows.rows();
        loop {
            let mut out = BytesMut::new();
            let left = max_rows.map(|max| max - (rows.rows() - before));
            let progress = rows.fill(&mut out, left, 64).await;
            self.say_rows(out.freeze(), copy);
            match progress {
                Ok(Progress::More) => {}
                other => return other,
            }
        }
    }

    fn say_rows(&mut self, mut bytes: Bytes, copy: bool) {
        while bytes.has_remaining() {
            let kind = bytes.get_u8();
            let length = usize::try_from(bytes.get_i32()).unwrap();
            let mut body = bytes.split_to(length - 4);
            if copy {
                assert_eq!(kind, b'd');
                self.lines.push(format!("d {:?}", String::from_utf8_lossy(&body)));
                continue;
            }
            assert_eq!(kind, b'D');
            let mut line = "D".to_owned();
            for _ in 0..body.get_i16() {
                match usize::try_from(body.get_i32()) {
                    Err(_) => line.push_str(" NULL"),
                    Ok(length) => {
                        let value = body.split_to(length);
                        let plain = value.iter().all(|byte| (b' '..=b'~').contains(byte));
                        line.push(' ');
                        line.push_str(&if plain {
                            String::from_utf8_lossy(&value).into_owned()
                        } else {
                            hex::encode(&value)
                        });
                    }
                }
            }
            self.lines.push(line);
        }
    }

    fn say_fields(&mut self, fields: Option<Vec<FieldDescription>>) {
        self.lines.push(match fields {
            None => "n".to_owned(),
            Some(fields) => {
                let say = |field: &FieldDescription| {
                    let binary = if field.format.code() == 1 { "b" } else { "" };
                    format!("{}:{}{binary}", field.name.replace(' ', "_"), field.type_oid)
                };
                format!("T {}", fields.iter().map(say).collect::<Vec<_>>().join(" "))
            }
        });
    }

    fn say_error(&mut self, error: &ErrorReport) {
        self.say_notices();
        self.lines.push(format!("E {} {}", error.sqlstate, error.message));
        self.session.failed(error);
    }

    fn say_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.lines.push(format!("N {} {} {}", notice.severity.as_str(), notice.sqlstate, notice.message));
        }
    }

    fn ready(&mut self) {
        self.say_notices();
        for (name, value) in self.session.take_parameter_changes() {
            self.lines.push(format!("S {name}={value}"));
        }
        self.lines.push(
            match self.session.transaction_status() {
                TransactionStatus::Idle => "Z I",
                TransactionStatus::InTransaction => "Z T",
                TransactionStatus::Failed => "Z E",
            }
            .to_owned(),
        );
    }
}
