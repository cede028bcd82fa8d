"""What is written at the primary is served at the secondary: byte for byte, whole."""

import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from harness.same import shown, until_same
from harness.until import until

SIZES = [0, 1, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 10_000_000]
ODD = [
    "plain",
    "dir/file.txt",
    "//",
    "a//b",
    " space at both ends ",
    "ünïcødé/🪢",
    "percent%20and+plus",
    "k" * 1_024,
    "ends/",
]


def test_buckets_and_objects_of_every_shape_arrive(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="shapes")
    for size in SIZES:
        east.put_object(Bucket="shapes", Key=f"size/{size}", Body=os.urandom(size))
    for key in ODD:
        east.put_object(
            Bucket="shapes",
            Key=key,
            Body=key.encode(),
            Metadata={"colour": "blue"},
            ContentType="text/plain",
            CacheControl="max-age=5",
        )
    keys = until_same(east, west, "shapes")
    assert len(keys) == len(SIZES) + len(ODD)
    for key in keys:
        assert shown(west, "shapes", key) == shown(east, "shapes", key), key


def test_overwrites_and_deletes_arrive_and_stay(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="changes")
    for turn in range(5):
        for key in ("a", "b", "c"):
            east.put_object(Bucket="changes", Key=key, Body=os.urandom(100_000 * turn))
    east.delete_object(Bucket="changes", Key="b")
    east.delete_objects(Bucket="changes", Delete={"Objects": [{"Key": "c"}, {"Key": "none"}]})
    assert list(until_same(east, west, "changes")) == ["a"]
    assert shown(west, "changes", "a") == shown(east, "changes", "a")
    east.delete_object(Bucket="changes", Key="a")
    east.delete_bucket(Bucket="changes")
    until(lambda: not west.list_buckets()["Buckets"], "the bucket is gone")
    # Made again, it is empty: nothing of the old one shows (law 14).
    east.create_bucket(Bucket="changes")
    until(lambda: west.head_bucket(Bucket="changes"), "the bucket is back")
    assert "Contents" not in west.list_objects_v2(Bucket="changes")


def test_an_object_of_200_mb_arrives_in_bounded_memory(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="large")
    piece = os.urandom(1 << 20)
    body = b"".join(i.to_bytes(4, "big") + piece[4:] for i in range(200))
    east.put_object(Bucket="large", Key="one", Body=body)
    until_same(east, west, "large")
    digest = hashlib.sha256(body).hexdigest()
    assert shown(west, "large", "one")["sha256"] == digest
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    for site in pair.sites:
        assert site.metric("process_resident_bytes") < 150 << 20


def test_the_secondary_refuses_writes_and_names_the_primary(pair):
    west = pair.west.client()
    for write in (
        lambda: west.create_bucket(Bucket="refused"),
        lambda: west.put_object(Bucket="refused", Key="k", Body=b""),
        lambda: west.delete_object(Bucket="refused", Key="k"),
    ):
        with pytest.raises(ClientError) as refused:
            write()
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
        assert f"`{pair.east.name}`" in refused.value.response["Error"]["Message"]


def test_writes_go_on_while_the_secondary_is_away(any_pair):
    east = any_pair.east.client()
    east.create_bucket(Bucket="away")
    any_pair.west.stop()
    for n in range(50):
        east.put_object(Bucket="away", Key=f"{n}", Body=os.urandom(n * 3_000))
    assert any_pair.east.metric("history_depth_events") >= 50
    any_pair.west.start()
    until_same(east, any_pair.west.client(), "away")
    until(lambda: any_pair.east.metric("history_depth_events") == 0, "all is acknowledged")
