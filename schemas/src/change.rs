//! Rust types of the payload records, and their way from and to [`model::Change`].

use std::collections::BTreeMap;

use apache_avro::{serde_avro_bytes, serde_avro_bytes_opt};
use bytes::Bytes;
use model::{
    Attributes, BlockHash, BlockRef, Bucket, BucketName, Change, Content, Digest, ETag, Manifest,
    ObjectKey, Part, Parts, Register, SegmentRef, User, UserId, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    envelope::{fixed, version},
    error::CodecError,
    registry::{Kind, Registry},
};

#[derive(Serialize, Deserialize)]
struct PartRecord {
    size: i64,
    #[serde(with = "serde_avro_bytes")]
    md5: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct BlockRecord {
    #[serde(with = "serde_avro_bytes")]
    hash: Vec<u8>,
    length: i64,
}

#[derive(Serialize, Deserialize)]
struct SegmentRecord {
    #[serde(with = "serde_avro_bytes")]
    hash: Vec<u8>,
    length: i64,
    span: i64,
}

#[derive(Serialize, Deserialize)]
struct ManifestRecord {
    size: i64,
    etag: String,
    headers: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    checksums: BTreeMap<String, String>,
    parts: Option<Vec<PartRecord>>,
    #[serde(with = "serde_avro_bytes_opt")]
    inline: Option<Vec<u8>>,
    blocks: Option<Vec<BlockRecord>>,
    segments: Option<Vec<SegmentRecord>>,
}

#[derive(Serialize, Deserialize)]
struct ObjectPut {
    bucket: String,
    key: String,
    birth_hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    birth_site: Vec<u8>,
    manifest: ManifestRecord,
}

#[derive(Serialize, Deserialize)]
struct ObjectDeleted {
    bucket: String,
    key: String,
    birth_hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    birth_site: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct BucketPut {
    bucket: String,
    birth_hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    birth_site: Vec<u8>,
    owner: String,
}

#[derive(Serialize, Deserialize)]
struct BucketDeleted {
    bucket: String,
}

#[derive(Serialize, Deserialize)]
struct RegisterRecord {
    name: String,
    hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    site: Vec<u8>,
    #[serde(with = "serde_avro_bytes")]
    value: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct AttributesRecord {
    bucket: String,
    key: String,
    of_hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    of_site: Vec<u8>,
    registers: Vec<RegisterRecord>,
}

#[derive(Serialize, Deserialize)]
struct UserPut {
    user: String,
    name: String,
    access_key: String,
    secret_key: String,
    enabled: bool,
}

#[derive(Serialize, Deserialize)]
struct UserDeleted {
    user: String,
}

/// Single-object encodes a change.
pub(crate) fn encode(registry: &Registry, change: &Change) -> Result<Vec<u8>, CodecError> {
    match change {
        Change::ObjectPut {
            bucket,
            key,
            birth,
            manifest,
        } => {
            let (birth_hlc, birth_site) = version_fields(*birth);
            let manifest = manifest_record(manifest);
            let (bucket, key) = (bucket.to_string(), key.to_string());
            let record = ObjectPut {
                bucket,
                key,
                birth_hlc,
                birth_site,
                manifest,
            };
            registry.encode(Kind::ObjectPut, &record)
        }
        Change::ObjectDeleted { bucket, key, birth } => {
            let (birth_hlc, birth_site) = version_fields(*birth);
            let (bucket, key) = (bucket.to_string(), key.to_string());
            let record = ObjectDeleted {
                bucket,
                key,
                birth_hlc,
                birth_site,
            };
            registry.encode(Kind::ObjectDeleted, &record)
        }
        Change::BucketPut { bucket, state } => {
            let (birth_hlc, birth_site) = version_fields(state.birth);
            let (bucket, owner) = (bucket.to_string(), state.owner.to_string());
            registry.encode(
                Kind::BucketPut,
                &BucketPut {
                    bucket,
                    birth_hlc,
                    birth_site,
                    owner,
                },
            )
        }
        Change::BucketDeleted { bucket } => {
            let record = BucketDeleted {
                bucket: bucket.to_string(),
            };
            registry.encode(Kind::BucketDeleted, &record)
        }
        Change::Attributes {
            bucket,
            key,
            of,
            attributes,
        } => {
            let (of_hlc, of_site) = version_fields(*of);
            let (bucket, key) = (bucket.to_string(), key.to_string());
            let registers = attributes.0.iter().map(register_record).collect();
            let record = AttributesRecord {
                bucket,
                key,
                of_hlc,
                of_site,
                registers,
            };
            registry.encode(Kind::Attributes, &record)
        }
        Change::UserPut { user, state } => {
            let User {
                name,
                access_key,
                secret_key,
                enabled,
            } = state.clone();
            let user = user.to_string();
            let record = UserPut {
                user,
                name,
                access_key,
                secret_key,
                enabled,
            };
            registry.encode(Kind::UserPut, &record)
        }
        Change::UserDeleted { user } => registry.encode(
            Kind::UserDeleted,
            &UserDeleted {
                user: user.to_string(),
            },
        ),
    }
}

/// Decodes a change of any kind that this release knows.
pub(crate) fn decode(registry: &Registry, bytes: &[u8]) -> Result<Change, CodecError> {
    match registry.kind(bytes)? {
        Kind::ObjectPut => {
            let record: ObjectPut = registry.decode(Kind::ObjectPut, bytes)?;
            let birth = version(record.birth_hlc, "birth_site", &record.birth_site)?;
            let (bucket, key) = (bucket_name(record.bucket)?, object_key(record.key)?);
            let manifest = Box::new(manifest(record.manifest)?);
            Ok(Change::ObjectPut {
                bucket,
                key,
                birth,
                manifest,
            })
        }
        Kind::ObjectDeleted => {
            let record: ObjectDeleted = registry.decode(Kind::ObjectDeleted, bytes)?;
            let birth = version(record.birth_hlc, "birth_site", &record.birth_site)?;
            let (bucket, key) = (bucket_name(record.bucket)?, object_key(record.key)?);
            Ok(Change::ObjectDeleted { bucket, key, birth })
        }
        Kind::BucketPut => {
            let record: BucketPut = registry.decode(Kind::BucketPut, bytes)?;
            let birth = version(record.birth_hlc, "birth_site", &record.birth_site)?;
            let state = Bucket {
                birth,
                owner: UserId::try_from(record.owner)?,
            };
            Ok(Change::BucketPut {
                bucket: bucket_name(record.bucket)?,
                state,
            })
        }
        Kind::BucketDeleted => {
            let record: BucketDeleted = registry.decode(Kind::BucketDeleted, bytes)?;
            Ok(Change::BucketDeleted {
                bucket: bucket_name(record.bucket)?,
            })
        }
        Kind::Attributes => {
            let record: AttributesRecord = registry.decode(Kind::Attributes, bytes)?;
            let of = version(record.of_hlc, "of_site", &record.of_site)?;
            let (bucket, key) = (bucket_name(record.bucket)?, object_key(record.key)?);
            let registers = record.registers.into_iter().map(register);
            let attributes = Attributes(registers.collect::<Result<_, CodecError>>()?);
            Ok(Change::Attributes {
                bucket,
                key,
                of,
                attributes,
            })
        }
        Kind::UserPut => {
            let record: UserPut = registry.decode(Kind::UserPut, bytes)?;
            let UserPut {
                user,
                name,
                access_key,
                secret_key,
                enabled,
            } = record;
            let state = User {
                name,
                access_key,
                secret_key,
                enabled,
            };
            Ok(Change::UserPut {
                user: UserId::try_from(user)?,
                state,
            })
        }
        Kind::UserDeleted => {
            let record: UserDeleted = registry.decode(Kind::UserDeleted, bytes)?;
            Ok(Change::UserDeleted {
                user: UserId::try_from(record.user)?,
            })
        }
        Kind::Envelope | Kind::Heartbeat => Err(CodecError::NotARecord),
    }
}

fn version_fields(version: Version) -> (i64, Vec<u8>) {
    (version.hlc.0.cast_signed(), version.site.0.to_vec())
}

fn bucket_name(name: String) -> Result<BucketName, CodecError> {
    Ok(BucketName::try_from(name)?)
}

fn object_key(key: String) -> Result<ObjectKey, CodecError> {
    Ok(ObjectKey::try_from(key)?)
}

fn register_record((name, register): (&String, &Register)) -> RegisterRecord {
    let (hlc, site) = version_fields(register.version);
    RegisterRecord {
        name: name.clone(),
        hlc,
        site,
        value: register.value.to_vec(),
    }
}

fn register(record: RegisterRecord) -> Result<(String, Register), CodecError> {
    let version = version(record.hlc, "site", &record.site)?;
    Ok((
        record.name,
        Register {
            version,
            value: record.value.into(),
        },
    ))
}

fn manifest_record(manifest: &Manifest) -> ManifestRecord {
    let part = |part: &Part| PartRecord {
        size: part.size.cast_signed(),
        md5: part.md5.to_vec(),
    };
    let block = |block: &BlockRef| BlockRecord {
        hash: block.hash.0.0.to_vec(),
        length: i64::from(block.length),
    };
    let segment = |segment: &SegmentRef| SegmentRecord {
        hash: segment.stored.hash.0.0.to_vec(),
        length: i64::from(segment.stored.length),
        span: segment.span.cast_signed(),
    };
    let (inline, blocks, segments) = match &manifest.content {
        Content::Inline(body) => (Some(body.to_vec()), None, None),
        Content::Blocks(blocks) => (None, Some(blocks.iter().map(block).collect()), None),
        Content::Segments(segments) => (None, None, Some(segments.iter().map(segment).collect())),
    };
    ManifestRecord {
        size: manifest.size.cast_signed(),
        etag: manifest.etag.0.clone(),
        headers: manifest.headers.clone(),
        metadata: manifest.metadata.clone(),
        checksums: manifest.checksums.clone(),
        parts: match &manifest.parts {
            Parts::Whole => None,
            Parts::Listed(parts) => Some(parts.iter().map(part).collect()),
        },
        inline,
        blocks,
        segments,
    }
}

fn manifest(record: ManifestRecord) -> Result<Manifest, CodecError> {
    let parts = match record.parts {
        None => Parts::Whole,
        Some(parts) => Parts::Listed(parts.into_iter().map(part).collect::<Result<_, _>>()?),
    };
    let content = match (record.inline, record.blocks, record.segments) {
        (Some(body), None, None) => Content::Inline(Bytes::from(body)),
        (None, Some(blocks), None) => {
            let block = |block: BlockRecord| block_ref(&block.hash, block.length);
            Content::Blocks(blocks.into_iter().map(block).collect::<Result<_, _>>()?)
        }
        (None, None, Some(segments)) => {
            let segment = |record: SegmentRecord| {
                let stored = block_ref(&record.hash, record.length)?;
                Ok(SegmentRef {
                    stored,
                    span: unsigned("span", record.span)?,
                })
            };
            Content::Segments(
                segments
                    .into_iter()
                    .map(segment)
                    .collect::<Result<_, CodecError>>()?,
            )
        }
        (inline, blocks, segments) => {
            let set = [inline.is_some(), blocks.is_some(), segments.is_some()];
            return Err(CodecError::Contents(
                set.into_iter().filter(|&set| set).count(),
            ));
        }
    };
    Ok(Manifest {
        size: unsigned("size", record.size)?,
        etag: ETag(record.etag),
        headers: record.headers,
        metadata: record.metadata,
        checksums: record.checksums,
        parts,
        content,
    })
}

fn part(record: PartRecord) -> Result<Part, CodecError> {
    Ok(Part {
        size: unsigned("size", record.size)?,
        md5: fixed("md5", &record.md5)?,
    })
}

fn block_ref(hash: &[u8], length: i64) -> Result<BlockRef, CodecError> {
    let length = u32::try_from(length).map_err(|_| CodecError::Range { field: "length" })?;
    Ok(BlockRef {
        hash: BlockHash(Digest(fixed("hash", hash)?)),
        length,
    })
}

fn unsigned(field: &'static str, value: i64) -> Result<u64, CodecError> {
    u64::try_from(value).map_err(|_| CodecError::Range { field })
}
