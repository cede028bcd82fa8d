"""Lifecycles over days that last a second: what is ended at the primary is gone at both sites."""

import pytest

from harness.until import until
from harness.versions import enable, versions

RULES = [
    {"ID": "objects", "Status": "Enabled", "Filter": {"Prefix": "old/"},
     "Expiration": {"Days": 1}},
    {"ID": "versions", "Status": "Enabled", "Filter": {"Prefix": "kept/"},
     "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}},
    {"ID": "markers", "Status": "Enabled", "Filter": {"Prefix": "gone/"},
     "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
     "Expiration": {"ExpiredObjectDeleteMarker": True}},
    {"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": "up/"},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
]


@pytest.fixture
def sites(make_pair):
    pair = make_pair()
    pair.east.set("s3.lifecycle_day", "1s")
    pair.start()
    return pair.east.client(), pair.west.client()


def keys(client, bucket):
    return [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_objects_and_uploads_go_after_their_days(sites):
    east, west = sites
    east.create_bucket(Bucket="photos")
    for key in ("old/a", "old/b", "young"):
        east.put_object(Bucket="photos", Key=key, Body=key.encode())
    for key in ("up/a", "down"):
        east.create_multipart_upload(Bucket="photos", Key=key)
    until(lambda: keys(west, "photos") == ["old/a", "old/b", "young"], "they are there")
    east.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration={"Rules": RULES})
    for client in sites:
        until(lambda: keys(client, "photos") == ["young"], "what is old is gone, and nothing else")
    uploads = lambda: [found["Key"] for found in east.list_multipart_uploads(
        Bucket="photos").get("Uploads", [])]
    until(lambda: uploads() == ["down"], "the stale upload is ended")


def test_versions_and_markers_go_after_their_days(sites):
    east, west = sites
    east.create_bucket(Bucket="photos")
    enable(east, "photos")
    bodies = {}
    for number in range(4):
        for key in ("kept/a", "stays"):
            answer = east.put_object(Bucket="photos", Key=key, Body=b"%d" % number)
            bodies[key, answer["VersionId"]] = number
    east.put_object(Bucket="photos", Key="gone/a", Body=b"x")
    east.delete_object(Bucket="photos", Key="gone/a")
    east.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration={"Rules": RULES})
    # Of the versions behind the latest one stays; the marker goes with the last that it hid.
    left = {name for name, number in bodies.items() if name[0] == "stays" or number >= 2}
    for client in sites:
        until(lambda: set(versions(client, "photos")) == left, "and all others stay")


def test_both_sites_say_when_an_object_expires(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="photos")
    east.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration={"Rules": RULES})
    told = east.put_object(Bucket="photos", Key="old/a", Body=b"x")["Expiration"]
    assert 'rule-id="objects"' in told
    until(lambda: keys(west, "photos") == ["old/a"], "it is there")
    for client in (east, west):
        for read in (client.head_object, client.get_object):
            assert read(Bucket="photos", Key="old/a")["Expiration"] == told
    east.put_object(Bucket="photos", Key="other", Body=b"x")
    assert "Expiration" not in east.head_object(Bucket="photos", Key="other")
