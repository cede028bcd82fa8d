//! `GetObjectAttributes`: what a HEAD says, and the parts one by one.

use model::{Manifest, Parts};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        Checksum, ETag, GetObjectAttributesInput, GetObjectAttributesOutput,
        GetObjectAttributesParts, ObjectAttributes, ObjectPart, StorageClass,
    },
    s3_error,
};

use super::{
    Handler,
    buckets::timestamp,
    get::{Ask, Found, find},
    list::{limit, shown},
};
use crate::{
    access::Reader,
    checksum::{self, Algorithm, show_checksums},
    encryption::customer,
    part_checksums,
};

/// Left with an answer whose entity tag S3 writes without quotes, which s3s always writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BareETag;

/// All that can be asked for.
const KNOWN: [&str; 5] = [
    ObjectAttributes::CHECKSUM,
    ObjectAttributes::ETAG,
    ObjectAttributes::OBJECT_PARTS,
    ObjectAttributes::OBJECT_SIZE,
    ObjectAttributes::STORAGE_CLASS,
];

pub(super) async fn get_object_attributes(
    handler: &Handler,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let reader = Reader::of(&request)?;
    let mut input = request.input;
    let sent_key = customer!(input).key()?;
    let asked: Vec<&str> = input
        .object_attributes
        .iter()
        .flat_map(|listed| listed.as_str().split(',').map(str::trim))
        .collect();
    if let Some(unknown) = asked.iter().find(|asked| !KNOWN.contains(asked)) {
        return Err(s3_error!(InvalidArgument, "Objects have no attribute `{unknown}`"));
    }
    let wanted = |attribute: &str| asked.contains(&attribute);
    let after = input.part_number_marker.unwrap_or(0);
    if after < 0 {
        return Err(s3_error!(InvalidArgument, "The number of a part cannot be negative"));
    }
    let page = (after, limit(input.max_parts)?);
    let ask = Ask::whole((input.bucket, input.key), input.version_id, sent_key);
    let Found { object, id, .. } = find(handler, &reader, ask).await?;
    let manifest = &object.manifest;
    let output = GetObjectAttributesOutput {
        checksum: wanted(ObjectAttributes::CHECKSUM).then(|| checksum(manifest)).flatten(),
        e_tag: wanted(ObjectAttributes::ETAG).then(|| ETag::Strong(manifest.etag.0.clone())),
        last_modified: Some(timestamp(object.version.hlc.millis())),
        object_parts: wanted(ObjectAttributes::OBJECT_PARTS)
            .then(|| parts(manifest, page))
            .flatten(),
        object_size: i64::try_from(manifest.size)
            .ok()
            .filter(|_| wanted(ObjectAttributes::OBJECT_SIZE)),
        storage_class: wanted(ObjectAttributes::STORAGE_CLASS)
            .then(|| StorageClass::from_static(StorageClass::STANDARD)),
        version_id: id,
        ..GetObjectAttributesOutput::default()
    };
    let mut response = S3Response::new(output);
    response.extensions.insert(BareETag);
    Ok(response)
}

fn checksum(manifest: &Manifest) -> Option<Checksum> {
    let kind = checksum::kind(manifest.checksums.values().next()?);
    let mut shown = Checksum { checksum_type: Some(kind), ..Checksum::default() };
    show_checksums!(shown, |which: Algorithm| manifest.checksums.get(which.name()).cloned());
    Some(shown)
}

/// A page of the parts behind a number; `None` for an object that was put whole.
fn parts(manifest: &Manifest, (after, limit): (i32, usize)) -> Option<GetObjectAttributesParts> {
    let Parts::Listed(listed) = &manifest.parts else {
        return None;
    };
    let begin = usize::try_from(after).unwrap_or_default().min(listed.len());
    let end = (begin + limit).min(listed.len());
    let checksums = Algorithm::ALL.map(|which| part_checksums::of(manifest, which));
    let part = |place: usize| {
        let size = listed.get(place).and_then(|part| i64::try_from(part.size).ok());
        let number = i32::try_from(place + 1).ok();
        let mut shown = ObjectPart { part_number: number, size, ..ObjectPart::default() };
        show_checksums!(shown, |which: Algorithm| checksums[which as usize].get(place).cloned());
        shown
    };
    let truncated = end < listed.len() && limit > 0;
    Some(GetObjectAttributesParts {
        is_truncated: Some(truncated),
        max_parts: Some(shown(limit)),
        next_part_number_marker: Some(shown(end)),
        part_number_marker: Some(after),
        parts: Some((begin..end).map(part).collect()),
        total_parts_count: Some(shown(listed.len())),
    })
}
