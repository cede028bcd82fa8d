//! TLS: mutual between sites, ordinary for S3 clients.
//!
//! A site is who its certificate says: the DNS name in it that is a site name. Each end checks
//! the other's chain against the deployment's own CA and the name against what it expects.

use std::{path::Path, sync::Arc};

use model::SiteName;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why certificates cannot be used; one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{path}`: {cause}; `towline certs` makes certificates")]
    File { path: String, cause: String },
    #[error("certificate `{cert}` and key `{key}` do not work together: {cause}")]
    Pair { cert: String, key: String, cause: String },
}

/// A site's certificate, and whom it lets in.
#[derive(Clone)]
pub struct LinkTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    allow: Arc<[SiteName]>,
}

impl LinkTls {
    /// Reads the files. `allow` are the sites that may connect to this one.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub fn load(
        ca: &Path,
        (cert, key): (&Path, &Path),
        allow: &[SiteName],
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca)? {
            roots.add(authority).map_err(|error| file_error(ca, &error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(cert)?;
        let pair_error = |error: rustls::Error| TlsError::Pair {
            cert: cert.display().to_string(),
            key: key.display().to_string(),
            cause: error.to_string(),
        };
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&roots),
            Arc::new(ring::default_provider()),
        );
        let verifier = verifier.build().map_err(|error| file_error(ca, &error))?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair_error)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), private_key(key)?)
            .map_err(pair_error)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair_error)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private_key(key)?)
            .map_err(pair_error)?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client), allow: allow.into() })
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    pub(crate) fn allows(&self, name: &SiteName) -> bool {
        self.allow.contains(name)
    }
}

/// Configuration of an HTTPS S3 endpoint.
///
/// # Errors
/// If a file cannot be read, or certificate and key do not belong together.
pub fn s3_server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pair_error = |error: rustls::Error| TlsError::Pair {
        cert: cert.display().to_string(),
        key: key.display().to_string(),
        cause: error.to_string(),
    };
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair_error)?
        .with_no_client_auth()
        .with_single_cert(certificates(cert)?, private_key(key)?)
        .map_err(pair_error)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

/// Name under which a site's certificate is checked.
pub(crate) fn server_name(name: &SiteName) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_string()).ok()
}

/// The site that a verified certificate belongs to.
pub(crate) fn peer_name(chain: &[CertificateDer<'_>]) -> Option<SiteName> {
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

fn file_error(path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.display().to_string(), cause: cause.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| file_error(path, &error))?;
    if read.is_empty() {
        return Err(file_error(path, &"holds no certificate"));
    }
    Ok(read)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error(path, &error))
}
