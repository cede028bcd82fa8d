//! The S3 endpoint of a site, over HTTP and HTTPS, and its admin API.
//!
//! Only this crate knows s3s. It keeps nothing itself: what a client is told has been committed
//! by the store (law 1), and a read gives the right bytes or an error (law 5).

mod access;
mod access_log;
pub mod admin;
mod attributes;
mod auth;
mod blocks;
mod body_digests;
mod checksum;
mod chunk_limit;
mod composite;
mod connection;
mod cross_origin;
mod dates;
mod documents;
mod encryption;
mod error_document;
mod errors;
mod expected_owner;
mod expiration;
mod form;
mod gateway;
mod handler;
mod host;
mod lifecycle;
mod limited;
mod limits;
mod listing;
mod messages;
mod meter;
mod names;
mod object_body;
mod operation;
mod part_checksums;
mod places;
mod plan;
mod preconditions;
mod presigned;
mod promises;
mod query;
mod range;
mod rates;
mod read_miss;
mod receive;
mod service;
mod settings;
mod subresource;
mod tls_session;
mod unsupported;
mod version_two;
mod wrong_region;
mod xml;

#[cfg(test)]
mod tests;

pub use access_log::{AccessLog, Delivery, Pace, Recorder};
pub use auth::RootKeys;
pub use documents::lifecycle::Day;
pub use gateway::{Gateway, Options};
pub use lifecycle::expire_forever;
pub use limits::{Limits, Live, Rate};
pub use read_miss::{MissError, ReadMiss};
