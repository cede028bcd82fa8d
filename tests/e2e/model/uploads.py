"""Uploads in parts."""

import hashlib

from . import sums
from .documents import check_acl
from .objects import begins, copied, cut, described, holds, parse_tags
from .state import Refused, Upload, Version, learned, md5, quoted

PART_MIN = 5 << 20


class Uploads:
    """Operations on uploads in parts. One that has been completed answers the same again."""

    def upload(self, Bucket, Key, UploadId):
        bucket = self.bucket(Bucket)
        for upload in bucket.uploads:
            if (upload.key, upload.id) == (Key, UploadId):
                return upload
        raise Refused(404, "NoSuchUpload")

    def parts(self, Bucket, Key, UploadId):
        """All parts as a client names them; none of an upload that is not there."""
        try:
            upload = self.upload(Bucket, Key, UploadId)
        except Refused:
            return []
        return [named(upload, number) for number in sorted(upload.parts)]

    def create_multipart_upload(self, Bucket, Key, **sent):
        bucket = self.bucket(Bucket)
        check_acl(bucket, sent.get("ACL"), of_new=True)
        # A default retention counts from when the upload is completed.
        begins(bucket, sent)
        upload = Upload(Key, sent)
        bucket.uploads.append(upload)
        return {"Bucket": Bucket, "Key": Key, "UploadId": learned(upload)}

    def upload_part(self, Bucket, Key, UploadId, PartNumber, Body, **sent):
        upload = self.upload(Bucket, Key, UploadId)
        upload.parts[PartNumber] = Body
        return {"ETag": quoted(md5(Body)), **of_part(upload, Body)}

    def upload_part_copy(self, Bucket, Key, UploadId, PartNumber, CopySource, **sent):
        upload = self.upload(Bucket, Key, UploadId)
        held_in = self.bucket(CopySource["Bucket"])
        source = copied(held_in, CopySource["Key"], CopySource.get("VersionId"))
        asked = sent.get("CopySourceRange")
        if asked and int(asked.split("-")[1]) >= len(source.body):
            raise Refused(416, "InvalidRange")
        first, end, _ = cut(source, {"Range": asked})
        body = source.body[first:end]
        upload.parts[PartNumber] = body
        result = {"ETag": quoted(md5(body)), **of_part(upload, body)}
        return {"CopyPartResult": result, "CopySourceVersionId": held_in.shown_id(source)}

    def list_parts(self, Bucket, Key, UploadId, PartNumberMarker=0, MaxParts=1_000):
        upload = self.upload(Bucket, Key, UploadId)
        held = sorted(number for number in upload.parts if number > int(PartNumberMarker))
        parts = [
            {"PartNumber": n, "Size": len(upload.parts[n]), **named(upload, n)} for n in held[:MaxParts]
        ]
        more = len(held) > MaxParts
        marker = held[MaxParts - 1] if more else None
        return {"Parts": parts or None, "IsTruncated": more, "NextPartNumberMarker": marker}

    def abort_multipart_upload(self, Bucket, Key, UploadId):
        upload = self.upload(Bucket, Key, UploadId)
        self.bucket(Bucket).uploads.remove(upload)
        return {"ResponseMetadata": {"HTTPStatusCode": 204}}

    def complete_multipart_upload(self, Bucket, Key, UploadId, MultipartUpload, **sent):
        bucket = self.bucket(Bucket)
        if (Bucket, Key, UploadId) in self.completed:
            return self.completed[Bucket, Key, UploadId]
        upload = self.upload(Bucket, Key, UploadId)
        bodies = chosen(upload, MultipartUpload.get("Parts", []))
        holds(bucket.latest(Key), sent)
        begun = upload.begun
        found = sums.of_parts(begun.get("ChecksumAlgorithm"), begun.get("ChecksumType"), bodies)
        digests = b"".join(hashlib.md5(body).digest() for body in bodies)
        etag = f"{md5(digests)}-{len(bodies)}"
        version = Version(b"".join(bodies), etag, headers=described(begun), sums=found)
        version.parts = [len(body) for body in bodies]
        version.tags = parse_tags(begun.get("Tagging"))
        for name, value in begins(bucket, begun).items():
            setattr(version, name, value)
        id = bucket.add(Key, version)
        bucket.uploads.remove(upload)
        answer = {"Bucket": Bucket, "Key": Key, "ETag": quoted(etag), **found}
        self.completed[Bucket, Key, UploadId] = answer
        return answer | {"VersionId": id}


def of_part(upload, body):
    """The checksum of a part, as its upload has them."""
    found = sums.whole(upload.begun.get("ChecksumAlgorithm"), body)
    found.pop("ChecksumType", None)
    return found


def named(upload, number):
    """How a client names a part that was put."""
    body = upload.parts[number]
    return {"PartNumber": number, "ETag": quoted(md5(body)), **of_part(upload, body)}


def chosen(upload, parts):
    """The bodies of the parts that a client names."""
    if not parts:
        raise Refused(400, "MalformedXML")
    numbers = [part["PartNumber"] for part in parts]
    for at, part in enumerate(parts):
        if at and numbers[at - 1] >= numbers[at]:
            raise Refused(400, "InvalidPartOrder")
        if numbers[at] not in upload.parts or named(upload, numbers[at]) != part:
            raise Refused(400, "InvalidPart")
    bodies = [upload.parts[number] for number in numbers]
    if any(len(body) < PART_MIN for body in bodies[:-1]):
        raise Refused(400, "EntityTooSmall")
    return bodies
