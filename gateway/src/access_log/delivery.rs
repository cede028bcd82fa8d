//! Delivery of records into buckets: each time a put like any other, so that it is counted, versioned and
//! replicated, and asked for once more whether it may be done.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use model::UserId;
use s3s::{
    Body, S3Error,
    dto::{PutObjectInput, StreamingBlob},
    path::S3Path,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    LOST_DELIVERY,
    buffers::Parcel,
    key::key,
    lines::Reading,
    target::{NotATarget, check},
};
use crate::{
    access::{Asked, Guard},
    documents::{
        acl::{Grantee, Known, Permission, group_uri},
        ownership::Ownership,
    },
    form::request_of,
    handler::{Handler, put::put_object},
    host::Hosts,
    service::new_id,
    settings::Settings,
};

/// How often the same records are tried: once, and after each of as many intervals.
const TRIES_MAX: u32 = 3;

/// Why records were not delivered.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Target(#[from] NotATarget),
    #[error("{} {}", .0.code().as_str(), .0.message().unwrap_or_default())]
    Put(#[from] S3Error),
}

pub(super) enum Order {
    Deliver(Parcel),
    /// An interval has passed: what failed is tried again.
    Again,
}

/// What records are read and delivered with.
#[derive(Clone)]
pub struct Delivery {
    pub(super) handler: Handler,
    guard: Guard,
    hosts: Hosts,
    host_id: Arc<str>,
}

impl Delivery {
    pub(crate) fn new(handler: Handler, guard: Guard, hosts: Hosts) -> Self {
        let host_id = Arc::from(handler.store.identity().site.to_string());
        Self { handler, guard, hosts, host_id }
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        let (hosts, settings) = (&self.hosts, &self.handler.settings);
        Reading { hosts, settings, host_id: &self.host_id }
    }

    /// Delivers what it is told to, until nobody is left who could.
    pub(super) async fn run(self, mut orders: UnboundedReceiver<Order>) {
        let mut failed = Vec::new();
        while let Some(order) = orders.recv().await {
            match order {
                Order::Deliver(parcel) => failed.extend(self.attempt(parcel).await),
                Order::Again => {
                    for parcel in std::mem::take(&mut failed) {
                        failed.extend(self.attempt(parcel).await);
                    }
                }
            }
        }
        for mut parcel in failed {
            parcel.tries = TRIES_MAX;
            self.attempt(parcel).await;
        }
    }

    /// Gives back what is to be tried again.
    async fn attempt(&self, mut parcel: Parcel) -> Option<Parcel> {
        let metrics = self.handler.meter.metrics();
        let outcome = self.deliver(&parcel).await;
        let label = if outcome.is_ok() { "done" } else { "failed" };
        metrics.access_log_deliveries.with_label_values(&[label]).inc();
        parcel.tries += 1;
        let (source, target) = (&parcel.source.bucket, &parcel.logging.bucket);
        match outcome {
            Ok(()) => {
                metrics.access_log_records.with_label_values(&["bucket"]).inc_by(parcel.records);
                None
            }
            Err(error) if parcel.tries < TRIES_MAX => {
                let error = ops::chain(&error);
                tracing::debug!(%source, %target, error, "records are to be delivered again");
                Some(parcel)
            }
            Err(error) => {
                let (error, records) = (ops::chain(&error), parcel.records);
                metrics.access_log_lost.with_label_values(&[LOST_DELIVERY]).inc_by(records);
                tracing::warn!(%source, %target, records, error, "records were not delivered");
                None
            }
        }
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<(), DeliveryError> {
        let Parcel { source, logging, time, lines, .. } = parcel;
        let handler = &self.handler;
        let bucket = logging.target().ok_or(NotATarget::Absent)?;
        let settings = handler.settings.of(&bucket)?;
        let (now, unique) = (handler.store.now(), rand::Rng::random(&mut rand::rng()));
        let key = key(logging, (source, &handler.region), (*time, now), unique);
        let from = (&source.bucket, &source.owner);
        check(settings.as_deref(), from, (&bucket, &key), now)?;
        let mut input = PutObjectInput {
            bucket: bucket.to_string(),
            key: key.clone(),
            content_type: Some("text/plain".to_owned()),
            content_length: i64::try_from(lines.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(Bytes::from(lines.clone())))),
            ..PutObjectInput::default()
        };
        if let Some(settings) = settings {
            self.grant(&mut input, parcel, &settings)?;
        }
        let id = new_id();
        let asked = Asked {
            operation: "PutObject",
            path: &S3Path::object(bucket.as_str(), &key),
            headers: &HeaderMap::new(),
            uri: &Uri::default(),
            user: &UserId::root(),
            peer: None,
            noted: None,
        };
        let reader = self.guard.let_in(&asked, id)?;
        let mut request = request_of(input, id);
        reader.leave(&mut request.extensions);
        Box::pin(put_object(handler, request)).await?;
        Ok(())
    }

    /// What the setting grants others of the object, as the headers of a put say it. Users that are gone
    /// are left out, and so are all where ACLs count for nothing.
    fn grant(
        &self,
        input: &mut PutObjectInput,
        parcel: &Parcel,
        settings: &Settings,
    ) -> Result<(), S3Error> {
        let grants = &parcel.logging.grants;
        if grants.is_empty() || settings.rules.ownership == Ownership::BucketOwnerEnforced {
            return Ok(());
        }
        let mut full_control = vec![format!("id=\"{}\"", settings.owner())];
        let mut read = Vec::new();
        for grant in grants {
            let grantee = match &grant.to {
                Grantee::User(user) if !self.handler.has(user)? => continue,
                Grantee::User(user) => format!("id=\"{user}\""),
                group => format!("uri=\"{}\"", group_uri(group)),
            };
            match grant.permission {
                Permission::FullControl => full_control.push(grantee),
                Permission::Read => read.push(grantee),
                // Of an object it means nothing.
                _ => {}
            }
        }
        input.grant_full_control = Some(full_control.join(", "));
        input.grant_read = (!read.is_empty()).then(|| read.join(", "));
        Ok(())
    }
}
