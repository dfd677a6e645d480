//! What a login is bound to: the certificate of the TLS connection that it goes through.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// `tls-server-end-point` (RFC 5929, section 4.1): the hash of a certificate in DER, by the hash of its signature, SHA-256
/// in place of MD5 and SHA-1. `None` if the signature names no such hash: then nothing can be bound to it.
pub fn tls_server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (0x30, body, _) = element(certificate)? else { return None };
    let (_, _, after_body) = element(body)?;
    let (0x30, algorithm, _) = element(after_body)? else { return None };
    let (0x06, oid, _) = element(algorithm)? else { return None };
    // PKCS #1: 1.2.840.113549.1.1.x; ECDSA: 1.2.840.10045.4.3.x and, with SHA-1, 1.2.840.10045.4.1.
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
    const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    let (last, prefix) = oid.split_last()?;
    let bits = match (prefix, *last) {
        (RSA, 4 | 5 | 11) | (ECDSA_SHA2, 2) => 256,
        (RSA, 12) | (ECDSA_SHA2, 3) => 384,
        (RSA, 13) | (ECDSA_SHA2, 4) => 512,
        _ if oid == ECDSA_SHA1 => 256,
        _ => return None,
    };
    Some(match bits {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
        (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_der_has_no_end_point() {
        for der in [b"".as_slice(), b"\x30", b"\x30\x85", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", &[0x30; 64]]
        {
            assert_eq!(tls_server_end_point(der), None);
        }
    }
}
