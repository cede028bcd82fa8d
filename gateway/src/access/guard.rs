//! Who may come in, and what they may do there: asked once for each request, before its input is
//! looked at, and where an object decides, once more when it is found.
//!
//! What lets somebody into another's bucket is told to the commit section by the bucket's birth: a
//! bucket made anew meanwhile is closed again, and so is any to a user who is disabled.

use std::{borrow::Cow, cell::Cell, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, Uri};
use model::{BucketName, ObjectKey, RequestId, Slot, UserId};
use s3s::{
    S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    path::S3Path,
    s3_error,
};
use store::{Caller, Store};

use super::{
    Action, Ask, Verdict,
    action::{self, Needs},
    circumstances::Circumstances,
};
use crate::{
    access_log::Noted,
    documents::{Document, acl::Permission, tags::Tags},
    errors, expected_owner,
    operation::{Operation, OperationSlot},
    query::parameter,
    settings::{AllSettings, Settings},
};

mod reader;

pub(crate) use reader::Reader;

const BYPASS: HeaderName = HeaderName::from_static("x-amz-bypass-governance-retention");

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    /// Over TLS.
    pub(crate) secure: bool,
}

/// Lets in whoever may do what they ask; takes note of the operation, and of who asks for it.
#[derive(Clone)]
pub(crate) struct Guard {
    root_access_key: String,
    store: Store,
    settings: AllSettings,
}

/// Who asks, and with what: asked again of keys and buckets that the request does not name itself.
#[derive(Clone)]
pub(crate) struct Asker(Arc<AskerParts>);

struct AskerParts {
    store: Store,
    user: UserId,
    headers: HeaderMap,
    uri: Uri,
    peer: Option<Peer>,
}

/// What a request asks, as far as it is judged.
pub(crate) struct Asked<'a> {
    /// Its name in S3.
    pub(crate) operation: &'a str,
    pub(crate) path: &'a S3Path,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    pub(crate) user: &'a UserId,
    pub(crate) peer: Option<Peer>,
    /// Where to leave what its record shows, if there is to be one.
    pub(crate) noted: Option<&'a Noted>,
}

/// What something is done with.
struct Resource<'a> {
    bucket: &'a str,
    key: Option<&'a str>,
    /// The version that is named.
    slot: Option<Slot>,
}

/// How a request stands in its bucket.
#[derive(Clone)]
struct Standing {
    settings: Arc<Settings>,
    verdict: Verdict,
    /// What the object's ACL has to give. `None`: it does not count, as for tags, which are the bucket
    /// owner's business whoever put the object.
    permission: Option<Permission>,
    /// `None`: the root user, or the bucket's owner where there is no policy.
    asker: Option<Asker>,
}

impl Guard {
    pub(crate) fn new(root_access_key: String, store: Store, settings: AllSettings) -> Self {
        Self { root_access_key, store, settings }
    }

    /// Who holds a key.
    pub(crate) fn user(&self, access_key: &str) -> S3Result<UserId> {
        if access_key == self.root_access_key {
            return Ok(UserId::root());
        }
        match self.store.key_holder(access_key).map_err(|error| errors::read(&error))? {
            Some((user, true)) => Ok(user),
            _ => Err(errors::no_such_access_key()),
        }
    }

    /// Lets in who may do what a request asks for.
    pub(crate) fn let_in(&self, asked: &Asked<'_>, request: RequestId) -> S3Result<Reader> {
        if let Some(noted) = asked.noted {
            noted.requester(asked.user);
        }
        // These two are of no bucket that is there.
        let own = ["ListBuckets", "CreateBucket"].contains(&asked.operation);
        if own && asked.user.is_anonymous() {
            return Err(errors::denied());
        }
        let standing = if own { None } else { self.standing(asked)? };
        let mut caller = Caller::of(asked.user.clone(), request);
        if let Some(standing) = &standing {
            match standing.verdict {
                Verdict::Refused => return Err(errors::denied()),
                Verdict::Granted => caller.granted = Some(standing.settings.bucket.birth),
                Verdict::OwnUploads => {
                    caller.granted = Some(standing.settings.bucket.birth);
                    caller.own_uploads = true;
                }
                Verdict::Object(_) => {}
            }
            caller.bypass = standing.bypasses(asked);
        }
        // Only to those who are let in: others must not learn who owns what.
        expected_owner::check(&self.store, asked.path, asked.headers)?;
        Ok(Reader { caller, standing })
    }

