//! Versions that others took the place of, and delete markers that nothing stands behind.

use futures::StreamExt;
use model::{BucketName, ObjectKey};
use store::{
    Caller, Condition, ListedVersion, ReadError, Store, VersionCursor, VersionEntry, VersionQuery,
    WriteError,
};

use super::{AT_ONCE, LifecycleError, PAGE};
use crate::documents::{
    Document,
    lifecycle::{Behind, Candidate, Lifecycle, Today},
    tags::Tags,
};

/// A version as a pass comes by it: those of a key come newest first.
struct Seen {
    listed: ListedVersion,
    /// `None`: it is the latest.
    behind: Option<Behind>,
    /// No other version of its key was listed behind it.
    last: bool,
}

/// Removes what has expired of one bucket's versions. Returns how many.
pub(super) async fn expire(
    store: &Store,
    bucket: &BucketName,
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<u64, LifecycleError> {
    let (mut after, mut expired, mut before) = (None, 0, None);
    loop {
        let (page, truncated) = page(store, bucket, after).await?;
        after = page.last().map(|listed| VersionCursor::Slot(listed.key.clone(), listed.slot));
        // The last one of a page is looked at with the next, which says what stands behind it.
        let seen = in_order(&mut before, page, truncated);
        let removals = seen.into_iter().map(|seen| remove(store, bucket, seen, lifecycle, today));
        let removals: Vec<_> = removals.collect();
        let outcomes: Vec<_> =
            futures::stream::iter(removals).buffer_unordered(AT_ONCE).collect().await;
        for outcome in outcomes {
            expired += u64::from(outcome?);
        }
        if !truncated {
            return Ok(expired);
        }
    }
}

async fn page(
    store: &Store,
    bucket: &BucketName,
    after: Option<VersionCursor>,
) -> Result<(Vec<ListedVersion>, bool), LifecycleError> {
    let query = VersionQuery { after, limit: PAGE, ..VersionQuery::default() };
    let (of, name) = (store.clone(), bucket.clone());
    let page = tokio::task::spawn_blocking(move || of.list_versions(&name, &query)).await??;
    let listed = page.entries.into_iter().filter_map(|entry| match entry {
        VersionEntry::Version(listed) => Some(listed),
        VersionEntry::CommonPrefix(_) => None,
    });
    Ok((listed.collect(), page.truncated))
}

/// What each version stands behind. `before` is the last one of the page before this, and then of this.
fn in_order(before: &mut Option<Seen>, page: Vec<ListedVersion>, truncated: bool) -> Vec<Seen> {
    let mut all = Vec::with_capacity(page.len() + 1);
    for listed in page {
        let newer = before.take();
        let of_key = newer.as_ref().filter(|newer| newer.listed.key == listed.key);
        let behind = of_key.map(|newer| Behind {
            since: newer.listed.version.hlc.millis(),
            newer: newer.behind.map_or(0, |behind| behind.newer.saturating_add(1)),
        });
        let last = of_key.is_none();
        all.extend(newer.map(|newer| Seen { last, ..newer }));
        *before = Some(Seen { listed, behind, last: true });
    }
    if !truncated {
        all.extend(before.take());
    }
    all
}

/// Removes a version if it has expired and still stands where it stood. Returns whether it did.
async fn remove(
    store: &Store,
    bucket: &BucketName,
    Seen { listed, behind, last }: Seen,
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<bool, LifecycleError> {
    let Ok(key) = ObjectKey::try_from(listed.key.clone()) else { return Ok(false) };
    let version = listed.version;
    let size = listed.object.as_ref().map(|(size, _)| *size);
    let candidate = Candidate { key: &listed.key, size, modified: version.hlc.millis() };
    let condition = match behind {
        Some(behind) => {
            let tags = || {
                let attributes = store.object_attributes((bucket, &key), version)?;
                // Of a newer release: what cannot be told apart does not expire.
                Ok::<_, ReadError>(Tags::of(&attributes).ok().flatten().unwrap_or_default())
            };
            let expired = lifecycle.expired_behind(&candidate, behind, today, tags)?;
            expired.then_some(Condition::Behind(version))
        }
        None => {
            let alone = size.is_none() && last;
            let expired = alone && lifecycle.expired_marker(&candidate, today);
            expired.then_some(Condition::Is(version))
        }
    };
    let Some(condition) = condition else { return Ok(false) };
    let object = (bucket.clone(), key);
    match store.remove_version(object, listed.slot, Caller::root(), condition).await {
        Ok(removed) => Ok(removed.is_some()),
        Err(WriteError::PreconditionFailed | WriteError::NoSuchKey | WriteError::NoSuchBucket) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use model::{ETag, Hlc, SiteId, Slot, Version};

    use super::*;

    fn listed(key: &str, millis: u64, latest: bool) -> ListedVersion {
        let version = Version { hlc: Hlc(millis << 16), site: SiteId([1; 16]) };
        let object = Some((1, ETag(String::new())));
        ListedVersion { key: key.to_owned(), slot: Slot::Own(version), latest, version, object }
    }

    #[test]
    fn versions_stand_behind_the_newer_ones_of_their_key_over_pages_too() {
        let (mut before, mut seen) = (None, Vec::new());
        let pages = [
            vec![listed("a", 9, true), listed("a", 7, false)],
            vec![listed("a", 4, false)],
            vec![listed("b", 5, true)],
        ];
        for (number, page) in pages.into_iter().enumerate() {
            seen.extend(in_order(&mut before, page, number < 2));
        }
        let told: Vec<_> = seen
            .iter()
            .map(|seen| (&*seen.listed.key, seen.behind.map(|b| (b.since.0, b.newer)), seen.last))
            .collect();
        assert_eq!(
            told,
            [
                ("a", None, false),
                ("a", Some((9, 0)), false),
                ("a", Some((7, 1)), true),
                ("b", None, true)
            ]
        );
    }
}
