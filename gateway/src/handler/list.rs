//! `ListObjects`, both versions.

use model::BucketName;
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
        ListObjectsV2Output, Object, ObjectStorageClass,
    },
    s3_error,
};
use store::{Caller, ListCursor, ListEntry, ListQuery, Store};

use super::{Handler, buckets::timestamp, caller};
use crate::{
    listing::{after_marker, page, parse_token, token, url_encode},
    names,
};

pub(super) async fn list_objects(
    handler: &Handler,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let names = Names::new(input.encoding_type)?;
    let limit = limit(input.max_keys)?;
    let prefix = input.prefix.unwrap_or_default();
    let marker = said(input.marker);
    let after = marker.clone().map(|m| after_marker(m, &prefix, input.delimiter.as_deref()));
    let query = ListQuery { prefix, delimiter: said(input.delimiter), after, limit };
    let page = list(handler, (&caller, true), input.bucket, query, &names).await?;
    let next = page.next.map(|(ListCursor::Key(text) | ListCursor::Prefix(text))| text);
    // Without a delimiter clients go on from the last key; S3 gives no marker then.
    let next = next.filter(|_| page.query.delimiter.is_some());
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(page.bucket.into()),
        prefix: Some(names.show(page.query.prefix)),
        marker: Some(names.show(marker.unwrap_or_default())),
        max_keys: Some(shown(page.query.limit)),
        is_truncated: Some(page.truncated),
        contents: Some(page.contents),
        common_prefixes: Some(page.common_prefixes),
        delimiter: page.query.delimiter.map(|text| names.show(text)),
        next_marker: next.map(|text| names.show(text)),
        encoding_type: names.0.clone(),
        request_charged: None,
    }))
}

pub(super) async fn list_objects_v2(
    handler: &Handler,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let caller = caller(&request)?;
    let input = request.input;
    let names = Names::new(input.encoding_type)?;
    let limit = limit(input.max_keys)?;
    let start_after = said(input.start_after);
    // A token that says nothing is none, and shown all the same.
    let after = match input.continuation_token.as_deref() {
        None | Some("") => start_after.clone().map(ListCursor::Key),
        Some(token) => Some(parse_token(token).ok_or_else(|| {
            s3_error!(InvalidArgument, "The continuation token is not one of ours")
        })?),
    };
    let prefix = input.prefix.unwrap_or_default();
    let query = ListQuery { prefix, delimiter: said(input.delimiter), after, limit };
    let with_owner = input.fetch_owner == Some(true);
    let page = list(handler, (&caller, with_owner), input.bucket, query, &names).await?;
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(page.bucket.into()),
        prefix: Some(names.show(page.query.prefix)),
        max_keys: Some(shown(page.query.limit)),
        key_count: Some(shown(page.contents.len() + page.common_prefixes.len())),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.truncated),
        next_continuation_token: page.next.as_ref().map(token),
        contents: Some(page.contents),
        common_prefixes: Some(page.common_prefixes),
        delimiter: page.query.delimiter.map(|text| names.show(text)),
        encoding_type: names.0.clone(),
        start_after: start_after.map(|text| names.show(text)),
        request_charged: None,
    }))
}

/// A page, in the words of S3.
struct Page {
    bucket: BucketName,
    query: ListQuery,
    contents: Vec<Object>,
    common_prefixes: Vec<CommonPrefix>,
    truncated: bool,
    /// Where the next page begins.
    next: Option<ListCursor>,
}

async fn list(
    handler: &Handler,
    (caller, with_owner): (&Caller, bool),
    bucket: String,
    query: ListQuery,
    names: &Names,
) -> S3Result<Page> {
    let bucket = names::bucket(bucket)?;
    let owner = handler.bucket(&bucket, caller)?.owner;
    let owner = with_owner.then(|| handler.owner(&owner)).transpose()?;
    let read = move |store: &Store| {
        let listing = store.list(&bucket, &query)?;
        Ok((bucket, query, listing))
    };
    let (bucket, query, listing) = handler.read(read).await?;
    let next = listing.entries.last().filter(|_| listing.truncated).map(ListEntry::cursor);
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            ListEntry::CommonPrefix(prefix) => {
                common_prefixes.push(CommonPrefix { prefix: Some(names.show(prefix)) });
            }
            ListEntry::Object { key, size, etag, modified } => contents.push(Object {
                key: Some(names.show(key)),
                size: i64::try_from(size).ok(),
                e_tag: Some(ETag::Strong(etag.0)),
                last_modified: Some(timestamp(modified)),
                owner: owner.clone(),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                ..Object::default()
            }),
        }
    }
    let truncated = listing.truncated;
    Ok(Page { bucket, query, contents, common_prefixes, truncated, next })
}

/// How names are shown: as they are, or encoded if the client asks for it.
pub(super) struct Names(Option<EncodingType>);

impl Names {
    pub(super) fn new(asked: Option<EncodingType>) -> S3Result<Self> {
        match asked.as_ref().map(|encoding| encoding.as_str()) {
            None | Some(EncodingType::URL) => Ok(Self(asked)),
            Some(_) => Err(s3_error!(InvalidArgument, "The encoding type must be url")),
        }
    }

    /// How the client asked for them.
    pub(super) fn encoding(&self) -> Option<EncodingType> {
        self.0.clone()
    }

    pub(super) fn show(&self, name: String) -> String {
        if self.0.is_some() { url_encode(&name) } else { name }
    }
}

/// A parameter that is empty says as little as one that is not there.
pub(super) fn said(parameter: Option<String>) -> Option<String> {
    parameter.filter(|text| !text.is_empty())
}

pub(super) fn limit(max_keys: Option<i32>) -> S3Result<usize> {
    page(max_keys)
        .ok_or_else(|| s3_error!(InvalidArgument, "A page cannot have fewer than no entries"))
}

pub(super) fn shown(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
