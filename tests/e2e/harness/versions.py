"""All versions of a bucket's keys, as a site lists them."""

import hashlib

from harness.until import until


def enable(client, bucket, status="Enabled"):
    """Has a bucket keep versions, or not any more."""
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def pages(client, bucket, **query):
    """The pages of a listing of versions, followed by their markers."""
    while True:
        page = client.list_object_versions(Bucket=bucket, **query)
        yield page
        if not page["IsTruncated"]:
            return
        query["KeyMarker"] = page["NextKeyMarker"]
        query.pop("VersionIdMarker", None)
        if "NextVersionIdMarker" in page:
            query["VersionIdMarker"] = page["NextVersionIdMarker"]


def versions(client, bucket, **query):
    """Every version: (key, id) to whether it is the latest, and entity tag and size of an object."""
    found = {}
    for page in pages(client, bucket, **query):
        for entry in page.get("Versions", []):
            told = (entry["IsLatest"], entry["ETag"], entry["Size"], entry["LastModified"])
            found[entry["Key"], entry["VersionId"]] = told
        for entry in page.get("DeleteMarkers", []):
            told = (entry["IsLatest"], None, None, entry["LastModified"])
            found[entry["Key"], entry["VersionId"]] = told
    return found


def until_same_versions(one, other, bucket):
    """Waits until both sites list the same versions of a bucket, and returns them."""
    wanted = versions(one, bucket)
    seen = [None]

    def same():
        listed = [b["Name"] for b in other.list_buckets()["Buckets"]]
        seen[0] = versions(other, bucket) if bucket in listed else None
        return seen[0] == wanted

    until(same, "both sites list the same versions")
    return wanted


def body_of(client, bucket, key, id):
    """The digest of a version's bytes; none of a delete marker."""
    answer = client.get_object(Bucket=bucket, Key=key, VersionId=id)
    assert answer["VersionId"] == id
    return hashlib.sha256(answer["Body"].read()).hexdigest()
