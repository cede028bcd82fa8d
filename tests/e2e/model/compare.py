"""Calls a site and the model alike, and looks whether they agree."""

from botocore.exceptions import ClientError

from .documents import KINDS
from .state import InAnyOrder, Refused, Told

# Nothing of these is in the answer to a HEAD, which has no body.
_NO_BODY = {"head_object", "head_bucket"}


class Site:
    """A site that a model speaks for. Reads of the model may be asked of every site."""

    def __init__(self, client, model):
        self.client, self.model = client, model

    def call(self, name, **arguments):
        """Makes a call; the answer, or `None` of one that was refused as it should be."""
        return self._call(getattr(self.model, name), name, arguments, arguments)

    def put_document(self, kind, Bucket, value):
        wanted = {"kind": kind, "Bucket": Bucket, "value": value}
        sent = {"Bucket": Bucket, KINDS[kind].argument: value}
        return self._call(self.model.put, f"put_{kind}", wanted, sent)

    def get_document(self, kind, Bucket):
        wanted = {"kind": kind, "Bucket": Bucket}
        return self._call(self.model.get, f"get_{kind}", wanted, {"Bucket": Bucket})

    def delete_document(self, kind, Bucket):
        wanted = {"kind": kind, "Bucket": Bucket}
        name = f"delete_{KINDS[kind].deleted_by or kind}"
        return self._call(self.model.delete, name, wanted, {"Bucket": Bucket})

    def _call(self, ask, name, wanted, sent):
        try:
            wanted = ask(**wanted)
        except Refused as refused:
            wanted = refused
        try:
            seen = getattr(self.client, name)(**sent)
        except ClientError as error:
            assert isinstance(wanted, Refused), f"{name} was {error}, and should be {brief(wanted)}"
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = error.response["Error"]["Code"]
            if name in _NO_BODY:
                code = wanted.code
            same = (status, code) == (wanted.status, wanted.code)
            assert same, f"{name} was {error}, and should be {wanted}"
            return None
        assert not isinstance(wanted, Refused), f"{name} went through, and should be {wanted}"
        if "Body" in seen:
            seen["Body"] = seen["Body"].read()
        agrees(wanted, seen, name)
        return seen

    def pages(self, name, query, go_on):
        """Follows a listing to its end; each page must be the model's."""
        more = {}
        while True:
            page = self.call(name, **query, **more)
            if page is None or not page["IsTruncated"]:
                return
            more = go_on(page)


def agrees(wanted, seen, where):
    """Whether an answer has what it must have; `None` must not be there."""
    if isinstance(wanted, Told):
        assert seen, f"{where}: is not told"
        wanted.learn(seen)
    elif isinstance(wanted, dict):
        assert isinstance(seen, dict), f"{where}: {brief(seen)}, and should be {brief(wanted)}"
        for name, value in wanted.items():
            agrees(value, seen.get(name), f"{where}.{name}")
    elif isinstance(wanted, list):
        same = isinstance(seen, list) and len(wanted) == len(seen)
        assert same, f"{where}: {brief(seen)}, and should be {brief(wanted)}"
        if isinstance(wanted, InAnyOrder):
            seen = [next((one for one in seen if fits(value, one)), None) for value in wanted]
        for at, value in enumerate(wanted):
            agrees(value, seen[at], f"{where}[{at}]")
    else:
        assert wanted == seen, f"{where}: {brief(seen)}, and should be {brief(wanted)}"


def fits(wanted, seen):
    try:
        agrees(wanted, seen, "")
    except AssertionError:
        return False
    return True


def brief(value):
    """As a person can read it, whatever its size."""
    text = repr(value)
    return text if len(text) < 1_000 else f"{text[:900]}… ({len(text)} characters)"


def same_state(sites, bucket, delimiter):
    """Whether each of these sites holds all of a bucket that the model does, and shows it alike."""
    for site in sites:
        for kind in KINDS:
            site.get_document(kind, bucket)
        for name in ("get_bucket_acl", "get_bucket_versioning", "get_object_lock_configuration"):
            site.call(name, Bucket=bucket)
        whole = {"Bucket": bucket}
        for query in (whole, whole | {"Delimiter": delimiter, "MaxKeys": 3}):
            follow_listings(site, query)
        for key, versions in site.model.bucket(bucket).versions.items():
            site.call("head_object", Bucket=bucket, Key=key)
            for version in versions:
                same_version(site, {"Bucket": bucket, "Key": key, "VersionId": version.id})
    dates = [modified(site.client, bucket) for site in sites]
    assert dates[1:] == dates[:-1], "both sites say the same dates"


def same_version(site, named):
    """Bytes, and all that was set."""
    site.call("get_object", **named, ChecksumMode="ENABLED")
    asked = ["ETag", "ObjectSize", "StorageClass", "Checksum", "ObjectParts"]
    site.call("get_object_attributes", **named, ObjectAttributes=asked)
    for what in ("acl", "tagging", "retention", "legal_hold"):
        site.call(f"get_object_{what}", **named)


def follow_listings(site, query):
    """Every listing of a bucket but that of uploads, to its end."""
    token = lambda page: {"ContinuationToken": page["NextContinuationToken"]}
    site.pages("list_objects_v2", query, token)
    last = lambda page: page.get("NextMarker") or page["Contents"][-1]["Key"]
    site.pages("list_objects", query, lambda page: {"Marker": last(page)})
    site.pages("list_object_versions", query, versions_behind)


def versions_behind(page):
    more = {"KeyMarker": page["NextKeyMarker"]}
    if "NextVersionIdMarker" in page:
        more["VersionIdMarker"] = page["NextVersionIdMarker"]
    return more


def uploads_behind(page):
    more = {"KeyMarker": page["NextKeyMarker"]}
    if page.get("NextUploadIdMarker"):
        more["UploadIdMarker"] = page["NextUploadIdMarker"]
    return more


def modified(client, bucket):
    """The date of every version, which the model does not know."""
    found = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
            found[entry["Key"], entry["VersionId"]] = entry["LastModified"]
    return found
