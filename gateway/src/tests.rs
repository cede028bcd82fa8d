//! Requests as clients send them, signed, against a store in a temporary directory.

mod access;
mod buckets;
mod documents;
mod limits;
mod listing;
mod misses;
mod multipart;
mod objects;
mod reads;
mod server;
pub(crate) mod site;
mod users;
mod wire;
