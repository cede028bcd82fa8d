"""The model: all of its operations, and those on buckets."""

from .documents import Documents
from .listings import Listings
from .objects import Objects
from .state import Bucket as Held
from .state import Refused
from .uploads import Uploads


class S3(Objects, Uploads, Listings, Documents):
    """One account in us-east-1, whose calls are the root user's."""

    def __init__(self):
        self.buckets = {}
        # What completed uploads were answered, and where a listing's tokens stand.
        self.completed, self.tokens = {}, {}

    def bucket(self, name):
        if name not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        return self.buckets[name]

    def create_bucket(self, Bucket, ACL="private", ObjectOwnership=None, **sent):
        """Of one that is there, us-east-1 says the same again, and changes nothing."""
        if ObjectOwnership == "BucketOwnerEnforced" and ACL != "private":
            raise Refused(400, "InvalidBucketAclWithObjectOwnership")
        if Bucket not in self.buckets:
            locked = sent.get("ObjectLockEnabledForBucket")
            made = self.buckets[Bucket] = Held("Enabled", ()) if locked else Held()
            made.acl = ACL
            if ObjectOwnership:
                controls = {"Rules": [{"ObjectOwnership": ObjectOwnership}]}
                made.documents["bucket_ownership_controls"] = controls
        return {"Location": f"/{Bucket}"}

    def delete_bucket(self, Bucket):
        if self.bucket(Bucket).versions:
            raise Refused(409, "BucketNotEmpty")
        del self.buckets[Bucket]
        self.completed = {name: a for name, a in self.completed.items() if name[0] != Bucket}
        return {"ResponseMetadata": {"HTTPStatusCode": 204}}

    def head_bucket(self, Bucket):
        self.bucket(Bucket)
        return {"BucketRegion": "us-east-1"}

    def list_buckets(self, Prefix):
        return {"Buckets": [{"Name": name} for name in sorted(self.buckets)] or None}

    def put_bucket_versioning(self, Bucket, VersioningConfiguration):
        bucket, status = self.bucket(Bucket), VersioningConfiguration["Status"]
        if bucket.lock is not None and status != "Enabled":
            raise Refused(409, "InvalidBucketState")
        bucket.versioning = status
        return {}

    def get_bucket_versioning(self, Bucket):
        return {"Status": self.bucket(Bucket).versioning}
