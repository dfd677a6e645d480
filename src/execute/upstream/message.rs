//! What an upstream says besides rows: descriptions, errors, notices, reports of settings.

use super::error::ProtocolError;
use postgres_protocol::message::backend::{
    COPY_OUT_RESPONSE_TAG, PARAMETER_DESCRIPTION_TAG, PARAMETER_STATUS_TAG, ROW_DESCRIPTION_TAG,
};
use std::fmt;

/// A value's form on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// As the type's own bytes.
    Binary,
}

impl Format {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    fn of(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Binary),
            _ => None,
        }
    }
}

/// One column of a result, as RowDescription gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The table's OID, zero if it is no table's column.
    pub table_oid: u32,
    /// The number in that table, zero if none.
    pub attribute: i16,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's size; negative if it varies.
    pub type_size: i16,
    /// `atttypmod`: what a length or precision became; -1 without one.
    pub type_modifier: i32,
    /// How its values come.
    pub format: Format,
}

/// The fields of an ErrorResponse or NoticeResponse ("Error and Notice Message Fields").
///
/// Its texts may hold values that a client may not see. `Debug` shows the code alone: texts get out only by name.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// ERROR, FATAL, NOTICE …: the one that is never translated, where the server sends it.
    pub severity: Box<str>,
    /// Its SQLSTATE.
    pub code: Box<str>,
    /// The primary message.
    pub message: Box<str>,
    /// More about it.
    pub detail: Option<Box<str>>,
    /// What to do.
    pub hint: Option<Box<str>>,
    /// Where in the statement that was sent: a character, from 1.
    pub position: Option<usize>,
    /// The name of a schema, a table, a column, a type, a constraint, each where the error is about one.
    pub schema: Option<Box<str>>,
    /// See `schema`.
    pub table: Option<Box<str>>,
    /// See `schema`.
    pub column: Option<Box<str>>,
    /// See `schema`.
    pub data_type: Option<Box<str>>,
    /// See `schema`.
    pub constraint: Option<Box<str>>,
    /// The function of the server's source that reports it.
    pub routine: Option<Box<str>>,
}

impl fmt::Debug for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMessage").field("code", &self.code).finish_non_exhaustive()
    }
}

impl ServerMessage {
    /// Whether the server ends the session with it.
    pub fn is_fatal(&self) -> bool {
        matches!(&*self.severity, "FATAL" | "PANIC")
    }

    /// Reads the body of an ErrorResponse or NoticeResponse. Texts that are not UTF-8 (before `client_encoding` counts)
    /// are read as well as can be.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`], with the message's tag.
    pub fn parse(tag: u8, body: &[u8]) -> Result<Self, ProtocolError> {
        let mut body = Body { tag, rest: body };
        let mut message = Self {
            severity: "ERROR".into(),
            code: "XX000".into(),
            message: "".into(),
            detail: None,
            hint: None,
            position: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        };
        let mut untranslated = None;
        loop {
            let field = body.byte()?;
            if field == 0 {
                break;
            }
            let text: Box<str> = String::from_utf8_lossy(body.bytes_to_zero()?).into();
            match field {
                b'S' => message.severity = text,
                b'V' => untranslated = Some(text),
                b'C' => message.code = text,
                b'M' => message.message = text,
                b'D' => message.detail = Some(text),
                b'H' => message.hint = Some(text),
                b'P' => message.position = text.parse().ok(),
                b's' => message.schema = Some(text),
                b't' => message.table = Some(text),
                b'c' => message.column = Some(text),
                b'd' => message.data_type = Some(text),
                b'n' => message.constraint = Some(text),
                b'R' => message.routine = Some(text),
                // "Frontends should silently ignore fields of unrecognized type."
                _ => {}
            }
        }
        if let Some(severity) = untranslated {
            message.severity = severity;
        }
        Ok(message)
    }
}

/// The columns of a RowDescription.
pub(super) fn columns(body: &[u8]) -> Result<Vec<Column>, ProtocolError> {
    let mut body = Body { tag: ROW_DESCRIPTION_TAG, rest: body };
    let count = u16::from_be_bytes(body.array()?);
    let columns = (0..count).map(|_| column(&mut body)).collect::<Result<Vec<_>, _>>()?;
    body.end(columns)
}

fn column(body: &mut Body<'_>) -> Result<Column, ProtocolError> {
    Ok(Column {
        name: body.text()?.to_owned(),
        table_oid: u32::from_be_bytes(body.array()?),
        attribute: body.short()?,
        type_oid: u32::from_be_bytes(body.array()?),
        type_size: body.short()?,
        type_modifier: i32::from_be_bytes(body.array()?),
        format: body.format()?,
    })
}

