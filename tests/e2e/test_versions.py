"""Versions: what is kept at the primary is at the secondary, under the same ids."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.fullsync import repaired, run
from harness.until import until
from harness.versions import body_of, enable, pages, until_same_versions, versions

# Inline, in one block, and in several.
SIZES = [10, 70_000, 2_500_000]
PART = 5 << 20


def refused(call, **arguments):
    """What the site answers: status, code, and headers of versions."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    told = headers.get("x-amz-delete-marker"), headers.get("x-amz-version-id")
    return status, answer["Error"]["Code"], *told


def assert_same_bytes(east, west, bucket, found):
    """Every version reads alike at both sites, all by their ids."""
    for (key, id), (latest, etag, size, _) in found.items():
        name = {"Bucket": bucket, "Key": key, "VersionId": id}
        if etag is None:
            for site in (east, west):
                assert refused(site.get_object, **name)[:3] == (405, "MethodNotAllowed", "true")
            continue
        assert body_of(east, bucket, key, id) == body_of(west, bucket, key, id)
        heads = [site.head_object(**name) for site in (east, west)]
        for head in heads:
            assert (head["ETag"], head["ContentLength"], head["VersionId"]) == (etag, size, id)
        if latest:
            assert west.head_object(Bucket=bucket, Key=key)["VersionId"] == id


def test_versions_and_markers_have_the_same_ids_at_both_sites(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="kept")
    before = east.put_object(Bucket="kept", Key="k0", Body=b"before versioning")
    assert "VersionId" not in before and "VersionId" not in east.head_object(Bucket="kept", Key="k0")
    assert "Status" not in east.get_bucket_versioning(Bucket="kept")
    enable(east, "kept")
    ids = {}
    for key, size in enumerate(SIZES):
        for _ in range(3):
            answer = east.put_object(Bucket="kept", Key=f"k{key}", Body=os.urandom(size))
            ids.setdefault(f"k{key}", []).append(answer["VersionId"])
    marker = east.delete_object(Bucket="kept", Key="k1")
    assert marker["DeleteMarker"] and marker["VersionId"] not in ids["k1"]
    again = east.delete_object(Bucket="kept", Key="never")
    assert again["DeleteMarker"], "also of a key that has no object"
    gone = east.delete_object(Bucket="kept", Key="k2", VersionId=ids["k2"][1])
    assert gone["VersionId"] == ids["k2"][1] and "DeleteMarker" not in gone
    enable(east, "kept", "Suspended")
    assert "VersionId" not in east.put_object(Bucket="kept", Key="k2", Body=b"null, once")
    assert "VersionId" not in east.put_object(Bucket="kept", Key="k2", Body=b"null, again")
    assert east.delete_object(Bucket="kept", Key="k0")["VersionId"] == "null"

    found = until_same_versions(east, west, "kept")
    def of(key):
        """Ids of a key: its objects newest first, and behind them its markers."""
        return [id for named, id in found if named == key]

    assert of("k0") == [*reversed(ids["k0"]), "null"]
    assert of("k1") == [*reversed(ids["k1"]), marker["VersionId"]]
    assert of("k2") == ["null", ids["k2"][2], ids["k2"][0]]
    latest = {id for (_, id), told in found.items() if told[0]}
    assert latest == {"null", marker["VersionId"], again["VersionId"]}
    until(lambda: any_pair.west.metric("holes") == 0, "all blocks are at the secondary")
    assert_same_bytes(east, west, "kept", found)
    for site in (east, west):
        assert site.get_bucket_versioning(Bucket="kept")["Status"] == "Suspended"
        name = {"Bucket": "kept", "Key": "k1"}
        wanted = (404, "NoSuchKey", "true", marker["VersionId"])
        assert refused(site.get_object, **name) == wanted
        assert refused(site.head_object, **name)[0] == 404
        assert refused(site.get_object, **name, VersionId=ids["k2"][1])[1] == "NoSuchVersion"
        assert refused(site.get_object, **name, VersionId="no-id")[:2] == (400, "InvalidArgument")
    listed = west.list_objects_v2(Bucket="kept")["Contents"]
    assert [entry["Key"] for entry in listed] == ["k2"], "a marker is no object"


def test_a_marker_that_is_removed_brings_the_version_before_it_back(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="back")
    enable(east, "back")
    bodies = [os.urandom(70_000) for _ in range(3)]
    ids = [east.put_object(Bucket="back", Key="k", Body=b)["VersionId"] for b in bodies]
    marker = east.delete_object(Bucket="back", Key="k")["VersionId"]
    gone = east.delete_object(Bucket="back", Key="k", VersionId=marker)
    assert gone["DeleteMarker"] and gone["VersionId"] == marker
    assert east.get_object(Bucket="back", Key="k")["Body"].read() == bodies[2]
    east.delete_object(Bucket="back", Key="k", VersionId=ids[2])
    until_same_versions(east, west, "back")
    for site in (east, west):
        answer = site.get_object(Bucket="back", Key="k")
        assert (answer["Body"].read(), answer["VersionId"]) == (bodies[1], ids[1])
    # The oldest, as a new version; its source is named in the answer.
    source = {"Bucket": "back", "Key": "k", "VersionId": ids[0]}
    copied = east.copy_object(Bucket="back", Key="k", CopySource=source)
    assert copied["CopySourceVersionId"] == ids[0] and copied["VersionId"] not in ids
    found = until_same_versions(east, west, "back")
    assert [id for _, id in found] == [copied["VersionId"], ids[1], ids[0]]
    for site in (east, west):
        assert site.get_object(Bucket="back", Key="k")["Body"].read() == bodies[0]
    # A secondary takes none of this.
    name = {"Bucket": "back", "Key": "k"}
    assert refused(west.delete_object, **name, VersionId=ids[0])[:2] == (403, "AccessDenied")
    assert refused(west.delete_object, **name)[:2] == (403, "AccessDenied")


