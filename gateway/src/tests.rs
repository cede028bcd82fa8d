//! Requests as clients send them, signed, against a store in a temporary directory.

mod access;
mod access_log;
mod addresses;
mod bucket_logging;
mod buckets;
mod documents;
mod encryption;
mod forms;
mod integrity;
mod limits;
mod listing;
mod lock;
mod misses;
mod multipart;
mod objects;
mod operations;
mod quotas;
mod reads;
mod server;
pub(crate) mod site;
mod users;
mod wire;
