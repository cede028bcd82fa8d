//! How a connection is encrypted, by the names that S3's access logs have for it.

use tokio::net::TcpStream;
use tokio_rustls::{
    rustls::{CipherSuite, ProtocolVersion},
    server::TlsStream,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TlsSession {
    pub(crate) version: &'static str,
    pub(crate) cipher_suite: &'static str,
}

impl TlsSession {
    /// Of a connection whose handshake is done.
    pub(crate) fn of(stream: &TlsStream<TcpStream>) -> Option<Self> {
        let connection = stream.get_ref().1;
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => return None,
        };
        let cipher_suite = name(connection.negotiated_cipher_suite()?.suite())?;
        Some(Self { version, cipher_suite })
    }
}

/// OpenSSL's name, which is what the logs have.
fn name(suite: CipherSuite) -> Option<&'static str> {
    Some(match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::crypto::ring;

    use super::*;

    #[test]
    fn every_cipher_suite_that_is_spoken_has_its_name() {
        for suite in ring::ALL_CIPHER_SUITES {
            assert!(name(suite.suite()).is_some(), "{suite:?}");
        }
    }
}