def test_what_cannot_be_is_refused(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="refused")
    put = east.put_bucket_versioning
    for wanted, config in (
        ((400, "IllegalVersioningConfigurationException"), {"Status": "Perhaps"}),
        ((400, "IllegalVersioningConfigurationException"), {}),
        ((501, "NotImplemented"), {"Status": "Enabled", "MFADelete": "Enabled"}),
    ):
        told = refused(put, Bucket="refused", VersioningConfiguration=config)
        assert told[:2] == wanted
    enable(east, "refused")
    enabled = {"Status": "Enabled"}
    until(lambda: west.list_buckets()["Buckets"], "the bucket is at the secondary")
    told = refused(west.put_bucket_versioning, Bucket="refused", VersioningConfiguration=enabled)
    assert told[:2] == (403, "AccessDenied")
    marker = east.delete_object(Bucket="refused", Key="k")["VersionId"]
    source = {"Bucket": "refused", "Key": "k", "VersionId": marker}
    copy = {"Bucket": "refused", "Key": "copy"}
    assert refused(east.copy_object, **copy, CopySource=source)[:2] == (400, "InvalidRequest")
    del source["VersionId"]
    assert refused(east.copy_object, **copy, CopySource=source)[:2] == (404, "NoSuchKey")
    assert refused(east.delete_object, Bucket="refused", Key="k", VersionId="k")[1] == "InvalidArgument"
    other = "0" * len(marker)
    gone = east.delete_object(Bucket="refused", Key="k", VersionId=other)
    assert gone["VersionId"] == other and "DeleteMarker" not in gone
    assert refused(east.get_object, **copy, VersionId=other)[:2] == (404, "NoSuchVersion")


def test_completed_uploads_and_copied_parts_are_versions(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="parts")
    enable(east, "parts")
    first = os.urandom(PART + 100)
    source = east.put_object(Bucket="parts", Key="source", Body=first)["VersionId"]
    east.put_object(Bucket="parts", Key="source", Body=b"the next")
    made = []
    for _ in range(2):
        name = {"Bucket": "parts", "Key": "whole"}
        upload = {**name, "UploadId": east.create_multipart_upload(**name)["UploadId"]}
        version = {"Bucket": "parts", "Key": "source", "VersionId": source}
        copied = east.upload_part_copy(**upload, PartNumber=1, CopySource=version)
        assert copied["CopySourceVersionId"] == source
        parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
        answer = east.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        again = east.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert again["VersionId"] == answer["VersionId"], "who asks again hears the same"
        made.append(answer["VersionId"])
    found = until_same_versions(east, west, "parts")
    assert [id for key, id in found if key == "whole"] == made[::-1]
    assert_same_bytes(east, west, "parts", found)


def test_many_are_deleted_at_once_by_their_ids(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="many")
    enable(east, "many")
    keys = [f"k{n:03}" for n in range(50)]
    for key in keys:
        for body in (b"one", b"two"):
            east.put_object(Bucket="many", Key=key, Body=body)
    plain = {"Objects": [{"Key": key} for key in keys[:10]]}
    answer = east.delete_objects(Bucket="many", Delete=plain)["Deleted"]
    assert all(deleted["DeleteMarker"] and "VersionId" not in deleted for deleted in answer)
    markers = [{"Key": d["Key"], "VersionId": d["DeleteMarkerVersionId"]} for d in answer]
    assert refused(east.delete_bucket, Bucket="many")[1] == "BucketNotEmpty"
    answer = east.delete_objects(Bucket="many", Delete={"Objects": markers})["Deleted"]
    for deleted, asked in zip(answer, markers):
        assert deleted["VersionId"] == asked["VersionId"] == deleted["DeleteMarkerVersionId"]
    bad = {"Objects": [{"Key": "k000", "VersionId": "no-id"}]}
    errors = east.delete_objects(Bucket="many", Delete=bad)["Errors"]
    assert (errors[0]["Code"], errors[0]["VersionId"]) == ("InvalidArgument", "no-id")
    found = until_same_versions(east, west, "many")
    assert len(found) == 100 and all(etag for _, etag, _, _ in found.values())
    all_of_them = [{"Key": key, "VersionId": id} for key, id in found]
    for _ in range(2):
        answer = east.delete_objects(Bucket="many", Delete={"Objects": all_of_them})
        assert len(answer["Deleted"]) == 100 and "Errors" not in answer
    assert until_same_versions(east, west, "many") == {}
    east.delete_bucket(Bucket="many")
    until(lambda: west.list_buckets()["Buckets"] == [], "the bucket is gone at the secondary")


