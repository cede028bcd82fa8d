"""Object lock: what is locked at the primary is locked at the secondary, and nobody removes it."""

from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from harness.until import until
from harness.versions import body_of, until_same_versions

PART = 5 << 20


def refused(call, **arguments):
    """Status, code and sentence of what a call is answered."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status, answer["Error"]["Code"], answer["Error"]["Message"]


def protected(call, **arguments):
    status, code, message = refused(call, **arguments)
    return (status, code) == (403, "AccessDenied") and "object lock" in message


def in_days(days):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)


def lock_of(client, version):
    """What a HEAD shows of a version's lock."""
    head = client.head_object(**version)
    names = ["ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"]
    return tuple(head.get(name) for name in names)


def until_locked(client, version, expected):
    def there():
        try:
            return lock_of(client, version) == expected
        except ClientError:
            return False

    until(there, f"the lock {expected} is there")


@pytest.fixture
def kept(pair):
    """A bucket `kept` with object lock, at both sites."""
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)

    def there():
        try:
            return west.get_object_lock_configuration(Bucket="kept")
        except ClientError:
            return False

    until(there, "the bucket is there, with its lock")
    return east, west


def test_locks_are_at_both_sites_and_removals_wait_for_them(kept):
    east, west = kept
    date, later = in_days(10), in_days(20)
    body = b"x" * 100_000
    made = east.put_object(
        Bucket="kept", Key="a", Body=body, ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=date, ObjectLockLegalHoldStatus="ON",
    )
    version = {"Bucket": "kept", "Key": "a", "VersionId": made["VersionId"]}
    until_locked(west, version, ("GOVERNANCE", date, "ON"))
    for site in (east, west):
        retention = site.get_object_retention(**version)["Retention"]
        assert retention == {"Mode": "GOVERNANCE", "RetainUntilDate": date}
        assert site.get_object_legal_hold(**version)["LegalHold"] == {"Status": "ON"}
        assert site.get_bucket_versioning(Bucket="kept")["Status"] == "Enabled"
    assert protected(east.delete_object, **version)
    assert protected(east.delete_object, **version, BypassGovernanceRetention=True)
    assert refused(west.delete_object, **version)[:2] == (403, "AccessDenied")
    many = {"Objects": [{"Key": "a", "VersionId": made["VersionId"]}]}
    errors = east.delete_objects(Bucket="kept", Delete=many)["Errors"]
    assert [error["Code"] for error in errors] == ["AccessDenied"]

    east.put_object_legal_hold(**version, LegalHold={"Status": "OFF"})
    longer = {"Mode": "GOVERNANCE", "RetainUntilDate": later}
    east.put_object_retention(**version, Retention=longer)
    until_locked(west, version, ("GOVERNANCE", later, "OFF"))
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": date}
    assert protected(east.put_object_retention, **version, Retention=shorter)
    east.put_object_retention(**version, Retention=shorter, BypassGovernanceRetention=True)
    until_locked(west, version, ("GOVERNANCE", date, "OFF"))

    marker = east.delete_object(Bucket="kept", Key="a")
    assert marker["DeleteMarker"], "a delete without an id is one as always"
    found = until_same_versions(east, west, "kept")
    assert set(found) == {("a", made["VersionId"]), ("a", marker["VersionId"])}
    assert body_of(east, "kept", "a", made["VersionId"]) == body_of(west, "kept", "a", made["VersionId"])
    assert protected(east.delete_object, **version)
    east.delete_object(**version, BypassGovernanceRetention=True)
    assert set(until_same_versions(east, west, "kept")) == {("a", marker["VersionId"])}


def test_a_default_retention_is_for_whatever_is_put(kept):
    east, west = kept
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    east.put_object_lock_configuration(Bucket="kept", ObjectLockConfiguration=configuration)

    def same():
        held = west.get_object_lock_configuration(Bucket="kept")["ObjectLockConfiguration"]
        return held == configuration

    until(same, "the configuration is there")
    east.put_object(Bucket="kept", Key="put", Body=b"put")
    east.copy_object(Bucket="kept", Key="copy", CopySource="kept/put")
    upload = east.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    parts = {"Bucket": "kept", "Key": "parts", "UploadId": upload}
    etag = east.upload_part(**parts, PartNumber=1, Body=b"x" * PART)["ETag"]
    listed = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    east.complete_multipart_upload(**parts, MultipartUpload=listed)
    for (key, id) in until_same_versions(east, west, "kept"):
        version = {"Bucket": "kept", "Key": key, "VersionId": id}
        mode, date, hold = lock_of(east, version)
        assert (mode, hold) == ("COMPLIANCE", None)
        assert timedelta(days=2, hours=23) < date - datetime.now(timezone.utc) < timedelta(days=3)
        until_locked(west, version, (mode, date, hold))
        assert protected(east.delete_object, **version, BypassGovernanceRetention=True)
        less = {"Mode": "COMPLIANCE", "RetainUntilDate": in_days(1)}
        assert protected(east.put_object_retention, **version, Retention=less)
    suspended = {"Status": "Suspended"}
    status = refused(east.put_bucket_versioning, Bucket="kept", VersioningConfiguration=suspended)
    assert status[:2] == (409, "InvalidBucketState")


def test_what_has_no_lock_says_so(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="plain")
    east.put_object(Bucket="plain", Key="a", Body=b"a")
    key = {"Bucket": "plain", "Key": "a"}
    code = refused(east.get_object_lock_configuration, Bucket="plain")[:2]
    assert code == (404, "ObjectLockConfigurationNotFoundError")
    assert refused(east.get_object_retention, **key)[:2] == (400, "InvalidRequest")
    asked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": in_days(1)}
    assert refused(east.put_object, **key, **asked)[:2] == (400, "InvalidRequest")
    enabled = {"ObjectLockEnabled": "Enabled"}
    lock = {"Bucket": "plain", "ObjectLockConfiguration": enabled}
    assert refused(east.put_object_lock_configuration, **lock)[:2] == (409, "InvalidBucketState")
    east.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    east.put_object_lock_configuration(**lock)
    assert refused(east.get_object_retention, **key)[:2] == (404, "NoSuchObjectLockConfiguration")
    east.put_object_legal_hold(**key, LegalHold={"Status": "ON"})
    assert protected(east.delete_object, **key, VersionId="null")
