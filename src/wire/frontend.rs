//! What clients send, read strictly ("Message Formats" in the manual): a body is read inside its frame, counts are held
//! against what is there before anything is allocated, and nothing may be left over.

use crate::error::{ErrorReport, SqlState};
use crate::session::BindRequest;
use bytes::{Buf, Bytes};

/// A message of an authenticated client.
#[derive(Debug)]
pub(super) enum Frontend {
    Query(String),
    Parse {
        name: String,
        text: String,
        types: Vec<u32>,
    },
    Bind(BindRequest),
    Describe(Target),
    Execute {
        portal: String,
        max_rows: u32,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    FunctionCall,
    /// CopyData, CopyDone or CopyFail: outside of a COPY FROM they mean nothing and are passed over.
    StrayCopy,
}

/// What Describe and Close speak of.
#[derive(Debug)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// Whether a client may send this type of message after its login at all.
pub(super) fn is_known(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'F' | b'd' | b'c' | b'f')
}

/// Whether a message of this type holds texts or values that may be long; all others are short.
pub(super) fn may_be_long(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'F' | b'd')
}

/// Whether an error in this message makes the server skip to the next Sync.
pub(super) fn is_extended(kind: u8) -> bool {
    matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H')
}

/// Reads a message's body.
///
/// # Errors
/// 08P01 if it does not fit its frame, 22021 for text that is not UTF-8.
pub(super) fn read(kind: u8, body: Bytes) -> Result<Frontend, ErrorReport> {
    let mut body = Body(body);
    let message = match kind {
        b'Q' => Frontend::Query(body.text()?),
        b'P' => {
            let (name, text) = (body.text()?, body.text()?);
            let count = body.count(4)?;
            let types = (0..count).map(|_| body.u32()).collect::<Result<_, _>>()?;
            Frontend::Parse { name, text, types }
        }
        b'B' => Frontend::Bind(body.bind()?),
        b'D' => Frontend::Describe(body.target("DESCRIBE")?),
        b'C' => Frontend::Close(body.target("CLOSE")?),
        b'E' => {
            let portal = body.text()?;
            // Zero and everything below mean all rows.
            Frontend::Execute { portal, max_rows: u32::try_from(body.i32()?).unwrap_or(0) }
        }
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'X' => return Ok(Frontend::Terminate),
        b'F' => return Ok(Frontend::FunctionCall),
        b'd' | b'c' | b'f' => return Ok(Frontend::StrayCopy),
        other => return Err(unknown_type(other)),
    };
    body.end()?;
    Ok(message)
}

/// FATAL 08P01 for a type that clients don't send.
pub(super) fn unknown_type(kind: u8) -> ErrorReport {
    ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, format!("invalid frontend message type {kind}"))
}

/// A message's body, read from the front.
pub(super) struct Body(pub(super) Bytes);

impl Body {
    fn bind(&mut self) -> Result<BindRequest, ErrorReport> {
        let (portal, statement) = (self.text()?, self.text()?);
        let count = self.count(2)?;
        let parameter_formats = (0..count).map(|_| self.i16()).collect::<Result<_, _>>()?;
        let count = self.count(4)?;
        let parameters = (0..count).map(|_| self.value()).collect::<Result<_, _>>()?;
        let count = self.count(2)?;
        let result_formats = (0..count).map(|_| self.i16()).collect::<Result<_, _>>()?;
        Ok(BindRequest { portal, statement, parameters, parameter_formats, result_formats })
    }

    fn target(&mut self, message: &str) -> Result<Target, ErrorReport> {
        match self.u8()? {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            other => Err(ErrorReport::new(
                SqlState::PROTOCOL_VIOLATION,
                format!("invalid {message} message subtype {other}"),
            )),
        }
    }