def test_conditions_look_at_the_latest_version(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="only")
    enable(east, "only")
    name = {"Bucket": "only", "Key": "k"}
    first = east.put_object(**name, Body=b"1", IfNoneMatch="*")["ETag"]
    second = east.put_object(**name, Body=b"2", IfMatch=first)
    assert refused(east.put_object, **name, Body=b"3", IfMatch=first)[:2] == (412, "PreconditionFailed")
    assert refused(east.put_object, **name, Body=b"3", IfNoneMatch="*")[0] == 412
    assert refused(east.delete_object, **name, IfMatch=first)[0] == 412
    east.delete_object(**name, IfMatch=second["ETag"])
    # What is deleted is no object, though it has versions.
    east.put_object(**name, Body=b"4", IfNoneMatch="*")
    old = {**name, "VersionId": second["VersionId"]}
    assert refused(east.get_object, **old, IfNoneMatch=second["ETag"])[0] == 304
    assert east.get_object(**old, IfMatch=second["ETag"])["Body"].read() == b"2"


def test_a_thousand_keys_with_several_versions_are_listed_in_pages(pair):
    east, west = pair.east.client(max_pool_connections=8), pair.west.client()
    east.create_bucket(Bucket="pages")
    enable(east, "pages")
    keys = [f"{n % 10}/{n:04}" for n in range(1_000)]
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: east.put_object(Bucket="pages", Key=key, Body=b"x"), keys))
    for key in keys[::10]:
        east.delete_object(Bucket="pages", Key=key)
    enable(east, "pages", "Suspended")
    for key in keys[5::10]:
        east.put_object(Bucket="pages", Key=key, Body=b"null")
    found = until_same_versions(east, west, "pages")
    assert len(found) == 3_200 and len([1 for latest, *_ in found.values() if latest]) == 1_000
    assert list(dict.fromkeys(key for key, _ in found)) == sorted(keys)
    times = [told[3] for told in found.values()]
    for site in (east, west):
        assert [len(p.get("Versions", [])) + len(p.get("DeleteMarkers", []))
                for p in pages(site, "pages")] == [1_000, 1_000, 1_000, 200]
        for size in (7, 333):
            under = versions(site, "pages", Prefix="5/", MaxKeys=size)
            assert under == {of: told for of, told in found.items() if of[0].startswith("5/")}
        delimited = list(pages(site, "pages", Delimiter="/", MaxKeys=3))
        prefixes = [p["Prefix"] for page in delimited for p in page["CommonPrefixes"]]
        assert prefixes == [f"{n}/" for n in range(10)] and len(delimited) == 4
        last = site.list_object_versions(Bucket="pages", KeyMarker=sorted(keys)[-2])
        assert {entry["Key"] for entry in last["Versions"]} == {sorted(keys)[-1]}
        none = site.list_object_versions(Bucket="pages", MaxKeys=0)
        assert not none["IsTruncated"] and "Versions" not in none
        wrong = {"Bucket": "pages", "VersionIdMarker": next(iter(found))[1]}
        assert refused(site.list_object_versions, **wrong)[:2] == (400, "InvalidArgument")
    assert times


def test_full_sync_finds_exactly_the_versions_that_differ(make_pair):
    pair = make_pair()
    pair.west.follow(pair.east, realtime=False)
    pair.west.set("fullsync.interval", "off")
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="deep")
    enable(east, "deep")
    keys = [f"{n:02}" for n in range(20)]
    ids = {}
    for key in keys:
        for size in (10, 70_000):
            answer = east.put_object(Bucket="deep", Key=key, Body=os.urandom(size))
            ids.setdefault(key, []).append(answer["VersionId"])
    # The bucket, and forty versions.
    assert repaired(run(pair.west)) == 41
    assert_same_bytes(east, west, "deep", until_same_versions(east, west, "deep"))
    again = run(pair.west)
    assert (repaired(again), again["progress"]["differ"]) == (0, 0)
    east.put_object(Bucket="deep", Key=keys[0], Body=b"one more")
    east.delete_object(Bucket="deep", Key=keys[1])
    east.delete_object(Bucket="deep", Key=keys[2], VersionId=ids[keys[2]][0])
    east.delete_object(Bucket="deep", Key=keys[3], VersionId=ids[keys[3]][1])
    third = run(pair.west)["progress"]
    assert sum(third["repaired"].values()) == third["differ"] == 4
    found = until_same_versions(east, west, "deep")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    assert_same_bytes(east, west, "deep", found)
    # By prefix, where the keys are compared in their order.
    for key in keys[4:7]:
        east.delete_object(Bucket="deep", Key=key)
    some = run(pair.west, "--bucket", "deep", "--prefix", "0")["progress"]
    assert sum(some["repaired"].values()) == 3
    until_same_versions(east, west, "deep")