    /// How a request stands in the bucket that it names, if that exists.
    fn standing(&self, asked: &Asked<'_>) -> S3Result<Option<Standing>> {
        let &Asked { operation, path, headers, uri, user, peer, noted } = asked;
        let (bucket, key) = match path {
            S3Path::Root => return Ok(None),
            S3Path::Bucket { bucket } => (bucket, None),
            S3Path::Object { bucket, key } => (bucket, Some(key)),
        };
        let Ok(name) = BucketName::try_from(bucket.to_string()) else { return Ok(None) };
        let Some(settings) = self.settings.of(&name)? else { return Ok(None) };
        let id = parameter(uri, "versionId");
        let action = Action::of(operation, id.is_some());
        let permission = match action.needs {
            Needs::Object(permission) => Some(permission),
            Needs::Owner | Needs::Bucket(_) | Needs::Upload => None,
        };
        let own = settings.rules.policy.is_none() && *user == *settings.owner();
        let simple = own || user.is_root();
        let several = ["CopyObject", "UploadPartCopy", "DeleteObjects"].contains(&operation);
        let asker = (!simple || several).then(|| {
            let (store, user) = (self.store.clone(), user.clone());
            let (headers, uri) = (headers.clone(), uri.clone());
            Asker(Arc::new(AskerParts { store, user, headers, uri, peer }))
        });
        let verdict = match &asker {
            _ if simple => Verdict::Granted,
            None => Verdict::Refused,
            // Each key by itself, where it could be open to others than the owner at all.
            Some(_) if operation == "DeleteObjects" => {
                let rules = &settings.rules;
                let closed = rules.policy.is_none() && rules.acl.is_none() && !user.is_root();
                if closed { Verdict::Refused } else { Verdict::Granted }
            }
            Some(asker) => {
                // One that is none of an id will be refused for that.
                let slot = id.and_then(|id| id.parse().ok());
                let resource = Resource { bucket, key: key.map(|key| &**key), slot };
                let action = (action, &*beside(operation, headers));
                let verdict = asker.ask(&settings, action, &resource);
                if let Some(noted) = noted.filter(|_| verdict != Verdict::Refused)
                    && asker.needed_acl(&settings, action, &resource)
                {
                    noted.by_acl();
                }
                verdict
            }
        };
        Ok(Some(Standing { settings, verdict, permission, asker }))
    }
}

impl Standing {
    /// Whether a request passes over GOVERNANCE retention, as it asks to.
    fn bypasses(&self, asked: &Asked<'_>) -> bool {
        let S3Path::Object { bucket, key } = asked.path else { return false };
        if !asks_to_bypass(asked.headers) {
            return false;
        }
        let slot = parameter(asked.uri, "versionId").and_then(|id| id.parse().ok());
        let resource = Resource { bucket, key: Some(&**key), slot };
        self.asker.as_ref().is_none_or(|asker| asker.may_bypass(&self.settings, &resource))
    }
}

#[async_trait]
impl S3Access for Guard {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = Operation::named(context.s3_op().name());
        let extensions = context.extensions_mut();
        if let Some(slot) = extensions.get::<OperationSlot>() {
            slot.set(operation);
        }
        let request = extensions.get().copied().unwrap_or(RequestId::NONE);
        let peer = extensions.get::<Peer>().copied();
        let noted = Noted::of(extensions);
        let user = match context.credentials() {
            Some(credentials) => self.user(&credentials.access_key)?,
            None => UserId::anonymous(),
        };
        let asked = Asked {
            operation: context.s3_op().name(),
            path: context.s3_path(),
            headers: context.headers(),
            uri: context.uri(),
            user: &user,
            peer,
            noted: noted.as_ref(),
        };
        let reader = self.let_in(&asked, request)?;
        // Before its body is looked at, which need not be right.
        if operation == Operation::Other {
            let name = context.s3_op().name();
            return Err(s3_error!(NotImplemented, "The operation {name} is not available here"));
        }
        reader.leave(context.extensions_mut());
        Ok(())
    }
}

impl Asker {
    /// Who sent a request that speaks of several keys.
    pub(crate) fn of<I>(request: &S3Request<I>) -> S3Result<Self> {
        let reader = Reader::of(request)?;
        let asker = reader.standing.and_then(|standing| standing.asker);
        asker.ok_or_else(errors::no_such_bucket)
    }

    fn may_bypass(&self, settings: &Settings, resource: &Resource<'_>) -> bool {
        self.ask(settings, (action::BYPASS_GOVERNANCE, &[]), resource) == Verdict::Granted
    }

    /// Whether one of the keys may be deleted in spite of GOVERNANCE retention, as the request asks.
    pub(crate) fn bypasses(
        &self,
        settings: &Settings,
        (bucket, key): (&BucketName, &ObjectKey),
        slot: Option<Slot>,
    ) -> bool {
        let resource = Resource { bucket: bucket.as_str(), key: Some(key.as_str()), slot };
        asks_to_bypass(&self.0.headers) && self.may_bypass(settings, &resource)
    }

