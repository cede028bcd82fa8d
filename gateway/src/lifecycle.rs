//! The lifecycles of buckets, carried out at the site where clients write; other sites hear of it as
//! of all deletes.
//!
//! A pass looks at every key of the buckets that have one. Each is looked at once more before it goes,
//! and its delete says which version is meant: what is written meanwhile stays.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use model::{BucketName, ObjectKey, Version, Versioning, attribute};
use store::{
    Caller, Condition, ListEntry, ListQuery, MultipartEntry, MultipartName, MultipartQuery,
    ReadError, Store, WriteError,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::documents::{
    Document,
    lifecycle::{Candidate, Day, Lifecycle, Today},
    tags::Tags,
};

mod versions;

/// Between two passes. Days are counted up to midnight, so nobody waits for the minute. Where days are
/// shorter, so is this.
const INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Passes in a short day.
const PASSES: u32 = 4;

/// For changes of buckets that come together.
const SETTLE: Duration = Duration::from_secs(1);

/// Keys that are looked at in one step.
const PAGE: usize = 1_000;

/// Deletes that wait for the same commit.
const AT_ONCE: usize = 64;

/// Why a pass broke off; the next one begins anew.
#[derive(Debug, thiserror::Error)]
enum LifecycleError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("look at a bucket")]
    Task(#[from] tokio::task::JoinError),
}

/// What a pass did in one bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Done {
    expired: u64,
    aborted: u64,
}

/// Which lifecycle of each bucket was carried out last: the version that set it.
type Seen = BTreeMap<BucketName, Version>;

/// Carries out the lifecycles of all buckets until cancelled: about once an hour, and of a bucket whose
/// lifecycle has changed at once.
///
/// # Errors
/// Never: what fails is logged, and tried again in the next pass.
pub async fn expire_forever(
    store: Store,
    day: Day,
    cancelled: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut changes = store.buckets_changed();
    let mut seen = Seen::new();
    // Of its own, so that buckets which change more often than this do not put it off for ever.
    let mut hours = tokio::time::interval(INTERVAL.min(day.length() / PASSES));
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    hours.reset();
    loop {
        changes.mark_unchanged();
        if cancelled.run_until_cancelled(pass(&store, day, &mut seen)).await.is_none() {
            return Ok(());
        }
        let wait = async {
            tokio::select! {
                _ = hours.tick() => seen.clear(),
                _ = changes.changed() => tokio::time::sleep(SETTLE).await,
            }
        };
        if cancelled.run_until_cancelled(wait).await.is_none() {
            return Ok(());
        }
    }
}

/// Looks at the buckets whose lifecycle was not carried out yet.
async fn pass(store: &Store, day: Day, seen: &mut Seen) {
    // A secondary, and a site whose past is disputed, delete nothing by themselves.
    if store.refusal().is_some() {
        return;
    }
    match due(store, seen).await {
        Err(error) => tracing::error!(error = %ops::chain(&error), "buckets cannot be read"),
        Ok(due) => {
            for (bucket, lifecycle) in due {
                let today = Today { now: store.now(), day };
                match carry_out(store, &bucket, &lifecycle, today).await {
                    Ok(Done { expired: 0, aborted: 0 }) => {}
                    Ok(Done { expired, aborted }) => {
                        tracing::info!(%bucket, expired, aborted, "a lifecycle was carried out");
                    }
                    Err(error) => {
                        let why = ops::chain(&error);
                        tracing::warn!(%bucket, error = %why, "a lifecycle was not carried out whole");
                    }
                }
            }
        }
    }
}

async fn due(
    store: &Store,
    seen: &mut Seen,
) -> Result<Vec<(BucketName, Lifecycle)>, LifecycleError> {
    let of = store.clone();
    let all = tokio::task::spawn_blocking(move || -> Result<Vec<_>, ReadError> {
        let mut all = Vec::new();
        for (bucket, _) in of.buckets()? {
            let view = of.bucket_view(&bucket)?;
            if view.attributes.value(attribute::LIFECYCLE).is_some() {
                all.push((view, bucket));
            }
        }
        Ok(all)
    });
    let mut due = Vec::new();
    for (view, bucket) in all.await?? {
        let register = view.attributes.0.get(attribute::LIFECYCLE);
        let Some(version) = register.map(|register| register.version) else { continue };
        if seen.insert(bucket.clone(), version) == Some(version) {
            continue;
        }
        match Lifecycle::of(&view.attributes) {
            Ok(lifecycle) => due.extend(lifecycle.map(|lifecycle| (bucket, lifecycle))),
            Err(error) => {
                tracing::warn!(%bucket, error = %ops::chain(&error), "a lifecycle cannot be read");
            }
        }
    }
    Ok(due)
}

