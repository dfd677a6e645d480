//! TLS: the server's certificate and key, and what a client binds its login to.

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The protocol's name in ALPN.
pub(super) const ALPN: &[u8] = b"postgresql";

/// What a certificate and key can be wrong about.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file.
    #[error("the certificate file holds no certificate that can be read")]
    Certificate,
    /// The key file.
    #[error("the key file holds no private key that can be read")]
    Key,
    /// The two together.
    #[error("certificate and key can't be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The making of a self-signed certificate.
    #[error("a self-signed certificate could not be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// A server's certificate and key, ready for handshakes.
pub struct Tls {
    acceptor: TlsAcceptor,
    end_point: Option<Vec<u8>>,
}

impl Tls {
    /// What takes handshakes.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// `tls-server-end-point` (RFC 5929, section 4.1): the hash of the certificate, by the hash of its signature, SHA-256
    /// in place of MD5 and SHA-1. `None` if the signature names no such hash: then channel binding is not offered.
    pub fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }
}

/// Makes TLS from a chain of certificates, the server's own first, and its key, both in PEM.
///
/// # Errors
/// [`TlsError`] says which of the two is wrong.
pub fn acceptor(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Tls, TlsError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate_pem).collect::<Result<_, _>>().map_err(|_| TlsError::Certificate)?;
    let own = chain.first().ok_or(TlsError::Certificate)?;
    let end_point = end_point(own.as_ref());
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), end_point })
}

/// Makes a self-signed certificate for `localhost`, for demos and tests: certificate and key in PEM.
///
/// # Errors
/// [`TlsError::SelfSigned`].
pub fn demo_certificate() -> Result<(String, String), TlsError> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
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
    fn a_demo_certificate_can_be_bound_to() {
        let (certificate, key) = demo_certificate().unwrap();
        let tls = acceptor(certificate.as_bytes(), key.as_bytes()).unwrap();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(tls.end_point(), Some(Sha256::digest(&der).as_slice()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (certificate, key) = demo_certificate().unwrap();
        assert!(matches!(acceptor(b"", key.as_bytes()), Err(TlsError::Certificate)));
        assert!(matches!(acceptor(certificate.as_bytes(), b""), Err(TlsError::Key)));
        let (_, other) = demo_certificate().unwrap();
        assert!(matches!(acceptor(certificate.as_bytes(), other.as_bytes()), Err(TlsError::Unusable(_))));
    }

    #[test]
    fn broken_der_has_no_end_point() {
        for der in [b"".as_slice(), b"\x30", b"\x30\x85", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", &[0x30; 64]]
        {
            assert_eq!(end_point(der), None);
        }
    }
}
