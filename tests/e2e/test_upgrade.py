"""The release before this one: its stores open here, and a site of it replicates with one of ours."""

import hashlib
import os

import pytest

from harness.same import shown, until_same
from harness.site import ROOT
from harness.until import until

BEFORE = ROOT / "target" / "releases" / "0.1.0" / "towline"
PART = 5 << 20


@pytest.fixture
def before():
    """The program of the release before."""
    assert BEFORE.exists(), "`tests/release 0.1.0` makes it"
    return BEFORE


def fill(client, bucket, count=20):
    """A bucket with objects of all kinds, overwritten and deleted ones among them."""
    client.create_bucket(Bucket=bucket)
    for number in range(count):
        body = os.urandom([10, 70_000, 2_500_000][number % 3])
        client.put_object(Bucket=bucket, Key=f"{number:02}", Body=body, Metadata={"n": str(number)})
    for number in range(0, count, 5):
        client.put_object(Bucket=bucket, Key=f"{number:02}", Body=b"again")
    for number in range(0, count, 7):
        client.delete_object(Bucket=bucket, Key=f"{number:02}")


def write_in_the_new_way(client, bucket):
    """What only this release can do: an upload in parts, and a copy."""
    client.create_bucket(Bucket=bucket)
    target = {"Bucket": bucket, "Key": "parts"}
    id = client.create_multipart_upload(**target)["UploadId"]
    body = os.urandom(PART) + b"the end"
    parts = []
    for number, piece in enumerate((body[:PART], body[PART:]), 1):
        answer = client.upload_part(**target, UploadId=id, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    upload = {"Parts": parts}
    client.complete_multipart_upload(**target, UploadId=id, MultipartUpload=upload)
    client.copy_object(Bucket=bucket, Key="copy", CopySource=target)
    return hashlib.sha256(body).hexdigest()


def counted(site, bucket):
    """Waits until what the release before stored is counted, and that is what stands."""
    listed = site.client().list_objects_v2(Bucket=bucket)["Contents"]
    until(lambda: site.api("GET", "/v1/usage")[0] == 200, f"{site.name} has counted")
    [told] = site.ask("usage", "--bucket", bucket)["buckets"]
    expected = (len(listed), len(listed), sum(entry["Size"] for entry in listed))
    assert (told["objects"], told["versions"], told["bytes"]) == expected


def same(pair, bucket):
    """Waits until both sites serve the same, all blocks included."""
    east, west = pair.east.client(), pair.west.client()
    for key in until_same(east, west, bucket):
        assert shown(west, bucket, key) == shown(east, bucket, key), key
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")


@pytest.mark.parametrize("mode", ["direct", "kafka"])
def test_a_store_of_the_release_before_opens_and_goes_on(make_pair, before, mode):
    pair = make_pair(mode)
    pair.east.release = pair.west.release = before
    pair.start()
    fill(pair.east.client(), "old")
    same(pair, "old")
    # The secondary first, and it replicates with the old primary meanwhile.
    for site in (pair.west, pair.east):
        assert site.stop() == 0
        site.release = None
        site.start()
        fill(pair.east.client(), f"after-{site.name}")
        same(pair, f"after-{site.name}")
    for site in pair.sites:
        counted(site, "old")
    digest = write_in_the_new_way(pair.east.client(), "new")
    same(pair, "new")
    same(pair, "old")
    assert shown(pair.west.client(), "new", "copy")["sha256"] == digest


def test_a_secondary_of_the_release_before_follows(make_pair, before):
    pair = make_pair()
    pair.west.release = before
    pair.start()
    fill(pair.east.client(), "old")
    digest = write_in_the_new_way(pair.east.client(), "new")
    user = pair.east.ask("user", "create", "alice", "--id", "alice")
    same(pair, "old")
    same(pair, "new")
    assert shown(pair.west.client(), "new", "parts")["sha256"] == digest
    # It takes in the user as well, and knows her after its upgrade.
    assert pair.west.stop() == 0
    pair.west.release = None
    pair.west.start()
    client = pair.west.client((user["key"]["access_key"], user["key"]["secret_key"]))
    until(lambda: client.list_buckets(), "her keys let her in there")


def test_tombstones_are_trimmed_once_every_site_can_read_that(make_pair, before):
    pair = make_pair()
    pair.east.set("history.window", "1s")
    pair.west.release = before
    pair.start()
    fill(pair.east.client(), "old")
    same(pair, "old")
    position = lambda point: pair.east.metric("position", point=point)
    written = position("written")
    until(lambda: position("trimmed") == written, "history is trimmed")
    assert position("written") == written, "nothing is logged that the secondary could not read"
    assert pair.west.stop() == 0
    pair.west.release = None
    pair.west.start()
    until(lambda: position("written") > written, "the tombstones are trimmed")
    until(lambda: position("trimmed") == position("written"), "and there is no more to say of it")
    same(pair, "old")
    assert pair.west.metric("alarms_total", kind="parked") == 0
