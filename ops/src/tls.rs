//! TLS: mutual between sites, ordinary for S3 clients.
//!
//! A site is who its certificate says: the DNS name in it that is a site name. Each end checks
//! the other's chain against the deployment's own CA and the name against what it expects.

mod pem;

use std::sync::Arc;

use model::SiteName;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

pub use pem::{PemFile, PemFiles, PemPair};

/// Why a certificate file cannot be used: one line that names the key of the configuration and
/// the file, and never what a private key holds.
#[derive(Debug, thiserror::Error)]
#[error("key `{key}`: {what}")]
pub struct TlsError {
    /// Of the configuration.
    pub key: &'static str,
    what: String,
}

/// A site's certificate, and whom it lets in.
#[derive(Clone)]
pub struct LinkTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    allow: Arc<[SiteName]>,
}

/// Why a peer is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdmitted {
    #[error("name `{0}` is not in `link.allow`")]
    Name(String),
    #[error("no certificate that `link.ca` vouches for: {0}")]
    Certificate(rustls::Error),
}

impl LinkTls {
    /// `allow` are the sites that may connect to this one.
    ///
    /// # Errors
    /// If a file does not hold what it should.
    pub fn new(ca: &PemFile, pair: &PemPair, allow: &[SiteName]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in ca.certificates()? {
            roots.add(authority).map_err(|error| ca.error(&error))?;
        }
        let roots = Arc::new(roots);
        let chain = pair.cert.certificates()?;
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&roots),
            Arc::new(ring::default_provider()),
        );
        let verifier = verifier.build().map_err(|error| ca.error(&error))?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| pair.error(&error))?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(chain.clone(), pair.key.private_key()?)
            .map_err(|error| pair.error(&error))?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| pair.error(&error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, pair.key.private_key()?)
            .map_err(|error| pair.error(&error))?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        let (server, client) = (Arc::new(server), Arc::new(client));
        Ok(Self { server, client, verifier, allow: allow.into() })
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// The site that a certificate chain belongs to, if it may be here. A handshake has asked the
    /// same of the CA that counted then; a connection that stands is asked again when CA or names
    /// have changed.
    pub(crate) fn admits(&self, chain: &[CertificateDer<'_>]) -> Result<SiteName, NotAdmitted> {
        let name = peer_name(chain);
        let Some(name) = name.filter(|name| self.allow.contains(name)) else {
            let name = peer_name(chain).map_or_else(|| "none".to_owned(), |name| name.to_string());
            return Err(NotAdmitted::Name(name));
        };
        match chain {
            [leaf, rest @ ..] => self
                .verifier
                .verify_client_cert(leaf, rest, UnixTime::now())
                .map(|_verified| name)
                .map_err(NotAdmitted::Certificate),
            [] => Err(NotAdmitted::Name("none".to_owned())),
        }
    }
}

/// Configuration of an HTTPS S3 endpoint.
///
/// # Errors
/// If a file does not hold what it should, or certificate and key do not belong together.
pub fn s3_server(pair: &PemPair) -> Result<Arc<ServerConfig>, TlsError> {
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| pair.error(&error))?
        .with_no_client_auth()
        .with_single_cert(pair.cert.certificates()?, pair.key.private_key()?)
        .map_err(|error| pair.error(&error))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

/// Name under which a site's certificate is checked.
pub(crate) fn server_name(name: &SiteName) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_string()).ok()
}

/// The site that a verified certificate belongs to.
fn peer_name(chain: &[CertificateDer<'_>]) -> Option<SiteName> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) if *name != "localhost" => {
            SiteName::try_from((*name).to_owned()).ok()
        }
        _ => None,
    };
    names.value.general_names.iter().find_map(name)
}
