//! `manifest` of `object_put.avsc`, and what it is made of.

use std::{borrow::Cow, collections::BTreeMap};

use apache_avro::serde_avro_fixed;
use model::{BlockHash, BlockRef, Content, Digest, ETag, Manifest, Part, Parts, SegmentRef};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::{cow_bytes, narrow},
};

type Texts = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
pub(crate) struct ManifestRecord<'a> {
    size: i64,
    etag: Cow<'a, str>,
    headers: Cow<'a, Texts>,
    metadata: Cow<'a, Texts>,
    checksums: Cow<'a, Texts>,
    parts: Option<Vec<PartRecord>>,
    content: ContentRecord<'a>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PartRecord {
    size: i64,
    #[serde(with = "serde_avro_fixed")]
    md5: [u8; 16],
}

/// A union: its variants stand in the order of the `.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) enum ContentRecord<'a> {
    Inline(InlineRecord<'a>),
    Blocks(BlocksRecord),
    Segments(SegmentsRecord),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct InlineRecord<'a> {
    #[serde(with = "cow_bytes")]
    body: Cow<'a, [u8]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct BlocksRecord {
    blocks: Vec<BlockRecord>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct BlockRecord {
    #[serde(with = "serde_avro_fixed")]
    hash: [u8; 32],
    length: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SegmentsRecord {
    segments: Vec<SegmentRecord>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SegmentRecord {
    #[serde(with = "serde_avro_fixed")]
    hash: [u8; 32],
    length: i64,
    span: i64,
}

impl<'a> From<&'a Manifest> for ManifestRecord<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        let part = |part: &Part| PartRecord { size: part.size.cast_signed(), md5: part.md5 };
        let parts = match &manifest.parts {
            Parts::Whole => None,
            Parts::Listed(parts) => Some(parts.iter().map(part).collect()),
        };
        Self {
            size: manifest.size.cast_signed(),
            etag: Cow::Borrowed(&manifest.etag.0),
            headers: Cow::Borrowed(&manifest.headers),
            metadata: Cow::Borrowed(&manifest.metadata),
            checksums: Cow::Borrowed(&manifest.checksums),
            parts,
            content: (&manifest.content).into(),
        }
    }
}

impl TryFrom<ManifestRecord<'_>> for Manifest {
    type Error = CodecError;

    fn try_from(record: ManifestRecord<'_>) -> Result<Self, CodecError> {
        let part = |part: PartRecord| Part { size: part.size.cast_unsigned(), md5: part.md5 };
        let parts = match record.parts {
            None => Parts::Whole,
            Some(parts) => Parts::Listed(parts.into_iter().map(part).collect()),
        };
        Ok(Self {
            size: record.size.cast_unsigned(),
            etag: ETag(record.etag.into_owned()),
            headers: record.headers.into_owned(),
            metadata: record.metadata.into_owned(),
            checksums: record.checksums.into_owned(),
            parts,
            content: record.content.try_into()?,
            encryption: None,
        })
    }
}

impl<'a> From<&'a Content> for ContentRecord<'a> {
    fn from(content: &'a Content) -> Self {
        let block =
            |block: &BlockRef| BlockRecord { hash: block.hash.0.0, length: block.length.into() };
        let segment = |segment: &SegmentRef| SegmentRecord {
            hash: segment.stored.hash.0.0,
            length: segment.stored.length.into(),
            span: segment.span.cast_signed(),
        };
        match content {
            Content::Inline(body) => Self::Inline(InlineRecord { body: Cow::Borrowed(body) }),
            Content::Blocks(blocks) => {
                Self::Blocks(BlocksRecord { blocks: blocks.iter().map(block).collect() })
            }
            Content::Segments(segments) => {
                Self::Segments(SegmentsRecord { segments: segments.iter().map(segment).collect() })
            }
        }
    }
}

impl TryFrom<ContentRecord<'_>> for Content {
    type Error = CodecError;

    fn try_from(record: ContentRecord<'_>) -> Result<Self, CodecError> {
        let block = |record: BlockRecord| stored(record.hash, record.length);
        let segment = |record: SegmentRecord| {
            Ok(SegmentRef {
                stored: stored(record.hash, record.length)?,
                span: record.span.cast_unsigned(),
            })
        };
        Ok(match record {
            ContentRecord::Inline(inline) => Self::Inline(inline.body.into_owned().into()),
            ContentRecord::Blocks(BlocksRecord { blocks }) => {
                Self::Blocks(blocks.into_iter().map(block).collect::<Result<_, _>>()?)
            }
            ContentRecord::Segments(SegmentsRecord { segments }) => {
                let segments = segments.into_iter().map(segment);
                Self::Segments(segments.collect::<Result<_, CodecError>>()?)
            }
        })
    }
}

fn stored(hash: [u8; 32], length: i64) -> Result<BlockRef, CodecError> {
    Ok(BlockRef { hash: BlockHash(Digest(hash)), length: narrow("length", length)? })
}
