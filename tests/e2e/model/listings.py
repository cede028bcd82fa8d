"""Listings: in order of the bytes of keys, page by page."""

from .state import Told, learned, quoted


def grouped(named, prefix, delimiter):
    """What a listing shows of (key, thing) in order: these, and (common prefix, `None`) once."""
    entries = []
    for key, thing in named:
        if key.startswith(prefix):
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            entry = (key, thing) if at < 0 else (key[: at + len(delimiter)], None)
            if entry not in entries[-1:]:
                entries.append(entry)
    return entries


def behind(named, prefix, delimiter, marker):
    """What a listing shows behind a marker. One that is a common prefix stands behind all of its keys;
    what is behind one within, shows it again."""
    entries = grouped(named, prefix, delimiter)
    later = lambda name: name.encode() > marker.encode()
    if marker in (name for name, _ in entries):
        return [entry for entry in entries if later(entry[0])]
    return grouped([(key, thing) for key, thing in named if later(key)], prefix, delimiter)


def split(entries):
    """Things with their keys, and common prefixes, as an answer has them."""
    prefixes = [{"Prefix": name} for name, thing in entries if thing is None]
    return [entry for entry in entries if entry[1] is not None], prefixes or None


class Listings:
    """Operations that list."""

    def objects(self, Bucket, start_after=""):
        """Every key with its object, behind a key."""
        bucket = self.bucket(Bucket)
        found = [(key, bucket.latest(key)) for key in sorted(bucket.versions, key=str.encode)]
        return [(k, v) for k, v in found if v and k.encode() > start_after.encode()]

    def list_objects(self, Bucket, Prefix="", Delimiter="", MaxKeys=1_000, Marker="", **_):
        entries = behind(self.objects(Bucket), Prefix, Delimiter, Marker)
        page, more = entries[:MaxKeys], len(entries) > MaxKeys > 0
        marker = page[-1][0] if more and Delimiter else None
        return contents(page) | {"IsTruncated": more, "NextMarker": marker, "MaxKeys": MaxKeys}

    def list_objects_v2(
        self, Bucket, Prefix="", Delimiter="", MaxKeys=1_000, StartAfter="", **more_sent
    ):
        entries = grouped(self.objects(Bucket, StartAfter), Prefix, Delimiter)
        token = more_sent.get("ContinuationToken")
        if token:
            entries = behind(self.objects(Bucket), Prefix, Delimiter, self.tokens[token])
        page, more = entries[:MaxKeys], len(entries) > MaxKeys > 0
        learn = lambda token: self.tokens.__setitem__(token, page[-1][0])
        return contents(page) | {
            "IsTruncated": more,
            "KeyCount": len(page),
            "NextContinuationToken": Told(learn) if more else None,
        }

    def list_object_versions(
        self, Bucket, Prefix="", Delimiter="", MaxKeys=1_000, KeyMarker="", VersionIdMarker=None, **_
    ):
        versions = self.bucket(Bucket).versions
        keys = sorted(versions, key=str.encode)
        named = [(key, version) for key in keys for version in reversed(versions[key])]
        entries = behind(named, Prefix, Delimiter, KeyMarker)
        if VersionIdMarker:
            entries = grouped(named, Prefix, Delimiter)
            at = [(key, v and v.id) for key, v in entries].index((KeyMarker, VersionIdMarker))
            entries = entries[at + 1 :]
        page, more = entries[:MaxKeys], len(entries) > MaxKeys > 0
        found, prefixes = split(page)
        latest = lambda key, version: versions[key][-1] is version
        listed = [
            (v.marker, {"Key": k, "VersionId": id_of(v), "IsLatest": latest(k, v), **size_of(v)})
            for k, v in found
        ]
        last, version = page[-1] if more else (None, None)
        return {
            "Versions": [entry for marker, entry in listed if not marker] or None,
            "DeleteMarkers": [entry for marker, entry in listed if marker] or None,
            "CommonPrefixes": prefixes,
            "IsTruncated": more,
            "NextKeyMarker": last,
            "NextVersionIdMarker": version and id_of(version),
        }

    def list_multipart_uploads(
        self, Bucket, Prefix="", Delimiter="", MaxUploads=1_000, KeyMarker="", UploadIdMarker=None, **_
    ):
        uploads = sorted(self.bucket(Bucket).uploads, key=lambda upload: upload.key.encode())
        named = [(upload.key, upload) for upload in uploads]
        entries = behind(named, Prefix, Delimiter, KeyMarker)
        if UploadIdMarker:
            entries = grouped(named, Prefix, Delimiter)
            at = [(key, u and u.id) for key, u in entries].index((KeyMarker, UploadIdMarker))
            entries = entries[at + 1 :]
        page, more = entries[:MaxUploads], len(entries) > MaxUploads > 0
        found, prefixes = split(page)
        last, upload = page[-1] if more else (None, None)
        return {
            "Uploads": [{"Key": key, "UploadId": upload.id} for key, upload in found] or None,
            "CommonPrefixes": prefixes,
            "IsTruncated": more,
            "NextKeyMarker": last,
            "NextUploadIdMarker": upload and upload.id,
        }


def contents(page):
    found, prefixes = split(page)
    listed = [{"Key": key, **size_of(version)} for key, version in found]
    return {"Contents": listed or None, "CommonPrefixes": prefixes}


def id_of(version):
    """A delete in quiet does not say which marker it left; a listing does."""
    return version.id or learned(version)


def size_of(version):
    """Size and entity tag, which a delete marker has not."""
    if version.marker:
        return {"Size": None, "ETag": None}
    return {"Size": len(version.body), "ETag": quoted(version.etag)}
