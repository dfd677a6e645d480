//! TLS to an upstream: who is believed to be the server, and what a login is bound to.

use super::dsn::{Dsn, RootCertificates, SslMode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The protocol's name in ALPN: a server of another protocol, to which somebody redirects us, refuses it.
const ALPN: &[u8] = b"postgresql";

/// What certificates can be wrong about.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `sslrootcert`.
    #[error("sslrootcert is no file with certificates in PEM")]
    Roots,
    /// No `sslrootcert`, and the machine has none.
    #[error("this machine has no certificates of authorities: name a file with sslrootcert")]
    NoSystemRoots,
    /// `sslcert` or `sslkey`.
    #[error("sslcert or sslkey is no file with a certificate or a key in PEM")]
    ClientCertificate,
    /// All of it together.
    #[error("the certificates for an upstream can't be used: {0}")]
    Unusable(#[source] Box<rustls::Error>),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Unusable(Box::new(error))
    }
}

/// Makes what opens TLS connections as a connection string asks for; `None` for `sslmode=disable`.
pub(super) fn connector(dsn: &Dsn) -> Result<Option<TlsConnector>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match dsn.ssl_mode {
        SslMode::Disable => return Ok(None),
        SslMode::VerifyFull => builder.with_root_certificates(roots(&dsn.roots)?),
        SslMode::VerifyCa => {
            let verifier = Lenient { provider, roots: Some(roots(&dsn.roots)?) };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        SslMode::Require => {
            let verifier = Lenient { provider, roots: None };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match &dsn.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate).ok_or(TlsError::ClientCertificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|_| TlsError::ClientCertificate)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

fn roots(from: &RootCertificates) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match from {
        RootCertificates::File(path) => {
            for certificate in certificates(path).ok_or(TlsError::Roots)? {
                store.add(certificate).map_err(|_| TlsError::Roots)?;
            }
        }
        RootCertificates::System => {
            // A machine's list may hold one that can't be read: the others count.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(TlsError::NoSystemRoots);
            }
        }
    }
    Ok(store)
}

/// `verify-ca` and `require`: the name is not looked at, and without roots nothing but that the server holds the key of
/// the certificate that it shows.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
