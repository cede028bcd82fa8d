"""The calls that sequences are made of."""

import itertools

from . import draws
from .compare import Site, follow_listings, same_state, uploads_behind
from .documents import KINDS
from .draws import at, bucket, maybe, one, salt, seldom, size, some_of, version, yes_or_no
from .s3 import S3
from .state import md5, quoted
from .stranger import Stranger
from .sums import ALGORITHMS
from .uploads import PART_MIN

# Every step by its name, with what its arguments are drawn by.
STEPS = {}
_numbers = itertools.count()


def step(**drawn):
    def known(call):
        STEPS[call.__name__] = drawn
        return call

    return known


class Calls:
    """One sequence, in two buckets of its own.

    What a step is about is said by numbers, so that a sequence means something without any of its steps.
    """

    def __init__(self, clients, keys, locked, kept, opened):
        self.model, number = S3(), next(_numbers)
        self.keys, self.buckets = keys, [f"model-{number}-{name}" for name in "ab"]
        # At each site the root user, and others whose buckets these are not.
        self.sites = [Site(root, self.model) for root, _ in clients]
        self.strangers = [
            [Site(client, Stranger(self.model, id)) for id, client in others.items()] for _, others in clients
        ]
        self.call = self.sites[0].call
        # Uploads in the order in which they were begun, those that have ended too.
        self.uploads = []
        one, other = ({"Bucket": name} for name in self.buckets)
        self.call("create_bucket", **one, ObjectLockEnabledForBucket=locked)
        self.call("create_bucket", **other, ACL=opened)
        if kept:
            self.call("put_bucket_versioning", **other, VersioningConfiguration={"Status": kept})

    def held(self, named):
        """The versions of a key, the newest first."""
        bucket = self.model.buckets.get(named["Bucket"])
        return bucket.versions.get(named["Key"], [])[::-1] if bucket else []

    def object(self, at, version=None):
        """A key, and its `version`-th version if that is asked for."""
        named = {"Bucket": self.buckets[at // 4], "Key": self.keys[at % 4]}
        if version is None:
            return named
        # Behind those that are there, one that was, or may not be.
        bucket = self.model.buckets.get(named["Bucket"])
        gone = bucket.gone.get(named["Key"], "null") if bucket else "null"
        ids = [held.id for held in self.held(named) if held.id] + [gone]
        return named | {"VersionId": ids[version % len(ids)]}

    def condition(self, named, kind):
        """A condition on the latest version, or on the one that is named."""
        held = [v for v in self.held(named) if named.get("VersionId", v.id) == v.id]
        etag = held[0].etag if held else None
        return {
            "none": {},
            "absent": {"IfNoneMatch": "*"},
            "present": {"IfMatch": "*"},
            "same": {"IfMatch": quoted(etag or md5(b""))},
            "other": {"IfMatch": quoted(md5(b"other"))},
        }[kind]

    # Buckets.

    @step(
        bucket=bucket,
        wish=maybe(ACL=draws.CANNED, ObjectOwnership=["BucketOwnerEnforced", "ObjectWriter"]),
    )  # fmt: skip
    def create_bucket(self, bucket, wish):
        self.call("create_bucket", Bucket=self.buckets[bucket], **wish)

    @step(bucket=bucket, emptied=yes_or_no)
    def delete_bucket(self, bucket, emptied):
        name = self.buckets[bucket]
        if emptied and name in self.model.buckets:
            for key, versions in list(self.model.bucket(name).versions.items()):
                for held in list(versions):
                    if held.id:
                        self.call("delete_object", Bucket=name, Key=key, VersionId=held.id)
        self.call("delete_bucket", Bucket=name)
        self.call("head_bucket", Bucket=name)

    @step(bucket=bucket, status=one("Enabled", "Suspended"))
    def put_versioning(self, bucket, status):
        named = {"Bucket": self.buckets[bucket]}
        self.call("put_bucket_versioning", **named, VersioningConfiguration={"Status": status})

    @step(bucket=bucket, kind=one(*KINDS), which=draws.up_to(2))
    def put_document(self, bucket, kind, which):
        values, name = draws.DOCUMENTS[kind], self.buckets[bucket]
        value = values[which % len(values)]
        if kind == "bucket_policy":
            value = draws.policy(name, *value)
        self.sites[0].put_document(kind, name, value)
        self.sites[0].get_document(kind, name)

    @step(bucket=bucket, kind=one(*KINDS))
    def delete_document(self, bucket, kind):
        self.sites[0].delete_document(kind, self.buckets[bucket])

    @step(bucket=bucket, acl=one(*draws.CANNED))
    def put_bucket_acl(self, bucket, acl):
        self.call("put_bucket_acl", Bucket=self.buckets[bucket], ACL=acl)

    @step(bucket=bucket, mode=one(None, "GOVERNANCE", "COMPLIANCE"))
    def put_lock_of_bucket(self, bucket, mode):
        rule = {"Rule": {"DefaultRetention": {"Mode": mode, "Days": 5}}} if mode else {}
        wish = {"ObjectLockEnabled": "Enabled"} | rule
        named = {"Bucket": self.buckets[bucket]}
        self.call("put_object_lock_configuration", **named, ObjectLockConfiguration=wish)

    # Objects.

    def described(self, described, begins, lock, days):
        """All that a request says of an object that it makes."""
        until = {"ObjectLockRetainUntilDate": draws.in_days(days)} if "ObjectLockMode" in lock else {}
        return described | begins | lock | until

    @step(
        at=at, size=size, salt=salt, condition=draws.condition, described=draws.described,
        begins=draws.begins, lock=draws.lock, days=draws.days,
        algorithm=maybe(ChecksumAlgorithm=ALGORITHMS),
    )  # fmt: skip
    def put(self, at, size, salt, condition, described, begins, lock, days, algorithm):
        named = self.object(at)
        wish = self.described(described, begins, lock, days) | self.condition(named, condition)
        self.call("put_object", **named, Body=draws.body(size, salt), **wish, **algorithm)

    @step(at=at, size=size, salt=salt)
    def put_plain(self, at, size, salt):
        self.call("put_object", **self.object(at), Body=draws.body(size, salt))

    @step(
        at=at, source=at, version=version, condition=one("none", "none", "same", "other"),
        replace=yes_or_no, described=draws.described, begins=draws.begins,
        lock=draws.lock, days=draws.days, algorithm=maybe(ChecksumAlgorithm=ALGORITHMS),
        tagging=one("COPY", "REPLACE"), times=seldom(draws.times),
    )  # fmt: skip
    def copy(
        self, at, source, version, condition, replace, described, begins, lock, days, algorithm,
        tagging, times,
    ):  # fmt: skip
        source = self.object(source, version)
        matches = self.condition(source, condition)
        wish = self.described(described if replace else {}, begins, lock, days) | algorithm
        if tagging == "COPY":
            wish.pop("Tagging", None)
        wish |= {f"CopySource{name}": value for name, value in (matches | times).items()}
        directives = {"MetadataDirective": "REPLACE" if replace else "COPY", "TaggingDirective": tagging}
        self.call("copy_object", **self.object(at), CopySource=source, **directives, **wish)

    @step(at=at, source=at, condition=one("same", "other"))
    def copy_if_none(self, at, source, condition):
        source = self.object(source)
        none = self.condition(source, condition)["IfMatch"]
        wish = {"CopySource": source, "CopySourceIfNoneMatch": none, "MetadataDirective": "REPLACE"}
        self.call("copy_object", **self.object(at), **wish)

    @step(
        at=at, version=version, range=one(None, *draws.RANGES), part=one(None, None, None, 1, 2, 3),
        condition=draws.condition, mode=maybe(ChecksumMode=["ENABLED"]), instead=draws.instead,
        times=seldom(draws.times),
    )  # fmt: skip
    def read(self, at, version, range, part, condition, mode, instead, times):
        named = self.object(at, version)
        matches = self.condition(named, condition)
        wish = mode | instead | times
        if part:
            wish["PartNumber"] = part
        elif range:
            wish["Range"] = f"bytes={range}"
        if condition == "absent":
            matches = {"IfNoneMatch": self.condition(named, "same")["IfMatch"]}
        if condition == "present":
            matches = {"IfNoneMatch": quoted(md5(b"other"))}
        for name in ("get_object", "head_object"):
            self.call(name, **named, **wish, **matches)

    @step(at=at, version=version, condition=draws.condition, bypass=yes_or_no)
    def delete(self, at, version, condition, bypass):
        named = self.object(at, version)
        matches = {} if condition == "absent" else self.condition(named, condition)
        wish = {"BypassGovernanceRetention": True} if bypass else {}
        self.call("delete_object", **named, **matches, **wish)

    @step(
        bucket=bucket, keys=some_of(3), first=version, rest=version, condition=draws.condition,
        quiet=yes_or_no, bypass=yes_or_no,
    )  # fmt: skip
    def delete_many(self, bucket, keys, first, rest, condition, quiet, bypass):
        """Several keys, and of the first one also a version: in one request."""
        named = [self.object(4 * bucket + key, rest) for key in keys]
        if first is not None:
            named.append(self.object(4 * bucket + keys[0], first))
        objects = [{name: one[name] for name in one if name != "Bucket"} for one in named]
        if condition in ("same", "other"):
            objects[0]["ETag"] = self.condition(named[0], condition)["IfMatch"]
        wish = {"BypassGovernanceRetention": True} if bypass else {}
        delete = {"Objects": objects, "Quiet": quiet}
        self.call("delete_objects", Bucket=self.buckets[bucket], Delete=delete, **wish)

    @step(at=at, version=version, tags=one(None, [], [("a", "1")], [("ü", "x y"), ("b", "")]))
    def tag(self, at, version, tags):
        named = self.object(at, version)
        if tags is None:
            self.call("delete_object_tagging", **named)
        else:
            tags = {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}
            self.call("put_object_tagging", **named, Tagging=tags)
        self.call("get_object_tagging", **named)

    @step(at=at, version=version, acl=one(*draws.CANNED, "bucket-owner-full-control"))
    def put_object_acl(self, at, version, acl):
        named = self.object(at, version)
        self.call("put_object_acl", **named, ACL=acl)
        self.call("get_object_acl", **named)

    @step(
        at=at, version=version, mode=one(None, "GOVERNANCE", "GOVERNANCE", "COMPLIANCE"),
        days=draws.days, bypass=yes_or_no,
    )  # fmt: skip
    def retain(self, at, version, mode, days, bypass):
        named = self.object(at, version)
        retention = {"Mode": mode, "RetainUntilDate": draws.in_days(days)} if mode else {}
        wish = {"BypassGovernanceRetention": True} if bypass else {}
        self.call("put_object_retention", **named, Retention=retention, **wish)
        self.call("get_object_retention", **named)

    @step(at=at, version=version, status=one("ON", "OFF"))
    def hold(self, at, version, status):
        named = self.object(at, version)
        self.call("put_object_legal_hold", **named, LegalHold={"Status": status})
        self.call("get_object_legal_hold", **named)

    @step(at=at, version=version, signs=yes_or_no)
    def read_as_stranger(self, at, version, signs):
        named, stranger = self.object(at, version), self.strangers[0][signs]
        stranger.call("get_object", **named)
        stranger.call("get_object_tagging", **named)
        stranger.call("list_objects_v2", Bucket=named["Bucket"])

    @step(
        at=one(4, 5, 6, 7), version=version, signs=yes_or_no, size=size, salt=salt, source=at,
        how=one("put", "put", "copy", "delete"),
        begins=maybe(ACL=["bucket-owner-full-control", "public-read"]),
    )  # fmt: skip
    def write_as_stranger(self, at, version, signs, size, salt, source, how, begins):
        stranger, named = self.strangers[0][signs], self.object(at)
        if how == "put":
            stranger.call("put_object", **named, Body=draws.body(size, salt), **begins)
        elif how == "copy":
            wish = {"CopySource": self.object(source, version), "MetadataDirective": "REPLACE"}
            stranger.call("copy_object", **named, **wish, **begins)
        else:
            stranger.call("delete_object", **self.object(at, version))

    # Uploads in parts.

    @step(
        at=at, described=draws.described, begins=draws.begins, lock=draws.lock,
        days=draws.days, sums=draws.of_upload,
    )  # fmt: skip
    def create_upload(self, at, described, begins, lock, days, sums):
        named = self.object(at)
        wish = self.described(described, begins, lock, days) | sums
        answer = self.call("create_multipart_upload", **named, **wish)
        if answer:
            self.uploads.append((named | {"UploadId": answer["UploadId"]}, sums))

    @step(at=at, described=draws.described, sums=draws.of_upload, last=one(1, 70_000), salt=salt)
    def put_in_parts(self, at, described, sums, last, salt):
        """A whole upload, in one step: many sequences are to have what came so."""
        self.create_upload(at, described, {}, {}, 0, sums)
        self.put_part(0, 1, 13, salt)
        self.put_part(0, 10_000, last, salt)
        self.complete(0, None, "none", None)

    def upload(self, at):
        """One of those that were begun, the newest first, and how its checksum is made."""
        named, sums = self.uploads[-1 - at % len(self.uploads)]
        return dict(named), {k: v for k, v in sums.items() if k == "ChecksumAlgorithm"}

    @step(at=at, number=one(1, 2, 10_000), more=one(-1, 0, 13, 1 << 20), salt=salt)
    def put_part(self, at, number, more, salt):
        if self.uploads:
            named, algorithm = self.upload(at)
            body = draws.body(PART_MIN + more if number < 10_000 else 1 + abs(more), salt)
            self.call("upload_part", **named, PartNumber=number, Body=body, **algorithm)

    @step(
        at=at, number=one(1, 2, 10_000), source=at, version=version,
        range=one(None, "0-0", "9-69999", "1048570-2097160"),
    )  # fmt: skip
    def copy_part(self, at, number, source, version, range):
        if self.uploads:
            named, _ = self.upload(at)
            wish = {"CopySourceRange": f"bytes={range}"} if range else {}
            source = self.object(source, version)
            self.call("upload_part_copy", **named, PartNumber=number, CopySource=source, **wish)

    @step(
        at=at, leave=one(None, None, 0, 1), condition=draws.condition,
        spoil=one(*[None] * 8, "order", "etag", "sum"),
    )  # fmt: skip
    def complete(self, at, leave, condition, spoil):
        if not self.uploads:
            return
        named, _ = self.upload(at)
        more = lambda page: {"PartNumberMarker": page["NextPartNumberMarker"]}
        self.sites[0].pages("list_parts", named | {"MaxParts": 1}, more)
        parts = [part for n, part in enumerate(self.model.parts(**named)) if n != leave]
        if spoil == "order":
            parts = parts[::-1]
        elif spoil and parts:
            names = [name for name in parts[0] if name.startswith("Checksum" if spoil == "sum" else "ETag")]
            parts[0] |= dict.fromkeys(names, quoted(md5(b"other")) if spoil == "etag" else "AAAAAA==")
        matches = self.condition({name: named[name] for name in ("Bucket", "Key")}, condition)
        self.call("complete_multipart_upload", **named, MultipartUpload={"Parts": parts}, **matches)

    @step(at=at)
    def abort(self, at):
        if self.uploads:
            named, _ = self.upload(at)
            self.call("abort_multipart_upload", **named)

    # Listings.

    @step(
        bucket=bucket, prefix=one(*draws.PREFIXES), limit=one(0, 1, 2, 1_000),
        delimiter=one(*draws.DELIMITERS), after=one(None, *draws.KEYS, *draws.PREFIXES[1:]),
    )  # fmt: skip
    def list(self, bucket, prefix, limit, delimiter, after):
        query = {"Bucket": self.buckets[bucket], "Prefix": prefix, "Delimiter": delimiter}
        follow_listings(self.sites[0], query | {"MaxKeys": limit})
        self.sites[0].pages("list_multipart_uploads", query | {"MaxUploads": max(1, limit)}, uploads_behind)
        if after is not None:
            query |= {"MaxKeys": limit}
            self.call("list_objects_v2", **query, StartAfter=after)
            self.call("list_objects", **query, Marker=after)
            self.call("list_object_versions", **query, KeyMarker=after)

    def compare(self):
        """Both sites hold what the model does; the second must be complete by now."""
        for name, held in self.model.buckets.items():
            same_state(self.sites, name, "/")
            for stranger in sum(self.strangers, []):
                stranger.call("list_objects_v2", Bucket=name)
                for key in held.versions:
                    stranger.call("get_object", Bucket=name, Key=key)
        for name in set(self.buckets) - set(self.model.buckets):
            for site in self.sites:
                site.call("head_bucket", Bucket=name)
