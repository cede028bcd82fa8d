//! `CompleteMultipartUpload`: the parts become one object, in one commit.

use model::{ETag as KeptETag, Encryption, Manifest, Part, Parts};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag},
    s3_error,
};
use store::{
    Caller, CompleteMultipart, Completed, Condition, Multipart, MultipartName, PartInfo, WriteError,
};

use super::{
    Handler, caller,
    multipart::{name, under_way},
    put::condition,
};
use crate::{
    access::Reader,
    access_log::Noted,
    checksum::{self, Algorithm, Checksums, checksums, show_checksums},
    composite::{self, Asked, PARTS_MAX},
    encryption::{Shown, customer},
    errors,
    expiration::Expiring,
    part_checksums,
};

/// What the client says of the object that is to be.
struct Wish {
    parts: Vec<Asked>,
    checksums: Checksums,
    size: Option<i64>,
    condition: Condition,
    noted: Option<Noted>,
}

pub(super) async fn complete_multipart_upload(
    handler: &Handler,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let (caller, reader) = (caller(&request)?, Reader::of(&request)?);
    let noted = Noted::of(&request.extensions);
    let mut input = request.input;
    let condition = condition(input.if_match.take(), input.if_none_match.take())?;
    let parts = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
    let parts = parts.into_iter().map(asked).collect();
    let (checksums, size) = (checksums!(input), input.mpu_object_size);
    let sent_key = customer!(input).key()?;
    let wish = Wish { parts, checksums, size, condition, noted };
    let name = name(input.bucket.clone(), input.key.clone(), &input.upload_id)?;
    handler.writable()?;
    let upload = under_way(handler, &name, &caller)?;
    // To put sealed parts together needs no key; one that is sent must be right.
    if let (Some(upload), Some(sent)) = (&upload, &sent_key) {
        handler.part_key(upload.sealed_under.as_ref(), Some(sent))?;
    }
    let completed = match upload {
        Some(upload) => complete(handler, name.clone(), caller, (upload, wish)).await?,
        None => None,
    };
    // A client that did not hear the answer asks again, and hears the same.
    let completed = match completed {
        Some(completed) => completed,
        None => {
            let before = handler.store.completed(&name).map_err(|error| errors::read(&error))?;
            before.ok_or_else(errors::no_such_upload)?
        }
    };
    let mut output = output(&input, &completed);
    if let Some(expiring) = Expiring::new(reader.settings()?, (&name.bucket, &name.key)) {
        output.expiration = expiring.shown_if_latest(handler, completed.version).await;
    }
    let shown = completed.sealed.as_ref().map(Shown::of_sealed).unwrap_or_default();
    output.server_side_encryption = shown.method;
    output.ssekms_key_id = shown.key_id;
    output.bucket_key_enabled = shown.bucket_key;
    Ok(S3Response::new(output))
}

/// `None`: the upload has ended meanwhile.
async fn complete(
    handler: &Handler,
    name: MultipartName,
    caller: Caller,
    (upload, wish): (Multipart, Wish),
) -> S3Result<Option<Completed>> {
    let id = name.id;
    let seen = handler.read(move |store| store.parts(id, 0, usize::from(PARTS_MAX))).await?;
    let algorithm = upload.checksum.as_ref().and_then(|by| Algorithm::parse(&by.algorithm));
    let bytes_max = handler.store.object_bytes_max();
    let parts = composite::choose(&wish.parts, &seen.parts, (algorithm, bytes_max))?;
    let mut manifest = manifest(upload, &parts, &wish)?;
    let of_parts = algorithm.and_then(|which| part_checksums::kept(&parts, which, bytes_max));
    manifest.checksums.extend(of_parts);
    if let Some(noted) = &wish.noted {
        noted.object_size(manifest.size);
    }
    let complete = CompleteMultipart {
        caller,
        name,
        revision: seen.revision,
        parts: parts.iter().map(|part| part.number).collect(),
        manifest,
        condition: wish.condition,
    };
    match handler.store.complete_multipart(complete).await {
        Ok(completed) => Ok(Some(completed)),
        Err(WriteError::NoSuchUpload) => Ok(None),
        Err(error) => Err(errors::write(error)),
    }
}

/// The object's manifest; the store fills in where its bytes are.
fn manifest(upload: Multipart, parts: &[PartInfo], wish: &Wish) -> S3Result<Manifest> {
    let size = parts.iter().map(|part| part.size).sum();
    if wish.size.is_some_and(|wished| u64::try_from(wished) != Ok(size)) {
        return Err(s3_error!(InvalidRequest, "The parts have {size} bytes, not as many as said"));
    }
    let by = upload.checksum.as_ref().and_then(|by| Algorithm::parse(&by.algorithm));
    let other = |which: &Algorithm| by != Some(*which) && wish.checksums.get(*which).is_some();
    if let Some(other) = Algorithm::ALL.iter().find(|which| other(which)) {
        let name = other.name();
        return Err(s3_error!(InvalidRequest, "The upload was not begun with checksum {name}"));
    }
    let mut kept = std::collections::BTreeMap::new();
    if let Some(by) = &upload.checksum
        && let Some(value) = composite::checksum(parts, by)
    {
        let promised = Algorithm::parse(&by.algorithm).and_then(|a| wish.checksums.get(a));
        if promised.is_some_and(|promised| promised != value) {
            return Err(s3_error!(BadDigest, "The object does not have the checksum you sent"));
        }
        kept.insert(by.algorithm.clone(), value);
    }
    let numbers: Vec<u16> = parts.iter().map(|part| part.number).collect();
    let listed = parts.iter().map(|part| Part { size: part.size, md5: part.md5 });
    Ok(Manifest {
        size,
        etag: KeptETag(composite::etag(parts)),
        headers: upload.headers,
        metadata: upload.metadata,
        checksums: kept,
        parts: Parts::Listed(listed.collect()),
        content: model::Content::Inline(bytes::Bytes::new()),
        encryption: upload.sealed_under.map(|key| Encryption::of_parts(key, &numbers)),
    })
}

fn asked(mut part: CompletedPart) -> Asked {
    Asked {
        number: part.part_number.unwrap_or_default(),
        etag: part.e_tag.take().map(ETag::into_value).unwrap_or_default(),
        checksums: checksums!(part),
    }
}

fn output(
    input: &CompleteMultipartUploadInput,
    completed: &Completed,
) -> CompleteMultipartUploadOutput {
    let kept = &completed.checksums;
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        location: Some(format!("/{}/{}", input.bucket, crate::listing::url_encode(&input.key))),
        e_tag: Some(ETag::Strong(completed.etag.0.clone())),
        version_id: completed.id.map(|id| id.to_string()),
        checksum_type: kept.values().next().map(|value| checksum::kind(value)),
        ..CompleteMultipartUploadOutput::default()
    };
    show_checksums!(output, |which: Algorithm| kept.get(which.name()).cloned());
    output
}
