"""What is set of buckets and objects: tags, ACLs, locks, and documents that are kept as they are."""

from dataclasses import dataclass
from datetime import datetime, timezone

from .state import InAnyOrder, Refused, exact

# Of those who sign, whoever they are.
KNOWN_ONLY = ("authenticated-read",)
_PUBLIC = ("public-read", "public-read-write", *KNOWN_ONLY)
_ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
_KNOWN = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
_GROUPS = {
    "public-read": [(_ALL, "READ")],
    "public-read-write": [(_ALL, "READ"), (_ALL, "WRITE")],
    "authenticated-read": [(_KNOWN, "READ")],
}


@dataclass(frozen=True)
class Kind:
    """A document of a bucket: what it is called in a request, in an answer, and when it is not there."""

    argument: str
    shown: object
    absent: str
    # If the operation that takes it away is not called after it.
    deleted_by: str | None = None


KINDS = {
    "bucket_tagging": Kind("Tagging", lambda it: it, "NoSuchTagSet"),
    "bucket_cors": Kind("CORSConfiguration", lambda it: it, "NoSuchCORSConfiguration"),
    "bucket_lifecycle_configuration": Kind(
        "LifecycleConfiguration", lambda it: it, "NoSuchLifecycleConfiguration", "bucket_lifecycle"
    ),
    "bucket_policy": Kind("Policy", lambda it: {"Policy": it}, "NoSuchBucketPolicy"),
    "bucket_ownership_controls": Kind(
        "OwnershipControls",
        lambda it: {"OwnershipControls": it},
        "OwnershipControlsNotFoundError",
    ),
    "public_access_block": Kind(
        "PublicAccessBlockConfiguration",
        lambda it: {"PublicAccessBlockConfiguration": it},
        "NoSuchPublicAccessBlockConfiguration",
    ),
}


def blocks(bucket, what):
    return bucket.documents.get("public_access_block", {}).get(what, False)


def enforced(bucket):
    """Whether the bucket's owner owns everything in it, and ACLs count for nothing."""
    controls = bucket.documents.get("bucket_ownership_controls")
    return bool(controls) and controls["Rules"][0]["ObjectOwnership"] == "BucketOwnerEnforced"


def says(policy, effect):
    """Whether a policy has this for everybody."""
    return policy is not None and '"*"' in policy and effect in policy


def opens(acl):
    """Whether an ACL lets others read than those who are named."""
    return acl in _PUBLIC


def check_acl(bucket, acl, of_new=False):
    """Whether an ACL may be set; of a new object none at all is fine, or one that changes nothing."""
    fine = of_new and acl in (None, "bucket-owner-full-control")
    if enforced(bucket) and not fine:
        raise Refused(400, "AccessControlListNotSupported")
    if opens(acl) and blocks(bucket, "BlockPublicAcls"):
        raise Refused(403, "AccessDenied")


def shown_acl(bucket, acl, owner="root"):
    """Whose it is may everything. The bucket is root's, and of an object it may be given everything."""
    owner = "root" if enforced(bucket) else owner
    grants = InAnyOrder([{"Grantee": {"ID": owner}, "Permission": "FULL_CONTROL"}])
    if acl == "bucket-owner-full-control" and owner != "root" and not enforced(bucket):
        grants.append({"Grantee": {"ID": "root"}, "Permission": "FULL_CONTROL"})
    for group, permission in _GROUPS.get(acl, []) if not enforced(bucket) else []:
        grants.append({"Grantee": {"URI": group}, "Permission": permission})
    return {"Owner": {"ID": owner}, "Grants": grants}


