//! The S3 endpoint of a site, over HTTP and HTTPS, and its admin API.
//!
//! Only this crate knows s3s. It keeps nothing itself: what a client is told has been committed
//! by the store (law 1), and a read gives the right bytes or an error (law 5).

pub mod admin;
mod attributes;
mod auth;
mod blocks;
mod body_digests;
mod checksum;
mod chunk_limit;
mod errors;
mod gateway;
mod handler;
mod listing;
mod meter;
mod names;
mod object_body;
mod operation;
mod plan;
mod preconditions;
mod promises;
mod range;
mod read_miss;
mod receive;
mod service;
mod unsupported;

#[cfg(test)]
mod tests;

pub use auth::RootKeys;
pub use gateway::{Gateway, Options};
pub use read_miss::{MissError, ReadMiss};
