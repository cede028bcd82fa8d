//! Making a CA, a certificate for each site, and a class key.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use model::SiteName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Why certificates were not made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    #[error("`{path}`")]
    File {
        path: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
}

/// Makes what is not there yet in `directory`: `ca.pem` and `ca.key`, `NAME.pem` and `NAME.key`
/// for each site, and `class.key`. Nothing is ever overwritten. Returns the names of new files.
///
/// # Errors
/// If a file cannot be read or written, or an existing CA cannot be used.
pub fn make(directory: &Path, sites: &[SiteName]) -> Result<Vec<String>, CertsError> {
    fs::create_dir_all(directory).map_err(|cause| file_error(directory, cause))?;
    let mut made = Vec::new();
    let ca = authority(directory, &mut made)?;
    for site in sites {
        let (cert_name, key_name) = (format!("{site}.pem"), format!("{site}.key"));
        if directory.join(&cert_name).exists() {
            continue;
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![site.to_string(), "localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::CommonName, site.as_str());
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &ca)?;
        write(directory, &key_name, &key.serialize_pem(), &mut made)?;
        write(directory, &cert_name, &certificate.pem(), &mut made)?;
    }
    let says = "Class keys: name:key. The first seals, all open. Every site needs the same file.";
    key_file(directory, ("class.key", "default"), says, &mut made)?;
    Ok(made)
}

/// Makes what is not there yet of `NAME.site.key` for each site, with a key that what clients encrypt
/// rests under there, and of `named.key`, with one that they can name. Returns the names of new files.
///
/// # Errors
/// If a file cannot be written.
pub fn make_data_keys(
    directory: &Path,
    sites: &[SiteName],
    named: &str,
) -> Result<Vec<String>, CertsError> {
    fs::create_dir_all(directory).map_err(|cause| file_error(directory, cause))?;
    let mut made = Vec::new();
    for site in sites {
        let says = "Keys of this site alone: name:key. Data keys rest under the first, all open.";
        let file = format!("{site}.site.key");
        key_file(directory, (&file, "site-1"), says, &mut made)?;
    }
    let says = "Keys that clients name: name:key. Every site needs the same file.";
    key_file(directory, ("named.key", named), says, &mut made)?;
    Ok(made)
}

fn key_file(
    directory: &Path,
    (file, id): (&str, &str),
    says: &str,
    made: &mut Vec<String>,
) -> Result<(), CertsError> {
    if directory.join(file).exists() {
        return Ok(());
    }
    let key: [u8; 32] = rand::Rng::random(&mut rand::rng());
    write(directory, file, &format!("# {says}\n{id}:{}\n", hex::encode(key)), made)
}

fn authority(
    directory: &Path,
    made: &mut Vec<String>,
) -> Result<Issuer<'static, KeyPair>, CertsError> {
    let key_path = directory.join("ca.key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "towline CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if key_path.exists() {
        // An issuer is its name and its key; the name is always the same.
        let key = fs::read_to_string(&key_path).map_err(|cause| file_error(&key_path, cause))?;
        return Ok(Issuer::new(params, KeyPair::from_pem(&key)?));
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write(directory, "ca.key", &key.serialize_pem(), made)?;
    write(directory, "ca.pem", &certificate.pem(), made)?;
    Ok(Issuer::new(params, key))
}

fn write(
    directory: &Path,
    name: &str,
    text: &str,
    made: &mut Vec<String>,
) -> Result<(), CertsError> {
    let path = directory.join(name);
    let mode = if name.ends_with(".pem") { 0o644 } else { 0o600 };
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|cause| file_error(&path, cause))?;
    made.push(name.to_owned());
    Ok(())
}

fn file_error(path: &Path, cause: std::io::Error) -> CertsError {
    CertsError::File { path: path.display().to_string(), cause }
}
