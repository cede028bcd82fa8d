//! Rows of the engine, written past the store: its hash tree knows nothing of it.
//!
//! What a row is stands in `store/src/records`. It is not shared with it on purpose: what goes behind
//! its back must not change with it unseen.

use std::path::Path;

use bytes::Bytes;
use model::{Content, Manifest, Position, Slot, Version};
use store::{Batch, Embedded, Engine, Table};

use crate::{Named, Outcome};

/// Format byte of an object's record.
const FORMAT: u8 = 3;

/// Version, position, birth of its bucket, what it is unless it is deleted, and its slot.
type Record = (Version, Position, Version, Option<Manifest>, Slot);

pub(crate) struct Rows(Embedded);

impl Rows {
    pub(crate) fn open(data: &Path) -> Outcome<Self> {
        Ok(Self(Embedded::open(&data.join("engine"))?))
    }

    pub(crate) fn delete(&self, named: &Named) -> Outcome {
        self.read(named)?;
        self.write(named, None)
    }

    /// Cuts it short in the middle of its version.
    pub(crate) fn corrupt(&self, named: &Named) -> Outcome {
        self.read(named)?;
        self.write(named, Some(Bytes::from_static(&[FORMAT, 0xff])))
    }

    pub(crate) fn forge(&self, named: &Named) -> Outcome {
        let mut manifest = self.manifest(named)?;
        manifest.metadata.insert("forged".to_owned(), "yes".to_owned());
        if let Content::Inline(body) = &manifest.content {
            let forged: Vec<u8> = body.iter().map(|byte| !byte).collect();
            manifest.content = Content::Inline(forged.into());
        }
        let (version, position, birth, _, slot) = self.read(named)?;
        let record: Record = (version, position, birth, Some(manifest), slot);
        self.write(named, Some(postcard::to_extend(&record, vec![FORMAT])?.into()))
    }

    /// What an object is.
    pub(crate) fn manifest(&self, named: &Named) -> Outcome<Manifest> {
        let (.., manifest, _) = self.read(named)?;
        manifest.ok_or_else(|| format!("`{}` is deleted", named.key.as_str()).into())
    }

    fn read(&self, named: &Named) -> Outcome<Record> {
        let none = || format!("there is no record of `{}`", named.key.as_str());
        let value = self.0.get(Table::Objects, &row(named))?.ok_or_else(none)?;
        match value.split_first() {
            Some((&FORMAT, body)) => Ok(postcard::from_bytes(body)?),
            _ => Err("the record is of another format than this program knows".into()),
        }
    }

    fn write(&self, named: &Named, value: Option<Bytes>) -> Outcome {
        Ok(self.0.commit(Batch::from([((Table::Objects, row(named)), value)]))?)
    }
}

fn row(named: &Named) -> Bytes {
    [named.bucket.as_str().as_bytes(), &[0], named.key.as_str().as_bytes()].concat().into()
}
