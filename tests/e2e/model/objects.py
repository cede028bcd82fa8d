"""Objects: puts, reads, copies and deletes, of the latest or of a version that is named."""

from datetime import datetime, timedelta, timezone

from . import sums
from .documents import check_acl
from .state import About, Refused, Version, exact, md5, quoted

# What an object may be described with; a put that says nothing of its type has this one.
HEADERS = ["CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"]
DEFAULT_TYPE = "binary/octet-stream"


def described(sent):
    """Headers and metadata of a request that makes an object."""
    headers = {name: sent.get(name) for name in HEADERS}
    headers["ContentType"] = headers["ContentType"] or DEFAULT_TYPE
    return headers | {"Metadata": sent.get("Metadata", {})}


def parse_tags(text):
    return dict(pair.split("=") for pair in text.split("&")) if text else {}


def begins(bucket, sent):
    """What a new object has besides its bytes, of whichever request."""
    mode, hold = sent.get("ObjectLockMode"), sent.get("ObjectLockLegalHoldStatus")
    if (mode or hold) and bucket.lock is None:
        raise Refused(400, "InvalidRequest")
    retention = (mode, sent["ObjectLockRetainUntilDate"]) if mode else None
    if not retention and bucket.lock:
        default, days = bucket.lock
        retention = default, About(datetime.now(timezone.utc) + timedelta(days=days))
    acl = sent.get("ACL", "private")
    return {"acl": acl, "retention": retention, "hold": hold}


def holds(held, sent):
    """Whether a write's conditions hold of what is there."""
    if "IfMatch" in sent:
        if held is None:
            raise Refused(404, "NoSuchKey")
        if sent["IfMatch"] not in ("*", quoted(held.etag)):
            raise Refused(412, "PreconditionFailed")
    if sent.get("IfNoneMatch") == "*" and held is not None:
        raise Refused(412, "PreconditionFailed")


def readable(version, sent, copy=False):
    """Whether a read's conditions hold. Those on time have a date that is older than everything."""
    matches, none, unmodified = (
        sent.get(("CopySource" if copy else "") + name)
        for name in ("IfMatch", "IfNoneMatch", "IfUnmodifiedSince")
    )
    if matches != quoted(version.etag) if matches else unmodified:
        raise Refused(412, "PreconditionFailed")
    if none and none == quoted(version.etag):
        raise Refused(412, "PreconditionFailed") if copy else Refused(304, "304")


def copied(bucket, key, id):
    """The source of a copy: a delete marker is none, and who names one is wrong."""
    try:
        return bucket.find(key, id)
    except Refused as refused:
        raise Refused(400, "InvalidRequest") if refused.status == 405 else refused


def cut(version, sent):
    """First byte and end of what is asked for, and whether that is a part of the object."""
    size = len(version.body)
    if number := sent.get("PartNumber"):
        sizes = version.parts or [size]
        if number > len(sizes):
            raise Refused(416, "InvalidPartNumber")
        first = sum(sizes[: number - 1])
        return first, first + sizes[number - 1], sizes[number - 1] > 0
    asked = sent.get("Range")
    if asked is None:
        return 0, size, False
    first, last = asked.removeprefix("bytes=").split("-")
    if first == "":
        first, end = max(0, size - int(last)), size
    else:
        first, end = int(first), min(size, int(last) + 1) if last else size
    if first >= end:
        raise Refused(416, "InvalidRange")
    return first, end, True