class Documents:
    """Operations on what is set."""

    def put(self, kind, Bucket, value):
        bucket = self.bucket(Bucket)
        public = kind == "bucket_policy" and says(value, "Allow")
        if public and blocks(bucket, "BlockPublicPolicy"):
            raise Refused(403, "AccessDenied")
        if kind == "bucket_ownership_controls" and bucket.acl != "private":
            if value["Rules"][0]["ObjectOwnership"] == "BucketOwnerEnforced":
                raise Refused(400, "InvalidBucketAclWithObjectOwnership")
        bucket.documents[kind] = value
        return {}

    def get(self, kind, Bucket):
        held = self.bucket(Bucket).documents.get(kind)
        if held is None:
            raise Refused(404, KINDS[kind].absent)
        return KINDS[kind].shown(held)

    def delete(self, kind, Bucket):
        self.bucket(Bucket).documents.pop(kind, None)
        return {"ResponseMetadata": {"HTTPStatusCode": 204}}

    def put_bucket_acl(self, Bucket, ACL):
        bucket = self.bucket(Bucket)
        check_acl(bucket, ACL)
        bucket.acl = ACL
        return {}

    def get_bucket_acl(self, Bucket):
        bucket = self.bucket(Bucket)
        return shown_acl(bucket, bucket.acl)

    def put_object_acl(self, Bucket, Key, ACL, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        check_acl(bucket, ACL)
        version.acl = ACL
        return {}

    def get_object_acl(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        return shown_acl(bucket, version.acl, version.owner)

    def put_object_tagging(self, Bucket, Key, Tagging, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        version.tags = {tag["Key"]: tag["Value"] for tag in Tagging["TagSet"]}
        return {"VersionId": bucket.shown_id(version)}

    def get_object_tagging(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        tags = [{"Key": key, "Value": version.tags[key]} for key in sorted(version.tags)]
        return {"TagSet": InAnyOrder(tags), "VersionId": bucket.shown_id(version)}

    def delete_object_tagging(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        version.tags = {}
        return {"VersionId": bucket.shown_id(version)}

    def put_object_lock_configuration(self, Bucket, ObjectLockConfiguration):
        bucket = self.bucket(Bucket)
        if bucket.versioning != "Enabled":
            raise Refused(409, "InvalidBucketState")
        rule = ObjectLockConfiguration.get("Rule")
        default = rule and rule["DefaultRetention"]
        bucket.lock = (default["Mode"], default["Days"]) if default else ()
        return {}

    def get_object_lock_configuration(self, Bucket):
        lock = self.bucket(Bucket).lock
        if lock is None:
            raise Refused(404, "ObjectLockConfigurationNotFoundError")
        rule = {"DefaultRetention": {"Mode": lock[0], "Days": lock[1]}} if lock else None
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}

    def lockable(self, Bucket, Key, sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        if bucket.lock is None:
            raise Refused(400, "InvalidRequest")
        return version

    def put_object_retention(self, Bucket, Key, Retention, **sent):
        version = self.lockable(Bucket, Key, sent)
        asked = (Retention["Mode"], Retention["RetainUntilDate"]) if Retention else None
        held = version.retention
        if held and exact(held[1]) > datetime.now(timezone.utc):
            longer = asked and asked[1] >= exact(held[1]) and asked[0] == held[0]
            passes = held[0] == "GOVERNANCE" and sent.get("BypassGovernanceRetention")
            if not longer and not passes:
                raise Refused(403, "AccessDenied")
        version.retention = asked
        return {}

    def get_object_retention(self, Bucket, Key, **sent):
        version = self.lockable(Bucket, Key, sent)
        if version.retention is None:
            raise Refused(404, "NoSuchObjectLockConfiguration")
        mode, until = version.retention
        return {"Retention": {"Mode": mode, "RetainUntilDate": until}}

    def put_object_legal_hold(self, Bucket, Key, LegalHold, **sent):
        self.lockable(Bucket, Key, sent).hold = LegalHold["Status"]
        return {}

    def get_object_legal_hold(self, Bucket, Key, **sent):
        hold = self.lockable(Bucket, Key, sent).hold
        if hold is None:
            raise Refused(404, "NoSuchObjectLockConfiguration")
        return {"LegalHold": {"Status": hold}}
