//! What the server sends: each message written into a buffer ("Message Formats" in the manual).

use crate::egress::FieldDescription;
use crate::error::{ErrorReport, Severity};
use crate::session::TransactionStatus;
use bytes::{BufMut, BytesMut};

/// Writes one message: its type, its length, and what `put` writes.
fn message(out: &mut BytesMut, kind: u8, put: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_u32(0);
    put(out);
    // No message but a row can come near the bound, and rows are held to it where they are encoded.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}

/// Text with its end; a NUL inside would end it too early.
fn text(value: &str, out: &mut BytesMut) {
    out.extend(value.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

fn report(out: &mut BytesMut, kind: u8, report: &ErrorReport) {
    message(out, kind, |out| {
        let position = report.position.map(|position| position.to_string());
        let fields = [
            (b'S', Some(report.severity.as_str())),
            (b'V', Some(report.severity.as_str())),
            (b'C', Some(report.sqlstate.0)),
            (b'M', Some(report.message.as_str())),
            (b'D', report.detail.as_deref()),
            (b'H', report.hint.as_deref()),
            (b'P', position.as_deref()),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                out.put_u8(field);
                text(value, out);
            }
        }
        out.put_u8(0);
    });
}

/// ErrorResponse.
pub(super) fn error(out: &mut BytesMut, error: &ErrorReport) {
    report(out, b'E', error);
}

/// NoticeResponse; what is an error by its severity is sent as one.
pub(super) fn notice(out: &mut BytesMut, notice: &ErrorReport) {
    match notice.severity {
        Severity::Notice | Severity::Warning => report(out, b'N', notice),
        Severity::Error | Severity::Fatal => report(out, b'E', notice),
    }
}

/// AuthenticationOk.
pub(super) fn authentication_ok(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_i32(0));
}

/// AuthenticationSASL: the mechanisms, the one to prefer first.
pub(super) fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    message(out, b'R', |out| {
        out.put_i32(10);
        for mechanism in mechanisms {
            text(mechanism, out);
        }
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue.
pub(super) fn authentication_sasl_continue(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_i32(11);
        out.put_slice(data.as_bytes());
    });
}

/// AuthenticationSASLFinal.
pub(super) fn authentication_sasl_final(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_i32(12);
        out.put_slice(data.as_bytes());
    });
}

/// NegotiateProtocolVersion: the version spoken, and the options that are not known.
pub(super) fn negotiate_protocol_version(out: &mut BytesMut, minor: u16, unknown_options: &[String]) {
    message(out, b'v', |out| {
        out.put_u16(3);
        out.put_u16(minor);
        out.put_u32(u32::try_from(unknown_options.len()).unwrap_or(u32::MAX));
        for option in unknown_options {
            text(option, out);
        }
    });
}

/// ParameterStatus.
pub(super) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(name, out);
        text(value, out);
    });
}

/// BackendKeyData.
pub(super) fn backend_key_data(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.put_i32(pid);
        out.put_slice(secret);
    });
}

/// ReadyForQuery.
pub(super) fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    message(out, b'Z', |out| {
        out.put_u8(match status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        });
    });
}

/// RowDescription. The number of columns was held to its bound when the fields were made.
pub(super) fn row_description(out: &mut BytesMut, fields: &[FieldDescription]) {
    message(out, b'T', |out| {
        out.put_u16(u16::try_from(fields.len()).unwrap_or(u16::MAX));
        for field in fields {
            text(&field.name, out);
            out.put_u32(0);
            out.put_i16(0);
            out.put_u32(field.type_oid);
            out.put_i16(field.type_len);
            out.put_i32(field.type_modifier);
            out.put_i16(field.format.code());
        }
    });
}

/// ParameterDescription.
pub(super) fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    message(out, b't', |out| {
        out.put_u16(u16::try_from(types.len()).unwrap_or(u16::MAX));
        for oid in types {
            out.put_u32(*oid);
        }
    });
}

/// CommandComplete.
pub(super) fn command_complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(tag, out));
}

/// CopyOutResponse: every column in the format of the whole.
pub(super) fn copy_out_response(out: &mut BytesMut, format: i8, columns: usize) {
    message(out, b'H', |out| {
        out.put_i8(format);
        out.put_u16(u16::try_from(columns).unwrap_or(u16::MAX));
        for _ in 0..columns.min(usize::from(u16::MAX)) {
            out.put_i16(i16::from(format));
        }
    });
}

/// A message without a body.
pub(super) fn plain(out: &mut BytesMut, kind: Plain) {
    message(out, kind as u8, |_| {});
}

/// The messages without a body.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Plain {
    ParseComplete = b'1',
    BindComplete = b'2',
    CloseComplete = b'3',
    NoData = b'n',
    EmptyQueryResponse = b'I',
    PortalSuspended = b's',
    CopyDone = b'c',
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Format;
    use crate::error::SqlState;
    use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};

    /// Reads with a codec that shares no code with this one.
    fn decoded(write: impl FnOnce(&mut BytesMut)) -> PgWireBackendMessage {
        let mut out = BytesMut::new();
        write(&mut out);
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
        context.awaiting_frontend_ssl = false;
        context.awaiting_frontend_startup = false;
        let message = PgWireBackendMessage::decode(&mut out, &context).unwrap().unwrap();
        assert!(out.is_empty(), "left over: {out:?}");
        message
    }

    #[test]
    fn another_codec_reads_what_is_written() {
        let report = ErrorReport::new(SqlState::SYNTAX_ERROR, "syntax\0 error").with_hint("Look.").at(Some(7));
        let PgWireBackendMessage::ErrorResponse(found) = decoded(|out| error(out, &report)) else { panic!() };
        assert!(found.fields.contains(&(b'M', "syntax error".into())));
        assert!(found.fields.contains(&(b'P', "7".into())));
        assert!(matches!(
            decoded(|out| notice(out, &ErrorReport::notice("n"))),
            PgWireBackendMessage::NoticeResponse(_)
        ));
        let field = FieldDescription {
            name: "price".into(),
            type_oid: 1700,
            type_len: -1,
            type_modifier: 6,
            format: Format::Binary,
        };
        let PgWireBackendMessage::RowDescription(found) = decoded(|out| row_description(out, &[field])) else {
            panic!()
        };
        assert_eq!((found.fields[0].type_id, found.fields[0].type_modifier), (1700, 6));
        let found = decoded(|out| ready_for_query(out, TransactionStatus::Failed));
        assert!(matches!(found, PgWireBackendMessage::ReadyForQuery(_)));
        let found = decoded(|out| copy_out_response(out, 1, 3));
        assert!(matches!(found, PgWireBackendMessage::CopyOutResponse(found) if found.column_formats == [1, 1, 1]));
        let found = decoded(|out| backend_key_data(out, 7, &[1; 32]));
        assert!(matches!(found, PgWireBackendMessage::BackendKeyData(found) if found.pid == 7));
        let found = decoded(|out| parameter_description(out, &[23, 25]));
        assert!(matches!(found, PgWireBackendMessage::ParameterDescription(found) if found.types == [23, 25]));
        assert!(matches!(decoded(|out| command_complete(out, "SELECT 1")), PgWireBackendMessage::CommandComplete(_)));
        assert!(matches!(decoded(|out| plain(out, Plain::NoData)), PgWireBackendMessage::NoData(_)));
    }
}
