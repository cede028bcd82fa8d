//! The certificate files of a configuration, read together so that they can be compared and
//! tried before any of them is used.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use crate::Config;

/// What one key of the configuration names.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    key: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Never its bytes: they may be a private key.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PemFile({}: {})", self.key, self.path.display())
    }
}

/// A certificate chain, and the private key to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PemPair {
    pub(super) cert: PemFile,
    pub(super) key: PemFile,
}

/// All certificate files of a site.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PemFiles {
    /// CA and pair of the link.
    pub link: Option<(PemFile, PemPair)>,
    /// Of the S3 endpoint.
    pub s3: Option<PemPair>,
}

impl PemFile {
    /// Reads the file that `key` names.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(key: &'static str, path: &Path) -> Result<Self, TlsError> {
        let file = Self { key, path: path.to_owned(), bytes: Vec::new() };
        let bytes = std::fs::read(path).map_err(|error| file.error(&error))?;
        Ok(Self { bytes, ..file })
    }

    /// What the file holds is wrong.
    pub(super) fn error(&self, cause: &dyn fmt::Display) -> TlsError {
        let path = self.path.display();
        let what = format!("`{path}`: {cause}; `towline certs` makes certificates");
        TlsError { key: self.key, what }
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let read: Result<Vec<_>, pem::Error> =
            CertificateDer::pem_slice_iter(&self.bytes).collect();
        let read = read.map_err(|error| self.error(&error))?;
        if read.is_empty() {
            return Err(self.error(&"holds no certificate"));
        }
        Ok(read)
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // Not the parser's own text: it may quote what it stumbled over.
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => self.error(&"holds no private key"),
            _ => self.error(&"is no PEM file of a private key"),
        })
    }
}

impl PemPair {
    /// Reads both files.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn read(cert: (&'static str, &Path), key: (&'static str, &Path)) -> Result<Self, TlsError> {
        Ok(Self { cert: PemFile::read(cert.0, cert.1)?, key: PemFile::read(key.0, key.1)? })
    }

    /// Each is in order, and yet they are not of one another.
    pub(super) fn error(&self, cause: &dyn fmt::Display) -> TlsError {
        let (cert, key) = (self.cert.path.display(), self.key.path.display());
        let what = format!("certificate `{cert}` and key `{key}` do not work together: {cause}");
        TlsError { key: self.cert.key, what }
    }

    /// When the first certificate of the chain expires, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// If it is no certificate.
    pub fn expires(&self) -> Result<i64, TlsError> {
        let mut first = i64::MAX;
        for certificate in self.cert.certificates()? {
            let (_, certificate) =
                X509Certificate::from_der(&certificate).map_err(|error| self.cert.error(&error))?;
            first = first.min(certificate.validity().not_after.timestamp());
        }
        Ok(first)
    }
}

impl PemFiles {
    /// Reads every file that the configuration names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn read(config: &Config) -> Result<Self, TlsError> {
        let link = config.link.as_ref().map(|link| {
            let pair = PemPair::read(("link.cert", &link.cert), ("link.key", &link.key))?;
            Ok((PemFile::read("link.ca", &link.ca)?, pair))
        });
        let s3 = config.s3.tls_cert.as_ref().zip(config.s3.tls_key.as_ref());
        let s3 = s3.map(|(cert, key)| PemPair::read(("s3.tls_cert", cert), ("s3.tls_key", key)));
        Ok(Self { link: link.transpose()?, s3: s3.transpose()? })
    }

    /// Keys whose files are not what they were.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<&'static str> {
        let old: Vec<_> = self.files().collect();
        new.files().filter(|file| !old.contains(file)).map(|file| file.key).collect()
    }

    fn files(&self) -> impl Iterator<Item = &PemFile> {
        let link = self.link.iter().flat_map(|(ca, pair)| [ca, &pair.cert, &pair.key]);
        self.s3.iter().flat_map(|pair| [&pair.cert, &pair.key]).chain(link)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::LinkTls;

    fn files(home: &Path) -> PemFiles {
        let path = |name: &str| home.join(name);
        let pair = PemPair::read(("link.cert", &path("east.pem")), ("link.key", &path("east.key")));
        let ca = PemFile::read("link.ca", &path("ca.pem"));
        PemFiles { link: Some((ca.unwrap(), pair.unwrap())), s3: None }
    }

    fn made() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let east = model::SiteName::try_from("east".to_owned()).unwrap();
        crate::certs::make(home.path(), &[east]).unwrap();
        home
    }

    #[test]
    fn a_file_that_was_replaced_is_named_by_its_key() {
        let home = made();
        let old = files(home.path());
        assert_eq!(old.changes(&files(home.path())), Vec::<&str>::new());
        for name in ["east.pem", "east.key"] {
            fs::remove_file(home.path().join(name)).unwrap();
        }
        let east = model::SiteName::try_from("east".to_owned()).unwrap();
        crate::certs::make(home.path(), &[east]).unwrap();
        assert_eq!(old.changes(&files(home.path())), ["link.cert", "link.key"]);
        assert_eq!(PemFiles::default().changes(&old).len(), 3);
    }

    #[test]
    fn a_certificate_says_when_it_expires() {
        let home = made();
        let (_, pair) = files(home.path()).link.unwrap();
        let year_2100 = 4_102_444_800;
        assert!(pair.expires().unwrap() > year_2100, "certificates for trying out last long");
    }

    #[test]
    fn nothing_shows_a_private_key() {
        let home = made();
        let key = home.path().join("east.key");
        let text = fs::read_to_string(&key).unwrap();
        let secret = text.lines().nth(1).unwrap();
        let shown = format!("{:?}", files(home.path()));
        assert!(shown.contains("east.key") && !shown.contains(secret), "{shown}");
        for spoilt in [
            text.replace("-----BEGIN", "-----BEGUN"),
            text.replace("-----END", "-----ENDED"),
            text.replace('\n', "#\n"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
        ] {
            fs::write(&key, &spoilt).unwrap();
            let (ca, pair) = files(home.path()).link.unwrap();
            let error = LinkTls::new(&ca, &pair, &[]).err().unwrap();
            assert!(error.to_string().contains("east.key"), "{error}");
            assert!(!format!("{error} {error:?}").contains(&secret[..8]), "{error}");
        }
    }
}
