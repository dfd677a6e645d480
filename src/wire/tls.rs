//! TLS: the server's certificate and key, and what a client binds its login to.

use crate::types::tls_server_end_point;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
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
    let end_point = tls_server_end_point(own.as_ref());
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

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

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
}