class Objects:
    """Operations on objects."""

    def put_object(self, Bucket, Key, Body, **sent):
        bucket = self.bucket(Bucket)
        check_acl(bucket, sent.get("ACL"), of_new=True)
        holds(bucket.latest(Key), sent)
        more = begins(bucket, sent)
        found = sums.whole(sent.get("ChecksumAlgorithm"), Body)
        version = Version(Body, md5(Body), headers=described(sent), sums=found, **more)
        version.tags = parse_tags(sent.get("Tagging"))
        id = bucket.add(Key, version)
        return {"ETag": quoted(version.etag), "VersionId": id, **found}

    def copy_object(self, Bucket, Key, CopySource, **sent):
        bucket = self.bucket(Bucket)
        replaces = sent.get("MetadataDirective") == "REPLACE"
        if CopySource == {"Bucket": Bucket, "Key": Key} and not replaces:
            raise Refused(400, "InvalidRequest")
        held_in = self.bucket(CopySource["Bucket"])
        source = copied(held_in, CopySource["Key"], CopySource.get("VersionId"))
        readable(source, sent, copy=True)
        check_acl(bucket, sent.get("ACL"), of_new=True)
        more = begins(bucket, sent)
        algorithm = sent.get("ChecksumAlgorithm")
        found = source.sums
        if algorithm and f"Checksum{algorithm}" not in found:
            found = sums.whole(algorithm, source.body)
        headers = described(sent) if replaces else source.headers
        version = Version(source.body, source.etag, headers=headers, sums=found, **more)
        version.parts = source.parts
        version.tags = source.tags
        if sent.get("TaggingDirective") == "REPLACE":
            version.tags = parse_tags(sent.get("Tagging"))
        result = {"ETag": quoted(source.etag), **found}
        source_id = held_in.shown_id(source)
        id = bucket.add(Key, version)
        return {"CopyObjectResult": result, "VersionId": id, "CopySourceVersionId": source_id}

    def head_object(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        readable(version, sent)
        first, end, partial = cut(version, sent)
        whole = not partial or sent.get("PartNumber") and version.parts is None
        until = version.retention
        shown = {
            "ResponseMetadata": {"HTTPStatusCode": 206 if partial else 200},
            "ContentLength": end - first,
            "ETag": quoted(version.etag),
            "VersionId": bucket.shown_id(version),
            "DeleteMarker": None,
            "AcceptRanges": "bytes",
            "TagCount": len(version.tags) or None,
            "ContentRange": f"bytes {first}-{end - 1}/{len(version.body)}" if partial else None,
            "ObjectLockMode": until and until[0],
            "ObjectLockRetainUntilDate": until and until[1],
            "ObjectLockLegalHoldStatus": version.hold,
            **version.headers,
        }
        # A client may say what the answer is to say instead.
        shown |= {name: sent[f"Response{name}"] for name in HEADERS if f"Response{name}" in sent}
        if "PartNumber" in sent:
            # Of a part its own checksum is shown, which the tests of parts look at.
            shown["PartsCount"] = version.parts and len(version.parts)
        if whole or not sent.get("PartNumber"):
            shown |= sums.shown(version.sums if whole else {}, sent.get("ChecksumMode"))
        return shown

    def get_object(self, Bucket, Key, **sent):
        shown = self.head_object(Bucket, Key, **sent)
        version = self.bucket(Bucket).find(Key, sent.get("VersionId"))
        first, end, _ = cut(version, sent)
        return shown | {"Body": version.body[first:end]}

    def get_object_attributes(self, Bucket, Key, ObjectAttributes, **sent):
        bucket = self.bucket(Bucket)
        version = bucket.find(Key, sent.get("VersionId"))
        parts = version.parts and {"TotalPartsCount": len(version.parts)}
        return {
            "ETag": version.etag,
            "ObjectSize": len(version.body),
            "StorageClass": "STANDARD",
            "Checksum": version.sums or None,
            "ObjectParts": parts,
            "VersionId": bucket.shown_id(version),
        }

    def delete_object(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        id = sent.get("VersionId")
        named = bucket.named(Key, id) if id else bucket.latest(Key)
        holds(None if named is None or named.marker else named, sent)
        if id:
            return self.remove(bucket, Key, named, id, sent)
        if bucket.versioning is None:
            bucket.drop(Key, bucket.named(Key, "null"))
            return {"VersionId": None, "DeleteMarker": None}
        marker = Version()
        told = bucket.add(Key, marker)
        return {"VersionId": told or "null", "DeleteMarker": True}

    def remove(self, bucket, key, version, id, sent):
        """Takes one version away, if no lock keeps it."""
        if version is None:
            return {"VersionId": id, "DeleteMarker": None}
        if version.hold == "ON" or not lets_go(version.retention, sent):
            raise Refused(403, "AccessDenied")
        bucket.drop(key, version)
        bucket.gone[key] = id
        return {"VersionId": id, "DeleteMarker": version.marker or None}

    def delete_objects(self, Bucket, Delete, **sent):
        self.bucket(Bucket)
        deleted, errors = [], []
        for named in Delete["Objects"]:
            key = {"Key": named["Key"], "VersionId": named.get("VersionId")}
            wish = {name: named[name] for name in named if name != "Key"}
            if "ETag" in wish:
                wish["IfMatch"] = wish.pop("ETag")
            try:
                done = self.delete_object(Bucket, named["Key"], **wish, **sent)
            except Refused as refused:
                errors.append(key | {"Code": refused.code})
                continue
            marker = done["VersionId"] if done["DeleteMarker"] else None
            told = {"DeleteMarker": done["DeleteMarker"], "DeleteMarkerVersionId": marker}
            deleted.append(key | told)
        if Delete.get("Quiet"):
            # What became a marker is not told then: nobody can name it.
            deleted = []
        return {"Deleted": deleted or None, "Errors": errors or None}


def lets_go(retention, sent):
    """Whether a retention lets a client remove, or shorten."""
    if retention is None or exact(retention[1]) < datetime.now(timezone.utc):
        return True
    return retention[0] == "GOVERNANCE" and sent.get("BypassGovernanceRetention", False)
