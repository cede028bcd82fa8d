//! What may happen in a commit section, one family of rules a file. Rules read and write rows
//! and do nothing else; the committer makes what they wrote durable.

pub(crate) mod apply;
pub(crate) mod attributes;
pub(crate) mod blocks;
pub(crate) mod client;
pub(crate) mod collect;
pub(crate) mod floor;
pub(crate) mod holes;
pub(crate) mod locate;
pub(crate) mod lock;
pub(crate) mod multipart;
pub(crate) mod place;
pub(crate) mod quarantine;
pub(crate) mod quotas;
mod repair;
pub(crate) mod site;
pub(crate) mod users;
pub(crate) mod versions;
