"""What somebody hears whose bucket it is not: what policies and ACLs open to all, or to all who sign."""

from .documents import KNOWN_ONLY, blocks, enforced, opens, says
from .state import Refused

# Whoever does not sign, by the id that AWS gives them.
NOBODY = "65a011a29cdf8ec533ec3d1ccaae921c"


class Stranger:
    """A model's calls by somebody else. What is not opened is refused, whether it is there or not."""

    def __init__(self, model, id):
        self.model, self.id, self.signs = model, id, id != NOBODY

    def given(self, bucket, acl):
        """Whether a list gives this one leave to read, or of a bucket, to list."""
        counts = not enforced(bucket) and not blocks(bucket, "IgnorePublicAcls")
        return counts and opens(acl) and (self.signs or acl not in KNOWN_ONLY)

    def may_write(self, Bucket):
        bucket = self.model.bucket(Bucket)
        if bucket.acl != "public-read-write" or not self.given(bucket, bucket.acl):
            raise Refused(403, "AccessDenied")
        return bucket

    def put_object(self, Bucket, Key, **sent):
        bucket = self.may_write(Bucket)
        answer = self.model.put_object(Bucket, Key, **sent)
        self.owns(bucket, Key)
        return answer

    def copy_object(self, Bucket, Key, CopySource, **sent):
        """Nobody copies tags who may not read them."""
        bucket = self.may_write(Bucket)
        self.get_object(**CopySource)
        source = self.model.bucket(CopySource["Bucket"])
        source = source.find(CopySource["Key"], CopySource.get("VersionId"))
        if source.tags and sent.get("TaggingDirective") != "REPLACE":
            raise Refused(403, "AccessDenied")
        answer = self.model.copy_object(Bucket, Key, CopySource, **sent)
        self.owns(bucket, Key)
        return answer

    def owns(self, bucket, key):
        """An object is whose puts it, or is given away."""
        version = bucket.latest(key)
        controls = bucket.documents.get("bucket_ownership_controls", {"Rules": [{}]})
        preferred = controls["Rules"][0].get("ObjectOwnership") == "BucketOwnerPreferred"
        if not (preferred and version.acl == "bucket-owner-full-control"):
            version.owner = self.id

    def delete_object(self, Bucket, Key, **sent):
        """Versions are the bucket owner's to remove."""
        self.may_write(Bucket)
        if "VersionId" in sent:
            raise Refused(403, "AccessDenied")
        return self.model.delete_object(Bucket, Key)

    def may_read(self, bucket, version, named):
        """As its owner, by its list, or by the policy: of the bucket owner's, and no named version."""
        theirs = version.owner != "root" and not enforced(bucket)
        if theirs and version.owner == self.id:
            # Nobody is everybody.
            return self.signs or not blocks(bucket, "IgnorePublicAcls")
        by_policy = not theirs and not named and self.let_in(bucket)
        return by_policy or self.given(bucket, version.acl)

    def get_object(self, Bucket, Key, **sent):
        bucket = self.model.bucket(Bucket)
        if "VersionId" not in sent and says(bucket.documents.get("bucket_policy"), "Deny"):
            raise Refused(403, "AccessDenied")
        try:
            version = bucket.find(Key, sent.get("VersionId"))
        except Refused as refused:
            # Of a delete marker that is named there is no list, and the policies here name no versions.
            if refused.status == 404 and self.given(bucket, bucket.acl):
                raise
            raise Refused(403, "AccessDenied") from refused
        if not self.may_read(bucket, version, "VersionId" in sent):
            raise Refused(403, "AccessDenied")
        # Tags are counted only to those who may read them.
        return self.model.get_object(Bucket, Key, **sent) | {"TagCount": None}

    def let_in(self, bucket):
        """Whether the policy lets everybody in, and may."""
        public = says(bucket.documents.get("bucket_policy"), "Allow")
        return public and not blocks(bucket, "RestrictPublicBuckets")

    def list_objects_v2(self, Bucket, **query):
        bucket = self.model.bucket(Bucket)
        if not self.given(bucket, bucket.acl):
            raise Refused(403, "AccessDenied")
        return self.model.list_objects_v2(Bucket, **query)

    def get_object_tagging(self, Bucket, **_):
        self.model.bucket(Bucket)
        raise Refused(403, "AccessDenied")
