//! One number for all statements of the same form: for counting, caching and grouping, never for deciding.

use super::lexer::{Kind, Token};
use super::redact::{Shape, shapes};
use sha2::{Digest, Sha256};

/// The first 64 bits of a SHA-256 over the tokens without constants. Words are folded and lists of constants behind
/// `IN` count as one, so it is the same in every process and every release that has the same rules.
pub(super) fn of_tokens(tokens: &[Token<'_>]) -> u64 {
    let shapes: Vec<Shape<'_>> = shapes(tokens).collect();
    let mut hash = Sha256::new();
    let mut rest = shapes.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        feed(&mut hash, first);
        if matches!(first, Shape::Token(token) if token.is_word("in"))
            && let Some(length) = constant_list(rest)
        {
            hash.update(b"(?)\n");
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    hash.finalize().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn feed(hash: &mut Sha256, shape: &Shape<'_>) {
    match shape {
        Shape::Literal => hash.update(b"?"),
        Shape::Token(token) if token.kind == Kind::Word => hash.update(token.text.to_lowercase().as_bytes()),
        Shape::Token(token) if token.text == "!=" => hash.update(b"<>"),
        Shape::Token(token) => hash.update(token.text.as_bytes()),
    }
    hash.update(b"\n");
}

/// How many shapes a list of constants in parentheses takes; `None` if there is none here.
fn constant_list(shapes: &[Shape<'_>]) -> Option<usize> {
    let is_part = |shape: &Shape<'_>| {
        matches!(shape, Shape::Literal) || [",", "-", "+"].iter().any(|symbol| shape.is_symbol(symbol))
    };
    let (open, inside) = shapes.split_first()?;
    let length = inside.iter().position(|shape| !is_part(shape))?;
    (open.is_symbol("(") && length > 0 && inside.get(length)?.is_symbol(")")).then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lexer::tokens;

    fn fingerprint(text: &str) -> u64 {
        of_tokens(&tokens(text).collect::<Result<Vec<_>, _>>().unwrap())
    }

    #[test]
    fn constants_comments_space_case_and_list_length_do_not_count() {
        let one = fingerprint("SELECT a FROM t WHERE b = 'x' AND c IN (1, 2)");
        assert_eq!(one, fingerprint("select  a from t /* c */ where b='yy' and c in (-3,4,5,6)"));
        assert_ne!(one, fingerprint("SELECT a FROM t WHERE b = 'x' AND c IN (1, d)"));
        assert_ne!(one, fingerprint("SELECT a FROM u WHERE b = 'x' AND c IN (1, 2)"));
        assert_ne!(fingerprint("SELECT \"A\""), fingerprint("SELECT \"a\""));
    }

    #[test]
    fn it_is_the_same_in_every_process() {
        assert_eq!(fingerprint("SELECT 1"), fingerprint("SELECT 2"));
        let mut hash = Sha256::new();
        hash.update(b"select\n?\n");
        assert_eq!(fingerprint("SELECT 1").to_be_bytes(), hash.finalize()[..8]);
    }
}