async fn carry_out(
    store: &Store,
    bucket: &BucketName,
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<Done, LifecycleError> {
    let acts = lifecycle.acts();
    let mut done = Done::default();
    if acts.objects {
        done.expired = expire(store, bucket, lifecycle, today).await?;
    }
    let versioning = store.versioning(bucket)?;
    if acts.versions && versioning != Versioning::Off {
        done.expired += versions::expire(store, bucket, lifecycle, today).await?;
    }
    if acts.uploads {
        done.aborted = abort(store, bucket, lifecycle, today).await?;
    }
    Ok(done)
}

async fn expire(
    store: &Store,
    bucket: &BucketName,
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<u64, LifecycleError> {
    let (mut after, mut expired) = (None, 0);
    loop {
        let query = ListQuery { after, limit: PAGE, ..ListQuery::default() };
        let (of, name) = (store.clone(), bucket.clone());
        let page = tokio::task::spawn_blocking(move || of.list(&name, &query)).await??;
        let candidates = page.entries.iter().filter_map(|entry| match entry {
            ListEntry::Object { key, size, modified, .. } => {
                let object = Candidate { key, size: Some(*size), modified: *modified };
                // Tags are asked of the version that is to go.
                let any = lifecycle.may_expire(&object, today);
                any.then(|| ObjectKey::try_from(key.clone()).ok()).flatten()
            }
            ListEntry::CommonPrefix(_) => None,
        });
        let deletes = candidates.map(|key| delete(store, (bucket, key), lifecycle, today));
        let deletes: Vec<_> = deletes.collect();
        let outcomes = futures::stream::iter(deletes).buffer_unordered(AT_ONCE);
        let outcomes: Vec<_> = outcomes.collect().await;
        for outcome in outcomes {
            expired += u64::from(outcome?);
        }
        after = page.entries.last().map(ListEntry::cursor);
        if !page.truncated {
            return Ok(expired);
        }
    }
}

/// Deletes a key if what it holds now has expired. Returns whether it did.
async fn delete(
    store: &Store,
    (bucket, key): (&BucketName, ObjectKey),
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<bool, LifecycleError> {
    let Some(object) = store.object(bucket, &key).await? else { return Ok(false) };
    let version = object.version;
    let (size, modified) = (Some(object.manifest.size), version.hlc.millis());
    let candidate = Candidate { key: key.as_str(), size, modified };
    let tags = || {
        let attributes = store.object_attributes((bucket, &key), version)?;
        // Of a newer release: what cannot be told apart does not expire.
        Ok::<_, ReadError>(Tags::of(&attributes).ok().flatten().unwrap_or_default())
    };
    if lifecycle.expired(&candidate, today, tags)?.is_none() {
        return Ok(false);
    }
    let (object, condition) = ((bucket.clone(), key.clone()), Condition::Is(version));
    match store.delete_object(object, Caller::root(), condition).await {
        Ok(deleted) => Ok(deleted.is_some()),
        Err(WriteError::PreconditionFailed | WriteError::NoSuchKey | WriteError::NoSuchBucket) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

async fn abort(
    store: &Store,
    bucket: &BucketName,
    lifecycle: &Lifecycle,
    today: Today,
) -> Result<u64, LifecycleError> {
    let (mut after, mut aborted) = (None, 0);
    loop {
        let query = MultipartQuery { after, limit: PAGE, ..MultipartQuery::default() };
        let (of, name) = (store.clone(), bucket.clone());
        let page = tokio::task::spawn_blocking(move || of.multipart_uploads(&name, &query));
        let page = page.await??;
        after = None;
        for entry in page.entries {
            let MultipartEntry::Upload { key, id, initiated, .. } = entry else { continue };
            after = Some(store::MultipartCursor::Upload(key.clone(), id));
            if !lifecycle.is_stale(&key, initiated, today) {
                continue;
            }
            let Ok(key) = ObjectKey::try_from(key) else { continue };
            let name = MultipartName { bucket: bucket.clone(), key, id };
            match store.abort_multipart(name, Caller::root()).await {
                Ok(()) => aborted += 1,
                Err(WriteError::NoSuchUpload | WriteError::NoSuchBucket) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !page.truncated {
            return Ok(aborted);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Millis;

    use super::*;
    use crate::tests::site::{Site, ask};

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    async fn with_rules(rules: &str) -> Site {
        let site = Site::with_bucket().await;
        for (key, body) in [("logs/a", "12345"), ("logs/b", "1"), ("other", "12345")] {
            let put = ask("PUT", &format!("/photos/{key}")).body(body.as_bytes());
            let put = put.header("x-amz-tagging", if key == "logs/a" { "old=yes" } else { "" });
            assert_eq!(site.send(put).await.status, 200);
        }
        let xml = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        let set = ask("PUT", "/photos?lifecycle").body(xml.as_bytes());
        let set = site.send(set).await;
        assert_eq!(set.status, 200, "{}", set.text());
        site
    }

    async fn after_days(site: &Site, days: u64) -> (Done, Vec<String>) {
        let due = due(&site.store, &mut Seen::new()).await.unwrap();
        let mut done = Done::default();
        for (bucket, lifecycle) in due {
            let now = Millis(site.store.now().0 + days * DAY);
            let today = Today { now, day: Day::WHOLE };
            done = carry_out(&site.store, &bucket, &lifecycle, today).await.unwrap();
        }
        (done, site.get("/photos").await.tags("Key"))
    }

    fn rule(filter: &str, action: &str) -> String {
        format!("<Rule><Status>Enabled</Status><Filter>{filter}</Filter>{action}</Rule>")
    }

    #[tokio::test]
    async fn what_fits_a_rule_goes_when_its_days_are_over() {
        let days = "<Expiration><Days>2</Days></Expiration>";
        let site = with_rules(&rule("<Prefix>logs/</Prefix>", days)).await;
        let all = vec!["logs/a".to_owned(), "logs/b".to_owned(), "other".to_owned()];
        assert_eq!(after_days(&site, 1).await, (Done::default(), all));
        let (done, left) = after_days(&site, 3).await;
        assert_eq!((done.expired, left), (2, vec!["other".to_owned()]));
        assert_eq!(after_days(&site, 3).await.0, Done::default());
    }

    #[tokio::test]
    async fn tags_and_sizes_tell_which_objects_go() {
        let days = "<Expiration><Days>1</Days></Expiration>";
        let tag = rule("<Tag><Key>old</Key><Value>yes</Value></Tag>", days);
        let size = rule("<ObjectSizeLessThan>2</ObjectSizeLessThan>", days);
        let site = with_rules(&tag).await;
        assert_eq!(after_days(&site, 2).await.1, ["logs/b", "other"]);
        let site = with_rules(&size).await;
        assert_eq!(after_days(&site, 2).await.1, ["logs/a", "other"]);
    }

    #[tokio::test]
    async fn uploads_that_nobody_completes_are_ended() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        let site = with_rules(&rule("<Prefix>up/</Prefix>", abort)).await;
        for key in ["up/a", "up/b", "down"] {
            let begun = site.send(ask("POST", &format!("/photos/{key}?uploads"))).await;
            assert_eq!(begun.status, 200);
        }
        assert_eq!(after_days(&site, 0).await.0, Done::default());
        let (done, left) = after_days(&site, 2).await;
        assert_eq!((done, left.len()), (Done { expired: 0, aborted: 2 }, 3));
        assert_eq!(site.get("/photos?uploads").await.tags("Key"), ["down"]);
    }

    #[tokio::test]
    async fn versions_go_when_others_have_taken_their_place_and_markers_when_nothing_is_left() {
        let noncurrent = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
                          </NoncurrentVersionExpiration>";
        let marker =
            "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
        let rules = rule("<Prefix>logs/</Prefix>", noncurrent) + &rule("", marker);
        let site = with_rules(&rules).await;
        let xml = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let set = ask("PUT", "/photos?versioning").body(xml.as_bytes());
        assert_eq!(site.send(set).await.status, 200);
        site.put("/photos/logs/a", b"2").await;
        assert_eq!(site.send(ask("DELETE", "/photos/logs/b")).await.status, 204);
        let versions = async || {
            let mut keys = site.get("/photos?versions").await.tags("Key");
            keys.sort();
            keys
        };
        assert_eq!(versions().await, ["logs/a", "logs/a", "logs/b", "logs/b", "other"]);
        assert_eq!(after_days(&site, 0).await.0, Done::default());
        assert_eq!(after_days(&site, 3).await.0.expired, 2);
        assert_eq!(versions().await, ["logs/a", "logs/b", "other"]);
        assert_eq!(after_days(&site, 3).await.0.expired, 1, "the marker that is left alone");
        assert_eq!(versions().await, ["logs/a", "other"]);
        assert_eq!(site.get("/photos/logs/a").await.body, b"2");
    }

    #[tokio::test]
    async fn a_lifecycle_is_carried_out_once_until_it_changes_and_never_at_a_secondary() {
        let days = "<Expiration><Days>1</Days></Expiration>";
        let site = with_rules(&rule("", days)).await;
        let mut seen = Seen::new();
        assert_eq!(due(&site.store, &mut seen).await.unwrap().len(), 1);
        assert_eq!(due(&site.store, &mut seen).await.unwrap().len(), 0);
        assert_eq!(site.send(ask("DELETE", "/photos?lifecycle")).await.status, 204);
        assert_eq!(due(&site.store, &mut seen).await.unwrap().len(), 0, "there is none any more");
        site.store.refuse(store::Refusal::Secondary { primary: "east".to_owned() });
        let mut seen = Seen::new();
        pass(&site.store, Day::WHOLE, &mut seen).await;
        assert!(seen.is_empty());
    }
}
