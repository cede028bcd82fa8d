"""Conditions on reads, copies, writes and deletes: in the order of RFC 9110, and at both sites."""

import datetime

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.until import until

NAME = {"Bucket": "cond", "Key": "a"}
DAY = datetime.timedelta(days=1)


@pytest.fixture
def sites(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="cond")
    return east, west


def outcome(call, **arguments):
    """The status that a call ends with."""
    try:
        return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def test_conditions_of_reads_have_an_order(sites):
    east, west = sites
    etag = east.put_object(**NAME, Body=b"1")["ETag"]
    until_same(east, west, "cond")
    time = east.head_object(**NAME)["LastModified"]
    cases = [
        ({"IfMatch": etag}, 200),
        ({"IfMatch": '"other"'}, 412),
        ({"IfMatch": "*"}, 200),
        ({"IfNoneMatch": etag}, 304),
        ({"IfNoneMatch": '"other"'}, 200),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfModifiedSince": time}, 304),
        ({"IfModifiedSince": time - DAY}, 200),
        ({"IfUnmodifiedSince": time}, 200),
        ({"IfUnmodifiedSince": time - DAY}, 412),
        # A tag counts before a time.
        ({"IfMatch": etag, "IfUnmodifiedSince": time - DAY}, 200),
        ({"IfMatch": '"other"', "IfUnmodifiedSince": time}, 412),
        ({"IfNoneMatch": etag, "IfModifiedSince": time - DAY}, 304),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": time}, 200),
        # What fails counts before what was not modified.
        ({"IfMatch": '"other"', "IfNoneMatch": etag}, 412),
    ]
    for site in (east, west):
        for conditions, status in cases:
            for read in (site.get_object, site.head_object):
                assert outcome(read, **NAME, **conditions) == status, conditions


def test_conditions_on_the_source_of_copies_have_an_order(sites):
    east, west = sites
    etag = east.put_object(**NAME, Body=b"1")["ETag"]
    time = east.head_object(**NAME)["LastModified"]
    cases = [
        ({"IfMatch": etag}, 200),
        ({"IfMatch": '"other"'}, 412),
        ({"IfNoneMatch": etag}, 412),
        ({"IfNoneMatch": '"other"'}, 200),
        ({"IfModifiedSince": time}, 412),
        ({"IfModifiedSince": time - DAY}, 200),
        ({"IfUnmodifiedSince": time - DAY}, 412),
        ({"IfMatch": etag, "IfUnmodifiedSince": time - DAY}, 200),
        ({"IfNoneMatch": etag, "IfModifiedSince": time - DAY}, 412),
    ]
    id = east.create_multipart_upload(Bucket="cond", Key="parts")["UploadId"]
    part = {"Bucket": "cond", "Key": "parts", "UploadId": id, "PartNumber": 1}
    for number, (conditions, status) in enumerate(cases):
        named = {f"CopySource{name}": value for name, value in conditions.items()}
        copy = {"Bucket": "cond", "Key": f"copy-{number}", "CopySource": NAME}
        assert outcome(east.copy_object, **copy, **named) == status, conditions
        assert outcome(east.upload_part_copy, **part, CopySource=NAME, **named) == status
    copied = {f"copy-{n}" for n, (_, status) in enumerate(cases) if status == 200}
    assert set(until_same(east, west, "cond")) == {"a", *copied}


def test_writes_happen_only_if_their_conditions_hold(sites):
    east, west = sites
    put = lambda body, **wish: outcome(east.put_object, **NAME, Body=body, **wish)
    assert put(b"0", IfMatch="*") == 404
    assert put(b"1", IfNoneMatch='"other"') == 200
    etag = east.head_object(**NAME)["ETag"]
    assert put(b"2", IfNoneMatch="*") == 412
    assert put(b"2", IfNoneMatch=etag) == 412
    assert put(b"2", IfMatch='"other"') == 412
    copy = {**NAME, "CopySource": NAME, "MetadataDirective": "REPLACE", "Metadata": {"n": "1"}}
    assert outcome(east.copy_object, **copy, IfMatch='"other"') == 412
    assert outcome(east.copy_object, **copy, IfNoneMatch="*") == 412
    assert outcome(east.copy_object, **copy, IfMatch=etag) == 200
    assert put(b"3", IfMatch=etag) == 200
    until_same(east, west, "cond")
    assert west.get_object(**NAME)["Body"].read() == b"3"


def test_what_is_deleted_is_what_the_client_has_seen(sites):
    east, west = sites
    delete = lambda **wish: outcome(east.delete_object, **NAME, **wish)
    many = lambda **wish: east.delete_objects(
        Bucket="cond", Delete={"Objects": [{"Key": "a", **wish}]}
    )
    for at_once in (False, True):
        etag = east.put_object(**NAME, Body=b"123")["ETag"]
        time = east.head_object(**NAME)["LastModified"]
        assert delete(IfMatch='"other"') == 412
        assert delete(IfMatchLastModifiedTime=time - DAY) == 412
        assert delete(IfMatchSize=4) == 412
        assert delete(IfMatch=etag, IfMatchSize=4) == 412
        for wrong in ({"ETag": '"other"'}, {"Size": 4}, {"LastModifiedTime": time - DAY}):
            assert many(**wrong)["Errors"][0]["Code"] == "PreconditionFailed"
        until_same(east, west, "cond")
        if at_once:
            assert many(ETag=etag, Size=3, LastModifiedTime=time)["Deleted"]
        else:
            assert delete(IfMatch=etag, IfMatchSize=3, IfMatchLastModifiedTime=time) == 204
        # Of what is gone, no tag is right; its time and its size hold.
        assert delete(IfMatch=etag) == delete(IfMatch="*") == 404
        assert many(ETag=etag)["Errors"][0]["Code"] == "NoSuchKey"
        assert delete(IfMatchSize=4) == delete(IfMatchLastModifiedTime=time - DAY) == 204
        until(lambda: "Contents" not in west.list_objects_v2(Bucket="cond"), "it is gone at both")
