//! What a client may take of the endpoint. All of it can change while the endpoint serves.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use tokio_rustls::rustls::ServerConfig;

/// What counts for each new connection and each request, until it is replaced.
#[derive(Clone)]
pub struct Live {
    /// HTTPS instead of HTTP. Its ALPN may offer `h2` and `http/1.1`.
    pub tls: Option<Arc<ServerConfig>>,
    pub limits: Limits,
}

/// Bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue. Each may hold two blocks of a read.
    pub connections_max: NonZeroUsize,
    /// Of one client; more are answered `SlowDown` and closed.
    pub connections_per_client_max: NonZeroUsize,
    /// Line and headers of a request.
    pub header_bytes_max: usize,
    /// Requests of one client; `None` is no limit.
    pub rate: Option<Rate>,
}

/// So many requests a second, after so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// Who is counted as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what
/// one machine or household has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
            ip @ IpAddr::V4(_) => ip,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_or_a_network() {
        let of = |address: &str| Client::of(address.parse().unwrap());
        assert_eq!(of("192.0.2.1:1"), of("192.0.2.1:2"));
        assert_eq!(of("192.0.2.1:1"), of("[::ffff:192.0.2.1]:1"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.2.2:1"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:1]:1"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
    }
}