    /// Whether one of the keys may be deleted.
    pub(crate) fn may_delete(
        &self,
        settings: &Settings,
        (bucket, key): (&BucketName, &ObjectKey),
        slot: Option<Slot>,
    ) -> bool {
        let action = if slot.is_some() { action::DELETE_VERSION } else { action::DELETE_OBJECT };
        let resource = Resource { bucket: bucket.as_str(), key: Some(key.as_str()), slot };
        self.ask(settings, (action, &[]), &resource) == Verdict::Granted
    }

    /// Who reads an object that the request names beside its own.
    pub(crate) fn reader(
        &self,
        caller: &Caller,
        settings: Arc<Settings>,
        (bucket, key, slot): (&BucketName, &ObjectKey, Option<Slot>),
    ) -> S3Result<Reader> {
        let action = if slot.is_some() { action::GET_VERSION } else { action::GET_OBJECT };
        let resource = Resource { bucket: bucket.as_str(), key: Some(key.as_str()), slot };
        let verdict = self.ask(&settings, (action, &[]), &resource);
        if verdict == Verdict::Refused {
            return Err(errors::denied());
        }
        let (permission, asker) = (Some(Permission::Read), Some(self.clone()));
        let standing = Some(Standing { settings, verdict, permission, asker });
        Ok(Reader { caller: caller.clone(), standing })
    }

    fn ask(
        &self,
        settings: &Settings,
        action: (Action, &[&'static str]),
        resource: &Resource<'_>,
    ) -> Verdict {
        let decided = self.judged(action, resource, |ask| settings.rules.decide(ask));
        // What nobody could look at may be what a denial hangs on.
        decided.unwrap_or(Verdict::Refused)
    }

    /// Whether it is an ACL that lets somebody in who is.
    fn needed_acl(
        &self,
        settings: &Settings,
        action: (Action, &[&'static str]),
        resource: &Resource<'_>,
    ) -> bool {
        self.judged(action, resource, |ask| settings.rules.needed_acl(ask)).unwrap_or_default()
    }

    /// `None`: something that was asked for could not be looked at.
    fn judged<T>(
        &self,
        (action, beside): (Action, &[&'static str]),
        resource: &Resource<'_>,
        judge: impl FnOnce(&Ask<'_>) -> T,
    ) -> Option<T> {
        let parts = &self.0;
        let unreadable = Cell::new(false);
        let tags = || parts.tags(resource).inspect_err(|_| unreadable.set(true)).ok().flatten();
        let circumstances = Circumstances {
            user: &parts.user,
            headers: &parts.headers,
            uri: &parts.uri,
            peer: parts.peer,
            now: parts.store.now(),
            tags: &tags,
        };
        let circumstance = |key: &str| circumstances.values(key);
        let (user, resource) = (&parts.user, &*resource.name());
        let ask = Ask { user, action, beside, resource, circumstance: &circumstance };
        let judged = judge(&ask);
        (!unreadable.get()).then_some(judged)
    }
}

impl AskerParts {
    /// Of the object version that is there, if there is one.
    fn tags(&self, resource: &Resource<'_>) -> S3Result<Option<Tags>> {
        let named = resource.key.and_then(|key| {
            let bucket = BucketName::try_from(resource.bucket.to_owned()).ok()?;
            Some((bucket, ObjectKey::try_from(key.to_owned()).ok()?))
        });
        let Some((bucket, key)) = named else { return Ok(None) };
        let attributes = self.store.attributes_in((&bucket, &key), resource.slot);
        let attributes = attributes.map_err(|error| errors::read(&error))?;
        Tags::of(&attributes).map_err(|error| errors::internal(&error))
    }
}

impl Resource<'_> {
    /// As policies name it.
    fn name(&self) -> Cow<'_, str> {
        let Self { bucket, key, .. } = self;
        key.map_or(Cow::Borrowed(*bucket), |key| Cow::Owned(format!("{bucket}/{key}")))
    }
}

/// What else a request is, beside its action.
fn beside(operation: &str, headers: &HeaderMap) -> Vec<&'static str> {
    if operation == "GetObjectAttributes" {
        return vec!["s3:GetObjectAttributes"];
    }
    if !["PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"].contains(&operation) {
        return Vec::new();
    }
    let grants =
        |name: &HeaderName| name == "x-amz-acl" || name.as_str().starts_with("x-amz-grant-");
    let asked = [
        (headers.keys().any(grants), "s3:PutObjectAcl"),
        (headers.contains_key("x-amz-tagging"), "s3:PutObjectTagging"),
        (headers.contains_key("x-amz-object-lock-mode"), "s3:PutObjectRetention"),
        (headers.contains_key("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
    ];
    asked.into_iter().filter(|(asked, _)| *asked).map(|(_, action)| action).collect()
}

fn asks_to_bypass(headers: &HeaderMap) -> bool {
    let asked = headers.get(BYPASS);
    asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}
