//! Bytes and texts: `bytea`, `uuid`, and the quoting inside arrays and records.

use crate::egress::ByteaOutput;
use crate::error::{ErrorReport, SqlState};
use bytes::{BufMut, BytesMut};

/// Writes a `bytea`.
pub(super) fn bytea(value: &[u8], output: ByteaOutput, out: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match output {
        ByteaOutput::Hex => {
            out.reserve(2 + 2 * value.len());
            out.put_slice(b"\\x");
            for byte in value {
                for nibble in [byte >> 4, byte & 15] {
                    out.put_u8(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
                }
            }
        }
        ByteaOutput::Escape => {
            for byte in value {
                match byte {
                    b'\\' => out.put_slice(b"\\\\"),
                    0x20..=0x7e => out.put_u8(*byte),
                    other => {
                        out.put_u8(b'\\');
                        for shift in [6, 3, 0] {
                            out.put_u8(b'0' + (other >> shift & 7));
                        }
                    }
                }
            }
        }
    }
}

/// The sixteen bytes of a `uuid` that is held as text.
///
/// # Errors
/// 22P02 if it is none.
pub(super) fn uuid_bytes(text: &str) -> Result<[u8; 16], ErrorReport> {
    uuid::Uuid::parse_str(text)
        .map(uuid::Uuid::into_bytes)
        .map_err(|_| ErrorReport::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type uuid"))
}

/// Whether PostgreSQL counts a byte as white space in the text form of an array or a record.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Writes one element of an array, quoted where it must be ("Array Input and Output Syntax").
pub(super) fn array_element(text: &[u8], out: &mut BytesMut) {
    let quoted = text.is_empty()
        || text.eq_ignore_ascii_case(b"null")
        || text.iter().any(|byte| is_space(*byte) || matches!(byte, b'"' | b'\\' | b'{' | b'}' | b','));
    if !quoted {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Writes one field of a record, quoted where it must be ("Composite Type Input and Output Syntax").
pub(super) fn record_field(text: &[u8], out: &mut BytesMut) {
    let quoted =
        text.is_empty() || text.iter().any(|byte| is_space(*byte) || matches!(byte, b'"' | b'\\' | b'(' | b')' | b','));
    if !quoted {
        return out.put_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn bytes_read_as_postgres_writes_them() {
        assert_eq!(written(|out| bytea(b"\x00\xffa", ByteaOutput::Hex, out)), "\\x00ff61");
        assert_eq!(written(|out| bytea(b"", ByteaOutput::Hex, out)), "\\x");
        assert_eq!(written(|out| bytea(b"a\\\x00\xff", ByteaOutput::Escape, out)), "a\\\\\\000\\377");
    }

    #[test]
    fn elements_and_fields_are_quoted_where_they_must_be() {
        for (text, element, field) in [
            ("a", "a", "a"),
            ("b c", "\"b c\"", "\"b c\""),
            ("", "\"\"", "\"\""),
            ("NULL", "\"NULL\"", "NULL"),
            ("a,b", "\"a,b\"", "\"a,b\""),
            ("q\"\\", "\"q\\\"\\\\\"", "\"q\"\"\\\\\""),
            ("{x}", "\"{x}\"", "{x}"),
            ("(x)", "(x)", "\"(x)\""),
            ("é", "é", "é"),
        ] {
            assert_eq!(written(|out| array_element(text.as_bytes(), out)), element);
            assert_eq!(written(|out| record_field(text.as_bytes(), out)), field);
        }
    }
}