/// The types of a ParameterDescription.
pub(super) fn parameter_types(body: &[u8]) -> Result<Vec<u32>, ProtocolError> {
    let mut body = Body { tag: PARAMETER_DESCRIPTION_TAG, rest: body };
    let count = u16::from_be_bytes(body.array()?);
    let types = (0..count).map(|_| body.array().map(u32::from_be_bytes)).collect::<Result<Vec<_>, _>>()?;
    body.end(types)
}

/// The format of each column of a CopyOutResponse.
pub(super) fn copy_formats(body: &[u8]) -> Result<Vec<Format>, ProtocolError> {
    let mut body = Body { tag: COPY_OUT_RESPONSE_TAG, rest: body };
    body.byte()?;
    let count = u16::from_be_bytes(body.array()?);
    let formats = (0..count).map(|_| body.format()).collect::<Result<Vec<_>, _>>()?;
    body.end(formats)
}

/// Name and value of a ParameterStatus.
pub(super) fn parameter_status(body: &[u8]) -> Result<(String, String), ProtocolError> {
    let mut body = Body { tag: PARAMETER_STATUS_TAG, rest: body };
    let pair = (body.text()?.to_owned(), body.text()?.to_owned());
    body.end(pair)
}

/// What is left of a message's body.
pub(super) struct Body<'a> {
    pub(super) tag: u8,
    pub(super) rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn malformed(&self) -> ProtocolError {
        ProtocolError::Malformed(self.tag)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ProtocolError> {
        let (byte, rest) = self.rest.split_first().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(*array)
    }

    fn short(&mut self) -> Result<i16, ProtocolError> {
        self.array().map(i16::from_be_bytes)
    }

    fn format(&mut self) -> Result<Format, ProtocolError> {
        let code = self.short()?;
        Format::of(code).ok_or(self.malformed())
    }

    fn bytes_to_zero(&mut self) -> Result<&'a [u8], ProtocolError> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(self.malformed())?;
        let (bytes, rest) = self.rest.split_at_checked(end).ok_or(self.malformed())?;
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, ProtocolError> {
        let bytes = self.bytes_to_zero()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed())
    }

    /// The value, if nothing is left over.
    pub(super) fn end<T>(&self, value: T) -> Result<T, ProtocolError> {
        if self.rest.is_empty() { Ok(value) } else { Err(self.malformed()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_description_is_read() {
        let mut body = vec![0, 1];
        body.extend_from_slice(b"id\0");
        body.extend_from_slice(&[0, 0, 0x40, 1, 0, 2, 0, 0, 0, 23, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 1]);
        let expected = Column {
            name: "id".into(),
            table_oid: 16385,
            attribute: 2,
            type_oid: 23,
            type_size: 4,
            type_modifier: -1,
            format: Format::Binary,
        };
        assert_eq!(columns(&body).unwrap(), [expected]);
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_malformed() {
        let mut body = vec![0, 1];
        body.extend_from_slice(b"id\0");
        body.extend_from_slice(&[0, 0, 0x40, 1, 0, 2, 0, 0, 0, 23, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 1]);
        for end in 0..body.len() {
            assert_eq!(columns(&body[..end]), Err(ProtocolError::Malformed(b'T')), "{end}");
        }
        body.push(0);
        assert_eq!(columns(&body), Err(ProtocolError::Malformed(b'T')));
        assert!(ServerMessage::parse(b'E', b"SERROR\0").is_err());
        assert!(ServerMessage::parse(b'E', b"SERROR").is_err());
        assert!(parameter_status(b"a\0b").is_err());
        assert_eq!(columns(&[0xff, 0xff]), Err(ProtocolError::Malformed(b'T')));
        assert_eq!(parameter_types(&[0, 1, 0, 0, 0, 20]), Ok(vec![20]));
        assert!(parameter_types(&[0, 2, 0, 0, 0, 20]).is_err() && parameter_types(&[0, 0, 9]).is_err());
    }

    #[test]
    fn the_severity_that_is_not_translated_counts() {
        let message = ServerMessage::parse(b'E', b"SFATALE FEHLER\0VFATAL\0C57P01\0MEnde\0P12\0\0").unwrap();
        assert!(message.is_fatal());
        assert_eq!((&*message.code, message.position), ("57P01", Some(12)));
    }
}