    /// Text up to a NUL byte.
    pub(super) fn text(&mut self) -> Result<String, ErrorReport> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| invalid("invalid string in message"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.to_vec()).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error()))
    }

    /// A count of elements of at least so many bytes each: more than the body has room for is an error.
    fn count(&mut self, element_bytes: usize) -> Result<usize, ErrorReport> {
        let count = usize::from(self.0.try_get_u16().map_err(|_| too_short())?);
        if count * element_bytes > self.0.len() { Err(too_short()) } else { Ok(count) }
    }

    /// A length and so many bytes; a length of -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<Bytes>, ErrorReport> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| invalid("invalid length of a value in message"))?;
                if length > self.0.len() { Err(too_short()) } else { Ok(Some(self.0.split_to(length))) }
            }
        }
    }

    fn u8(&mut self) -> Result<u8, ErrorReport> {
        self.0.try_get_u8().map_err(|_| too_short())
    }

    fn i16(&mut self) -> Result<i16, ErrorReport> {
        self.0.try_get_i16().map_err(|_| too_short())
    }

    pub(super) fn i32(&mut self) -> Result<i32, ErrorReport> {
        self.0.try_get_i32().map_err(|_| too_short())
    }

    fn u32(&mut self) -> Result<u32, ErrorReport> {
        self.0.try_get_u32().map_err(|_| too_short())
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), ErrorReport> {
        if self.0.is_empty() { Ok(()) } else { Err(invalid("invalid message format")) }
    }
}

fn invalid(message: &str) -> ErrorReport {
    ErrorReport::new(SqlState::PROTOCOL_VIOLATION, message)
}

fn too_short() -> ErrorReport {
    invalid("insufficient data left in message")
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> ErrorReport {
    let at = error.valid_up_to();
    let shown: Vec<String> =
        bytes.iter().skip(at).take(error.error_len().unwrap_or(4)).map(|byte| format!("0x{byte:02x}")).collect();
    ErrorReport::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(kind: u8, body: &'static [u8]) -> &'static str {
        read(kind, Bytes::from_static(body)).unwrap_err().sqlstate.0
    }

    #[test]
    fn well_formed_messages_are_read() {
        assert!(
            matches!(read(b'Q', Bytes::from_static(b"SELECT 1\0")), Ok(Frontend::Query(text)) if text == "SELECT 1")
        );
        let parse = read(b'P', Bytes::from_static(b"s\0SELECT $1\0\0\x01\0\0\0\x17"));
        assert!(matches!(parse, Ok(Frontend::Parse { types, .. }) if types == [23]));
        let bind = read(b'B', Bytes::from_static(b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0"));
        let Ok(Frontend::Bind(bind)) = bind else { panic!("{bind:?}") };
        assert_eq!(bind.parameters, [Some(Bytes::from_static(b"x")), None]);
        assert_eq!(bind.parameter_formats, [1]);
        let all = read(b'E', Bytes::from_static(b"\0\xff\xff\xff\xff"));
        assert!(matches!(all, Ok(Frontend::Execute { max_rows: 0, .. })));
    }

    #[test]
    fn bodies_that_do_not_fit_their_frame_are_refused() {
        for (kind, body) in [
            (b'Q', b"SELECT 1".as_slice()),
            (b'Q', b"SELECT 1\0more"),
            (b'Q', b""),
            (b'P', b"\0\0\xff\xff"),
            (b'P', b"\0\0\0\x01\0\0"),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x05x"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
            (b'B', b"\0\0\0\0\xff\xff\0\0"),
            (b'B', b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0"),
            (b'D', b"X\0"),
            (b'D', b""),
            (b'E', b"\0\0"),
            (b'S', b"x"),
        ] {
            assert_eq!(state(kind, body), "08P01", "{} {body:?}", char::from(kind));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(kind: u8, body: Vec<u8>) {
            match read(kind, Bytes::from(body)) {
                Ok(_) => assert!(is_known(kind)),
                Err(error) => assert!(matches!(error.sqlstate.0, "08P01" | "22021")),
            }
        }

        /// Bodies that begin as theirs do, with lengths and counts that are anything.
        #[test]
        fn counts_that_lie_allocate_nothing(counts: [u16; 2], length: i32, rest: Vec<u8>) {
            let [formats, values] = counts.map(u16::to_be_bytes);
            let body = [b"p\0s\0", &formats[..], &values, &length.to_be_bytes(), &rest].concat();
            if let Ok(Frontend::Bind(bind)) = read(b'B', Bytes::from(body.clone())) {
                assert!(bind.parameters.len() * 4 <= body.len() && bind.parameter_formats.len() * 2 <= body.len());
            }
        }
    }

    #[test]
    fn text_must_be_utf8() {
        let error = read(b'Q', Bytes::from_static(b"SELECT '\xc3('\0")).unwrap_err();
        assert_eq!(error.sqlstate, SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        assert_eq!(error.message, "invalid byte sequence for encoding \"UTF8\": 0xc3");
        assert_eq!(error.severity, crate::error::Severity::Error);
    }
}
